"""`backtest_equity_metrics` (month x strategy) and `backtest_leaderboard` (all of them)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.analytics.equity import EquityReport
from streaming.analytics.sources import Source
from streaming.contracts import OPEN_POSITIONS_LOTS, TRADE_MATCH_HISTORY, empty_table
from streaming.errors import LakeError, TradingError
from streaming.lake import Lake, atomic_file, sweep
from streaming.runtimes.runs import Run
from trading_assets.analytics.automation import CURRENT_MONTH, ON_NEWS
from trading_assets.analytics.backtests import BACKTESTS, code_version
from trading_assets.analytics.equity_facts import board, drawing, figures
from trading_assets.analytics.partitions import MONTH, STRATEGY, backtests, month_bounds
from trading_assets.analytics.prices import failures
from trading_assets.analytics.records import Record, Records, run_of
from trading_assets.analytics.sound_prices import SoundPrices
from trading_assets.contract_metadata import OWNERS
from trading_assets.platform import Platform, PlatformResource

METRICS = "backtest_equity_metrics"
LEADERBOARD = "backtest_leaderboard"
GROUP = "equity"

_SHOWN = 10


def equity_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Make both assets."""
    partitions = backtests(platform.settings.history.start)

    @dg.asset(
        name=METRICS,
        description="Return, risk and trades of one month of one strategy.",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[BACKTESTS],
        code_version=code_version(),
        automation_condition=CURRENT_MONTH,
        kinds={"python", "parquet"},
        owners=OWNERS,
        group_name=GROUP,
    )
    def backtest_equity_metrics(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> None:
        records = Records(platform.folders.partitions, BACKTESTS)
        prices = SoundPrices(platform.lake(), platform.folders.verdicts)
        sweep(platform.folders.metrics / METRICS)
        done: dict[str, dict[str, Any]] = {}
        missing: list[str] = []
        failed: list[str] = []
        for key in context.partition_keys:
            month, strategy = key.split("|")
            try:
                record = records.get(month, strategy)
                if record is None:
                    missing.append(key)
                    continue
                prices.require(month_bounds(month)[1])
                done[key] = _month_facts(platform, record)
            except TradingError as error:
                failed.append(f"{key}: {error}")
                context.log.error(failed[-1])
        if missing or failed:
            # The step gives no event, those that are done get theirs here.
            for key, facts in done.items():
                event = dg.AssetMaterialization(context.asset_key, partition=key, metadata=facts)
                context.log_event(event)
            raise dg.Failure(description=_why(missing, failed), allow_retries=False)
        for key, facts in done.items():
            context.add_asset_metadata(facts, partition_key=key)

    @dg.asset(
        name=LEADERBOARD,
        description=(
            "All strategies over all months that are there, realised and marked at the last "
            "prices: who earned what, at what risk."
        ),
        deps=[dg.AssetDep(BACKTESTS, partition_mapping=dg.AllPartitionMapping()), METRICS],
        code_version=code_version(),
        automation_condition=ON_NEWS,
        kinds={"python", "parquet"},
        owners=OWNERS,
        group_name=GROUP,
    )
    def backtest_leaderboard(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult[None]:
        with failures():
            records = Records(platform.folders.partitions, BACKTESTS).all()
            sweep(platform.folders.metrics)
            lake, held = platform.lake(), months_held(records)
            if not held:
                raise dg.Failure(
                    description=f"No partition of {BACKTESTS} with prices is materialised yet.",
                    allow_retries=False,
                )
            last = max(months[-1] for months in held.values())
            SoundPrices(lake, platform.folders.verdicts).require(month_bounds(last)[1])
            reports = leaderboard(lake, records)
            more = [_months_of(held[one.name]) for one in reports]
            path = platform.folders.metrics / f"{LEADERBOARD}.parquet"
            write_reports(path, reports, more, leaderboard_schema())
        note = uneven(held)
        if note:
            context.log.warning(note)
        return dg.MaterializeResult(metadata=_leaderboard_facts(reports, held))

    return [backtest_equity_metrics, backtest_leaderboard]


def _why(missing: list[str], failed: list[str]) -> str:
    """Say what has no backtest yet, and what failed, the first of them."""
    lines = []
    if missing:
        lines.append(
            f"{len(missing)} partitions of {BACKTESTS} were never materialised: "
            f"{', '.join(missing[:_SHOWN])}. Materialise them first."
        )
    if failed:
        lines += [
            f"{len(failed)} partitions failed; the log names each. Where a run is not as it was "
            f"written, materialise that partition of {BACKTESTS} again.",
            *failed[:_SHOWN],
        ]
    return "\n".join(lines)


def months_held(records: list[Record]) -> dict[str, list[str]]:
    """Give the months that each strategy has a run of, in order; none without any."""
    held: dict[str, list[str]] = {}
    for one in records:
        if one.run_id is not None:
            held.setdefault(one.strategy, []).append(one.month)
    return {strategy: sorted(months) for strategy, months in sorted(held.items())}


def uneven(held: dict[str, list[str]]) -> str:
    """Say which strategies lack months that others have; "" where none does."""
    every = {month for months in held.values() for month in months}
    lacking = {
        strategy: sorted(every.difference(months))
        for strategy, months in held.items()
        if every.difference(months)
    }
    if not lacking:
        return ""
    named = [
        f"{strategy} ({', '.join(months[:_SHOWN])}{' ...' if len(months) > _SHOWN else ''})"
        for strategy, months in list(lacking.items())[:_SHOWN]
    ]
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return (
        f"{len(lacking)} of {len(held)} strategies lack months that others have, so their figures "
        f"are not of the same time: {', '.join(named)}{more}. Materialise those months of "
        f"{BACKTESTS}."
    )


def leaderboard(lake: Lake, records: list[Record]) -> list[EquityReport]:
    """Report every strategy over the months that its records stand for, the best first.

    Parameters
    ----------
    records
        Of `backtest_trade_matches`. Months without prices count for nothing.

    Raises
    ------
    LakeError
        If a partition's run is missing, damaged or altered: names each, and what to do.
    """
    from streaming.runtimes.run_source import from_run

    sources: list[tuple[Run, Source]] = []
    faults = []
    for one in records:
        try:
            run = run_of(lake, one)
            if run is not None:
                sources.append((run, from_run(lake.root, run.id)))
        except TradingError as error:
            faults.append(f"{one.key}: {error}")
    if faults:
        raise LakeError(
            f"{len(faults)} of {len(records)} partitions of {BACKTESTS} cannot be used, and the "
            "leaderboard is over all of them. Materialise them again, with their "
            f"{METRICS}, then this.\n" + "\n".join(faults[:_SHOWN])
        )
    if not sources:
        return []
    reports = joined(lake, sources).reports(by="strategy")
    return sorted(reports, key=lambda one: (-one.realised.figures.net_pnl, one.name))


def joined(lake: Lake, runs: list[tuple[Run, Source]]) -> Source:
    """Give the matches of several months of several strategies as one source to measure.

    What is open is what the last month of each strategy left open.
    """
    sources = {run.id: source for run, source in runs}
    latest: dict[str, Run] = {}
    for run in sorted((run for run, _ in runs), key=lambda run: run.facts["window"]["completeTo"]):
        latest |= dict.fromkeys(run.facts["figures"], run)
    windows = [one.window for one in sources.values() if one.window is not None]
    lots = [sources[run.id].open_lots for run in latest.values()]
    points: dict[str, int] = {}
    for one in sources.values():
        points |= dict(one.point_values)
    return Source(
        pa.concat_tables(
            [empty_table(TRADE_MATCH_HISTORY), *(one.matches for one in sources.values())]
        ),
        pa.concat_tables(
            [empty_table(OPEN_POSITIONS_LOTS), *(one for one in lots if one is not None)]
        ),
        lake,
        window=(min(begin for begin, _ in windows), max(end for _, end in windows)),
        capital=next(iter(sources.values())).capital,
        accounts=len(latest),
        groups={"strategy": sorted(latest)},
        point_values=points,
    )


def metrics_file(platform: Platform, record: Record) -> Path:
    """Name the file of a month's metrics of a strategy."""
    folder = platform.folders.metrics / METRICS / f"month={record.month}"
    return folder / f"{STRATEGY}={record.strategy}.parquet"


def _month_facts(platform: Platform, record: Record) -> dict[str, Any]:
    path = metrics_file(platform, record)
    if record.run_id is None:
        return {"dagster/row_count": 0, "note": "There are no prices in this month yet."}
    from streaming.runtimes.run_source import from_run

    reports = from_run(platform.folders.lake, record.run_id).reports(by="strategy")
    write_reports(path, reports, [{MONTH: record.month, "runId": record.run_id}], month_schema())
    facts = {"runId": record.run_id, "file": dg.MetadataValue.path(str(path))}
    return {**facts, **figures(reports[0]), "equity": drawing(reports)}


def _months_of(months: list[str]) -> dict[str, Any]:
    """Give the columns that say which months a line of the leaderboard is over."""
    return {"months": len(months), "firstMonth": months[0], "lastMonth": months[-1]}


def _leaderboard_facts(reports: list[EquityReport], held: dict[str, list[str]]) -> dict[str, Any]:
    months = sorted({month for one in held.values() for month in one})
    facts = {
        "dagster/row_count": len(reports),
        "leaderboard": board(reports, {name: len(one) for name, one in held.items()}),
        "months": f"{months[0]} to {months[-1]}, {len(months)} of them",
        "equity": drawing(reports, len(reports)),
    }
    note = uneven(held)
    return {"warning": note, **facts} if note else facts


def report_schema() -> pa.Schema:
    """Give the columns of a report; nested figures are JSON."""
    text, whole, number = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        {
            **dict.fromkeys(("by", "name", "start", "end", "tz"), text),
            **dict.fromkeys(("days", "daysPerYear"), whole),
            "capital": number,
            "symbols": pa.list_(text),
            **dict.fromkeys(("netPnl", "openPnl", "exposure"), number),
            **dict.fromkeys(("realised", "marked", "buyAndHold", "trades"), text),
            "notes": pa.list_(text),
        }
    )


def leaderboard_schema() -> pa.Schema:
    """Give the columns of `backtest_leaderboard`: how many months, which, and a report's."""
    over = [("months", pa.int64()), ("firstMonth", pa.string()), ("lastMonth", pa.string())]
    return pa.schema([*(pa.field(*one) for one in over), *report_schema()])


def month_schema() -> pa.Schema:
    """Give the columns of `backtest_equity_metrics`: of which month and run, and a report's."""
    of = [pa.field(name, pa.string()) for name in (MONTH, "runId")]
    return pa.schema([*of, *report_schema()])


def write_reports(
    path: Path,
    reports: list[EquityReport],
    more: Sequence[Mapping[str, Any]],
    schema: pa.Schema,
) -> None:
    """Write reports as a Parquet file, a row each; nested figures as JSON.

    Parameters
    ----------
    more
        Columns before those of each report.
    schema
        All columns.
    """
    from streaming.analytics.report import report_dict

    rows = [
        {
            **first,
            **{
                name: json.dumps(value) if isinstance(value, dict) else value
                for name, value in report_dict(one).items()
            },
        }
        for one, first in zip(reports, more, strict=True)
    ]
    with atomic_file(path) as partial:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), partial)
