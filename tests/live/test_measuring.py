"""What is scraped from a running engine is what its tables hold, tick by tick, over restarts."""

import logging
import socket
from itertools import pairwise

import pyarrow.compute as pc
import pytest
from monitoring.scraping import scrape
from runtimes.markets import day_market, lake_of

from streaming.contracts import TABLES
from streaming.jobs.trading_engine import Counts
from streaming.monitoring.endpoint import Board, Endpoint
from streaming.runtimes.live import measuring
from streaming.runtimes.live.engine import Tick
from streaming.runtimes.live.running import run_live, store_path
from streaming.settings import Live, Monitoring, Settings
from streaming.store import StoreReader

from .conftest import NAMES
from .fills import FILLS, fill

READ = (
    "unrealized_pnl_latest",
    "realized_pnl_latest",
    "open_positions_rollup",
    "accepted_trade_signal_history",
    "rejected_trade_signal_history",
    "trade_match_history",
    "paper_trade_match_history",
    "quarantine_history",
)


@pytest.fixture
def port():
    """A port that is free."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def folder(tmp_path):
    lake_of(tmp_path / "lake", day_market(3, 360))
    return tmp_path


def settings_of(port, *, export="both", **live):
    chosen = {"strategies": ",".join(NAMES), "metrics_port": port, "speed": "10000000", **live}
    return Settings(live=Live(**chosen), monitoring=Monitoring(export=export))


def sums(rows, columns, *, by=("accountId", "strategyId")):
    """Sums of columns, or the number of rows where none is named, by key."""
    found = {}
    for row in rows.to_pylist():
        key = tuple(row[name] for name in by)
        found[key] = found.get(key, 0) + (sum(float(row[one]) for one in columns) or 1)
    return found


def wanted_of(store):
    """The figures as the tables have them."""
    with StoreReader(store) as reader, reader.snapshot() as view:
        rows = {name: view.rows(TABLES[name]) for name in READ}
    marked = rows["unrealized_pnl_latest"]
    value = pc.multiply(
        marked["currentPrice"].cast("float64"), marked["netQty"].cast("float64")
    ).to_pylist()
    owners = list(
        zip(marked["accountId"].to_pylist(), marked["strategyId"].to_pylist(), strict=True)
    )
    exposure = dict.fromkeys(owners, 0.0)
    for owner, one in zip(owners, value, strict=True):
        exposure[owner] += one
    matched = rows["realized_pnl_latest"]
    accepted = sums(rows["accepted_trade_signal_history"], (), by=("accountId",))
    matches = [rows[name].num_rows for name in ("trade_match_history", "paper_trade_match_history")]
    return {
        "te_open_positions_count": sums(rows["open_positions_rollup"], ()),
        "te_net_exposure": exposure,
        "te_unrealized_pnl_total": totals(marked, "unrealizedPnl"),
        "te_realized_pnl_total": totals(matched, "realizedPnl"),
        "te_fees_total": totals(matched, "fees"),
        "tp_signals_accepted_total": {(*key, "OK"): count for key, count in accepted.items()},
        "tp_signals_rejected_total": sums(rows["rejected_trade_signal_history"], (), by=("code",)),
        "engine_matches_emitted_total": {(): sum(matches)},
        "engine_quarantined_rows_total": {(): rows["quarantine_history"].num_rows},
    }, set(rows["open_positions_rollup"]["symbol"].to_pylist())


def totals(rows, column):
    found = {}
    for row in rows.to_pylist():
        key = (row["accountId"], row["strategyId"])
        found[key] = found.get(key, 0.0) + float(row[column])
    return found


def agree(values, store):
    """What was scraped is what the tables hold; give the symbols with a position."""
    wanted, held = wanted_of(store)
    for name, figures in wanted.items():
        assert values.get(name, {}) == pytest.approx(figures, abs=1e-6), name
    assert set(values.get("te_rollup_staleness_seconds", {})) == {(name,) for name in held}
    return held


def test_every_tick_is_told_and_restarts_do_not_show(folder, port):
    store = store_path(Settings(), folder)
    seen, ticks = [], 0
    for _ in range(4):
        first = True

        def on_tick(tick):
            nonlocal first, ticks
            ticks += tick is not None
            # At a start the figures are there before anything is decided.
            if (tick is not None and ticks % 9 == 0) or (first and seen):
                values, _ = scrape(port)
                seen.append((values, agree(values, store)))
            first = False

        begun = ticks
        run_live(
            settings_of(port),
            folder,
            until_end=True,
            holder="test",
            on_tick=on_tick,
            stop=lambda begun=begun: ticks - begun == 90,
        )
    held = [symbols for _, symbols in seen]
    assert len(seen) > 30
    # Positions were opened and closed, and owners came and went with them.
    assert any(before - after for before, after in pairwise(held))
    owners = [set(values.get("te_net_exposure", {})) for values, _ in seen]
    assert any(before - after for before, after in pairwise(owners))
    for name in ("tp_signals_accepted_total", "tp_signals_rejected_total"):
        totals = [sum(values.get(name, {}).values()) for values, _ in seen]
        assert totals == sorted(totals)
        assert totals[-1] > totals[0]


def test_late_and_doubled_bars_and_fills_are_counted():
    """A tally is of the ticks, whatever came of them; it is stored and comes back."""
    late = [("ANT", 1), ("BAT", 2)]
    tick = Tick(duplicates=3, late_bars=late, fills=Counts(late=4, duplicates=5))
    one = measuring.tally_of(tick)
    both = measuring.tally_from(measuring.tally_bytes(one)) + one
    assert both.late == {"bar": 4, "fill": 8}
    assert both.duplicates == {"bar": 6, "fill": 10}
    assert measuring.tally_from(None) + one == one


def scraped(folder, settings, port, ticks):
    """What is scraped after each of the first ticks."""
    seen = []

    def on_tick(tick):
        if tick is not None:
            seen.append(scrape(port)[0])

    run_live(
        settings,
        folder,
        until_end=True,
        holder="test",
        on_tick=on_tick,
        stop=lambda: len(seen) == ticks,
    )
    return seen


def test_the_largest_positions_come_first_and_no_more_than_asked_for(folder, port):
    seen = scraped(folder, settings_of(port, top_symbols=1), port, 120)
    for values in seen:
        (delayed,) = values["prices_bar_delay_seconds"]
        assert set(values.get("te_rollup_staleness_seconds", {})) <= {delayed}
    assert len({name for values in seen for name in values["prices_bar_delay_seconds"]}) > 1
    assert any("te_rollup_staleness_seconds" in values for values in seen)


def test_unrealised_pnl_is_no_gauge_where_it_goes_to_the_table_alone(folder, port):
    seen = scraped(folder, settings_of(port, export="fluss"), port, 120)
    assert not any("te_unrealized_pnl_total" in values for values in seen)
    assert any("te_net_exposure" in values for values in seen)


def test_a_port_that_is_taken_holds_nothing_up_and_is_served_when_it_is_free(
    folder, port, caplog, monkeypatch
):
    monkeypatch.setattr(measuring, "_TRY_AGAIN_SECONDS", 0.0)
    other = Endpoint(Board(lambda: None), port)
    ticks = 0
    served = []

    def on_tick(tick):
        nonlocal ticks
        ticks += tick is not None
        if ticks == 5 and tick is not None:
            other.close()
        if ticks == 10:
            served.append(scrape(port)[0])

    with caplog.at_level(logging.WARNING):
        report = run_live(
            settings_of(port),
            folder,
            until_end=True,
            holder="test",
            on_tick=on_tick,
            stop=lambda: ticks == 10,
        )
    assert report.ticks == 10
    (record,) = caplog.records
    assert f"127.0.0.1:{port}/metrics cannot be served" in record.getMessage()
    assert served[0]["engine_checkpoint_duration_seconds_count"] == {(): 10}


def test_accounts_whose_fills_brokers_report_are_told_like_others(folder, port):
    """The exchange's, and one elsewhere whose fills a feed brings."""
    store = store_path(Settings(), folder)
    (folder / "live-inbox" / "reports").mkdir(parents=True)
    lines = [
        fill("desk", order, 1, at, side=side, qty=qty, said="s")
        for at, (order, side, qty) in enumerate([("a", "BUY", "3"), ("b", "SELL", "1")])
    ]
    lines.append(fill("desk", "c", 1, 60, said="t"))
    path = folder / "live-inbox" / "reports" / "r.csv"
    path.write_text("\n".join([FILLS, *lines]))
    replayed, inbox = (
        settings_of(port, broker="exchange", feed=one) for one in ("replay", "inbox")
    )
    told, ticks = [], 0

    def on_tick(tick):
        nonlocal ticks
        ticks += tick is not None
        if tick is not None and (ticks % 20 == 0 or tick.fills.read == len(lines)):
            values, _ = scrape(port)
            told.append((values, agree(values, store)))

    for settings in (replayed, inbox):
        run_live(settings, folder, until_end=True, holder="test", on_tick=on_tick)
    _, held = told[-1]
    assert "ANT" in held
    for name in ("te_realized_pnl_total", "te_net_exposure", "te_open_positions_count"):
        accounts = {account for values, _ in told for account, _ in values.get(name, {})}
        assert accounts == {"live", "desk", "paper:live"}, name
