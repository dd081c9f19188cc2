"""The prices' definitions over a data folder of a test."""

from pathlib import Path
from typing import Any

import dagster as dg

from trading_assets.analytics import prices
from trading_assets.analytics.schedules import prices_schedule
from trading_assets.analytics.sensors import inbox_sensor
from trading_assets.platform import Platform

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class Prices:
    """Asset, job, sensor and schedule, as the code location will have them."""

    def __init__(self, root: Path) -> None:
        self.platform = Platform(folder=str(root))
        self.asset = prices.prices_asset(self.platform)
        self.job = prices.import_inbox_job(self.platform)
        self.defs = dg.Definitions(
            assets=[self.asset],
            jobs=[self.job],
            sensors=[inbox_sensor(self.job)],
            schedules=[prices_schedule(self.platform)],
            resources={"platform": self.platform},
        )
        self.repository = self.defs.get_repository_def()

    def materialize(
        self, instance: dg.DagsterInstance, first: str, last: str = "", **config: Any
    ) -> dg.ExecuteInProcessResult:
        """Materialise a range of days in one run; errors end up in the result."""
        return dg.materialize(
            [self.asset],
            instance=instance,
            resources={"platform": self.platform},
            partition_key=None if last else first,
            tags={FIRST: first, LAST: last} if last else None,
            run_config={"ops": {"price_1m_history": {"config": config}}},
            raise_on_error=False,
        )

    def import_files(self, instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
        """Run the job that imports files by name."""
        job = self.defs.resolve_job_def("import_inbox")
        return job.execute_in_process(
            instance=instance,
            run_config={"ops": {"import_files": {"config": {"files": list(names)}}}},
            raise_on_error=False,
        )


def told(instance: dg.DagsterInstance, table: str = "price_1m_history") -> dict[str | None, Any]:
    """Give the metadata of each partition's newest materialisation."""
    records = instance.fetch_materializations(dg.AssetKey(table), limit=1000).records
    newest: dict[str | None, Any] = {}
    for record in records:
        newest.setdefault(record.partition_key, record.asset_materialization.metadata)
    return newest


def failure_of(result: dg.ExecuteInProcessResult) -> dg.Failure | Any:
    """Give what a run that failed says."""
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data
