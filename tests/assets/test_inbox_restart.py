"""The sensor's own tick, in its daemon, and everything killed in the middle of the imports."""

import json
import time

import dagster as dg
import pytest

from assets.ui_server import UiServer
from streaming.feeds.synthetic_files import write_market

from .inbox_files import Place, bars, contents
from .launching import opened

pytestmark = pytest.mark.slow
STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


@pytest.fixture
def ui(tmp_path):
    made = UiServer(tmp_path / "data", tmp_path / "log")
    yield made
    made.kill()


def until(condition, seconds=420):
    """Wait for something, at worst for as long as a run that never began is waited for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def fill(place):
    """Files of a month, each of another symbol; and one that cannot be read."""
    write_market(place.folders.inbox, seed=5, symbols=4, days=30)
    place.put("bad.csv", "<html>")


def imports(ui):
    """Status of every run of the sensor, by file."""
    if "Ctrl-C ends it." not in ui.printed():
        return {}
    with opened(ui.data) as instance:
        found = {}
        for run in instance.get_runs(dg.RunsFilter(job_name="import_inbox")):
            (name,) = run.run_config["ops"]["import_files"]["config"]["files"]
            found.setdefault(name, []).append(run.status)
        return found


def test_killed_in_the_middle_each_file_is_imported_once_and_every_day_told(ui, tmp_path):
    clean = Place(tmp_path / "clean")
    fill(clean)
    clean.put("late.csv", bars("2024-02-20", symbol="LATE"))
    clean.inbox.import_ready()
    wanted = contents(clean.folders.lake)

    place = Place(ui.data)
    fill(place)
    ui.begin()

    def half_done():
        statuses = {status for each in imports(ui).values() for status in each}
        started = STARTED in statuses and STARTING not in statuses
        return started and any(place.folders.lake.rglob("bars.parquet"))

    until(half_done)
    until(lambda: ui.kill() or ui.processes() == {})
    assert contents(place.folders.lake) != wanted, "it ended before it was killed"
    # What comes meanwhile is found as well.
    place.put("late.csv", bars("2024-02-20", symbol="LATE"))

    ui.begin()
    names = {path.name for path in clean.folders.inbox.iterdir()}

    def done():
        if not place.folders.ledger.exists():
            return False
        entries = json.loads(place.folders.ledger.read_text())["entries"]
        told = all(entry["announced"] for entry in entries)
        return {entry["name"] for entry in entries} == names and told

    until(done)
    until(lambda: all(set(each) <= ENDED for each in imports(ui).values()))
    assert contents(place.folders.lake) == wanted
    assert (place.folders.refused / "bad.csv").read_text() == "<html>"
    assert place.ready == []
    for name, statuses in imports(ui).items():
        # A refused file fails its run; one whose run was killed has a second one.
        assert statuses.count(dg.DagsterRunStatus.SUCCESS) == (name != "bad.csv"), name
        assert len(statuses) <= 2
    with opened(ui.data) as instance:
        days = instance.get_materialized_partitions(dg.AssetKey("price_1m_history"))
    assert days == {info.day.isoformat() for info in place.lake.days()}
    assert place.inbox.lost() == {}
