"""Lateness and memory of fills, as the live engine has them of real files and a real server."""

from decimal import Decimal

import pytest
from feeds.arriving import write
from feeds.price_server import PriceServer, json_message
from runtimes.markets import START

from streaming.contracts import TABLES
from streaming.feeds.inbox_feed import InboxFeed
from streaming.runtimes.live.running import run_live
from streaming.settings import load_settings
from streaming.store import StoreReader

from .fills import FILLS, fill
from .test_recorded import everything, play
from .timed import SECOND

DAY = 86_400


def live_engine(folder, kind, parts, **given):
    """Run the engine as the settings have it, once for each part of the lines that come."""
    words = {"live__strategies": "ema_cross", "live__metricsport": "0", "live__feed": kind} | given
    environ = {f"TRADING__{name.upper()}": str(value) for name, value in words.items()}
    messages = [
        json_message(lines, FILLS, position=number, table="exec_report_history")
        for number, lines in enumerate(parts, 1)
    ]
    if kind == "inbox":
        environ["TRADING__FEEDS__INBOX__SETTLESECONDS"] = "0"
        (folder / "live-inbox" / "reports").mkdir(parents=True)
        for number, lines in enumerate(parts):
            write(folder / "live-inbox" / "reports" / f"{number}.csv", lines, "csv", FILLS)
            run_live(load_settings(environ=environ), folder, until_end=True, holder="test")
        return tables(folder / "store" / "live.db")
    with PriceServer(finish=True) as server:
        environ["TRADING__FEEDS__SOCKET__URL"] = server.url
        for message in messages:
            server.messages.append(message)
            run_live(load_settings(environ=environ), folder, until_end=True, holder="test")
    return tables(folder / "store" / "live.db")


def tables(path):
    with StoreReader(path) as reader:
        return {name: reader.rows(table).to_pylist() for name, table in TABLES.items()}


def codes(found):
    return [row["code"] for row in found["risk_alerts_history"] if row["code"] != "UNKNOWN_ORDER"]


@pytest.mark.parametrize("kind", ["inbox", "socket"])
@pytest.mark.parametrize(("seconds", "alerts", "price"), [(5, ["LATE_FILL"], 20), (15, [], 10)])
def test_lateness_of_the_engine(tmp_path, kind, seconds, alerts, price):
    """Within it fills count in order of time; one that comes later counts as it comes."""
    parts = [
        [
            fill("desk", "b", 1, 106, price="20", said="s"),
            fill("desk", "c", 1, 112, price="30", said="s"),
        ],
        [
            fill("desk", "a", 1, 100, price="10", said="s"),
            fill("desk", "d", 1, 130, side="SELL", price="40", said="s"),
            fill("desk", "e", 1, 200, said="s"),
        ],
    ]
    found = live_engine(tmp_path, kind, parts, wm__engine__latenesssec=seconds)
    (match,) = found["trade_match_history"]
    assert (match["buyPrice"], codes(found)) == (price, alerts)
    assert len(found["exec_report_history"]) == 5


@pytest.mark.parametrize("kind", ["inbox", "socket"])
@pytest.mark.parametrize(("days", "held", "alerts"), [(7, 1, []), (1, 2, ["LATE_FILL"])])
def test_days_for_which_fills_are_remembered(tmp_path, kind, days, held, alerts):
    """A fill that comes again within them is dropped; after them nobody knows it any more."""
    first = fill("desk", "a", 1, 100, said="s")
    parts = [
        [first, fill("desk", "b", 1, 100 + 3 * DAY, side="SELL", qty="0.25", said="other")],
        [first, fill("desk", "b", 2, 200 + 3 * DAY, side="SELL", qty="0.25", said="other")],
    ]
    found = live_engine(tmp_path, kind, parts, dedupe__ttldays=days)
    (row,) = [one for one in found["open_positions_rollup"] if one["strategyId"] == "s"]
    assert row["netQty"] == Decimal(held)
    assert codes(found) == alerts
    # A repetition is a row of the history all the same.
    assert len(found["exec_report_history"]) == 4


class CutOff(InboxFeed):
    connected = False


@pytest.mark.parametrize(
    ("feed", "seconds", "applied"), [(InboxFeed, 4, 1), (InboxFeed, 7, 2), (CutOff, 30, 1)]
)
def test_the_newest_fills_apply_when_nothing_has_come_for_the_lateness(
    tmp_path, live, strategies, warm_up, feed, seconds, applied
):
    """By the clock; not before, and not of a feed that may have missed some."""
    root = tmp_path / "in"
    (root / "reports").mkdir(parents=True)
    made = [fill("desk", "a", 1, 100, said="s"), fill("desk", "b", 1, 110, said="t")]
    write(root / "reports" / "a.csv", made, "csv", FILLS)
    begin = START + 200 * SECOND
    path, _ = live(
        lambda clock: [feed(root, settle_seconds=0.0)], begin + seconds * SECOND, begin=begin
    )
    found = tables(path)
    assert len(found["open_positions_rollup"]) == applied
    advances = [
        row["completeTo"].timestamp() * SECOND
        for row in found["watermark_history"]
        if row["tableName"] == "exec_report_history" and not row["rows"]
    ]
    assert advances == [START + 110 * SECOND] * (applied - 1)
    play(path, tmp_path / "again.db", strategies, warm_up)
    left, right = everything(path), everything(tmp_path / "again.db")
    for name, table in left.items():
        assert table.equals(right[name]), name


def test_a_fill_from_before_the_clocks_advance_is_late(tmp_path, live):
    root = tmp_path / "in"
    (root / "reports").mkdir(parents=True)
    write(root / "reports" / "a.csv", [fill("desk", "a", 1, 100, said="s")], "csv", FILLS)
    begin = START + 200 * SECOND

    def late(clock):
        if clock.now > begin + 8 * SECOND and not (root / "reports" / "b.csv").exists():
            lines = [fill("desk", f"b{at}", 1, at, said="s") for at in (99, 100)]
            write(root / "reports" / "b.csv", lines, "csv", FILLS)

    path, _ = live(
        lambda clock: [InboxFeed(root, settle_seconds=0.0)],
        begin + 20 * SECOND,
        begin=begin,
        watch=late,
    )
    found = tables(path)
    assert codes(found) == ["LATE_FILL"] * 2
    assert len(found["open_positions_lots"]) == 3
