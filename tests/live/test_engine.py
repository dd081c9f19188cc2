"""The engine's law: results do not depend on the ticks, and are the backtest's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtimes.markets import lake_of

from streaming.jobs.price_rows import PriceRows
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.settings import Settings, load_settings

from .conftest import NOW, arrival, by_row, histories, latest, nothing_held, ticks

MAPPED = ["accountId", "runId", "matchId", "buyOrderId", "sellOrderId"]
ORDER = ("strategyId", "symbol", "matchTimestamp", "openTs", "matchedQty")


def in_order(rows, names=ORDER):
    return rows.sort_by([(name, "ascending") for name in names])


def changed(rows, **columns):
    """The same rows, some columns of them others."""
    return PriceRows(*(columns.get(name, getattr(rows, name)) for name in rows._fields))


@pytest.fixture(scope="module")
def whole(strategies, stream):
    """What one tick over everything gives."""
    made = list(ticks(LiveEngine(LivePlan(Settings(), strategies)), stream, [len(stream)]))
    return by_row(histories(made)), latest(made)


def test_matches_are_the_backtests(tmp_path, market, strategies, engine, stream):
    lake = lake_of(tmp_path / "lake", market)
    run = run_backtest(lake, BacktestRequest(Settings(), strategies, layout="shared"))
    made = histories(ticks(engine, stream, np.linspace(0, len(stream), 20).astype(int)))
    wanted = run.matches()
    assert wanted.num_rows > 50
    found = made["trade_match_history"]
    assert in_order(found.drop(MAPPED)).equals(in_order(wanted.drop(MAPPED)))


@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_any_cut_gives_the_same_tables(data, strategies, stream, whole):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12, unique=True))
    engine = LiveEngine(LivePlan(Settings(), strategies))
    made = list(ticks(engine, stream, [*sorted(cuts), len(stream)]))
    assert by_row(histories(made)) == whole[0]
    assert latest(made) == whole[1]


def test_every_minute_by_itself_gives_the_same_tables(strategies, stream):
    part = stream.take(slice(0, 300))
    ends = np.flatnonzero(np.diff(part.ts)) + 1
    engine = LiveEngine(LivePlan(Settings(), strategies))
    once = LiveEngine(LivePlan(Settings(), strategies))
    made, wanted = (
        list(ticks(engine, part, [*ends, len(part)])),
        list(ticks(once, part, [len(part)])),
    )
    assert by_row(histories(made)) == by_row(histories(wanted))
    assert latest(made) == latest(wanted)


def test_without_a_word_of_the_feed_the_lateness_decides(engine, stream):
    part = stream.take(slice(0, 400))
    (tick,) = ticks(engine, part, [len(part)], declared=False)
    assert tick.complete_to == part.ts[-1] - 5_000_000 - 1
    assert tick.bars == np.count_nonzero(part.ts < part.ts[-1] - 5_000_000)


def test_bars_out_of_order_within_the_lateness_change_nothing(strategies, stream, whole):
    minutes = np.searchsorted(np.unique(stream.ts), stream.ts)
    shuffled = np.lexsort((np.random.default_rng(1).random(len(stream)), minutes))
    engine = LiveEngine(LivePlan(Settings(), strategies))
    made = list(ticks(engine, stream.take(shuffled), [len(stream)]))
    tables = by_row(histories(made))
    assert tables.pop("price_1m_history") == whole[0]["price_1m_history"]
    assert tables == {name: rows for name, rows in whole[0].items() if name in tables}


def test_bad_doubled_and_late_bars_leave_the_rest_as_it_is(strategies, stream, whole):
    engine = LiveEngine(LivePlan(Settings(), strategies))
    half = int(np.searchsorted(stream.ts, stream.ts[len(stream) // 2]))
    late_row = stream.take(slice(half - 900, half - 899))
    kept = np.delete(np.arange(len(stream)), half - 900)
    first, rest = stream.take(kept[kept < half]), stream.take(kept[kept >= half])
    broken = changed(rest.take(slice(5, 6)), high=np.array([1]))
    held = first.take(slice(3, 4))
    made = list(ticks(engine, first, [len(first)]))
    tick = Tick()
    engine.receive(tick, "feed", arrival(broken), NOW, nothing_held)
    engine.receive(tick, "feed", arrival(held), NOW, lambda rows: held)
    other = changed(held, price=held.price + 1, high=held.high + 1)
    engine.receive(tick, "feed", arrival(other), NOW, lambda rows: held)
    engine.receive(tick, "feed", arrival(late_row), NOW, nothing_held)
    assert (tick.quarantined, tick.duplicates, len(tick.late_bars)) == (2, 1, 1)
    made = [*made, tick, *ticks(engine, rest, [len(rest)])]
    tables = histories(made)
    assert tables["price_1m_history"].num_rows == len(stream)
    (alert,) = tables["risk_alerts_history"].to_pylist()
    assert alert["code"] == "LATE_BAR"
    assert late_row.symbols[int(late_row.symbol[0])] in alert["message"]
    reasons = tables["quarantine_history"].column("reason").to_pylist()
    assert "high" in reasons[0]
    assert "another bar" in reasons[1]
    without = LiveEngine(LivePlan(Settings(), strategies))
    clean = histories(ticks(without, stream.take(kept), [len(kept)]))
    assert by_row(tables)["trade_match_history"] == by_row(clean)["trade_match_history"]


def test_the_paper_account_knows_no_cap_and_full_weight(engine, stream):
    made = histories(ticks(engine, stream, [len(stream)]))
    accepted = made["accepted_trade_signal_history"].to_pandas()
    weights = accepted.groupby("accountId")["weight"].unique()
    assert weights["paper:live"].tolist() == [1.0]
    assert np.allclose(weights["live"], 1 / 3)
    rejected = made["rejected_trade_signal_history"].to_pandas()
    codes = rejected.groupby("accountId")["code"].unique()
    assert "OPEN_LIMIT_EXCEEDED" in codes["live"]
    assert set(codes["paper:live"]) == {"NO_OPEN_POSITION"}
    paper = made["paper_trade_match_history"].to_pandas()
    assert set(paper["runTag"]) == {"PAPER_LIVE"}
    assert set(paper["accountId"]) == {"paper:live"}
    assert len(paper) > len(made["trade_match_history"])


def test_matches_only_writes_no_latest_positions(strategies, stream):
    held = load_settings(environ={"TRADING__ENGINE__OUTPUTS": "matches-only"})
    engine = LiveEngine(LivePlan(held, strategies))
    made = list(ticks(engine, stream, [len(stream)]))
    assert set(latest(made)) == {"indicator_latest", "strategy_signal_latest"}
    assert histories(made)["trade_match_history"].num_rows


def test_unrealised_rows_follow_the_rollup(strategies, stream):
    held = load_settings(environ={"TRADING__MONITORING__EXPORT": "both"})
    engine = LiveEngine(LivePlan(held, strategies))
    made = list(ticks(engine, stream, np.linspace(0, len(stream), 30).astype(int)))
    tables = latest(made)
    assert set(tables["unrealized_pnl_latest"]) == set(tables["open_positions_rollup"])
    for key, row in tables["unrealized_pnl_latest"].items():
        rollup = tables["open_positions_rollup"][key]
        wanted = (row["currentPrice"] - rollup["avgPrice"]) * rollup["netQty"]
        assert abs(row["unrealizedPnl"] - wanted) < 1e-8
