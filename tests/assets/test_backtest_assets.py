"""Backtests as assets: the rows of the command line, in any order, and what goes wrong."""

import dagster as dg
import pyarrow as pa
import pytest

from streaming.jobs.price_rows import rows_of_bars
from streaming.jobs.strategies import STRATEGIES, make
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.runs import find_run
from streaming.settings import Settings
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.months import ALL
from trading_assets.analytics.partitions import month_bounds
from trading_assets.analytics.records import Records

NAMES = ("ema_cross", "roc_momentum")
MONTHS = ("2024-01", "2024-02", "2024-03")
WHOLE = (f"{MONTHS[0]}|{NAMES[0]}", f"{MONTHS[-1]}|{NAMES[0]}")


def runs_of(platform, asset=BACKTESTS):
    return {
        (one.month, one.strategy): one.run_id
        for one in Records(platform.folders.partitions, asset).all()
    }


def rows_of(platform, runs):
    lake = platform.lake()
    tables = [find_run(lake, run).matches().drop(["runId"]) for run in runs]
    return pa.concat_tables(tables).to_pylist()


def test_a_partition_has_the_rows_of_the_command_line(platform, materialise, facts):
    materialise(BACKTESTS, keys="2024-02|ema_cross")
    begin, end = month_bounds("2024-02")
    by_hand = run_backtest(
        platform.lake(),
        BacktestRequest(Settings(), (make("ema_cross"),), rows_after=begin, end=end),
    )
    told = facts(BACKTESTS, "2024-02|ema_cross")
    assert told["runId"] == by_hand.id == runs_of(platform)["2024-02", "ema_cross"]
    assert told["dagster/row_count"] == by_hand.matches().num_rows > 0
    assert told["folder"] == str(by_hand.folder)


def test_months_one_by_one_in_one_run_and_as_one_window_have_the_same_rows(platform, materialise):
    for month in reversed(MONTHS):
        materialise(BACKTESTS, keys=f"{month}|ema_cross")
    one_by_one = runs_of(platform)
    materialise(BACKTESTS, keys=WHOLE)
    assert runs_of(platform) == one_by_one
    whole = run_backtest(platform.lake(), BacktestRequest(Settings(), (make("ema_cross"),)))
    wanted = whole.matches().drop(["runId"]).to_pylist()
    assert rows_of(platform, one_by_one.values()) == wanted
    assert wanted


def test_a_range_is_every_month_of_every_strategy(platform, materialise, facts):
    first, last = min(STRATEGIES), max(STRATEGIES)
    materialise(BACKTESTS, keys=(f"2024-01|{first}", f"2024-02|{last}"))
    assert len(runs_of(platform)) == 2 * len(STRATEGIES) == len(facts(BACKTESTS))
    assert all(one["runId"] for one in facts(BACKTESTS).values())


def test_a_second_backfill_changes_nothing(platform, materialise, instance):
    materialise(BACKTESTS, keys=WHOLE)
    before = {path: path.stat().st_mtime_ns for path in platform.folders.lake.rglob("*.parquet")}
    materialise(BACKTESTS, keys=WHOLE)
    after = {path: path.stat().st_mtime_ns for path in platform.folders.lake.rglob("*.parquet")}
    assert after == before
    records = instance.fetch_materializations(dg.AssetKey(BACKTESTS), limit=10).records
    codes = {one.asset_materialization.tags["dagster/code_version"] for one in records}
    assert len(codes) == 1


def test_months_without_prices_are_materialised_empty_and_say_so(platform, materialise, facts):
    materialise(BACKTESTS, keys=("2024-03|ema_cross", "2024-05|ema_cross"))
    assert "no prices" in facts(BACKTESTS, "2024-05|ema_cross")["note"]
    assert facts(BACKTESTS, "2024-05|ema_cross")["dagster/row_count"] == 0
    assert runs_of(platform)["2024-05", "ema_cross"] is None
    assert facts(BACKTESTS, "2024-03|ema_cross")["runId"]


def test_a_symbol_that_lists_later_trades_from_then_on(platform, materialise, facts, market):
    materialise(BACKTESTS, keys=WHOLE)
    before = runs_of(platform)
    bars = market["ADA"].rows(0, 400)
    bars = bars._replace(ts=bars.ts + month_bounds("2024-03")[0] - bars.ts[0] + 60_000_000)
    platform.lake().write_prices(rows_of_bars({"ZOE": bars}, "test"))
    materialise(BACKTESTS, keys=WHOLE)
    after = runs_of(platform)
    changed = [
        month for month, strategy in after if after[month, strategy] != before[month, strategy]
    ]
    assert changed == ["2024-03"]
    assert [facts(BACKTESTS, f"{month}|ema_cross")["symbols"] for month in MONTHS] == [5, 5, 6]


