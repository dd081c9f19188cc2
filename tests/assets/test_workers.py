"""Runs whose process is gone are failed at the next start; those that live are left alone."""

import os
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData

from trading_assets.workers import lives, settle


@dg.op
def nothing():
    pass


@dg.job
def empty():
    nothing()


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def run_in(instance, status, *processes):
    run = instance.create_run_for_job(empty, status=status)
    for pid in processes:
        instance.report_engine_event("Started process.", run, EngineEventData.in_process(pid))
    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.STARTING, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_that_lost_its_process_is_closed_once(instance, gone, before, after):
    run = run_in(instance, before, gone)
    assert settle(instance) == [run.run_id]
    assert instance.get_run_by_id(run.run_id).status == after
    assert settle(instance) == []


def test_a_run_with_a_process_is_left_alone(instance, gone):
    live = run_in(instance, DagsterRunStatus.STARTED, gone, os.getpid())
    assert settle(instance) == []
    assert instance.get_run_by_id(live.run_id).status == DagsterRunStatus.STARTED


@pytest.mark.parametrize(
    "status",
    [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE],
)
def test_a_run_that_is_not_in_progress_is_left_alone(instance, gone, status):
    run_in(instance, status, gone)
    assert settle(instance) == []


def test_a_run_without_a_process_yet_is_left_alone(instance):
    run_in(instance, DagsterRunStatus.STARTING)
    assert settle(instance) == []


def test_a_number_that_another_process_has_now_counts_as_gone():
    assert lives(os.getpid(), time.time())
    assert not lives(os.getpid(), time.time() - 30 * 86_400)
