"""The sensor on months that have ended: those whose prices have changed are run again.

The last bars of a month come when the next one has begun, files come late, and bars are
corrected. A month rests on all bars before its end, so such a month is run again, and each one
after it that stands for a run of other bars.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from streaming.errors import TradingError
from streaming.jobs.strategies import STRATEGIES
from streaming.lake import DayInfo
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import METRICS
from trading_assets.analytics.months import ALL
from trading_assets.analytics.records import Record, Records
from trading_assets.analytics.staleness import stale_records
from trading_assets.platform import Platform, PlatformResource

_FIRST = "dagster/asset_partition_range_start"
_LAST = "dagster/asset_partition_range_end"

Span = tuple[str, str]
"""First and last partition key of a range."""


def changed_months(platform: Platform, asset: str, today: dt.date) -> list[Record]:
    """Give the ended months of an asset that are to be run again, as they are recorded.

    Months that were never run are left to a person, but for the one that ended last and goes
    on from one that was run: the bars of a month may all have come after its end.

    Parameters
    ----------
    platform
        The data folder and the settings.
    asset
        `BACKTESTS` or `PORTFOLIO`.
    today
        The UTC day: its month has not ended.

    Raises
    ------
    TradingError
        If the lake, a record or a setting is damaged.
    """
    now = f"{today:%Y-%m}"
    latest = today.replace(day=1) - dt.timedelta(days=1)
    before = latest.replace(day=1) - dt.timedelta(days=1)
    every = Records(platform.folders.partitions, asset).all()
    ended = [one for one in every if one.month < now]
    known = {(one.month, one.strategy) for one in ended}
    for month, strategy in sorted(known):
        if month == f"{before:%Y-%m}" and (f"{latest:%Y-%m}", strategy) not in known:
            # As if it had been run when there were no prices.
            ended.append(Record(f"{latest:%Y-%m}", strategy, None, ""))
    return stale_records(platform, ended)


def spans(records: Sequence[Record]) -> Iterator[Span]:
    """Give ranges of partitions that hold all of these, as few as can be.

    Months between are in a range, too; running one that is as it should be changes nothing.
    """
    months: dict[str, list[str]] = {}
    for one in records:
        months.setdefault(one.strategy, []).append(one.month)
    ends = {strategy: (min(found), max(found)) for strategy, found in months.items()}
    if ALL in ends:
        yield ends.pop(ALL)
    # A range of strategies takes all between: so neighbours that have the same months.
    for end, group in groupby(sorted(STRATEGIES), key=ends.get):
        if end is not None:
            names = list(group)
            yield f"{end[0]}|{names[0]}", f"{end[1]}|{names[-1]}"


def changed_months_jobs() -> dict[str, Any]:
    """Make the jobs that run such months, by the asset whose months they are."""
    both = dg.AssetSelection.assets(BACKTESTS, METRICS)
    alone = dg.AssetSelection.assets(PORTFOLIO)
    said = "Months that have ended and whose prices have changed since: "
    return {
        BACKTESTS: dg.define_asset_job(
            "changed_backtests", both, description=f"{said}backtests and their metrics."
        ),
        PORTFOLIO: dg.define_asset_job(
            "changed_portfolio", alone, description=f"{said}the portfolio."
        ),
    }


def changed_months_sensor() -> dg.SensorDefinition:
    """Make the sensor."""
    jobs = changed_months_jobs()

    @dg.sensor(
        name="changed_months_sensor",
        jobs=list(jobs.values()),
        minimum_interval_seconds=60,
        # Off at first, like the one on the current month, and for the same reason.
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Runs months that have ended again when their prices, or those of months "
        "before them, have changed since: late bars, late files, corrections.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            bars = _digest(platform.lake().days())
            today = dt.datetime.now(dt.UTC).date()
            seen = f"{bars} {today:%Y-%m}"
            if context.cursor == seen:
                return dg.SkipReason("No prices have changed since the last look.")
            return tick(platform, today, seen)
        except TradingError as error:
            return dg.SkipReason(f"Nothing is run until this is mended: {error}")

    return sensor


def tick(platform: Platform, today: dt.date, seen: str) -> dg.SensorResult:
    """Ask for a run of each range of months that have changed.

    Parameters
    ----------
    platform, today
        As in `changed_months`.
    seen
        What stands for the prices of now: the cursor, and part of each run's key, so that a
        month whose run fails is not run again before prices change again.
    """
    requests = [
        dg.RunRequest(
            run_key=f"{first}..{last} {seen}",
            job_name=job.name,
            tags={_FIRST: first, _LAST: last},
        )
        for asset, job in changed_months_jobs().items()
        for first, last in spans(changed_months(platform, asset, today))
    ]
    why = None if requests else "No month that has ended was run with other prices."
    return dg.SensorResult(run_requests=requests, skip_reason=why, cursor=seen)


def _digest(days: Sequence[DayInfo]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for info in days:
        digest.update(json.dumps([info.day.isoformat(), info.symbols]).encode())
    return digest.hexdigest()
