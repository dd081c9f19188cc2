"""`history_to_lake`: aged history goes from the store to the lake, and leaves the store."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import StoreError
from trading_assets.contract_metadata import OWNERS
from trading_assets.lineage import ENGINE_TABLES, GROUP
from trading_assets.live.engine import failures, store_of
from trading_assets.platform import Platform, PlatformResource

if TYPE_CHECKING:
    from streaming.runtimes.live.history import Moved

HISTORY = "history_to_lake"
_CRON = "20 * * * *"


def history_asset(platform: Platform) -> dg.AssetsDefinition:
    """Make the asset."""
    start = platform.settings.history.start

    @dg.asset(
        name=HISTORY,
        description="Parquet by table and UTC day in the lake, of what the live engine has had: "
        "days that are older than live.keepDays are moved there whole, then pruned from the "
        "store. The engine may be at work meanwhile.",
        deps=[table.name for table in ENGINE_TABLES if table.kind == "log"],
        group_name=GROUP,
        kinds={"parquet", "python"},
        owners=OWNERS,
        tags={"layer": "history"},
    )
    def history_to_lake(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> dg.MaterializeResult[None]:
        from streaming.runtimes.live.history import move_history

        with failures():
            moved = move_history(
                store_of(platform), platform.lake(), platform.settings.live.keep_days
            )
        bars = moved.get(PRICE_1M_HISTORY.name)
        for day in sorted(bars.days) if bars else []:
            if day >= start:
                context.log_event(
                    dg.AssetMaterialization(
                        PRICE_1M_HISTORY.name,
                        description="Changed by bars of the live engine",
                        partition=day.isoformat(),
                    )
                )
        return dg.MaterializeResult(metadata=_metadata(moved))

    return history_to_lake


def _metadata(moved: "dict[str, Moved]") -> dict[str, Any]:
    lines = ["| table | rows moved | new in the lake | days | pruned |", "|---|---:|---:|---|---:|"]
    for name, one in sorted(moved.items()):
        days = f"{min(one.days)} to {max(one.days)}" if one.days else ""
        lines.append(f"| {name} | {one.rows:,} | {one.added:,} | {days} | {one.pruned:,} |")
    return {
        "rows moved": sum(one.rows for one in moved.values()),
        "rows and changes pruned": sum(one.pruned for one in moved.values()),
        "bars that differ from the lake's": sum(one.conflicts for one in moved.values()),
        "tables": dg.MetadataValue.md("\n".join(lines)),
    }


def history_schedule() -> dg.ScheduleDefinition:
    """Make the schedule that moves history every hour, where there is any that is old enough."""
    job = dg.define_asset_job(
        "move_history",
        dg.AssetSelection.assets(HISTORY),
        description="Moves the live engine's days that have ended to the lake.",
    )

    @dg.schedule(
        name="move_history_schedule",
        job=job,
        cron_schedule=_CRON,
        # On from the first start: a store that nobody prunes grows for ever. Without a store,
        # or without a day that is old enough, it starts nothing.
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour: moves the live engine's days that have ended to the lake.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
    ) -> dg.RunRequest | dg.SkipReason:
        from streaming.runtimes.live.history import is_due

        store = store_of(platform)
        if not store.exists():
            return dg.SkipReason(f"{store}: there is no store yet.")
        try:
            if not is_due(store, platform.settings.live.keep_days):
                return dg.SkipReason("The store has no day that is old enough.")
        except StoreError as error:
            return dg.SkipReason(str(error))
        return dg.RunRequest()

    return schedule
