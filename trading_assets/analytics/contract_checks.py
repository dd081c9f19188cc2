"""The check of every table's contract, with the suite that Great Expectations runs on it.

A check looks at the partitions of its run, or at all of them where it is run alone. Those
that later work rests on block it: no backtest on prices that break their contract, no
metrics of matches that break theirs.
"""

from collections.abc import Callable

import dagster as dg
import pyarrow as pa

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    INDICATOR_HISTORY,
    OPEN_POSITIONS_LOTS,
    ORDER_EVENT_HISTORY,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    TRADE_MATCH_HISTORY,
    UNREALIZED_PNL_LATEST,
    Table,
)
from streaming.errors import LakeError
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.checks.rows import (
    Files,
    Keys,
    by_types,
    indicators,
    of_runs,
    prices,
    quarantine,
    runs_of,
)
from trading_assets.platform import Platform, PlatformResource

Read = Callable[[Platform, Keys], Files]

BESIDE_MATCHES = (OPEN_POSITIONS_LOTS, UNREALIZED_PNL_LATEST)
"""Snapshots that a run leaves beside its matches: what is open at its end, and its worth."""

TRACED = (
    STRATEGY_SIGNAL_HISTORY,
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    ORDER_EVENT_HISTORY,
    EXEC_REPORT_HISTORY,
)
"""What the portfolio keeps of the way from signals to fills."""


def contract_checks() -> list[dg.AssetChecksDefinition]:
    """Make the check of each table that this location holds rows of."""
    return [
        _check(PRICE_1M_HISTORY.name, PRICE_1M_HISTORY, prices, blocking=True),
        _check(INDICATOR_HISTORY.name, INDICATOR_HISTORY, indicators),
        _check(
            QUARANTINE_HISTORY.name, QUARANTINE_HISTORY, lambda platform, _: quarantine(platform)
        ),
        *_checks_of_runs(BACKTESTS, BESIDE_MATCHES),
        *_checks_of_runs(PORTFOLIO, (*BESIDE_MATCHES, *TRACED)),
    ]


def _checks_of_runs(asset: str, beside: tuple[Table, ...]) -> list[dg.AssetChecksDefinition]:
    """Make the check of an asset's matches, and those of what its runs keep beside them."""

    def read(table: Table) -> Read:
        return lambda platform, keys: of_runs(table, runs_of(platform, asset, keys))

    return [
        _check(asset, TRADE_MATCH_HISTORY, read(TRADE_MATCH_HISTORY), blocking=True),
        *(_check(asset, table, read(table), name=f"contract_{table.name}") for table in beside),
    ]


def _check(
    asset: str, table: Table, read: Read, *, name: str = "contract", blocking: bool = False
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name=name,
        blocking=blocking,
        description=f"Every row keeps the contract of {table.name}: columns, types, ranges, keys.",
    )
    def contract(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> dg.AssetCheckResult:
        # Great Expectations takes seconds to import: only where a check runs.
        from trading_assets.analytics.checks.contracts import check_rows
        from trading_assets.analytics.checks.results import as_check_result

        keys = Keys(context.run.tags)
        try:
            files = read(platform, keys)
        except LakeError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        fit, odd = by_types(table, files)
        for name, rows in odd:
            # It cannot be put beside the others: it is told before them, by its name.
            report = check_rows(table, rows, files=[(name, rows.num_rows)])
            if not report.passed:
                result = as_check_result(report, partitions=str(keys))
                return result._replace(description=f"{name}: {report.summary}")
        report = check_rows(
            table,
            pa.concat_tables([rows for _, rows in fit]),
            files=[(name, rows.num_rows) for name, rows in fit],
            snapshots=table in BESIDE_MATCHES,
        )
        return as_check_result(report, partitions=str(keys))

    return contract
