"""Equity metrics and the leaderboard: the figures of the command line, with pictures."""

import base64
import shutil

import pyarrow.parquet as pq

from streaming.jobs.strategies import make
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.run_source import from_run
from streaming.settings import Settings
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.equity import LEADERBOARD, METRICS, leaderboard
from trading_assets.analytics.records import Records

NAMES = ("ema_cross", "hour_trend_pullback")
MONTHS = ("2024-01", "2024-02", "2024-03")


def all_months(materialise, *assets):
    for name in NAMES:
        materialise(*assets, keys=(f"{MONTHS[0]}|{name}", f"{MONTHS[-1]}|{name}"))


def test_the_leaderboard_is_what_one_run_over_all_months_gives(platform, materialise, facts):
    all_months(materialise, BACKTESTS)
    lake = platform.lake()
    strategies = tuple(make(name) for name in NAMES)
    whole = run_backtest(lake, BacktestRequest(Settings(), strategies))
    wanted = {one.name: one for one in from_run(lake.root, whole.id).reports(by="strategy")}
    found = leaderboard(lake, Records(platform.folders.partitions, BACKTESTS).all())
    assert sorted(one.name for one in found) == sorted(NAMES)
    for one in found:
        other = wanted[one.name]
        assert one.realised.figures == other.realised.figures
        assert one.marked.figures == other.marked.figures
        assert (one.open_pnl, one.trades) == (other.open_pnl, other.trades)
    best = [one.realised.figures.net_pnl for one in found]
    assert best == sorted(best, reverse=True)

    materialise(LEADERBOARD)
    told = facts(LEADERBOARD, None)[None]
    assert [line.split("|")[1].strip() for line in told["leaderboard"].splitlines()[2:]] == [
        one.name for one in found
    ]
    assert shown(told).startswith(b"\x89PNG")
    assert told["months"] == "2024-01 to 2024-03, 3 of them"


def shown(told):
    return base64.b64decode(told["equity"].split("base64,")[1].rstrip(")"))


def test_a_month_has_its_figures_and_picture(platform, materialise, facts):
    all_months(materialise, BACKTESTS, METRICS)
    for key, one in facts(METRICS).items():
        assert one["runId"] == facts(BACKTESTS, key)["runId"]
        assert abs(one["net PnL"] - facts(BACKTESTS, key)["net PnL"]) < 1e-6
        assert shown(one).startswith(b"\x89PNG")
        assert one["max drawdown"] <= 0


def test_metrics_of_what_was_never_run_say_so(materialise):
    failed = materialise(METRICS, keys="2024-02|ema_cross", ok=False)
    (event,) = failed.get_step_failure_events()
    assert "never materialised: 2024-02|ema_cross" in (
        event.event_specific_data.error_display_string
    )


def test_a_leaderboard_of_nothing_says_so(materialise):
    failed = materialise(LEADERBOARD, ok=False)
    (event,) = failed.get_step_failure_events()
    assert "No partition" in event.event_specific_data.error_display_string


def test_a_run_that_is_lost_is_named_with_its_partition_and_the_remedy(platform, materialise):
    all_months(materialise, BACKTESTS)
    records = Records(platform.folders.partitions, BACKTESTS)
    lost = records.get("2024-02", NAMES[0])
    shutil.rmtree(platform.folders.lake / "runs" / lost.run_id)
    failed = materialise(LEADERBOARD, ok=False)
    (event,) = failed.get_step_failure_events()
    told = event.event_specific_data.error_display_string
    assert f"1 of 6 partitions of {BACKTESTS} cannot be used" in told
    assert f"2024-02|{NAMES[0]}: " in told and "Materialise" in told
    materialise(BACKTESTS, keys=f"2024-02|{NAMES[0]}")
    materialise(LEADERBOARD)


def test_strategies_of_other_months_are_told_apart(platform, materialise, facts, checked):
    all_months(materialise, BACKTESTS)
    materialise(LEADERBOARD)
    assert "warning" not in facts(LEADERBOARD, None)[None]
    same = "strategies_have_the_same_months"
    assert checked(LEADERBOARD, same)[same].passed
    materialise(BACKTESTS, keys="2024-02|squeeze")
    materialise(LEADERBOARD)
    told = facts(LEADERBOARD, None)[None]
    assert "1 of 3 strategies lack months" in told["warning"]
    assert "squeeze (2024-01, 2024-03)" in told["warning"]
    lines = [line.split("|") for line in told["leaderboard"].splitlines()]
    months = {one[1].strip(): one[2].strip() for one in lines}
    assert months["strategy"] == "months"
    assert {months[name] for name in NAMES} == {"3"} and months["squeeze"] == "1"
    rows = pq.read_table(platform.folders.metrics / f"{LEADERBOARD}.parquet").to_pylist()
    (row,) = [row for row in rows if row["name"] == "squeeze"]
    assert (row["months"], row["firstMonth"], row["lastMonth"]) == (1, "2024-02", "2024-02")
    found = checked(LEADERBOARD, same)[same]
    assert not found.passed
    assert "squeeze (2024-01, 2024-03)" in found.description
    assert found.metadata["months"].value == {NAMES[0]: 3, NAMES[1]: 3, "squeeze": 1}
