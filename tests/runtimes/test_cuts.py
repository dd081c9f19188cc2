"""The cut law for whole backtests: windows, resumed, give the rows of one run over all of them."""

import os
from decimal import Decimal
from random import Random

import pytest

from streaming.jobs import symbol_stage
from streaming.lake import Lake
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.backtest import slices
from streaming.runtimes.runs import Run

from .composed import micros
from .markets import (
    HISTORY,
    by_strategy,
    files,
    forget_runs,
    joined,
    lake_of,
    month_market,
    run,
    settings_of,
    single,
    states,
    until,
    us,
)

# Anchored on M1, M5 and H1, looking at H4 and D1; recursive and windowed features.
STRATEGIES = (
    "ema_cross,roc_momentum,vwap_reversion,previous_day_breakout,four_hour_breakout,"
    "hour_trend_pullback,day_trend_entry,macd_cross"
)
SHORTS = settings_of(
    gate={"sell_requires_long": False, "reservation_ttl_ms": 120_000, "max_open_positions": 2},
    limits={"per_symbol": "0.4", "gross": "1.3"},
)
COUNTS = ("matches", "trades", "fills", "cancelled", "openLimitBreached")
MONTHS = [us("2024-02-01"), us("2024-03-01")]
WEEKEND = us("2024-02-03T12:00")


@pytest.fixture(scope="module")
def market():
    return month_market(1)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("cuts"), market)


@pytest.fixture(scope="module")
def whole(lake):
    """Runs over everything, made when first asked for."""
    made: dict[str, Run] = {}

    def of(layout: str) -> Run:
        if layout not in made:
            made[layout] = run(lake, STRATEGIES, layout=layout, settings=SHORTS)
        return made[layout]

    return of


def windows(lake: Lake, ends: list[int], **given) -> list[Run]:
    """Consecutive runs, each resuming the one before, up to each end and then to the last bar."""
    made: list[Run] = []
    for end in [*ends, None]:
        resume = made[-1].id if made else None
        made.append(run(lake, STRATEGIES, end=end, resume=resume, **given))
    return made


def assert_continuous(made: list[Run], one: Run) -> None:
    """The runs together are the one: rows, what is left open, state and counts."""
    for table in HISTORY:
        assert joined(made, table) == joined([one], table), table
    assert single(made[-1], "open_positions_lots") == single(one, "open_positions_lots")
    assert states(made[-1]) == states(one)
    for strategy, figures in one.facts["figures"].items():
        mine = [other.facts["figures"][strategy] for other in made]
        for count in COUNTS:
            assert sum(part[count] for part in mine) == figures[count], (strategy, count)
        for amount in ("netPnl", "fees"):
            added = sum(Decimal(part[amount]) for part in mine)
            assert added == Decimal(figures[amount]), (strategy, amount)
        for code, total in figures["signals"].items():
            assert sum(part["signals"][code] for part in mine) == total, (strategy, code)


def interesting_times(found: Run) -> list[int]:
    """Moments of signals, fills and cancellations, and just around them."""
    times = set()
    for table, column in (
        ("strategy_signal_history", "signalTs"),
        ("exec_report_history", "ts"),
        ("order_event_history", "ts"),
    ):
        for rows in by_strategy(found, table).values():
            times |= {micros(row[column]) for row in rows}
    shifts = (-1, 0, 1, 30_000_000)
    last = micros(max(r["signalTs"] for r in _signals(found)))
    return sorted({ts + shift for ts in times for shift in shifts if ts + shift < last})


def _signals(found: Run) -> list[dict]:
    return [row for rows in by_strategy(found, "strategy_signal_history").values() for row in rows]


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_month_by_month_is_all_at_once(lake, whole, layout):
    made = windows(lake, MONTHS, layout=layout, settings=SHORTS)
    assert_continuous(made, whole(layout))
    traded = [sum(one["fills"] for one in part.facts["figures"].values()) for part in made]
    assert min(traded) > 30
    assert [part.facts["window"]["start"] for part in made[1:]] == [
        "2024-02-01T00:00:00Z",
        "2024-03-01T00:00:00Z",
    ]


def test_months_asked_for_by_their_bounds_are_all_at_once(lake, whole):
    """As partitions ask: each names its start, which is where the one before ended."""
    given = {"layout": "shared", "settings": SHORTS}
    made: list[Run] = []
    for start, end in ((None, MONTHS[0]), (MONTHS[0], MONTHS[1]), (MONTHS[1], us("2024-04-01"))):
        resume = made[-1].id if made else None
        made.append(run(lake, STRATEGIES, start=start, end=end, resume=resume, **given))
    for table in HISTORY:
        assert joined(made, table) == joined([whole("shared")], table), table
    # A month's rows are in that month's files alone.
    for one, month in zip(made, ("2024-01", "2024-02", "2024-03"), strict=True):
        assert {key[0] for table in HISTORY for key in joined([one], table)} == {month}


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
@pytest.mark.parametrize("seed", range(3))
def test_windows_cut_anywhere_are_all_at_once(lake, whole, layout, seed):
    rng = Random(seed)
    times = interesting_times(whole(layout))
    ends = sorted(rng.sample(times, 2))
    if seed == 0:
        # Two ends within one order's life, and a window in which nothing trades.
        ends = [ends[0], ends[0] + 1_000_001, WEEKEND, WEEKEND + 60 * MINUTE_US]
        ends = sorted(set(ends))
    assert_continuous(windows(lake, ends, layout=layout, settings=SHORTS), whole(layout))


