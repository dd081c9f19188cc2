"""The checks of this location: every table's contract, and tables against each other.

A check looks at the partitions of its run, or at all of them where it is run alone. Those
that later work rests on block it: no backtest on prices that break their contract, no
metrics of matches that break theirs.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    INDICATOR_HISTORY,
    OPEN_POSITIONS_LOTS,
    PRICE_1M_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    TRADE_MATCH_HISTORY,
    Table,
    arrow_schema,
)
from streaming.errors import LakeError
from streaming.runtimes.runs import Run, find_run
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.partitions import month_bounds
from trading_assets.analytics.records import Records
from trading_assets.platform import Platform

Read = Callable[[Platform, "Keys"], tuple[pa.Table, list[tuple[str, int]]]]


class Keys:
    """The partitions that a check looks at.

    Parameters
    ----------
    tags
        Of the run: a partition, a range of them, or neither.
    """

    def __init__(self, tags: "dict[str, str]") -> None:
        key = tags.get("dagster/partition")
        self._first = key or tags.get("dagster/asset_partition_range_start")
        self._last = key or tags.get("dagster/asset_partition_range_end")

    def __contains__(self, key: str) -> bool:
        """Tell whether a partition, `2024-02` or `2024-02|ema_cross`, is among them."""
        if self._first is None or self._last is None:
            return True
        ends = zip(self._first.split("|"), self._last.split("|"), strict=True)
        parts = key.split("|")
        # A range of days is one of months too, and the other way round: whole ones count.
        return all(
            first[: len(part)] <= part[: len(first)] and part[: len(last)] <= last[: len(part)]
            for part, (first, last) in zip(parts, ends, strict=False)
        )


def contract_checks() -> list[dg.AssetChecksDefinition]:
    """Make the check of each table's contract."""
    return [
        _contract_check(PRICE_1M_HISTORY.name, PRICE_1M_HISTORY, _prices, blocking=True),
        _contract_check(INDICATOR_HISTORY.name, INDICATOR_HISTORY, _indicators, blocking=False),
        _contract_check(BACKTESTS, TRADE_MATCH_HISTORY, _matches_of(BACKTESTS), blocking=True),
        _contract_check(PORTFOLIO, TRADE_MATCH_HISTORY, _matches_of(PORTFOLIO), blocking=True),
    ]


def _contract_check(
    asset: str, table: Table, read: Read, *, blocking: bool
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="contract",
        blocking=blocking,
        description=f"Every row keeps the contract of {table.name}: columns, types, ranges, keys.",
    )
    def contract(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        # Great Expectations takes seconds to import: only where a check runs.
        from trading_assets.analytics.checks.contracts import check_rows
        from trading_assets.analytics.checks.results import as_check_result

        try:
            rows, files = read(platform, Keys(dict(context.run.tags)))
        except LakeError as error:
            return _unreadable(error)
        return as_check_result(check_rows(table, rows, files=files))

    return contract


def _unreadable(error: LakeError) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description=str(error))


def _prices(platform: Platform, keys: Keys) -> tuple[pa.Table, list[tuple[str, int]]]:
    lake = platform.lake()
    schema = arrow_schema(PRICE_1M_HISTORY)
    parts, files = [schema.empty_table()], []
    for info in lake.days():
        if info.day.isoformat() not in keys:
            continue
        path = lake.root / PRICE_1M_HISTORY.name / f"day={info.day}" / "bars.parquet"
        part = _read(path, "Import that day again.")
        parts.append(part)
        files.append((f"day={info.day}", part.num_rows))
    return pa.concat_tables(parts), files


def _indicators(platform: Platform, keys: Keys) -> tuple[pa.Table, list[tuple[str, int]]]:
    root = platform.folders.lake / INDICATOR_HISTORY.name
    parts, files = [arrow_schema(INDICATOR_HISTORY).empty_table()], []
    for path in sorted(root.glob("month=*/timeframe=*.parquet")):
        if path.parent.name.removeprefix("month=") in keys:
            part = _read(path, "Materialise that month again.")
            # A file holds symbol after symbol, each in order of time.
            for _, place in groupby(enumerate(part["symbol"].to_pylist()), lambda one: one[1]):
                files.append((f"{path.parent.name}/{path.name}", len(list(place))))
            parts.append(part)
    return pa.concat_tables(parts), files


def _read(path: Path, remedy: str) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: cannot be read ({error}). {remedy}") from error


