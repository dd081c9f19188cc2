"""The live engine as real runs: stopped, killed, doubled, paused; nothing is lost or doubled."""

import os
import signal
import time

import dagster as dg
import pytest
from runtimes.markets import month_market

from streaming.runtimes.live.running import run_live
from streaming.store import StoreReader
from trading_assets.live.catch_up import CATCH_UP
from trading_assets.platform import Platform

from .live_runs import LiveFolder, dump


@pytest.fixture(scope="module")
def bars():
    return {name: one.rows(0, 300) for name, one in list(month_market(6).items())[:3]}


@pytest.fixture(scope="module")
def undisturbed(bars, tmp_path_factory):
    """What the tables are after a run that nothing happened to; loads the compiled rules, too."""
    folder = LiveFolder(tmp_path_factory.mktemp("live") / "whole", bars, speed="max")
    platform = folder.platform
    run_live(platform.settings, platform.folders.root, until_end=True, holder="test")
    return dump(folder.store)


@pytest.fixture
def folder(bars, undisturbed, tmp_path):
    made = LiveFolder(tmp_path / "live", bars)
    begun = []
    start = made.start
    made.start = lambda *args, **more: begun.append(start(*args, **more)) or begun[-1]
    yield made
    for pid in begun:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def assert_ends_as(folder, undisturbed):
    """Catch up, and find the tables of the run that nothing happened to."""
    folder.settle(speed="max")
    pid = folder.start(CATCH_UP)
    folder.wait(pid)
    assert folder.runs()[0].status == dg.DagsterRunStatus.SUCCESS
    found = dump(folder.store)
    for name, rows in undisturbed.items():
        assert rows.equals(found[name]), name


def test_stopped_by_a_person_it_commits_gives_the_lease_back_and_stays_stopped(folder, undisturbed):
    assert isinstance(folder.keep(), dg.RunRequest)
    pid = folder.start()
    run = folder.run_of(pid)
    assert "is alive: it has the lease" in folder.keep().skip_message
    with folder.opened() as instance:
        instance.report_run_canceling(instance.get_run_by_id(run))
    os.kill(pid, signal.SIGINT)
    folder.wait(pid)
    assert folder.status(run) == "CANCELED"
    with StoreReader(folder.store) as reader:
        assert reader.lease().released
        assert reader.verify()
    assert "Its last tick is committed, its lease given back" in folder.said(run)
    for _ in range(2):
        assert "stays stopped: launch live_engine_job to go on" in folder.keep().skip_message
    # Launched again by a person, it is kept again.
    again = folder.start()
    run = folder.run_of(again)
    os.kill(again, signal.SIGTERM)
    folder.wait(again)
    assert folder.status(run) == "FAILURE"
    assert folder.keep() == dg.RunRequest(run_key=f"after {run}")
    assert_ends_as(folder, undisturbed)


def test_killed_it_is_reported_failed_and_the_next_goes_on(folder, undisturbed):
    for _ in range(2):
        pid = folder.start()
        run = folder.run_of(pid)
        os.kill(pid, signal.SIGKILL)
        folder.wait(pid)
        # As after a kill of the code server with it: nobody has told Dagster.
        assert folder.status(run) == "STARTED"
        assert folder.keep() == dg.RunRequest(run_key=f"after {run}")
        assert folder.status(run) == "FAILURE"
        # The same tick again asks for the same run.
        assert folder.keep() == dg.RunRequest(run_key=f"after {run}") or "in a row" in str(
            folder.keep()
        )
    assert_ends_as(folder, undisturbed)


def test_a_second_engine_is_refused_and_disturbs_nothing(folder, undisturbed):
    pid = folder.start()
    run = folder.run_of(pid)
    other = folder.start()
    folder.wait(other)
    newest = folder.runs()[0]
    assert newest.run_id != run and newest.status == dg.DagsterRunStatus.FAILURE
    assert f"the store is held by Dagster run {run}" in folder.said(newest.run_id)
    seen = folder.commits()
    folder.until(lambda: folder.commits() > seen)
    assert "is alive: it has the lease" in folder.keep().skip_message
    with folder.opened() as instance:
        instance.report_run_canceling(instance.get_run_by_id(run))
    os.kill(pid, signal.SIGTERM)
    folder.wait(pid)
    # The one that was refused is the newer run; the one that was stopped ended last.
    assert "stays stopped" in folder.keep().skip_message
    assert_ends_as(folder, undisturbed)


def test_one_that_slept_past_its_lease_is_replaced_and_refused_when_it_wakes(folder, undisturbed):
    folder.settle(lease_seconds=1)
    pid = folder.start()
    run = folder.run_of(pid)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.3)
    assert folder.keep() == dg.RunRequest(run_key=f"after {run}")
    assert folder.status(run) == "FAILURE"
    other = folder.start()
    successor = folder.run_of(other)
    os.kill(pid, signal.SIGCONT)
    folder.wait(pid)
    assert f"has gone to Dagster run {successor}" in folder.said(run)
    assert folder.status(run) == "FAILURE"
    assert "is alive: it has the lease, epoch 2" in folder.keep().skip_message
    os.kill(other, signal.SIGTERM)
    folder.wait(other)
    assert_ends_as(folder, undisturbed)


def test_it_ends_itself_at_a_commit_and_the_next_is_started_at_once(folder, undisturbed):
    def short(platform: Platform) -> None:
        settings = platform.settings
        live = settings.live.model_copy(update={"run_hours": 2 / 3600})
        Platform.settings = settings.model_copy(update={"live": live})

    pid = folder.start(before=short)
    run = folder.run_of(pid)
    folder.wait(pid)
    assert folder.status(run) == "SUCCESS"
    with StoreReader(folder.store) as reader:
        assert reader.lease().released
    assert folder.keep() == dg.RunRequest(run_key=f"after {run}")
    assert_ends_as(folder, undisturbed)


def test_it_tells_of_each_table_at_most_so_often(folder):
    pid = folder.start()
    run = folder.run_of(pid)
    time.sleep(4)
    os.kill(pid, signal.SIGTERM)
    folder.wait(pid)
    told = {}
    with folder.opened() as instance:
        for one in instance.all_logs(run):
            event = one.dagster_event
            if event is not None and event.asset_key is not None:
                told.setdefault(event.asset_key.path[-1], []).append(one.timestamp)
    assert {"price_1m_history", "indicator_history", "indicator_latest"} <= set(told)
    # One while it ran, and one of how it ended.
    assert all(len(times) <= 2 for times in told.values())
