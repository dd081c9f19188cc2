"""The code location `live`: the live engine, its keeper, its tables, its history."""

import dagster as dg

from trading_assets.lineage import SHARED_TABLES, table_spec
from trading_assets.live.catch_up import catch_up_job, live_tables
from trading_assets.live.checks import live_checks, live_checks_job, live_checks_schedule
from trading_assets.live.engine import engine_job
from trading_assets.live.history import history_asset, history_schedule
from trading_assets.live.keeper import keeper_sensor
from trading_assets.live.sensors import catch_up_sensor
from trading_assets.platform import Platform, platform_resource


def definitions(platform: Platform) -> dg.Definitions:
    """Make everything that the location has, on one data folder."""
    engine = engine_job()
    checks = live_checks()
    checking = live_checks_job(checks)
    return dg.Definitions(
        assets=[
            live_tables(),
            history_asset(platform),
            # Made by the other location; here are checks of what the store has of them.
            *(table_spec(table.name) for table in SHARED_TABLES),
        ],
        asset_checks=checks,
        jobs=[engine, catch_up_job(), checking],
        schedules=[history_schedule(), live_checks_schedule(checking)],
        sensors=[keeper_sensor(engine), catch_up_sensor()],
        resources={"platform": platform_resource(platform)},
        executor=dg.in_process_executor,
    )


defs = definitions(Platform())
