"""Backfills from the page, also when everything is stopped in the middle and started again."""

import signal
import time
from collections import Counter

import dagster as dg
import pytest

from browser.instances import instance_of
from browser.pages import SECONDS, expect
from streaming.runtimes.runs import find_run
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.records import Records
from trading_assets.platform import Platform

pytestmark = pytest.mark.browser
MONTHS = ("2024-01", "2024-02", "2024-03")
# Not neighbours: each is a run of its own, and both run at once.
STRATEGIES = ("connors_rsi", "sma_cross")
KEYS = {f"{month}|{strategy}" for month in MONTHS for strategy in STRATEGIES}
DONE = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def statuses(server):
    """The status of every run of these partitions."""
    with instance_of(server) as instance:
        runs = [run for run in instance.get_runs() if "dagster/backfill" in run.tags]
        return [run.status for run in runs]


def until(condition, seconds=3 * SECONDS):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def backfilled(server):
    """How many times each partition was materialised."""
    with instance_of(server) as instance:
        found = instance.fetch_materializations(dg.AssetKey(BACKTESTS), limit=1000).records
    return Counter(record.partition_key for record in found if record.partition_key in KEYS)


def test_a_backfill_goes_on_after_a_restart_and_doubles_nothing(server, pages):
    backfill = pages.materialise(BACKTESTS, "[2024-01...2024-03]", STRATEGIES)
    pages.picture("backfill-begun")
    until(lambda: dg.DagsterRunStatus.STARTED in statuses(server))
    pages.page.goto("about:blank")  # a page that loses its server complains
    assert server.stop(signal.SIGTERM) == 143
    assert server.processes() == {}
    # Nothing is shown as running that runs no more.
    stopped = statuses(server)
    assert dg.DagsterRunStatus.STARTED not in stopped
    assert dg.DagsterRunStatus.FAILURE in stopped
    assert set(backfilled(server)) < KEYS

    server.start()
    pages.open(f"/runs/b/{backfill}")
    expect(pages.page.locator("body")).to_contain_text("100% completed", timeout=180_000)
    until(lambda: set(statuses(server)) <= set(DONE))
    assert backfilled(server) == dict.fromkeys(KEYS, 1)
    with instance_of(server) as instance:
        until(lambda: instance.get_backfill(backfill).status.value == "COMPLETED_SUCCESS")
    pages.picture("backfill")

    platform = Platform(folder=str(server.data))
    records = Records(platform.folders.partitions, BACKTESTS)
    runs = [find_run(platform.lake(), records.get(*key.split("|")).run_id) for key in KEYS]
    assert len({run.id for run in runs}) == len(KEYS)
    assert sum(run.matches().num_rows for run in runs) > 0
