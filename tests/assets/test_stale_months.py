"""Months that are not of today are told, on the leaderboard too; books that do not begin flat."""

import pytest
from runtimes.markets import month_market

from streaming.jobs.price_rows import rows_of_bars
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.partitions import month_bounds

FRESH = "months_are_of_todays_bars_and_settings"
KEYS = ("2024-01|ema_cross", "2024-02|ema_cross")


@pytest.fixture
def made(materialise):
    materialise(BACKTESTS, METRICS, keys=KEYS, checks=False)
    materialise(LEADERBOARD, checks=False)


def test_months_of_today_are_green(made, checked):
    for asset in (BACKTESTS, LEADERBOARD):
        assert checked(asset, FRESH)[FRESH].passed


def test_bars_that_come_into_an_old_month_make_it_and_what_follows_stale(
    made, platform, materialise, checked
):
    bars = month_market(6)["ADA"].rows(0, 50)
    bars = bars._replace(ts=bars.ts - bars.ts[0] + month_bounds("2024-01")[0] + 60_000_000)
    platform.lake().write_prices(rows_of_bars({"ZOE": bars}, "late"))
    materialise(BACKTESTS, keys=KEYS[1], checks=False)
    for asset in (BACKTESTS, LEADERBOARD):
        one = checked(asset, FRESH)[FRESH]
        assert not one.passed
        assert "1 of 2" in one.description
        assert KEYS[0] in one.description
    materialise(BACKTESTS, keys=KEYS[0], checks=False)
    assert checked(LEADERBOARD, FRESH)[FRESH].passed


def test_other_settings_make_months_stale(made, checked, monkeypatch):
    monkeypatch.setenv("TRADING__ACCOUNT__CAPITAL", "5000")
    one = checked(LEADERBOARD, FRESH)[FRESH]
    assert not one.passed
    assert "2 of 2" in one.description


def test_books_that_do_not_begin_flat_are_not_compared(materialise, checked):
    materialise(PORTFOLIO, keys="2024-02", checks=False)
    found = checked(PORTFOLIO, "books_balance")["books_balance"]
    assert found.passed
    assert found.metadata["compared"].value == 0
    materialise(PORTFOLIO, keys="2024-01", checks=False)
    found = checked(PORTFOLIO, "books_balance")["books_balance"]
    assert found.passed
    assert found.metadata["compared"].value > 0


def test_what_a_kill_left_is_in_no_view(made, platform, materialise):
    import shutil

    import duckdb

    from trading_assets.analytics.warehouse import WAREHOUSE

    materialise(WAREHOUSE)
    runs = platform.folders.lake / "runs"
    run = next(path for path in runs.iterdir() if (path / "run.json").exists())

    def count(view):
        with duckdb.connect(str(platform.folders.warehouse), read_only=True) as connection:
            return connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0]

    before = [count(view) for view in ("all_runs_trade_matches", BACKTESTS)]
    shutil.copytree(run, runs / f".{run.name}.abc.partial")
    assert [count(view) for view in ("all_runs_trade_matches", BACKTESTS)] == before
    assert min(before) > 0


def test_metrics_of_another_run_or_figure_are_told(made, platform, materialise, checked):
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = "metrics_are_of_their_runs"
    assert checked(METRICS, name)[name].metadata["compared"].value == 2
    assert checked(METRICS, name)[name].passed
    path = platform.folders.metrics / METRICS / "month=2024-01" / "strategy=ema_cross.parquet"
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("netPnl")
    pq.write_table(rows.set_column(place, "netPnl", pa.array([1.5])), path)
    found = checked(METRICS, name)[name]
    assert not found.passed
    assert "netPnl 1.5" in found.description
    materialise(METRICS, keys=KEYS[0], checks=False)
    assert checked(METRICS, name)[name].passed
