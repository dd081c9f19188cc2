"""The checks that partitions are of today, and that metrics are of their partitions.

A month that was run before its last bars came, or before older ones did, or with other
settings, would stand beside others on the leaderboard as if it belonged to them.
"""

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.errors import TradingError
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import (
    LEADERBOARD,
    METRICS,
    metrics_file,
    months_held,
    uneven,
)
from trading_assets.analytics.records import Records, run_of
from trading_assets.analytics.staleness import stale_records
from trading_assets.platform import Platform, PlatformResource


def partition_checks() -> list[dg.AssetChecksDefinition]:
    """Make the checks that partitions are of today, and metrics of their partitions."""

    def check(asset: str, of: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset=asset,
            name="months_are_of_todays_bars_and_settings",
            description=f"Every partition of {of} stands for the run that its bars, the settings "
            "and the code of today give. Looks at all partitions.",
        )
        def fresh(platform: PlatformResource) -> dg.AssetCheckResult:
            try:
                records = Records(platform.folders.partitions, of).all()
                stale = [one.key for one in stale_records(platform, records)]
                every = len(records)
            except TradingError as error:
                return dg.AssetCheckResult(passed=False, description=str(error))
            more = f" and {len(stale) - _SHOWN} more" if len(stale) > _SHOWN else ""
            said = f"{len(stale)} of {every} partitions of {of} are not of today's bars, settings "
            said += f"and code. Materialise them again: {', '.join(stale[:_SHOWN])}{more}."
            return dg.AssetCheckResult(
                passed=not stale,
                severity=dg.AssetCheckSeverity.WARN,
                description=said if stale else f"{every} partitions of {of}: all are of today.",
                metadata={"compared": every, "stale": stale},
            )

        return fresh

    @dg.asset_check(
        asset=METRICS,
        name="metrics_are_of_their_runs",
        description="Each month's metrics are of the run of its matches, with its net PnL. "
        "Looks at all partitions.",
    )
    def metrics(platform: PlatformResource) -> dg.AssetCheckResult:
        try:
            differing, every = _other_metrics(platform)
        except TradingError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        said = f"{len(differing)} of {every} are not: materialise them again. " + "; ".join(
            differing
        )
        return dg.AssetCheckResult(
            passed=not differing,
            description=said if differing else f"{every} months' metrics are those of their runs.",
            metadata={"compared": every, "differing": differing},
        )

    @dg.asset_check(
        asset=LEADERBOARD,
        name="strategies_have_the_same_months",
        description="Every strategy has the months that others have: figures are of one time.",
    )
    def same_months(platform: PlatformResource) -> dg.AssetCheckResult:
        try:
            held = months_held(Records(platform.folders.partitions, BACKTESTS).all())
        except TradingError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        said = uneven(held)
        return dg.AssetCheckResult(
            passed=not said,
            severity=dg.AssetCheckSeverity.WARN,
            description=said or f"{len(held)} strategies: all have the same months.",
            metadata={
                "compared": len(held),
                "months": {strategy: len(months) for strategy, months in held.items()},
            },
        )

    return [
        metrics,
        same_months,
        check(BACKTESTS, BACKTESTS),
        check(PORTFOLIO, PORTFOLIO),
        check(LEADERBOARD, BACKTESTS),
    ]


_SHOWN = 10


def _other_metrics(platform: Platform) -> tuple[list[str], int]:
    """Say which metrics are not of their partition's run; and how many there are."""
    differing, every = [], 0
    lake = platform.lake()
    for record in Records(platform.folders.partitions, BACKTESTS).all():
        key, path = record.key, metrics_file(platform, record)
        if record.run_id is None or not path.exists():
            continue
        every += 1
        try:
            (row,) = pq.read_table(path, columns=["runId", "netPnl"]).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            differing.append(f"{key}: {path} cannot be read ({error})")
            continue
        try:
            run = run_of(lake, record)
        except TradingError as error:
            differing.append(f"{key}: {error}")
            continue
        figures = {} if run is None else run.facts["figures"]
        net = sum(float(one["netPnl"]) for one in figures.values())
        if row["runId"] != record.run_id:
            differing.append(f"{key}: of run {row['runId']}, its matches of {record.run_id}")
        elif abs(row["netPnl"] - net) > _CENT_SHARE:
            differing.append(f"{key}: netPnl {row['netPnl']} is not the run's {net}")
    return differing, every


_CENT_SHARE = 1e-6
"""What doubles may differ by."""
