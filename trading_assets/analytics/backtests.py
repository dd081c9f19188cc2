"""`backtest_trade_matches` (month x strategy) and `portfolio_trade_matches` (by month)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from streaming.contracts import TRADE_MATCH_HISTORY
from streaming.errors import TradingError
from streaming.jobs.strategies import STRATEGIES
from streaming.lake import Lake, sweep
from streaming.lake.shared import SharedLake
from streaming.runtimes.backtest.sources import sources_digest
from trading_assets.analytics.automation import CURRENT_MONTH
from trading_assets.analytics.config import BacktestConfig
from trading_assets.analytics.forms import filled_in, form
from trading_assets.analytics.months import ALL, Month, Plan, run_months, run_of_today
from trading_assets.analytics.partitions import backtests, months
from trading_assets.analytics.previews import match_preview
from trading_assets.analytics.prices import PRICES, failures
from trading_assets.analytics.records import Record, Records
from trading_assets.analytics.sound_prices import SoundPrices
from trading_assets.contract_metadata import OWNERS, schema_metadata
from trading_assets.platform import Platform, PlatformResource, rules_are_new

BACKTESTS = "backtest_trade_matches"
PORTFOLIO = "portfolio_trade_matches"
GROUP = "backtests"

# A month rests on every bar before its end: features and positions come from the first on.
EVERY_DAY = dg.AssetDep(PRICES, partition_mapping=dg.AllPartitionMapping())

Results = Iterator[dg.MaterializeResult[None]]

_SHOWN_ERRORS = 20


def code_version() -> str:
    """Give the version of all code that decides a row: 16 hex digits."""
    return sources_digest()[:16]


def backtest_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Make both assets; partitions begin where the settings say that history does."""
    start = platform.settings.history.start
    metadata = schema_metadata(TRADE_MATCH_HISTORY)

    @dg.asset(
        name=BACKTESTS,
        description=(
            "Trade matches of every strategy alone in its account, month by month. A month goes "
            "on from the one before, so all of them together are one continuous backtest."
        ),
        partitions_def=backtests(start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[EVERY_DAY],
        config_schema=form(BacktestConfig, platform),
        code_version=code_version(),
        automation_condition=CURRENT_MONTH,
        # A run with other parameters materialises nothing.
        output_required=False,
        kinds={"python", "numba", "parquet"},
        owners=OWNERS,
        group_name=GROUP,
        metadata=metadata,
    )
    def backtest_trade_matches(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Results:
        keys = [(month, name) for month, name in (key.split("|") for key in context.partition_keys)]
        yield from _materialise(context, platform, keys)

    @dg.asset(
        name=PORTFOLIO,
        description=(
            "Trade matches of all strategies in one account, competing for its places, with "
            "equal weights; traced, so that signals, orders and fills are kept beside them."
        ),
        partitions_def=months(start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[EVERY_DAY],
        config_schema=form(BacktestConfig, platform),
        code_version=code_version(),
        automation_condition=CURRENT_MONTH,
        # A run with other parameters materialises nothing.
        output_required=False,
        kinds={"python", "numba", "parquet"},
        owners=OWNERS,
        group_name=GROUP,
        metadata=metadata,
    )
    def portfolio_trade_matches(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Results:
        keys = [(key, ALL) for key in context.partition_keys]
        yield from _materialise(context, platform, keys)

    return [backtest_trade_matches, portfolio_trade_matches]


def _materialise(
    context: dg.AssetExecutionContext, platform: Platform, keys: Sequence[tuple[str, str]]
) -> Results:
    """Run the months, record what each partition stands for, and tell of each."""
    config: BacktestConfig = filled_in(BacktestConfig, context)
    with failures():
        named = {name for _, name in keys}
        config.check_taking_part(STRATEGIES if named == {ALL} else named)
        plan = config.plan(platform)
    sweep(platform.folders.partitions)
    records = Records(platform.folders.partitions, context.asset_key.path[-1])
    lake = SharedLake(platform.folders.lake)
    prices = SoundPrices(lake, platform.folders.verdicts)
    if rules_are_new():
        context.log.info("The rules are compiled first: half a minute or so, this once.")
    standard: list[Month] = []
    others: list[Month] = []
    failed: list[Month] = []
    for number, month in enumerate(run_months(lake, plan, keys, prices), 1):
        kept = standard
        if not month.error:
            run = None if month.run is None else month.run.id
            try:
                if config.given and run != _standard_run(lake, platform, month):
                    kept = others
                else:
                    records.put(Record(month.month, month.strategy, run, code_version()))
            except TradingError as error:
                month = replace(month, error=str(error))
        if month.error:
            failed.append(month)
            context.log.error(f"{_label(month)}: {month.error}")
            continue
        kept.append(month)
        context.log.info(f"{number} of {len(keys)}: {_label(month)}, {month.seconds:.2f} s")
    if standard and config.given:
        context.log.info(f"{_HOLDS_ANYWAY} {', '.join(map(_label, standard))}.")
    word = {"set at the launch": f"{_HOLDS_ANYWAY} this."} if config.given else {}
    told = [(month, dict(_facts(month)) | word) for month in standard]
    if failed or others:
        # The step gives no event: each month gets here the one that it would have got.
        for month, facts in told:
            _log(context, dg.AssetMaterialization, month, facts)
        for month in others:
            # The partition stands for its standard run still.
            facts = dict(_facts(month)) | {"overridden": config.given}
            _log(context, dg.AssetObservation, month, facts)
    if failed:
        raise dg.Failure(
            description=_why(failed, len(keys)),
            metadata={"failed partitions": [_label(month) for month in failed]},
            allow_retries=False,
        )
    if not others:
        for month, facts in told:
            context.add_asset_metadata(facts, partition_key=_key(month))
        yield dg.MaterializeResult()


_HOLDS_ANYWAY = "What was set holds anyway, so the standard run is"


def _standard_run(lake: Lake, platform: Platform, month: Month) -> str | None:
    """Give the runId that a month has when nothing is set."""
    plan = Plan(settings=platform.settings, instruments=platform.instruments)
    return run_of_today(lake, plan, month.month, month.strategy)


def _log(
    context: dg.AssetExecutionContext, event: Any, month: Month, facts: dict[str, Any]
) -> None:
    context.log_event(event(context.asset_key, partition=_key(month), metadata=facts))


def _why(failed: Sequence[Month], asked: int) -> str:
    """Say what failed, the first of them each with its reason."""
    lines = [f"{_label(month)}: {month.error}" for month in failed[:_SHOWN_ERRORS]]
    if len(failed) > _SHOWN_ERRORS:
        lines.append(f"... and {len(failed) - _SHOWN_ERRORS} more; the log names each.")
    return f"{len(failed)} of {asked} partitions failed.\n" + "\n".join(lines)


def _label(month: Month) -> str:
    return f"{month.month} {month.strategy}".rstrip()


def _key(month: Month) -> str:
    return f"{month.month}|{month.strategy}" if month.strategy else month.month


def _facts(month: Month) -> Iterator[tuple[str, Any]]:
    """Give what the UI shows of a month."""
    yield "seconds", round(month.seconds, 3)
    if month.run is None:
        yield "dagster/row_count", 0
        yield "note", "There are no prices in this month yet, or none before its end."
        return
    run = month.run
    matches = run.matches()
    figures = run.facts["figures"].values()
    yield "dagster/row_count", matches.num_rows
    yield "runId", run.id
    yield "folder", dg.MetadataValue.path(str(run.folder))
    yield "net PnL", float(sum(float(one["netPnl"]) for one in figures))
    yield "fees", float(sum(float(one["fees"]) for one in figures))
    yield "trades", sum(one["trades"] for one in figures)
    yield "open lots at the end", run.facts["rows"].get("open_positions_lots", 0)
    yield "symbols", len(run.definition["symbols"])
    yield "complete to", run.facts["window"]["completeTo"]
    if matches.num_rows:
        yield "best and worst matches", dg.MetadataValue.md(match_preview(matches))
