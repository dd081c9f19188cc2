"""Months that have ended are run again when their prices have changed, and others are not."""

import datetime as dt
import json

import dagster as dg
import pytest
from runtimes.markets import month_market, until

from streaming.jobs.price_rows import rows_of_bars
from streaming.jobs.strategies import STRATEGIES
from streaming.lake import Lake
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.changed_months import spans, tick
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.equity import METRICS
from trading_assets.analytics.partitions import month_bounds
from trading_assets.analytics.records import Record

FIRST_OF_MARCH = dt.date(2024, 3, 1)
FEBRUARY = ("2024-02|ema_cross", "2024-02|ema_cross")


@pytest.fixture
def late(platform, market):
    """The lake as it was before the last day of February; gives what brings that day."""
    _, end = month_bounds("2024-02")
    for path in (platform.folders.lake / "price_1m_history").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    early = until(market, end - 86_400_000_000)
    Lake(platform.folders.lake).write_prices(rows_of_bars(early, "early"))

    def bring():
        Lake(platform.folders.lake).write_prices(rows_of_bars(until(market, end), "late"))

    return bring


def asked(platform, today=FIRST_OF_MARCH):
    result = tick(platform, today, "seen")
    tags = [(one.job_name, *one.tags.values()) for one in result.run_requests]
    return [(job, *keys[:2]) for job, *keys in tags]


def test_the_last_day_that_comes_after_the_month_has_ended_runs_it_again(
    platform, late, materialise
):
    materialise(BACKTESTS, METRICS, keys=FEBRUARY)
    materialise(PORTFOLIO, keys="2024-02")
    assert asked(platform) == []
    late()
    assert asked(platform) == [
        ("changed_backtests", *FEBRUARY),
        ("changed_portfolio", "2024-02", "2024-02"),
    ]
    materialise(BACKTESTS, METRICS, keys=FEBRUARY)
    materialise(PORTFOLIO, keys="2024-02")
    assert asked(platform) == []


def test_the_month_in_progress_is_not_its_business(platform, late, materialise):
    materialise(BACKTESTS, keys=FEBRUARY)
    late()
    assert asked(platform, dt.date(2024, 2, 29)) == []


def test_older_months_and_all_after_them_follow_a_correction(platform, materialise):
    materialise(BACKTESTS, keys=("2024-01|ema_cross", "2024-03|ema_cross"))
    lake = platform.lake()
    bars = {"ADA": month_market(6)["ADA"]}
    place = int((bars["ADA"].ts > month_bounds("2024-02")[0]).argmax()) + 5
    price = bars["ADA"].close.copy()
    price[place] = bars["ADA"].high[place]
    changed = rows_of_bars({"ADA": bars["ADA"]._replace(close=price).rows(place, place + 1)}, "x")
    with lake.writing("price_1m_history"):
        day = int((changed.ts[0] - 1) // 86_400_000_000)
        assert len(lake.merge_day(day, changed, replace=True).replaced) == 1
    assert asked(platform, dt.date(2024, 5, 2)) == [
        ("changed_backtests", "2024-02|ema_cross", "2024-03|ema_cross")
    ]


def test_the_month_that_ended_last_is_run_where_its_prices_came_afterwards(platform, materialise):
    materialise(BACKTESTS, keys=("2024-01|ema_cross", "2024-01|ema_cross"))
    assert asked(platform) == [("changed_backtests", *FEBRUARY)]
    # A month that goes on from none that was run is left to a person.
    assert asked(platform, dt.date(2024, 4, 30)) == []


def test_nothing_is_run_that_nobody_ever_ran(platform):
    assert asked(platform) == []


def test_ranges_hold_what_is_asked_for_and_no_other_strategy():
    names = sorted(STRATEGIES)

    def of(*keys):
        return list(spans([Record(month, names[at], "x", "") for at, month in keys]))

    assert of() == []
    every = [(at, "2024-01") for at in range(len(names))]
    assert of(*every) == [(f"2024-01|{names[0]}", f"2024-01|{names[-1]}")]
    assert of((0, "2024-01"), (0, "2024-03"), (2, "2024-01"), (3, "2024-01")) == [
        (f"2024-01|{names[0]}", f"2024-03|{names[0]}"),
        (f"2024-01|{names[2]}", f"2024-01|{names[3]}"),
    ]


def test_the_sensor_asks_once_for_each_state_of_the_prices(platform, late, materialise, instance):
    materialise(BACKTESTS, METRICS, keys=FEBRUARY)
    late()
    repository = definitions(platform).get_repository_def()

    def evaluate(cursor):
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            repository_def=repository,
            resources={"platform": platform},
        )
        return repository.get_sensor_def("changed_months_sensor").evaluate_tick(context)

    first = evaluate(None)
    assert [one.tags["dagster/asset_partition_range_start"] for one in first.run_requests] == [
        FEBRUARY[0]
    ]
    again = evaluate(first.cursor)
    assert again.run_requests == []
    assert "No prices have changed" in again.skip_message
    (request,) = first.run_requests
    job = definitions(platform).resolve_job_def("changed_backtests")
    assert job.execute_in_process(instance=instance, tags=request.tags).success
    assert asked(platform) == []
    record = platform.folders.partitions / BACKTESTS / "2024-02.ema_cross.json"
    assert json.loads(record.read_text())["run_id"]