def test_a_damaged_day_fails_by_name_and_what_can_be_is_done(platform, materialise, facts):
    (path,) = platform.folders.lake.glob("price_1m_history/day=2024-02-14/*.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    failed = materialise(BACKTESTS, keys=WHOLE, ok=False)
    (event,) = failed.get_step_failure_events()
    said = event.event_specific_data.error_display_string
    assert "2024-02-14" in said
    assert not runs_of(platform)
    path.write_bytes(whole)
    materialise(BACKTESTS, keys=WHOLE)
    assert len(runs_of(platform)) == 3


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"capital": 5000.0}, {"capital": 5000 * 10**8}),
        ({"fee_bps": 2.5, "slippage_bps": 0.0}, {"fee_rate": 25_000, "slippage": 0}),
        ({"max_open_positions": 1}, {"max_open": 1}),
    ],
)
def test_other_parameters_have_another_run_and_leave_the_standard_one(
    platform, materialise, instance, config, kept
):
    materialise(BACKTESTS, keys="2024-02|ema_cross")
    standard = runs_of(platform)
    materialise(BACKTESTS, keys="2024-02|ema_cross", config=config)
    assert runs_of(platform) == standard
    (event,) = instance.fetch_observations(dg.AssetKey(BACKTESTS), limit=5).records
    metadata = event.asset_observation.metadata
    run = find_run(platform.lake(), metadata["runId"].value)
    assert run.id not in standard.values()
    assert {name: run.definition["account"][name] for name in kept} == kept
    assert metadata["overridden"].value == config
    assert event.partition_key == "2024-02|ema_cross"


def test_parameters_of_one_strategy_and_symbols_can_be_set(platform, materialise, instance):
    config = {"params": {"ema_cross": {"fast": 5}}, "symbols": ["ADA", "CAT"]}
    materialise(BACKTESTS, keys="2024-02|ema_cross", config=config)
    (event,) = instance.fetch_observations(dg.AssetKey(BACKTESTS), limit=5).records
    run = find_run(platform.lake(), event.asset_observation.metadata["runId"].value)
    assert run.definition["symbols"] == ["ADA", "CAT"]
    assert run.definition["strategies"][0]["params"]["fast"] == 5


@pytest.mark.parametrize(
    "config",
    [
        {"capital": 100_000.0},
        {"fee_bps": 1.0, "slippage_bps": 1.0, "max_open_positions": 3},
        {"params": {"ema_cross": {}}},
        {"params": {"ema_cross": {"fast": float(make("ema_cross").fast)}}},
        {"symbols": ["ADA", "BEE", "CAT", "DOG", "EEL"]},
        {"threads": 5},
    ],
)
def test_what_overrides_nothing_is_the_standard_run(platform, materialise, instance, facts, config):
    materialise(BACKTESTS, keys="2024-02|ema_cross", config=config)
    told = facts(BACKTESTS, "2024-02|ema_cross")
    assert runs_of(platform) == {("2024-02", "ema_cross"): told["runId"]}
    assert "overridden" not in told
    word = "What was set holds anyway, so the standard run is this."
    assert told.get("set at the launch") == (None if "threads" in config else word)
    assert not instance.fetch_observations(dg.AssetKey(BACKTESTS), limit=5).records
    materialise(BACKTESTS, keys="2024-02|ema_cross")
    assert runs_of(platform) == {("2024-02", "ema_cross"): told["runId"]}


def test_months_of_one_launch_are_told_apart(platform, materialise, instance, facts, market):
    """Where a symbol lists, the list of all that were there before becomes a choice."""
    bars = market["ADA"].rows(0, 400)
    bars = bars._replace(ts=bars.ts + month_bounds("2024-03")[0] - bars.ts[0] + 60_000_000)
    known = sorted({name for info in platform.lake().days() for name in info.symbols})
    platform.lake().write_prices(rows_of_bars({"ZOE": bars}, "test"))
    materialise(
        BACKTESTS, keys=("2024-02|ema_cross", "2024-03|ema_cross"), config={"symbols": known}
    )
    assert list(runs_of(platform)) == [("2024-02", "ema_cross")]
    assert list(facts(BACKTESTS)) == ["2024-02|ema_cross"]
    (event,) = instance.fetch_observations(dg.AssetKey(BACKTESTS), limit=5).records
    assert event.partition_key == "2024-03|ema_cross"


@pytest.mark.parametrize("given", [{}, {"length": 5.0}])
def test_parameters_of_a_strategy_that_takes_no_part_are_refused(
    platform, materialise, instance, given
):
    config = {"params": {"roc_momentum": given}}
    failed = materialise(BACKTESTS, keys="2024-02|ema_cross", config=config, ok=False)
    (event,) = failed.get_step_failure_events()
    assert event.event_specific_data.user_failure_data.description == (
        "params: strategy roc_momentum is not in this launch, which is of ema_cross. Leave it "
        "out, or launch its partition."
    )
    assert not runs_of(platform)


def test_the_portfolio_trades_all_strategies_in_one_account(platform, materialise, facts):
    materialise(PORTFOLIO, keys=("2024-01", "2024-03"))
    months = runs_of(platform, PORTFOLIO)
    assert list(months) == [(month, ALL) for month in MONTHS]
    whole = run_backtest(
        platform.lake(),
        BacktestRequest(
            Settings(), tuple(make(name) for name in sorted(STRATEGIES)), layout="shared"
        ),
    )
    key = ["strategyId", "matchTimestamp", "matchId"]
    rows = sorted(rows_of(platform, months.values()), key=lambda row: [row[name] for name in key])
    wanted = whole.matches().drop(["runId"]).to_pylist()
    assert rows == sorted(wanted, key=lambda row: [row[name] for name in key])
    assert facts(PORTFOLIO, "2024-02")["dagster/row_count"] > 0
