"""What the keeper makes of runs and the lease: who is alive, who is dead, when the next starts."""

import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData

from streaming.errors import FencedError, StoreError
from streaming.store import Commit, Process, StoreReader, TableStore
from trading_assets.live.definitions import definitions
from trading_assets.live.engine import ENGINE_JOB, holder_of, store_of
from trading_assets.live.keeper import KEEPER, START_SECONDS, close, judge, read_lease
from trading_assets.platform import Platform


@dg.op
def nothing():
    pass


@dg.job(name=ENGINE_JOB)
def engine():
    nothing()


@pytest.fixture(scope="module")
def gone():
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.fixture
def store(tmp_path):
    return tmp_path / "live.db"


def run_in(instance, status=DagsterRunStatus.STARTED, *processes):
    run = instance.create_run_for_job(engine, status=status)
    for pid in processes:
        instance.report_engine_event("Started process.", run, EngineEventData.in_process(pid))
    return run


def ended(instance, status):
    """A run that ended just now."""
    run = run_in(instance)
    report = {
        DagsterRunStatus.FAILURE: instance.report_run_failed,
        DagsterRunStatus.CANCELED: instance.report_run_canceled,
    }[status]
    report(run, "for the test")
    return run


def look(instance, store, now=None):
    verdict = judge(instance, read_lease(store), time.time() if now is None else now)
    for run, why in verdict.dead:
        close(instance, run, why)
    return verdict


def test_without_any_run_the_first_is_started(instance, store):
    verdict = look(instance, store)
    assert (verdict.start, verdict.after) == (True, "")


def test_a_run_with_a_living_lease_is_left_alone_whatever_its_age(instance, store):
    run = run_in(instance)
    with TableStore(store, holder=holder_of(run.run_id)):
        verdict = look(instance, store, time.time() + 10 * START_SECONDS)
    assert not verdict.start and not verdict.dead
    assert f"Run {run.run_id} is alive" in verdict.why


def test_a_run_that_lost_its_process_is_failed_and_followed(instance, store, gone):
    run = run_in(instance, DagsterRunStatus.STARTED, gone)
    here = Process.this()
    dead = Process(gone, 1, here.boot, here.space)
    TableStore(store, holder=holder_of(run.run_id), process=dead).close()
    verdict = look(instance, store)
    assert (verdict.start, verdict.after) == (True, run.run_id)
    assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.FAILURE


def test_one_that_stopped_showing_itself_is_followed_and_its_commit_refused(instance, store):
    run = run_in(instance)
    slow = TableStore(store, holder=holder_of(run.run_id), lease_seconds=0.05)
    assert not look(instance, store).start
    time.sleep(0.1)
    verdict = look(instance, store)
    assert verdict.start
    ((_, why),) = verdict.dead
    assert "its commits are refused" in why
    with TableStore(store, holder="the next"), pytest.raises(FencedError, match="has gone to"):
        slow.commit(Commit())
    slow.close()


def test_a_run_that_gives_its_lease_back_is_about_to_end(instance, store):
    run = run_in(instance)
    TableStore(store, holder=holder_of(run.run_id)).release()
    verdict = look(instance, store)
    assert not verdict.start and not verdict.dead


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTED, DagsterRunStatus.NOT_STARTED])
def test_one_that_never_took_the_lease_has_its_time(instance, store, status):
    run = run_in(instance, status)
    assert "without the lease so far" in look(instance, store).why
    verdict = look(instance, store, time.time() + START_SECONDS + 1)
    assert (verdict.start, verdict.after) == (True, run.run_id)
    assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.FAILURE


def test_an_engine_from_a_terminal_is_left_alone(instance, store):
    ended(instance, DagsterRunStatus.FAILURE)
    with TableStore(store, holder="trading live"):
        verdict = look(instance, store)
    assert not verdict.start
    assert "trading live" in verdict.why
    assert look(instance, store).start


def test_what_a_person_canceled_stays_stopped_until_a_person_starts_it(instance, store):
    ended(instance, DagsterRunStatus.FAILURE)
    ended(instance, DagsterRunStatus.CANCELED)
    for _ in range(2):
        verdict = look(instance, store, time.time() + 10 * START_SECONDS)
        assert not verdict.start
        assert "launch live_engine_job" in verdict.why
    ended(instance, DagsterRunStatus.FAILURE)
    assert look(instance, store).start


def test_one_that_died_while_it_was_being_canceled_stays_stopped(instance, store, gone):
    run = run_in(instance, DagsterRunStatus.CANCELING, gone)
    verdict = look(instance, store)
    assert not verdict.start
    assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.CANCELED
    assert not look(instance, store).start


def test_a_newer_run_that_was_refused_does_not_hide_that_the_engine_was_canceled(instance, store):
    first = run_in(instance)
    with TableStore(store, holder=holder_of(first.run_id)):
        refused = run_in(instance)
        instance.report_run_failed(refused, "for the test")
        assert "is alive" in look(instance, store).why
    time.sleep(0.01)
    instance.report_run_canceled(first, "for the test")
    verdict = look(instance, store)
    assert not verdict.start
    assert first.run_id in verdict.why


def test_after_failures_in_a_row_it_waits_longer_and_longer(instance, store):
    ended(instance, DagsterRunStatus.FAILURE)
    assert look(instance, store).start
    for wait in (30, 60, 120):
        last = ended(instance, DagsterRunStatus.FAILURE)
        now = time.time()
        verdict = look(instance, store, now + wait - 2)
        assert not verdict.start
        assert "in a row have failed" in verdict.why and last.run_id in verdict.why
        assert look(instance, store, now + wait + 1).start


def test_a_tick_asks_for_one_run_by_a_key_of_its_own(instance, tmp_path, gone):
    platform = Platform(folder=str(tmp_path / "data"))
    sensor = definitions(platform).get_repository_def().get_sensor_def(KEEPER)

    def tick():
        return sensor(dg.build_sensor_context(instance=instance, resources={"platform": platform}))

    assert tick() == dg.RunRequest(run_key="first")
    run = run_in(instance, DagsterRunStatus.STARTED, gone)
    assert tick() == dg.RunRequest(run_key=f"after {run.run_id}")
    assert tick() == dg.RunRequest(run_key=f"after {run.run_id}")


def test_nothing_is_started_on_a_damaged_store(instance, tmp_path):
    platform = Platform(folder=str(tmp_path / "data"))
    path = store_of(platform)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    sensor = definitions(platform).get_repository_def().get_sensor_def(KEEPER)
    told = sensor(dg.build_sensor_context(instance=instance, resources={"platform": platform}))
    assert "before this is mended" in told.skip_message and str(path) in told.skip_message
    with pytest.raises(StoreError), StoreReader(path):
        pass


def test_a_tick_costs_little(instance, store):
    """Idle, with a store and twenty runs: less than 2 % of a core at a tick in 15 s."""
    for _ in range(20):
        ended(instance, DagsterRunStatus.FAILURE)
    run = run_in(instance)
    with TableStore(store, holder=holder_of(run.run_id)):
        look(instance, store)
        began = time.process_time()
        for _ in range(5):
            look(instance, store)
        spent = (time.process_time() - began) / 5
    assert spent < 0.02 * 15
