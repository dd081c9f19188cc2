"""The live tables as assets: caught up, checked, told of; their history in the lake."""

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from runtimes.markets import month_market

from streaming.contracts import PRICE_1M_HISTORY, RISK_ALERTS_HISTORY, arrow_schema
from streaming.jobs.price_rows import rows_of_bars
from streaming.lake.history import read_history
from streaming.store import Commit, StoreReader, TableStore, append
from trading_assets.lineage import ENGINE_TABLES
from trading_assets.live.catch_up import CATCH_UP
from trading_assets.live.checks import CHECKS_JOB
from trading_assets.live.definitions import definitions
from trading_assets.workers import AT_ONCE_TAG, AtOnceRunCoordinator

from .live_runs import LiveFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    bars = {name: one.rows(0, 300) for name, one in list(month_market(6).items())[:3]}
    return LiveFolder(tmp_path_factory.mktemp("live") / "one", bars, speed="max")


def execute(folder, instance, job, ok=True):
    made = definitions(folder.platform).resolve_job_def(job)
    result = made.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success is ok
    return result


@pytest.fixture(scope="module")
def caught_up(folder):
    with dg.DagsterInstance.ephemeral() as instance:
        yield execute(folder, instance, CATCH_UP)


def test_catching_up_materialises_every_table(folder, caught_up):
    made = {}
    for event in caught_up.get_asset_materialization_events():
        made[event.asset_key.path[-1]] = event.materialization.metadata
    assert set(made) >= {table.name for table in ENGINE_TABLES}
    with StoreReader(folder.store) as reader:
        offsets = reader.offsets()
        assert reader.lease().released
    assert made["exec_report_history"]["dagster/row_count"].value == (
        offsets["exec_report_history"].next
    )
    assert made["exec_report_history"]["dagster/row_count"].value > 20
    assert "complete to" in made["open_positions_rollup"]


def test_every_live_table_keeps_its_contract_and_a_row_that_does_not_is_named(
    folder, caught_up, instance
):
    result = execute(folder, instance, CHECKS_JOB)
    found = result.get_asset_check_evaluations()
    assert len(found) == len(ENGINE_TABLES) + 3
    assert all(one.passed for one in found), [one.description for one in found if not one.passed]
    rows = {one.asset_key.path[-1]: one.metadata["rows"].value for one in found}
    assert rows["exec_report_history"] > 20 and rows["price_1m_history"] > 0
    # SQLite's own checks let a time in the future pass.
    row = {"accountId": "live", "code": "X", "message": "x", "ts": 4_102_444_800_000_000}
    bad = pa.Table.from_pylist([row], arrow_schema(RISK_ALERTS_HISTORY))
    with TableStore(folder.store, holder="test") as store:
        store.commit(Commit([append(RISK_ALERTS_HISTORY, bad)]))
    key = dg.AssetCheckKey(dg.AssetKey(RISK_ALERTS_HISTORY.name), "contract")
    job = definitions(folder.platform).resolve_implicit_global_asset_job_def()
    only = job.get_subset(asset_selection=set(), asset_check_selection={key})
    result = only.execute_in_process(instance=instance)
    (failed,) = result.get_asset_check_evaluations()
    assert not failed.passed
    assert "ts is not in the future" in failed.description


def test_history_goes_to_the_lake_and_its_page_says_so(folder, caught_up, instance):
    location = definitions(folder.platform).get_repository_def()
    schedule = location.get_schedule_def("move_history_schedule")

    def due():
        context = dg.build_schedule_context(
            instance=instance, resources={"platform": folder.platform}
        )
        return schedule(context)

    assert isinstance(due(), dg.RunRequest)
    result = execute(folder, instance, "move_history")
    (event,) = (
        one
        for one in result.get_asset_materialization_events()
        if one.asset_key.path[-1] == "history_to_lake"
    )
    moved = event.materialization.metadata
    assert moved["rows moved"].value > 1000
    assert moved["rows and changes pruned"].value >= moved["rows moved"].value
    # The bars came from the lake: it had them all.
    assert moved["bars that differ from the lake's"].value == 0
    lake = folder.platform.lake()
    fills = next(one for one in ENGINE_TABLES if one.name == "exec_report_history")
    assert read_history(lake.root, fills).num_rows > 10
    assert "no day that is old enough" in due().skip_message


