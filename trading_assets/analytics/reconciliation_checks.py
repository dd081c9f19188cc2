"""The checks that hold tables against each other: what comes in must go out."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_LOTS,
    STRATEGY_SIGNAL_HISTORY,
    TRADE_MATCH_HISTORY,
    Table,
    arrow_schema,
)
from streaming.errors import TradingError
from streaming.runtimes.runs import Run
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.checks.looking import look
from trading_assets.analytics.checks.rows import Keys, Part, of_runs, runs_of
from trading_assets.analytics.partitions import month_bounds
from trading_assets.platform import Platform, PlatformResource

if TYPE_CHECKING:
    from trading_assets.analytics.checks.reconciliations import Reconciliation


def reconciliation_checks() -> list[dg.AssetChecksDefinition]:
    """Make the checks that hold tables against each other."""

    @dg.asset_check(
        asset=BACKTESTS,
        name="pnl_of_matches_is_that_of_the_metrics",
        description="Net PnL by strategy, added up from the matches, is what the run states.",
    )
    def pnl(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> dg.AssetCheckResult:
        from streaming.rules.units import to_money
        from trading_assets.analytics.checks.reconciliations import pnl_of_matches

        def reconcile(parts: Sequence[Part]) -> "Reconciliation":
            stated: dict[str, int] = {}
            matches = [arrow_schema(TRADE_MATCH_HISTORY).empty_table()]
            for part in parts:
                run = part.found_run()
                part.require()
                matches.append(run.matches())
                for name, one in run.facts["figures"].items():
                    stated[name] = stated.get(name, 0) + to_money(one["netPnl"])
            return pnl_of_matches(pa.concat_tables(matches), stated)

        parts = partial(of_runs, platform, BACKTESTS, TRADE_MATCH_HISTORY.name)
        return _looked(context, platform, parts, reconcile)

    @dg.asset_check(
        asset=PORTFOLIO,
        name="books_balance",
        description=(
            "Fees of fills = fees of matches and open lots; what was bought and sold = what was "
            "matched and stays open. From the first month on."
        ),
    )
    def books(platform: PlatformResource) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.reconciliations import fees_in_and_out, quantities

        def reconcile() -> "list[Reconciliation]":
            matches, reports, lots = _traced(_from_the_first_on(platform))
            return [fees_in_and_out(matches, lots, reports), quantities(matches, lots, reports)]

        return _told(reconcile)

    @dg.asset_check(
        asset=PORTFOLIO,
        name="open_symbols_within_the_limit",
        description="The account never holds more symbols than tradepicker.maxOpenPositions.",
    )
    def places(platform: PlatformResource) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.orderly import open_symbols

        gate = platform.settings.tradepicker
        by = ("accountId", "strategyId") if gate.key == "account+strategy" else ("accountId",)

        def reconcile() -> "Reconciliation":
            matches, _, lots = _traced(_from_the_first_on(platform))
            return open_symbols(matches, lots, gate.max_open_positions, by=by)

        return _told(reconcile)

    @dg.asset_check(
        asset=PORTFOLIO,
        name="no_signal_before_its_bar",
        description="Every signal stands on a bar, every order on a signal, every fill after it.",
    )
    def signals(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.orderly import signals_after_bars

        names = [
            table.name
            for table in (
                STRATEGY_SIGNAL_HISTORY,
                ACCEPTED_TRADE_SIGNAL_HISTORY,
                EXEC_REPORT_HISTORY,
            )
        ]

        def reconcile(parts: Sequence[Part]) -> "list[Reconciliation]":
            found = []
            for part in parts:
                run = part.found_run()
                part.require()
                made, accepted, filled = (run.table(name) for name in names)
                found.append(signals_after_bars(made, _bars(platform, run), accepted, filled))
            return found

        parts = partial(of_runs, platform, PORTFOLIO, *names)
        return _looked(context, platform, parts, reconcile)

    return [pnl, books, places, signals]


def _looked(
    context: dg.AssetCheckExecutionContext,
    platform: Platform,
    parts: Callable[[], Sequence[Part]],
    reconcile: "Callable[[Sequence[Part]], Reconciliation | list[Reconciliation]]",
) -> dg.AssetCheckResult:
    """Reconcile the partitions that have not passed as they are, and those of the run."""
    try:
        there = parts()
    except TradingError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    key = context.check_specs[0].key
    name = f"{key.asset_key.path[-1]}.{key.name}"
    chosen = look(platform, name, there, Keys(context.run.tags))
    result = _told(lambda: reconcile(chosen.parts))
    # What differs is added up over partitions: all of them are looked at until it is mended.
    chosen.done(() if result.passed else [part.key for part in chosen.parts])
    metadata: dict[str, Any] = {
        **(result.metadata or {}),
        "partitions": chosen.told,
        "partitions passed before": chosen.known,
    }
    return result._replace(metadata=metadata)


def _told(reconcile: "Callable[[], Reconciliation | list[Reconciliation]]") -> dg.AssetCheckResult:
    """Give what a reconciliation finds; one that spoilt rows make impossible does not hold."""
    from trading_assets.analytics.checks.results import reconciliation_result

    try:
        return reconciliation_result(reconcile())
    except TradingError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    except (ValueError, pa.ArrowException) as error:
        return dg.AssetCheckResult(
            passed=False,
            description=f"The rows cannot be reconciled ({error}): see the checks of contracts.",
        )


def _from_the_first_on(platform: Platform) -> list[Run]:
    """Give the portfolio's months from the lake's first bar on, up to a missing one.

    Only there books begin flat; where the first month is missing, there are none to compare.
    """
    runs = list(runs_of(platform, PORTFOLIO, Keys({})))
    if runs:
        begin, _ = month_bounds(runs[0].facts["window"]["start"][:7])
        if platform.lake().days()[0].first_ts <= begin:
            # It went on from months that are not there, and may have begun with positions.
            return []
    kept: list[Run] = []
    for run in runs:
        if kept and kept[-1].facts["window"]["end"] != run.facts["window"]["start"]:
            break
        kept.append(run)
    return kept


def _traced(runs: Sequence[Run]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Give the matches and fills of consecutive months, and what the last of them left open."""

    def every(table: Table) -> pa.Table:
        return pa.concat_tables(
            [arrow_schema(table).empty_table(), *(run.table(table.name) for run in runs)]
        )

    lots = runs[-1].open_lots() if runs else arrow_schema(OPEN_POSITIONS_LOTS).empty_table()
    return every(TRADE_MATCH_HISTORY), every(EXEC_REPORT_HISTORY), lots


def _bars(platform: Platform, run: Run) -> pa.Table:
    """Give symbol and ts of the bars of a run's month, and of the day before."""
    lake = platform.lake()
    begin, end = month_bounds(run.facts["window"]["start"][:7])
    parts = []
    for name, bars in lake.bars(run.definition["symbols"], begin - 86_400_000_000, end).items():
        parts.append(
            pa.table(
                {
                    "symbol": pa.repeat(name, len(bars)),
                    "ts": pa.array(bars.ts, pa.timestamp("us", tz="UTC")),
                }
            )
        )
    return pa.concat_tables(parts)
