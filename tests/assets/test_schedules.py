"""Every night has one tick, also where the clocks are changed, and the right keys."""

import datetime as dt
from itertools import takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from streaming.jobs.strategies import STRATEGIES
from trading_assets.analytics import partitions
from trading_assets.analytics.schedules import (
    ZONE,
    backtests_schedule,
    day_ended,
    leaderboard_schedule,
    month_of_day_ended,
    portfolio_schedule,
)

from .price_platform import Prices

OSLO = ZoneInfo(ZONE)
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def _ticks(cron, begin, end):
    """The ticks as the daemon reckons them."""
    moments = schedule_execution_time_iterator(begin.timestamp(), cron, ZONE)
    return list(takewhile(lambda moment: moment < end, moments))


def _evaluate(repository, name, moment):
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, repository_def=repository, scheduled_execution_time=moment
        )
        return repository.get_schedule_def(name).evaluate_tick(context)


@pytest.fixture
def prices(tmp_path):
    return Prices(tmp_path)


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_days_of_23_and_25_hours_have_one_tick_and_the_right_key(prices, day, hours):
    changed = dt.date.fromisoformat(day)
    begin = dt.datetime.combine(changed - dt.timedelta(2), dt.time(), OSLO)
    end = dt.datetime.combine(changed + dt.timedelta(3), dt.time(), OSLO)
    ticks = _ticks("15 0 * * *", begin, end)
    local = [moment.astimezone(OSLO) for moment in ticks]
    assert [moment.date() for moment in local] == [
        changed + dt.timedelta(at) for at in range(-2, 3)
    ]
    assert {moment.time() for moment in local} == {dt.time(0, 15)}
    assert (ticks[3].timestamp() - ticks[2].timestamp()) / 3600 == hours
    keys = []
    for moment in ticks:
        (request,) = _evaluate(prices.repository, "daily_prices_schedule", moment).run_requests
        assert request.run_key == request.partition_key
        keys.append(request.partition_key)
        after = dt.datetime.fromisoformat(keys[-1]).replace(tzinfo=dt.UTC) + dt.timedelta(1)
        assert after <= moment < after + dt.timedelta(1)
    assert keys == [(changed + dt.timedelta(at)).isoformat() for at in range(-4, 1)]


def test_a_year_has_a_tick_for_every_day_and_no_key_twice():
    begin = dt.datetime(2024, 1, 1, tzinfo=OSLO)
    ticks = _ticks("15 0 * * *", begin, dt.datetime(2025, 1, 1, tzinfo=OSLO))
    keys = [day_ended(moment) for moment in ticks]
    first = dt.date(2023, 12, 30)
    assert keys == [(first + dt.timedelta(at)).isoformat() for at in range(366)]


def test_nights_before_the_first_partition_are_skipped(prices):
    moment = dt.datetime(2024, 1, 1, 0, 15, tzinfo=OSLO)
    result = _evaluate(prices.repository, "daily_prices_schedule", moment)
    assert result.run_requests == []
    assert "history.start" in result.skip_message


def test_it_is_off_at_the_first_start(prices):
    schedule = prices.repository.get_schedule_def("daily_prices_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 0 * * *", "Europe/Oslo")


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (dt.datetime(2024, 3, 31, 0, 45, tzinfo=OSLO), "2024-03"),
        (dt.datetime(2024, 4, 1, 0, 45, tzinfo=OSLO), "2024-03"),
        (dt.datetime(2024, 4, 2, 0, 45, tzinfo=OSLO), "2024-03"),
        (dt.datetime(2024, 4, 3, 0, 45, tzinfo=OSLO), "2024-04"),
    ],
)
def test_backtests_of_the_month_are_one_run_over_all_strategies(prices, moment, month):
    got = []

    @dg.asset(
        partitions_def=partitions.backtests(dt.date(2024, 1, 1)),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def backtests(context: dg.AssetExecutionContext) -> None:
        got.extend(context.partition_keys)

    schedule = backtests_schedule(prices.platform, dg.AssetSelection.assets(backtests))
    defs = dg.Definitions(assets=[backtests], schedules=[schedule])
    result = _evaluate(defs.get_repository_def(), "daily_backtests_schedule", moment)
    (request,) = result.run_requests
    assert month_of_day_ended(moment) == month
    tags = {name: request.tags[name] for name in (FIRST, LAST)}
    assert dg.materialize([backtests], tags=tags).success
    assert sorted(got) == [f"{month}|{strategy}" for strategy in sorted(STRATEGIES)]


def test_the_portfolio_of_the_month_is_run_every_night_too(prices):
    moment = dt.datetime(2024, 4, 2, 0, 45, tzinfo=OSLO)
    asset = dg.asset(name="portfolio", partitions_def=partitions.months(dt.date(2024, 1, 1)))(
        lambda context: got.extend(context.partition_keys)
    )
    got = []
    schedule = portfolio_schedule(prices.platform, dg.AssetSelection.assets(asset))
    defs = dg.Definitions(assets=[asset], schedules=[schedule])
    (request,) = _evaluate(
        defs.get_repository_def(), "daily_portfolio_schedule", moment
    ).run_requests
    assert dg.materialize([asset], tags=dict(request.tags)).success
    assert got == ["2024-03"]
    early = _evaluate(
        defs.get_repository_def(), "daily_portfolio_schedule", moment.replace(year=2020)
    )
    assert "history.start" in early.skip_message


def test_the_leaderboard_is_made_every_morning_of_the_year():
    made = []
    board = dg.asset(name="board")(lambda: made.append("board"))
    defs = dg.Definitions(
        assets=[board], schedules=[leaderboard_schedule(dg.AssetSelection.assets(board))]
    )
    moment = dt.datetime(2024, 4, 2, 5, tzinfo=OSLO)
    name = "daily_leaderboard_schedule"
    assert len(_evaluate(defs.get_repository_def(), name, moment).run_requests) == 1
    assert defs.resolve_job_def("daily_leaderboard").execute_in_process().success
    assert made == ["board"]
    begin = dt.datetime(2024, 1, 1, tzinfo=OSLO)
    cron = defs.get_repository_def().get_schedule_def(name).cron_schedule
    ticks = _ticks(cron, begin, dt.datetime(2025, 1, 1, tzinfo=OSLO))
    local = [moment.astimezone(OSLO) for moment in ticks]
    assert [moment.date() for moment in local] == [
        begin.date() + dt.timedelta(at) for at in range(366)
    ]
    assert {moment.time() for moment in local} == {dt.time(5)}


def test_the_day_and_month_in_progress_have_partitions():
    start = dt.date(2024, 1, 15)
    now = dt.datetime(2024, 3, 5, 12, tzinfo=dt.UTC)
    days = partitions.days(start).get_partition_keys(current_time=now)
    months = partitions.months(start).get_partition_keys(current_time=now)
    assert (days[0], days[-1]) == ("2024-01-15", "2024-03-05")
    assert months == ["2024-01", "2024-02", "2024-03"]
