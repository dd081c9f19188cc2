"""What runs every night at 00:15 in Oslo, whether the day had 23, 24 or 25 hours.

At that moment it is 22:15 or 23:15 UTC. So of UTC days, as which prices are kept, the one
before is the newest that has ended; the one in progress is left to the night after, and to
the sensor. Dagster counts a schedule's ticks on the clock of its zone: 00:15 exists once on
every day of the year, as the clocks in Oslo are changed at 02:00 and 03:00.
"""

import datetime as dt
from collections.abc import Callable

import dagster as dg
from dagster import AssetSelection

from streaming.jobs.strategies import STRATEGIES
from trading_assets.analytics.prices import PRICES
from trading_assets.platform import Platform

CRON = "15 0 * * *"
"""At 00:15, a quarter of an hour after the day has ended."""

ZONE = "Europe/Oslo"
"""The zone of the desk's days."""

_FIRST = "dagster/asset_partition_range_start"
_LAST = "dagster/asset_partition_range_end"

# Off at first: on a new installation the inbox is empty, and a run every night that says so
# would only be in the way. Files are imported by the sensor, which is on.
_STATUS = dg.DefaultScheduleStatus.STOPPED


def day_ended(moment: dt.datetime) -> str:
    """Give the key of the newest UTC day that has ended at a moment."""
    return (moment.astimezone(dt.UTC).date() - dt.timedelta(days=1)).isoformat()


def month_of_day_ended(moment: dt.datetime) -> str:
    """Give the key of the month that the newest UTC day that has ended belongs to.

    So the first night of a month completes the month before.
    """
    return day_ended(moment)[:7]


def prices_schedule(platform: Platform) -> dg.ScheduleDefinition:
    """Make the schedule that materialises `price_1m_history` for the day that has ended."""
    start = platform.settings.history.start
    job = dg.define_asset_job(
        "daily_prices",
        AssetSelection.assets(PRICES),
        description="Imports what is ready in the inbox, and reports the day that has ended.",
    )

    @dg.schedule(
        name="daily_prices_schedule",
        job=job,
        cron_schedule=CRON,
        execution_timezone=ZONE,
        default_status=_STATUS,
        description=f"Every night at 00:15 ({ZONE}): prices of the UTC day that has ended.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        key = day_ended(context.scheduled_execution_time)
        if key < start.isoformat():
            return dg.SkipReason(f"Partitions begin on {start} (setting history.start).")
        return dg.RunRequest(run_key=key, partition_key=key)

    return schedule


def backtests_schedule(platform: Platform, target: AssetSelection) -> dg.ScheduleDefinition:
    """Make the schedule that brings the current month's backtests up to date.

    A schedule has one job, and a job one way to be cut into partitions: so this is neither the
    schedule of prices nor that of the portfolio.

    Parameters
    ----------
    platform
        For the first day, whose month is the first to have partitions.
    target
        Assets cut by month and strategy (`partitions.backtests`).
    """
    first, last = min(STRATEGIES), max(STRATEGIES)
    return _of_month(
        platform,
        target,
        "daily_backtests",
        "backtests, all strategies in one run",
        lambda month: {_FIRST: f"{month}|{first}", _LAST: f"{month}|{last}"},
    )


def portfolio_schedule(platform: Platform, target: AssetSelection) -> dg.ScheduleDefinition:
    """Make the schedule that brings the current month's portfolio up to date.

    Parameters
    ----------
    platform
        As for `backtests_schedule`.
    target
        Assets cut by month (`partitions.months`).
    """
    return _of_month(
        platform,
        target,
        "daily_portfolio",
        "backtest of all strategies in one account",
        lambda month: {_FIRST: month, _LAST: month},
    )


def leaderboard_schedule(target: AssetSelection) -> dg.ScheduleDefinition:
    """Make the schedule that compares all strategies anew.

    Parameters
    ----------
    target
        Assets that are not cut into partitions: the leaderboard, and what shows it.
    """
    return dg.ScheduleDefinition(
        "daily_leaderboard_schedule",
        job=dg.define_asset_job(
            "daily_leaderboard", target, description="All strategies, over all their months."
        ),
        # When the backtests of 00:45 are done, for a person to read in the morning. Between
        # 02:00 and 03:00 there are nights that have an hour twice, or not at all.
        cron_schedule="0 5 * * *",
        execution_timezone=ZONE,
        default_status=_STATUS,
        description=f"Every morning at 05:00 ({ZONE}): the leaderboard and the warehouse.",
    )


def _of_month(
    platform: Platform,
    target: AssetSelection,
    name: str,
    what: str,
    tags_of: Callable[[str], dict[str, str]],
) -> dg.ScheduleDefinition:
    """Make a nightly schedule of a month's assets; `tags_of` a month say which partitions."""
    start = platform.settings.history.start
    job = dg.define_asset_job(name, target, description=f"A month's {what}.")

    @dg.schedule(
        name=f"{name}_schedule",
        job=job,
        # After the prices, which take a minute or two where a whole day comes in one file.
        cron_schedule="45 0 * * *",
        execution_timezone=ZONE,
        default_status=_STATUS,
        description=f"Every night at 00:45 ({ZONE}): the current month's {what}.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time
        month = month_of_day_ended(moment)
        if month < start.isoformat()[:7]:
            return dg.SkipReason(f"Partitions begin on {start} (setting history.start).")
        return dg.RunRequest(run_key=day_ended(moment), tags=tags_of(month))

    return schedule
