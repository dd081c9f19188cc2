"""The same rows, however they are cut over files, messages, batches and restarts."""

import contextlib
import json
import time

import numpy as np
import pytest
from feeds.arriving import REPORTS, report, write
from feeds.price_server import PriceServer, json_message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.contracts import TABLES
from streaming.errors import RunError, SettingsError
from streaming.feeds.inbox_feed import InboxFeed
from streaming.feeds.socket_feed import SocketFeed
from streaming.jobs.price_rows import table_of_rows
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.running import run_live
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings, load_settings
from streaming.store import StoreReader, TableStore

ROWS = 900
HEADER = "symbol,ts,open,high,low,price,volume"
# What says how rows came, and when.
HOW = {"source", "rowNumber", "calcTs", "offset", "row"}


@pytest.fixture(scope="module")
def lines(stream):
    """The stream as lines of a CSV, one in a few hundred of them broken."""
    rows = table_of_rows(stream.take(slice(0, ROWS))).select(HEADER.split(",")).to_pylist()
    found = [
        ",".join([row["ts"].strftime("%Y-%m-%dT%H:%MZ") if k == "ts" else str(row[k]) for k in row])
        for row in rows
    ]
    for at in (17, 333, 780):
        cells = found[at].split(",")
        found[at] = ",".join([*cells[:3], "1e-9", *cells[4:]])
    return found


def run(path, feed, strategies, stop_after=None):
    store = TableStore(path, holder="test", lease_seconds=0.0)
    try:
        service = LiveService(store, LivePlan(Settings(), strategies))
        ticks = 0
        with contextlib.closing(service.run(feed)) as running:
            for tick in running:
                if tick is None:
                    time.sleep(0.002)
                ticks += tick is not None
                if ticks == stop_after:
                    return True
        return False
    finally:
        store.close()


