"""The live engine looked at, stopped and started again in the pages."""

import re
import time

import pytest
from assets.ui_server import UiServer
from runtimes.markets import lake_of, month_market

from browser.instances import instance_of
from browser.pages import Pages, expect
from streaming.errors import StoreError
from streaming.store import StoreReader

pytestmark = pytest.mark.browser

_LOCATION = "__repository__@live"
_SECONDS = 180
_TICKS = """{ sensorOrError(sensorSelector: { repositoryName: "__repository__",
    repositoryLocationName: "live", sensorName: "live_engine_keeper" }) { ... on Sensor {
    sensorState { ticks(limit: 1) { skipReason } } } } }"""


@pytest.fixture
def live_server(tmp_path):
    made = UiServer(tmp_path / "data", tmp_path / "log")
    made.environment |= {
        "TRADING__LIVE__STRATEGIES": "ema_cross,roc_momentum",
        "TRADING__LIVE__SPEED": "600",
        "TRADING__LIVE__METRICSPORT": "0",
    }
    lake_of(made.data / "lake", month_market(6))
    made.start()
    yield made
    made.stop()
    made.kill()


@pytest.fixture
def live_pages(live_server, chromium):
    context = chromium.new_context(viewport={"width": 1500, "height": 1000})
    made = Pages(context.new_page(), live_server.url)
    yield made
    context.close()
    assert made.errors == []


def engine_runs(server):
    """Status of the engine's runs by id, the newest first."""
    with instance_of(server) as instance:
        return {
            run.run_id: run.status.value
            for run in instance.get_runs()
            if run.job_name == "live_engine_job"
        }


def until(true, seconds=_SECONDS):
    """Wait for something to become true, and give it."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def started(server, but=()):
    """The engine's run that is started, other than some."""
    found = [run for run, status in engine_runs(server).items() if status == "STARTED"]
    return next((run for run in found if run not in but), None)


def commits(server):
    """How many commits the store has."""
    try:
        with StoreReader(server.data / "store" / "live.db") as reader:
            return reader.ticks().number
    except StoreError:
        return 0  # it is being made


def newest_tick(server):
    """Why the keeper's newest tick asked for nothing."""
    (tick,) = server.ask(_TICKS)["sensorOrError"]["sensorState"]["ticks"]
    return tick["skipReason"]


def test_the_engine_is_started_watched_stopped_and_started_again(live_server, live_pages):
    pages, page = live_pages, live_pages.page
    # Going live is a switch.
    pages.open(f"/locations/{_LOCATION}/sensors/live_engine_keeper")
    page.locator("label:has(input[type=checkbox])").first.click()
    first = until(lambda: started(live_server))
    until(lambda: commits(live_server) > 5)
    # Watched: the table's page tells how it stands, while the run goes on.
    pages.open("/assets/indicator_latest")
    expect(page.locator("body")).to_contain_text("lag seconds")
    expect(page.locator("body")).to_contain_text("complete to")
    pages.picture("live-table")
    # Stopped: it ends at a commit, and stays so.
    pages.open(f"/runs/{first}")
    pages.picture("live-run")
    page.get_by_role("button", name=re.compile("Terminate")).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=re.compile("Terminate")).click()
    until(lambda: engine_runs(live_server)[first] == "CANCELED")
    with StoreReader(live_server.data / "store" / "live.db") as reader:
        assert reader.lease().released
    seen = commits(live_server)
    until(lambda: "canceled by a person" in (newest_tick(live_server) or ""))
    time.sleep(16)  # another tick of the keeper
    assert list(engine_runs(live_server)) == [first]
    assert commits(live_server) == seen
    # Started again, by hand; it goes on where it was.
    pages.open(f"/locations/{_LOCATION}/jobs/live_engine_job/playground")
    pages.picture("live-launchpad")
    page.get_by_role("button", name=re.compile("Launch run$", re.IGNORECASE)).last.click()
    again = until(lambda: started(live_server, but=[first]))
    until(lambda: commits(live_server) > seen)
    pages.picture("live-again")
    assert again != first
