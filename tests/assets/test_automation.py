"""The current month is run again after new prices, and nothing else is."""

import datetime as dt

import dagster as dg
import pytest

from streaming.jobs.strategies import STRATEGIES
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.prices import PRICES
from trading_assets.analytics.warehouse import WAREHOUSE

NOW = dt.datetime(2024, 4, 18, 9, 30, tzinfo=dt.UTC)


@pytest.fixture
def tick(platform, instance):
    """Evaluate the conditions; give the partitions asked for, by asset."""
    location = definitions(platform)
    cursors = [None]

    def evaluate(now=NOW):
        result = dg.evaluate_automation_conditions(
            location, instance, cursor=cursors[0], evaluation_time=now
        )
        cursors[0] = result.cursor
        graph = location.resolve_asset_graph()
        asked = {
            key.path[-1]: result.get_requested_partitions(key)
            for key in graph.materializable_asset_keys
        }
        return {name: keys for name, keys in asked.items() if keys}

    return evaluate


def prices_of(instance, day):
    instance.report_runless_asset_event(dg.AssetMaterialization(PRICES, partition=day))


def materialised(instance, partitions):
    for name, keys in partitions.items():
        for key in keys:
            event = dg.AssetMaterialization(name, partition=key)
            instance.report_runless_asset_event(event)


def of_month(month):
    by_strategy = {f"{month}|{name}" for name in STRATEGIES}
    return {
        BACKTESTS: by_strategy,
        METRICS: by_strategy,
        PORTFOLIO: {month},
        WAREHOUSE: {None},
    }


def test_nothing_is_run_on_a_first_start(tick):
    assert tick() == {}
    assert tick() == {}


@pytest.mark.parametrize("day", ["2024-04-17", "2024-01-05"])
def test_new_prices_of_any_day_run_the_month_in_progress_once(tick, instance, day):
    assert tick() == {}
    prices_of(instance, day)
    assert tick() == of_month("2024-04")
    assert tick() == {}


def test_prices_that_come_again_run_it_again(tick, instance):
    tick()
    prices_of(instance, "2024-04-17")
    assert tick()
    prices_of(instance, "2024-04-17")
    assert tick() == of_month("2024-04")


def test_prices_that_come_in_while_the_month_is_run_run_it_once_more(tick, instance):
    tick()
    prices_of(instance, "2024-04-16")
    assert tick()
    prices_of(instance, "2024-04-17")
    materialised(instance, of_month("2024-04"))
    assert BACKTESTS in tick()
    materialised(instance, of_month("2024-04"))
    assert BACKTESTS not in tick()


def test_a_new_month_is_run_when_it_has_prices_not_before(tick, instance):
    april = NOW.replace(day=30)
    tick(april)
    prices_of(instance, "2024-04-30")
    assert tick(april) == of_month("2024-04")
    may = NOW.replace(month=5, day=1)
    assert tick(may) == {}
    prices_of(instance, "2024-05-01")
    assert tick(may) == of_month("2024-05")


def test_the_leaderboard_follows_the_metrics_of_any_month(tick, instance):
    tick()
    materialised(instance, {key: ["2024-01|ema_cross"] for key in (BACKTESTS, METRICS)})
    assert tick() == {LEADERBOARD: {None}, WAREHOUSE: {None}}
    assert tick() == {}