def test_a_cut_between_an_order_and_its_fill_or_its_end(lake, whole):
    """Where orders are open at the cut, they live on; where they end, they end once."""
    one = whole("shared")
    reports = {
        row["orderId"]: micros(row["ts"])
        for rows in by_strategy(one, "exec_report_history").values()
        for row in rows
    }
    ended = {}
    sent = {}
    for rows in by_strategy(one, "order_event_history").values():
        for row in rows:
            if row["event"] == "CANCELLED":
                ended[row["orderId"]] = micros(row["ts"])
            if row["event"] == "SENT":
                sent[row["orderId"]] = micros(row["ts"])
    slow = [o for o, ts in reports.items() if ts - sent[o] > 60 * MINUTE_US]
    assert slow, "no SELL waited over a gap"
    assert ended, "no BUY was cancelled"
    filled = slow[len(slow) // 2]
    cancelled = sorted(ended)[len(ended) // 2]
    for ends in (
        [sent[filled], sent[filled] + 10 * MINUTE_US, reports[filled] - 1, reports[filled]],
        [sent[cancelled], ended[cancelled] - 1, ended[cancelled], ended[cancelled] + 1],
    ):
        made = windows(lake, ends, layout="shared", settings=SHORTS)
        assert_continuous(made, one)


@pytest.mark.parametrize("known", ["to its last bar", "beyond its last bar"])
def test_a_lake_that_grows_between_the_windows(market, tmp_path, whole, lake, known):
    """What was not there yet when a window ended is the next one's."""
    cuts = [us("2024-02-08T08:40"), us("2024-02-20T12:00"), us("2024-03-02T23:59")]
    made: list[Run] = []
    for cut in [*cuts, None]:
        bars = market if cut is None else until(market, cut)
        grown = lake_of(tmp_path, bars)
        made.append(
            run(
                grown,
                STRATEGIES,
                end=cut if known == "beyond its last bar" else None,
                resume=made[-1].id if made else None,
                layout="shared",
                settings=SHORTS,
            )
        )
    assert_continuous(made, whole("shared"))


def test_bars_that_come_late_but_after_the_last_known_are_not_lost(market, tmp_path, whole):
    """The lake ended before the window did; what came then lies before the next window."""
    first, second = us("2024-02-08T08:40"), us("2024-02-10")
    grown = lake_of(tmp_path, until(market, first))
    one = run(grown, STRATEGIES, end=second, layout="shared", settings=SHORTS)
    lake_of(tmp_path, market)
    two = run(grown, STRATEGIES, resume=one.id, layout="shared", settings=SHORTS)
    assert_continuous([one, two], whole("shared"))
    assert two.facts["window"]["start"] == "2024-02-08T08:40:00Z"


@pytest.mark.parametrize("rows", [1, 700, 10**9])
def test_slices_change_nothing(lake, whole, monkeypatch, tmp_path, market, rows):
    other = lake_of(tmp_path, market)
    monkeypatch.setattr(slices, "MOST_ROWS", rows)
    found = run(other, STRATEGIES, layout="shared", settings=SHORTS)
    one = whole("shared")
    assert found.id == one.id

    # A traced table has a row group for each slice: the rows are the same, the bytes are not.
    def said(of):
        return {name: value for name, value in of.facts.items() if name != "files"}

    assert said(found) == said(one)
    assert set(found.facts["files"]) == set(one.facts["files"])
    assert_continuous([found], one)


@pytest.mark.parametrize("block", [1, 37, 500])
def test_blocks_change_nothing(whole, monkeypatch, tmp_path, market, block):
    monkeypatch.setattr(symbol_stage, "_BLOCK", block)
    some = until(market, us("2024-01-27"))
    other = lake_of(tmp_path, some)
    kept = files(run(other, STRATEGIES, settings=SHORTS))
    monkeypatch.undo()
    forget_runs(other)
    again = run(other, STRATEGIES, settings=SHORTS)
    assert files(again) == kept


@pytest.mark.slow
def test_random_cuts_on_random_markets(tmp_path):
    """A market with its windows is worth some five thousand of the soak's sequences."""
    for seed in range(max(2, int(os.environ.get("SOAK", "4000")) // 5000)):
        rng = Random(seed)
        layout = rng.choice(["per-strategy", "shared"])
        rules = settings_of(
            gate={
                "sell_requires_long": rng.random() < 0.5,
                "reserve_on_open": rng.random() < 0.7,
                "reservation_ttl_ms": rng.choice([1, 60_000, 90_000, 300_000, 10**7]),
                "max_open_positions": rng.choice([1, 2, 3]),
                "key": rng.choice(["account", "account+strategy"]),
            },
            limits={"gross": rng.choice(["0.5", "1", "3"])},
        )
        lake = lake_of(tmp_path / str(seed), month_market(1000 + seed))
        given = {"layout": layout, "settings": rules}
        one = run(lake, STRATEGIES, **given)
        times = interesting_times(one)
        ends = sorted(set(rng.sample(times, rng.randint(1, 4)) + rng.sample(MONTHS, 1)))
        ends = [end for end in ends if end < times[-1]]
        assert_continuous(windows(lake, ends, **given), one)
