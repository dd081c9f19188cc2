"""The check of every live table's contract, on the rows that its store has now."""

from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa

from streaming.contracts import Table
from streaming.errors import StoreError
from trading_assets.lineage import ENGINE_TABLES, SHARED_TABLES
from trading_assets.live.engine import store_of
from trading_assets.platform import Platform, PlatformResource

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

CHECKS_JOB = "check_live_tables"

MOST_ROWS = 200_000
"""Rows of a history table that a check looks at, the newest: bounds memory and time."""


def live_checks() -> list[dg.AssetChecksDefinition]:
    """Make the check of each table that the live engine has rows of."""
    return [
        *(_check(table, "contract") for table in ENGINE_TABLES),
        # Theirs of the lake are checked where they are made.
        *(_check(table, "contract_of_live_rows") for table in SHARED_TABLES),
    ]


def live_checks_job(checks: list[dg.AssetChecksDefinition]) -> "UnresolvedAssetJobDefinition":
    """Make the job that runs all of them."""
    return dg.define_asset_job(
        CHECKS_JOB,
        dg.AssetSelection.checks(*checks),
        executor_def=dg.in_process_executor,
        description="Checks the contract of every table in the live engine's store.",
    )


def live_checks_schedule(job: "UnresolvedAssetJobDefinition") -> dg.ScheduleDefinition:
    """Make the schedule that checks every night."""
    return dg.ScheduleDefinition(
        name=f"{CHECKS_JOB}_schedule",
        job=job,
        cron_schedule="30 0 * * *",
        execution_timezone="Europe/Oslo",
        # Off at first: without a store every check would fail.
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Every night at 00:30 (Europe/Oslo): the contracts of the live tables.",
    )


def _check(table: Table, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table.name,
        name=name,
        description=f"Rows of {table.name} in the store keep its contract: columns, types, "
        f"ranges, keys. Of a history table the newest {MOST_ROWS:,}.",
    )
    def contract(platform: PlatformResource) -> dg.AssetCheckResult:
        # Great Expectations takes seconds to import: only where a check runs.
        from trading_assets.analytics.checks.contracts import check_rows
        from trading_assets.analytics.checks.results import as_check_result

        try:
            rows = _rows(platform, table)
        except StoreError as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        # Rows of a live log are in order of arrival.
        return as_check_result(check_rows(table, rows, ordered=False))

    return contract


def _rows(platform: Platform, table: Table) -> pa.Table:
    from streaming.store import StoreReader

    with StoreReader(store_of(platform)) as reader:
        if table.kind == "latest":
            return reader.latest(table)
        have = reader.offsets()[table.name]
        return reader.rows(table, start=max(have.first, have.next - MOST_ROWS))
