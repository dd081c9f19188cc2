"""`indicator_history`, by month: every published feature of every symbol and timeframe."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from streaming.contracts import INDICATOR_HISTORY
from streaming.errors import TradingError
from streaming.lake import Lake
from streaming.rules.indicators import VERSION
from streaming.rules.timeframes import check_timeframe
from trading_assets.analytics.backtests import EVERY_DAY
from trading_assets.analytics.forms import Checked, filled_in, form
from trading_assets.analytics.partitions import STANDARD_TIMEFRAMES, month_bounds, months
from trading_assets.analytics.previews import markdown_table
from trading_assets.analytics.sound_prices import SoundPrices
from trading_assets.contract_metadata import OWNERS, schema_metadata
from trading_assets.platform import Platform, PlatformResource

GROUP = "prices"
_SHOWN = 5
_SHOWN_COLUMNS = 8


class IndicatorConfig(Checked):
    """What is computed."""

    timeframes: list[str] = Field(
        default=list(STANDARD_TIMEFRAMES),
        min_length=1,
        description=(
            "Timeframes to keep. Others than the standard ones are kept beside the month, which "
            "stands for the standard ones still. M1 has as many rows as there are bars, of some "
            "40 columns: ask for it where there is room. Backtests compute what they need by "
            "themselves."
        ),
    )

    def check(self, platform: Platform) -> None:
        """Refuse what is no timeframe."""
        for name in self.timeframes:
            check_timeframe(name)

    @property
    def chosen(self) -> list[str]:
        """The timeframes, each once."""
        return sorted(set(self.timeframes))

    @property
    def standard(self) -> bool:
        """Whether these are the timeframes that a month stands for."""
        return set(self.timeframes) == set(STANDARD_TIMEFRAMES)


def indicator_asset(platform: Platform) -> dg.AssetsDefinition:
    """Make the asset."""

    @dg.asset(
        name=INDICATOR_HISTORY.name,
        description=INDICATOR_HISTORY.description,
        partitions_def=months(platform.settings.history.start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[EVERY_DAY],
        config_schema=form(IndicatorConfig, platform),
        code_version=str(VERSION),
        # A run with other timeframes materialises nothing: it tells observations.
        output_required=False,
        kinds={"python", "numba", "parquet"},
        owners=OWNERS,
        group_name=GROUP,
        metadata=schema_metadata(INDICATOR_HISTORY),
    )
    def indicator_history(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        config = filled_in(IndicatorConfig, context)
        lake = platform.lake()
        prices = SoundPrices(lake, platform.folders.verdicts)
        done: dict[str, dict[str, Any]] = {}
        failed: list[str] = []
        for month in context.partition_keys:
            try:
                prices.require(month_bounds(month)[1])
                done[month] = _month_facts(lake, month, config)
            except TradingError as error:
                failed.append(f"{month}: {error}")
                context.log.error(failed[-1])
        if failed or not config.standard:
            # The step gives no event: what is done gets its own here.
            event: Any = dg.AssetMaterialization if config.standard else dg.AssetObservation
            for month, facts in done.items():
                context.log_event(event(context.asset_key, partition=month, metadata=facts))
        if failed:
            raise dg.Failure("\n".join(failed), allow_retries=False)
        if config.standard:
            for month, facts in done.items():
                context.add_asset_metadata(facts, partition_key=month)
            yield dg.MaterializeResult()

    return indicator_history


def _month_facts(lake: Lake, month: str, config: IndicatorConfig) -> dict[str, Any]:
    """Compute a month, and give what the UI shows of it."""
    # They bring numba: only where a month is made.
    from trading_assets.analytics.indicator_months import (
        read_indicator_month,
        run_indicator_month,
    )

    made = run_indicator_month(lake, month, config.chosen)
    if made is None:
        return {"dagster/row_count": 0, "note": "There are no prices in this month yet."}
    rows = read_indicator_month(lake, month, config.chosen)
    preview = rows.slice(max(rows.num_rows - _SHOWN, 0))
    preview = preview.select(preview.column_names[:_SHOWN_COLUMNS])
    return {
        **({} if config.standard else {"overridden": {"timeframes": config.chosen}}),
        "dagster/row_count": rows.num_rows,
        **{f"{frame} rows": count for frame, count in made.rows.items()},
        "symbols": made.symbols,
        "went on from": made.resumed or "the first bar",
        "folder": dg.MetadataValue.path(str(made.folder)),
        "newest rows": dg.MetadataValue.md(markdown_table(preview)),
    }