def _matches_of(asset: str) -> Read:
    def read(platform: Platform, keys: Keys) -> tuple[pa.Table, list[tuple[str, int]]]:
        parts, files = [arrow_schema(TRADE_MATCH_HISTORY).empty_table()], []
        for run in _runs(platform, asset, keys):
            # By month, then strategy: in order within each.
            for path in sorted((run.folder / TRADE_MATCH_HISTORY.name).glob("*/*.parquet")):
                part = _read(path, f"Delete {run.folder} and materialise that partition again.")
                parts.append(part)
                files.append((f"{run.id}/{path.parent.name}/{path.name}", part.num_rows))
        return pa.concat_tables(parts), files

    return read


def _runs(platform: Platform, asset: str, keys: Keys) -> Iterator[Run]:
    lake = platform.lake()
    for record in Records(platform.folders.partitions, asset).all():
        key = f"{record.month}|{record.strategy}" if record.strategy else record.month
        if record.run_id is not None and key in keys:
            yield find_run(lake, record.run_id)


def reconciliation_checks() -> list[dg.AssetChecksDefinition]:
    """Make the checks that hold tables against each other."""

    @dg.asset_check(
        asset=BACKTESTS,
        name="pnl_of_matches_is_that_of_the_metrics",
        description="Net PnL by strategy, added up from the matches, is what the run states.",
    )
    def pnl(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        from streaming.rules.money import to_money
        from trading_assets.analytics.checks.reconciliations import pnl_of_matches
        from trading_assets.analytics.checks.results import reconciliation_result

        stated: dict[str, int] = {}
        parts = [arrow_schema(TRADE_MATCH_HISTORY).empty_table()]
        try:
            for run in _runs(platform, BACKTESTS, Keys(dict(context.run.tags))):
                parts.append(run.matches())
                for name, one in run.facts["figures"].items():
                    stated[name] = stated.get(name, 0) + to_money(one["netPnl"])
        except LakeError as error:
            return _unreadable(error)
        return reconciliation_result(pnl_of_matches(pa.concat_tables(parts), stated))

    @dg.asset_check(
        asset=PORTFOLIO,
        name="books_balance",
        description=(
            "Fees of fills = fees of matches and open lots; what was bought and sold = what was "
            "matched and stays open. From the first month on."
        ),
    )
    def books(platform: Platform) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.reconciliations import fees_in_and_out, quantities
        from trading_assets.analytics.checks.results import reconciliation_result

        try:
            runs = _from_the_first_on(platform)
            matches, reports, lots = _traced(runs)
        except LakeError as error:
            return _unreadable(error)
        return reconciliation_result(
            [fees_in_and_out(matches, lots, reports), quantities(matches, lots, reports)]
        )

    @dg.asset_check(
        asset=PORTFOLIO,
        name="open_symbols_within_the_limit",
        description="The account never holds more symbols than tradepicker.maxOpenPositions.",
    )
    def places(platform: Platform) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.orderly import open_symbols
        from trading_assets.analytics.checks.results import reconciliation_result

        gate = platform.settings.tradepicker
        by = ("accountId", "strategyId") if gate.key == "account+strategy" else ("accountId",)
        try:
            matches, _, lots = _traced(_from_the_first_on(platform))
        except LakeError as error:
            return _unreadable(error)
        return reconciliation_result(open_symbols(matches, lots, gate.max_open_positions, by=by))

    @dg.asset_check(
        asset=PORTFOLIO,
        name="no_signal_before_its_bar",
        description="Every signal stands on a bar, every order on a signal, every fill after it.",
    )
    def signals(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        from trading_assets.analytics.checks.orderly import signals_after_bars
        from trading_assets.analytics.checks.results import reconciliation_result

        keys = Keys(dict(context.run.tags))
        try:
            found = [
                signals_after_bars(
                    run.table(STRATEGY_SIGNAL_HISTORY.name),
                    _bars(platform, run),
                    run.table(ACCEPTED_TRADE_SIGNAL_HISTORY.name),
                    run.table(EXEC_REPORT_HISTORY.name),
                )
                for run in _runs(platform, PORTFOLIO, keys)
            ]
        except LakeError as error:
            return _unreadable(error)
        return reconciliation_result(found)

    return [pnl, books, places, signals]


def _from_the_first_on(platform: Platform) -> list[Run]:
    """Give the portfolio's months, those after a missing one left out: books begin flat."""
    runs = list(_runs(platform, PORTFOLIO, Keys({})))
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
