"""`wm.monitor.latenessSec`: at which bar, and when, open positions are marked in their table."""

import pytest
from feeds.arriving import write
from feeds.price_server import PriceServer, json_message

from streaming.contracts import UNREALIZED_PNL_LATEST
from streaming.jobs.price_rows import table_of_rows
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.recorded import play_recorded
from streaming.runtimes.live.running import run_live
from streaming.runtimes.live.service import LiveService
from streaming.settings import load_settings
from streaming.store import TableStore

from .fills import FILLS, fill
from .test_feeds import HEADER
from .test_fill_settings import tables
from .test_recorded import everything
from .timed import SECOND, HandClock, Timed, came


def held(**given):
    words = {
        "live__strategies": "ema_cross",
        "live__metricsport": "0",
        "monitoring__export": "both",
    }
    environ = {f"TRADING__{name.upper()}": str(value) for name, value in (words | given).items()}
    return load_settings(environ=environ)


def csv_lines(rows):
    names = HEADER.split(",")
    return [
        ",".join(
            f"{row[name]:%Y-%m-%dT%H:%MZ}" if name == "ts" else str(row[name]) for name in names
        )
        for row in table_of_rows(rows).select(names).to_pylist()
    ]


@pytest.mark.parametrize("kind", ["inbox", "socket"])
@pytest.mark.parametrize(("seconds", "behind"), [(2, 1), (70, 2), (600, 2)])
def test_marks_follow_the_newest_bars_by_the_lateness(tmp_path, stream, kind, seconds, behind):
    """Bars wait 90 s for the engine here: the last two minutes are not decided."""
    rows = stream.take(slice(0, 200))
    symbol = rows.symbols[rows.symbol[0]]
    bought = [fill("desk", "a", 1, 0, said="s").replace("ANT", symbol)]
    bought += [fill("desk", "b", 1, 60, said="t").replace("ANT", symbol)]
    given = {"live__feed": kind, "wm__prices__latenesssec": 90, "wm__monitor__latenesssec": seconds}
    if kind == "inbox":
        for name in ("bars", "reports"):
            (tmp_path / "live-inbox" / name).mkdir(parents=True)
        write(tmp_path / "live-inbox" / "bars" / "b.csv", csv_lines(rows), "csv", HEADER)
        write(tmp_path / "live-inbox" / "reports" / "r.csv", bought, "csv", FILLS)
        settings = held(**given, feeds__inbox__settleseconds=0)
        run_live(settings, tmp_path, until_end=True, holder="test")
    else:
        said = [
            json_message(bought, FILLS, position=1, table="exec_report_history"),
            json_message(csv_lines(rows), HEADER, position=2),
        ]
        with PriceServer(said, finish=True) as server:
            settings = held(**given, feeds__socket__url=server.url)
            run_live(settings, tmp_path, until_end=True, holder="test")
    mine = sorted({ts for ts, at in zip(rows.ts.tolist(), rows.symbol.tolist(), strict=True)
                   if at == rows.symbol[0]})  # fmt: skip
    last = int(rows.ts.max())
    (row,) = [
        one for one in tables(tmp_path / "store" / "live.db")["unrealized_pnl_latest"]
        if one["accountId"] == "desk"
    ]  # fmt: skip
    usable = [ts for ts in mine if ts < last - min(seconds, 90) * SECOND]
    assert last - usable[-1] >= behind * MINUTE_US
    assert row["ts"].timestamp() * SECOND == usable[-1]


def run(path, strategies, warm_up, rows, settings):
    """Live on a clock set by hand: gives how long after each close it first stood in the table."""
    clock = HandClock(int(rows.ts[0]) - 20 * SECOND)
    store = TableStore(path, holder="test", lease_seconds=0.0)
    store.heartbeat = lambda: None
    plan = LivePlan(settings, strategies)
    service = LiveService(store, plan, warm_up=warm_up, clock=clock, sleep=clock.sleep)
    marked = {}
    for tick in service.run(Timed(clock, "a", rows, came(rows)), until_end=False):
        for change in tick.changes if tick else []:
            if change.table is UNREALIZED_PNL_LATEST and change.kind == "upsert":
                for ts in change.rows.column("ts").to_pylist():
                    marked.setdefault(int(ts.timestamp()) * SECOND, clock.now)
        if clock.now >= int(rows.ts[-1]) + 10 * SECOND:
            break
    service.close()
    store.close()
    return {ts: at - ts for ts, at in marked.items()}


def openings(found):
    """Times at which positions were opened: their first marks wait for the fills to be decided."""
    tables = ("trade_match_history", "paper_trade_match_history")
    rows = [row["openTs"] for name in tables for row in found[name].to_pylist()]
    rows += [row["tsOpen"] for row in found["open_positions_lots"].to_pylist()]
    return {int(one.timestamp()) * SECOND for one in rows}


def test_positions_are_marked_within_it_of_the_close_and_nothing_else_changes(
    tmp_path, strategies, warm_up, rows
):
    delays, left = {}, {}
    for seconds in (2, 5, 30):
        settings = held(wm__monitor__latenesssec=seconds)
        path = tmp_path / f"{seconds}.db"
        delays[seconds] = run(path, strategies, warm_up, rows, settings)
        with TableStore(tmp_path / f"{seconds}-again.db", holder="test") as store:
            plan = LivePlan(settings, strategies)
            assert list(play_recorded(path, store, plan, warm_up=warm_up))
        left[seconds], again = everything(path), everything(tmp_path / f"{seconds}-again.db")
        for name, table in left[seconds].items():
            assert table.equals(again[name]), name
    early = {ts: delay for ts, delay in delays[2].items() if ts not in openings(left[2])}
    assert len(early) > 10
    assert max(early.values()) <= 2 * SECOND < 3.5 * SECOND < min(delays[5].values())
    # What is decided is complete, whatever the monitoring would wait for.
    assert max(delays[30].values()) <= 5 * SECOND
    for name in ("trade_match_history", "accepted_trade_signal_history", "open_positions_lots"):
        assert left[2][name].num_rows
        assert left[2][name].equals(left[5][name]), name
        assert left[2][name].equals(left[30][name]), name
