"""The live engine under `make ui`: kept alive, killed with its code server, stopped, restarted."""

import os
import signal
import time
from pathlib import Path

import pytest
from runtimes.markets import lake_of, month_market

from streaming.errors import StoreError
from streaming.store import StoreReader

from .live_runs import FAST, STRATEGIES
from .ui_server import UiServer

pytestmark = pytest.mark.slow

_LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "live"}
_KEEP = """mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }"""
_RUNS = """query($f: RunsFilter) { runsOrError(filter: $f) { ... on Runs {
    results { runId status } } } }"""
_STOP = """mutation($r: String!) { terminateRun(runId: $r) { __typename } }"""
_LAUNCH = """mutation($s: JobOrPipelineSelector!) {
    launchRun(executionParams: { selector: $s, runConfigData: {} }) { __typename } }"""


class Engine:
    """The live engine of a running `make ui`."""

    def __init__(self, ui):
        self.ui = ui
        self.store = ui.data / "store" / "live.db"

    def runs(self):
        """Its runs, the newest first: (id, status)."""
        found = self.ui.ask(_RUNS, f={"pipelineName": "live_engine_job"})["runsOrError"]["results"]
        return [(one["runId"], one["status"]) for one in found]

    def lease(self):
        """The store's lease and number of commits; None before there is a store."""
        try:
            with StoreReader(self.store) as reader:
                return reader.lease(), reader.ticks().number
        except StoreError:
            return None

    def works(self, besides="", seconds=180):
        """Wait until a run other than one commits; give its id and process."""
        until = time.monotonic() + seconds
        before = None
        while time.monotonic() < until:
            found = self.lease()
            run = found[0].holder.split()[-1] if found else ""
            if found and run != besides and not found[0].released:
                if before is not None and found[1] > before:
                    return run, found[0].process.pid
                before = found[1] if before is None else before
            time.sleep(0.2)
        raise AssertionError(f"no run commits: {self.runs()}\n{self.ui.printed()[-3000:]}")

    def comes_to(self, run, status, seconds=120):
        """Wait until a run has a status."""
        until = time.monotonic() + seconds
        while dict(self.runs())[run] != status:
            assert time.monotonic() < until, self.runs()
            time.sleep(0.5)


@pytest.fixture
def engine(tmp_path):
    ui = UiServer(tmp_path / "data", tmp_path / "log")
    ui.environment |= {
        "TRADING__LIVE__STRATEGIES": STRATEGIES,
        "TRADING__LIVE__SPEED": str(FAST // 100),
        "TRADING__LIVE__METRICSPORT": "0",
    }
    lake_of(ui.data / "lake", month_market(6))
    yield Engine(ui)
    ui.kill()


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_kept_alive_killed_stopped_and_started_again(engine):
    ui = engine.ui
    ui.start()
    sensor = {**_LOCATION, "sensorName": "live_engine_keeper"}
    assert ui.ask(_KEEP, s=sensor)["startSensor"]["__typename"] == "Sensor"
    first, pid = engine.works()
    assert engine.runs() == [(first, "STARTED")]
    # The code server and its worker, at one time: nobody is left who could tell.
    server = parent_of(pid)
    assert "api grpc" in ui.processes()[server]
    os.kill(server, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    second, pid = engine.works(besides=first)
    assert dict(engine.runs()) == {second: "STARTED", first: "FAILURE"}
    # Stopped in the pages: the tick is committed, the lease given back, and it stays stopped.
    assert ui.ask(_STOP, r=second)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    engine.comes_to(second, "CANCELED")
    lease, commits = engine.lease()
    assert lease.released
    time.sleep(40)
    assert dict(engine.runs()) == {second: "CANCELED", first: "FAILURE"}
    assert engine.lease()[1] == commits
    job = {**_LOCATION, "pipelineName": "live_engine_job"}
    assert ui.ask(_LAUNCH, s=job)["launchRun"]["__typename"] == "LaunchRunSuccess"
    third, _ = engine.works(besides=second)
    # All of it ended by hand, and begun again: the keeper goes on where it was.
    assert ui.stop(signal.SIGINT) == 130
    assert engine.lease()[0].released
    ui.start()
    fourth, _ = engine.works(besides=third)
    assert dict(engine.runs())[third] == "FAILURE"
    assert len(engine.runs()) == 4 and dict(engine.runs())[fourth] == "STARTED"
