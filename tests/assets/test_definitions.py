"""What the location has, by name: a change of it is meant, or shows here."""

import subprocess
import sys

import dagster as dg

from streaming.contracts import TABLES
from trading_assets.analytics.definitions import defs
from trading_assets.lineage import ENGINE_TABLES

MADE = {
    "price_1m_history",
    "indicator_history",
    "backtest_trade_matches",
    "portfolio_trade_matches",
    "backtest_equity_metrics",
    "backtest_leaderboard",
    "warehouse",
}


def test_tables_that_nothing_makes_stand_in_the_lineage_and_what_is_made_is_known():
    graph = defs.resolve_asset_graph()
    keys = {key.path[-1] for key in graph.get_all_asset_keys()}
    live = {table.name for table in ENGINE_TABLES}
    # Of the live location's tables only the one that scores are made of.
    assert keys == MADE | (set(TABLES) - live) | {"paper_trade_match_history"}
    assert {key.path[-1] for key in graph.materializable_asset_keys} == MADE
    alone = {
        key.path[-1]
        for key in graph.get_all_asset_keys()
        if not graph.get(key).parent_keys and not graph.get(key).child_keys
    }
    assert not alone


def test_checks_jobs_schedules_and_sensors_are_these():
    graph = defs.resolve_asset_graph()
    assert {(key.asset_key.path[-1], key.name) for key in graph.asset_check_keys} == {
        ("price_1m_history", "contract"),
        ("price_1m_history", "nothing_imported_is_lost"),
        ("indicator_history", "contract"),
        ("quarantine_history", "contract"),
        ("backtest_trade_matches", "contract"),
        ("backtest_trade_matches", "contract_open_positions_lots"),
        ("backtest_trade_matches", "contract_unrealized_pnl_latest"),
        ("backtest_trade_matches", "pnl_of_matches_is_that_of_the_metrics"),
        ("portfolio_trade_matches", "contract"),
        ("portfolio_trade_matches", "contract_open_positions_lots"),
        ("portfolio_trade_matches", "contract_unrealized_pnl_latest"),
        ("portfolio_trade_matches", "contract_strategy_signal_history"),
        ("portfolio_trade_matches", "contract_accepted_trade_signal_history"),
        ("portfolio_trade_matches", "contract_rejected_trade_signal_history"),
        ("portfolio_trade_matches", "contract_order_event_history"),
        ("portfolio_trade_matches", "contract_exec_report_history"),
        ("backtest_trade_matches", "months_are_of_todays_bars_and_settings"),
        ("portfolio_trade_matches", "months_are_of_todays_bars_and_settings"),
        ("backtest_equity_metrics", "metrics_are_of_their_runs"),
        ("backtest_leaderboard", "months_are_of_todays_bars_and_settings"),
        ("backtest_leaderboard", "strategies_have_the_same_months"),
        ("portfolio_trade_matches", "books_balance"),
        ("portfolio_trade_matches", "open_symbols_within_the_limit"),
        ("portfolio_trade_matches", "no_signal_before_its_bar"),
    }
    assert {one.name for one in defs.schedules} == {
        "daily_prices_schedule",
        "daily_backtests_schedule",
        "daily_portfolio_schedule",
        "daily_leaderboard_schedule",
    }
    assert {one.name for one in defs.sensors} == {
        "inbox_sensor",
        "current_month_sensor",
        "changed_months_sensor",
    }
    assert {"import_inbox", "take_out_prices", "backtest_window"} <= {one.name for one in defs.jobs}


def test_partitions_are_by_day_by_month_and_by_month_and_strategy():
    graph = defs.resolve_asset_graph()

    def keys(name):
        return graph.get(dg.AssetKey(name)).partitions_def.get_partition_keys()

    assert keys("price_1m_history")[0] == "2024-01-01"
    assert keys("portfolio_trade_matches")[:2] == ["2024-01", "2024-02"]
    assert "2024-02|sma_cross" in keys("backtest_trade_matches")


def test_every_asset_tells_what_it_is():
    live = {table.name for table in ENGINE_TABLES}
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        if key.path[-1] in live:
            continue  # told of by the other location
        node = defs.resolve_asset_graph().get(key)
        assert node.description, key
        assert node.owners, key
        assert node.group_name != "default", key
        assert node.kinds, key


def test_the_location_starts_without_what_only_runs_need():
    """A webserver and a daemon load it again and again: no compiler, no frames, no suites."""
    code = """
import sys, trading_assets.analytics.definitions
heavy = {"numba", "pandas", "great_expectations", "duckdb", "matplotlib", "dbt"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