def test_bars_that_the_lake_did_not_have_are_told_of_by_day(tmp_path, instance):
    bars = {name: one.rows(0, 200) for name, one in list(month_market(6).items())[:1]}
    folder = LiveFolder(tmp_path / "live", bars, speed="max")
    execute(folder, instance, CATCH_UP)
    days = [info.day.isoformat() for info in folder.platform.lake().days()]
    (folder.platform.lake().root / PRICE_1M_HISTORY.name).rename(tmp_path / "away")
    result = execute(folder, instance, "move_history")
    told = [
        one.partition
        for one in result.get_asset_materialization_events()
        if one.asset_key.path[-1] == PRICE_1M_HISTORY.name
    ]
    assert told == days[: len(told)] and len(told) >= 1
    assert [info.day.isoformat() for info in folder.platform.lake().days()] == told


def test_without_a_store_nothing_is_moved_and_checks_say_why(tmp_path, instance):
    folder = LiveFolder(tmp_path / "live", {"ADA": month_market(6)["ADA"].rows(0, 5)})
    location = definitions(folder.platform).get_repository_def()
    schedule = location.get_schedule_def("move_history_schedule")
    context = dg.build_schedule_context(instance=instance, resources={"platform": folder.platform})
    assert "there is no store yet" in schedule(context).skip_message
    result = execute(folder, instance, CHECKS_JOB)
    assert not any(one.passed for one in result.get_asset_check_evaluations())


def test_new_files_are_caught_up_with_once_where_no_engine_runs(tmp_path, instance):
    bars = list(month_market(6).items())
    folder = LiveFolder(tmp_path / "live", {bars[0][0]: bars[0][1].rows(0, 100)})
    sensor = definitions(folder.platform).get_repository_def().get_sensor_def("catch_up_sensor")

    def tick():
        return sensor(
            dg.build_sensor_context(instance=instance, resources={"platform": folder.platform})
        )

    first = tick()
    assert isinstance(first, dg.RunRequest)
    assert tick() == first
    folder.platform.lake().write_prices(rows_of_bars({bars[1][0]: bars[1][1].rows(0, 9)}, "more"))
    second = tick()
    assert second.run_key != first.run_key
    folder.store.parent.mkdir(parents=True)
    with TableStore(folder.store, holder="trading live"):
        assert "trading live" in tick().skip_message
    assert tick() == second


def test_files_of_an_inbox_are_caught_up_with_while_they_wait(tmp_path, instance, monkeypatch):
    monkeypatch.setenv("TRADING__LIVE__FEED", "inbox")
    folder = LiveFolder(tmp_path / "live", {"ADA": month_market(6)["ADA"].rows(0, 5)})
    sensor = definitions(folder.platform).get_repository_def().get_sensor_def("catch_up_sensor")

    def tick():
        return sensor(
            dg.build_sensor_context(instance=instance, resources={"platform": folder.platform})
        )

    bars = folder.platform.folders.root / "live-inbox" / "bars"
    bars.mkdir(parents=True)
    (bars / "reading.toml").write_text('label = "open"\n')
    (bars / ".half").write_text("half a file")
    assert "no input" in tick().skip_message
    (bars / "a.csv").write_text("symbol,ts\n")
    first = tick()
    assert first == tick()
    (bars / "b.csv").write_text("symbol,ts\n")
    assert tick().run_key != first.run_key
    (bars / "a.csv").unlink()
    (bars / "b.csv").unlink()
    assert "no input" in tick().skip_message


def test_the_engine_goes_past_the_queue_and_others_do_not(tmp_path, monkeypatch):
    @dg.op
    def nothing():
        pass

    @dg.job
    def empty():
        nothing()

    folder = LiveFolder(tmp_path / "live", {"ADA": month_market(6)["ADA"].rows(0, 5)})
    with folder.opened() as instance:
        assert isinstance(instance.run_coordinator, AtOnceRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 3
        launched, waiting = [], []
        monkeypatch.setattr(instance, "launch_run", lambda run_id, _: launched.append(run_id))
        monkeypatch.setattr(
            QueuedRunCoordinator, "submit_run", lambda _, asked: waiting.append(asked.dagster_run)
        )
        queued = instance.create_run_for_job(empty)
        urgent = instance.create_run_for_job(empty, tags={AT_ONCE_TAG: "true"})
        for run in (queued, urgent):
            instance.run_coordinator.submit_run(SubmitRunContext(run, None))
        assert launched == [urgent.run_id]
        assert waiting == [queued]