def contents(path):
    """Every table's rows in any order, the input's order apart: of latest tables what they hold."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        tables = {}
        for name, table in TABLES.items():
            if name == "watermark_history":
                continue
            rows = view.rows(table)
            kept = rows.select([one for one in rows.column_names if one not in HOW])
            tables[name] = sorted(map(repr, kept.to_pylist()))
        return tables


def positions(path):
    with StoreReader(path) as reader:
        return reader.positions()


def fill(root, lines, sizes, forms):
    (root / "bars").mkdir(parents=True)
    begin = 0
    for number, (size, form) in enumerate(zip(sizes, forms, strict=True)):
        write(root / "bars" / f"{number:03d}.x", lines[begin : begin + size], form, HEADER)
        begin += size
    assert begin == len(lines)


def messages(lines, sizes):
    made, begin = [], 0
    for number, size in enumerate(sizes, 1):
        made.append(json_message(lines[begin : begin + size], HEADER, position=number))
        begin += size
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory, lines, strategies):
    """What one file in one tick gives."""
    folder = tmp_path_factory.mktemp("whole")
    fill(folder / "in", lines, [ROWS], ["parquet"])
    run(folder / "live.db", InboxFeed(folder / "in", settle_seconds=0.0, follow=False), strategies)
    found = contents(folder / "live.db")
    assert len(found["price_1m_history"]) == ROWS - 3
    assert len(found["quarantine_history"]) == 3
    assert found["trade_match_history"]
    return found


def cuts(data, most):
    ends = data.draw(st.lists(st.integers(1, ROWS - 1), max_size=most, unique=True))
    return np.diff([0, *sorted(ends), ROWS]).tolist()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_files_batches_and_restarts_give_the_same_tables(
    data, tmp_path_factory, lines, strategies, whole
):
    folder = tmp_path_factory.mktemp("files")
    sizes = cuts(data, 8)
    forms = [data.draw(st.sampled_from(["csv", "jsonl", "parquet"])) for _ in sizes]
    fill(folder / "in", lines, sizes, forms)
    stopped = True
    while stopped:
        rows = data.draw(st.integers(60, 500))
        feed = InboxFeed(folder / "in", settle_seconds=0.0, follow=False, rows=rows)
        stopped = run(folder / "live.db", feed, strategies, data.draw(st.integers(2, 9)))
    assert contents(folder / "live.db") == whole
    assert positions(folder / "live.db")["inbox"].split()[:2] == [str(len(sizes)), "all"]


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_messages_deaths_and_restarts_give_the_same_tables(
    data, tmp_path_factory, lines, strategies, whole
):
    path = tmp_path_factory.mktemp("messages") / "live.db"
    sizes = cuts(data, 10)
    how = {
        "die_after": data.draw(st.sampled_from([None, 3])),
        "overlap": data.draw(st.integers(0, 2)),
    }
    with PriceServer(messages(lines, sizes), finish=True, **how) as server:
        last = 0
        while last < len(sizes):
            feed = SocketFeed(server.url, follow=False, backoff=(0.01, 0.05))
            run(path, feed, strategies, data.draw(st.integers(1, 6)))
            last = json.loads(positions(path)["socket"])["position"] if positions(path) else 0
    assert contents(path) == whole


def test_the_feed_is_what_the_settings_say(tmp_path, lines):
    fill(tmp_path / "data" / "live-inbox", lines[:200], [150, 50], ["csv", "jsonl"])
    (tmp_path / "data" / "live-inbox" / "bars" / "reading.toml").write_text('tz = "UTC"\n')
    given = {
        "TRADING__LIVE__FEED": "inbox",
        "TRADING__FEEDS__INBOX__SETTLESECONDS": "0",
        "TRADING__LIVE__STRATEGIES": "ema_cross",
    }
    held = load_settings(environ=given)
    report = run_live(held, tmp_path / "data", until_end=True, holder="test")
    # One is broken, and one waits for the next minute.
    assert report.bars == 198
    assert run_live(held, tmp_path / "data", until_end=True, holder="test").ticks == 0
    seen = []
    report = run_live(
        held,
        tmp_path / "data",
        until_end=False,
        holder="test",
        on_tick=seen.append,
        stop=lambda: len(seen) > 3,
    )
    assert (report.stopped, seen) == (True, [None] * 4)


def test_exec_reports_are_taken_beside_bars_and_a_bad_file_goes_aside(tmp_path, lines, strategies):
    fill(tmp_path / "in", lines[:60], [60], ["csv"])
    (tmp_path / "in" / "reports").mkdir()
    write(tmp_path / "in" / "reports" / "r.csv", [report(1), report(2)], "csv", REPORTS)
    (tmp_path / "in" / "bars" / "bad.csv").write_text("what,is\nthis,now\n")
    feed = InboxFeed(tmp_path / "in", settle_seconds=0.0, follow=False)
    run(tmp_path / "live.db", feed, strategies)
    with StoreReader(tmp_path / "live.db") as reader:
        refused = reader.rows(TABLES["quarantine_history"]).to_pylist()
        (alert,) = reader.rows(TABLES["risk_alerts_history"]).to_pylist()
        told = reader.rows(TABLES["exec_report_history"]).to_pylist()
    assert [(row["accountId"], row["fillId"]) for row in told] == [("acct", "1"), ("acct", "2")]
    found = [(row["tableName"], row["source"], row["rowNumber"]) for row in refused]
    assert ("price_1m_history", "bad.csv", 0) in found
    assert "exec_report_history" not in {name for name, *_ in found}
    assert (alert["accountId"], alert["code"]) == ("live", "FEED_FILE_REFUSED")


def test_a_feed_without_its_setting_or_bars_is_told(tmp_path):
    held = load_settings(environ={"TRADING__LIVE__FEED": "socket"})
    with pytest.raises(SettingsError, match=r"feeds\.socket\.url"):
        run_live(held, tmp_path, until_end=True, holder="test")
    with pytest.raises(RunError, match="has no prices"):
        run_live(load_settings(environ={}), tmp_path, until_end=True, holder="test")
