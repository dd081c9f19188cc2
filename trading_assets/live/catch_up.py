"""The live tables as assets: to materialise them is to work to the end of the input, and stop.

That is the job `catch_up`: for people who want no long run, for files that have come in, and
for recovery. Where the engine runs, it has the store's lease, and catches up by itself.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
from dagster import AssetSelection
from dagster._core.errors import DagsterExecutionInterruptedError

from trading_assets.lineage import ENGINE_TABLES, table_spec
from trading_assets.live.engine import run_engine, store_of
from trading_assets.live.reporting import read_facts, table_metadata
from trading_assets.platform import PlatformResource

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

CATCH_UP = "catch_up"
LIVE_TABLES = AssetSelection.assets(*(table.name for table in ENGINE_TABLES))


def live_tables() -> dg.AssetsDefinition:
    """Make the assets: every table that the live engine alone writes."""

    @dg.multi_asset(
        name="live_tables",
        specs=[table_spec(table.name) for table in ENGINE_TABLES],
        # One engine writes them all, in one commit.
        can_subset=False,
    )
    def tables(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        if run_engine(context, platform, until_end=True):
            raise DagsterExecutionInterruptedError(
                "Told to stop before the end of the input. What is committed is whole; run it "
                "again, and it goes on."
            )
        facts = read_facts(store_of(platform))
        for table in ENGINE_TABLES:
            yield dg.MaterializeResult(
                asset_key=table.name, metadata=table_metadata(facts, table.name)
            )

    return tables


def catch_up_job() -> "UnresolvedAssetJobDefinition":
    """Make the job; its checks are a job of their own, or each small file would cost them all."""
    return dg.define_asset_job(
        CATCH_UP,
        LIVE_TABLES.without_checks(),
        executor_def=dg.in_process_executor,
        description="Works to the end of the input and stops: what the live engine does, bounded.",
    )
