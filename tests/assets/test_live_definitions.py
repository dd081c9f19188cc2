"""What the live location has, by name: a change of it is meant, or shows here."""

import subprocess
import sys

from dagster import DefaultScheduleStatus, DefaultSensorStatus

from streaming.contracts import TABLES
from trading_assets.analytics.definitions import defs as analytics
from trading_assets.lineage import ENGINE_TABLES
from trading_assets.live.definitions import defs

MADE = {table.name for table in ENGINE_TABLES} | {"history_to_lake"}
SHARED = {"price_1m_history", "indicator_history", "quarantine_history"}


def keys_of(made):
    return {key.path[-1] for key in made.resolve_asset_graph().get_all_asset_keys()}


def made_by(made):
    return {key.path[-1] for key in made.resolve_asset_graph().materializable_asset_keys}


def test_both_locations_have_every_table_and_none_is_made_twice():
    assert made_by(defs) == MADE
    assert not made_by(defs) & made_by(analytics)
    assert keys_of(defs) | keys_of(analytics) >= set(TABLES)
    assert keys_of(defs) == MADE | SHARED | {"strategy_weights_latest", "trading_halts_latest"}


def test_lineage_is_one_picture():
    """From every table one comes to the bars, over the keys that both locations know."""
    parents = {}
    for made in (analytics, defs):
        graph = made.resolve_asset_graph()
        for key in graph.get_all_asset_keys():
            of = {one.path[-1] for one in graph.get(key).parent_keys}
            parents.setdefault(key.path[-1], set()).update(of)
    for name in TABLES:
        seen, left = set(), {name}
        while left:
            seen |= left
            left = {up for one in left for up in parents[one]} - seen
        assert "price_1m_history" in seen, name


def test_checks_jobs_schedules_and_sensors_are_these():
    checks = defs.resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.path[-1], key.name) for key in checks} == {
        *((table.name, "contract") for table in ENGINE_TABLES),
        *((name, "contract_of_live_rows") for name in SHARED),
    }
    assert {one.name for one in defs.jobs} == {"live_engine_job", "catch_up", "check_live_tables"}
    assert {one.name: one.default_status for one in defs.schedules} == {
        "move_history_schedule": DefaultScheduleStatus.RUNNING,
        "check_live_tables_schedule": DefaultScheduleStatus.STOPPED,
    }
    assert {one.name: one.default_status for one in defs.sensors} == {
        "live_engine_keeper": DefaultSensorStatus.STOPPED,
        "catch_up_sensor": DefaultSensorStatus.STOPPED,
    }


def test_the_engine_is_neither_retried_nor_held_up_by_the_queue():
    (job,) = (one for one in defs.jobs if one.name == "live_engine_job")
    assert job.tags["dagster/max_retries"] == "0"
    assert job.tags["trading/at-once"] == "true"


def test_every_asset_tells_what_it_is():
    graph = defs.resolve_asset_graph()
    for name in MADE:
        (key,) = (one for one in graph.get_all_asset_keys() if one.path[-1] == name)
        node = graph.get(key)
        assert node.description and node.owners and node.kinds, key
        assert node.group_name == "live", key


def test_the_location_starts_light():
    """No compiler, frames, suites or store; a second beside Dagster's own import at most."""
    code = """
import sys, time
began = time.process_time()
import dagster
alone = time.process_time() - began
import trading_assets.live.definitions
heavy = {"numba", "pandas", "great_expectations", "duckdb", "matplotlib", "dbt", "apsw"}
print(sorted(heavy & set(sys.modules)), time.process_time() - began - alone <= 1.0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] True"
