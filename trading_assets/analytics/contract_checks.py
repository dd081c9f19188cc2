"""The check of every table's contract, with the suite that Great Expectations runs on it.

A check speaks for all partitions that are there (`checks.looking`); run alone, it looks at each
of them. Those that later work rests on block it in their own run; in later ones, prices and
matches are asked again by what reads them (`sound_prices`, `Run.require_as_written`).
"""

from collections.abc import Callable

import dagster as dg

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
from trading_assets.analytics.checks.looking import look
from trading_assets.analytics.checks.rows import (
    Keys,
    Part,
    indicators,
    of_runs,
    prices,
    quarantine,
)
from trading_assets.platform import Platform, PlatformResource

Read = Callable[[Platform], list[Part]]

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
        _check(QUARANTINE_HISTORY.name, QUARANTINE_HISTORY, quarantine),
        *_checks_of_runs(BACKTESTS, BESIDE_MATCHES),
        *_checks_of_runs(PORTFOLIO, (*BESIDE_MATCHES, *TRACED)),
    ]


def _checks_of_runs(asset: str, beside: tuple[Table, ...]) -> list[dg.AssetChecksDefinition]:
    """Make the check of an asset's matches, and those of what its runs keep beside them."""

    def read(table: Table) -> Read:
        return lambda platform: of_runs(platform, asset, table.name)

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
        description=f"Every row keeps the contract of {table.name} (columns, types, ranges, keys), "
        "and is what was written. Speaks for all partitions: those that have not passed as they "
        "are now are looked at.",
    )
    def contract(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> dg.AssetCheckResult:
        # Great Expectations takes seconds to import: only where a check runs.
        from trading_assets.analytics.checks.partwise import check_parts
        from trading_assets.analytics.checks.results import parts_result

        try:
            parts = read(platform)
        except LakeError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        chosen = look(platform, f"{asset}.{name}", parts, Keys(context.run.tags))
        found = check_parts(table, chosen.parts, snapshots=table in BESIDE_MATCHES)
        chosen.done(found.failed)
        return parts_result(found, chosen)

    return contract
