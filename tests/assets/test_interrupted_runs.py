"""A run that is killed leaves whole partitions or none; runs beside each other lose nothing."""

import json
import logging
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from runtimes.markets import lake_of

from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.equity import METRICS
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.platform import Folders
from trading_assets.workers import settle

from .launching import (
    WRITING,
    Launches,
    calls_of,
    kept,
    leftovers,
    opened,
    runs_in,
    said_by,
)

STRATEGIES = ("dual_horizon_momentum", "ema_cross")
MONTHS = ("2024-01", "2024-02")
KEYS = tuple(f"{month}|{name}" for month, name in zip(MONTHS, STRATEGIES, strict=True))
PARTITIONS = 4
NAMES = (BACKTESTS, METRICS)
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def market_folder(market, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("interrupted") / "market"
    lake_of(Folders(root).lake, market)
    return root


@pytest.fixture(scope="module")
def launches(market_folder):
    made = Launches()
    warm = market_folder.with_name("warm")
    shutil.copytree(market_folder, warm)
    made.warm(Folders(warm).lake, "2024-01", STRATEGIES[0])
    yield made
    made.close()


@pytest.fixture(scope="module")
def undisturbed(launches, market_folder) -> Path:
    """The data folder after a backfill that nothing happened to."""
    root = market_folder.with_name("undisturbed")
    shutil.copytree(market_folder, root)
    assert launches.run(root, NAMES, KEYS, kill_in=WRITING) == 0, said_by(root)
    assert len(list((Folders(root).partitions / BACKTESTS).iterdir())) == PARTITIONS
    assert len(list((Folders(root).metrics / METRICS).rglob("*.parquet"))) == PARTITIONS
    return root


@pytest.fixture
def root(market_folder, tmp_path) -> Path:
    shutil.copytree(market_folder, tmp_path / "data")
    return tmp_path / "data"


def assert_whole_or_absent(root: Path, undisturbed: Path, besides: Path | None = None) -> None:
    """Whatever has its name is what it is to be, and a run that is there is all there."""
    found, wanted = kept(root), kept(undisturbed)
    if besides is not None:
        del found[str(besides.relative_to(root))]
    done = {name: data for name, data in found.items() if ".partial" not in name}
    assert done.items() <= wanted.items()
    runs = {name.split("/")[2] for name in done if name.startswith("lake/runs/")}
    for name in wanted:
        folder = name.split("/")[2]
        if name.startswith("lake/runs/") and folder in runs - {".continuous"}:
            assert name in done
    for name, data in done.items():
        if name.startswith("partitions/"):
            assert json.loads(data)["run_id"] in runs


# Every call by which something gets its place on the disk, and, alone, those that write rows
# of a partition: the run is killed when this share of them has been made.
@pytest.mark.parametrize(
    ("where", "share"),
    [
        *((WRITING, share) for share in (0.0, 0.3, 0.55, 0.75, 0.9, 1.0)),
        *((("write_table",), share) for share in (0.0, 0.5)),
    ],
)
def test_a_killed_run_leaves_whole_partitions_and_its_retry_all(
    launches, undisturbed, root, where, share
):
    calls = calls_of(undisturbed) if where == WRITING else 2 * PARTITIONS
    at = max(1, round(share * calls))
    assert launches.run(root, NAMES, KEYS, kill_in=where, kill_at=at) == KILLED, said_by(root)
    assert_whole_or_absent(root, undisturbed)
    assert [status for status, _ in runs_in(root)] == ["STARTED"]
    assert launches.run(root, NAMES, KEYS) == 0, said_by(root)
    assert kept(root) == kept(undisturbed)
    assert leftovers(root) == []
    (again, _), (killed, why) = runs_in(root)
    assert (again, killed) == ("SUCCESS", "FAILURE")
    assert "is gone: it was killed" in why and "run it again" in why


def test_the_daemon_marks_a_run_whose_process_is_gone_and_no_other(launches, undisturbed, root):
    at = calls_of(undisturbed) // 2
    assert launches.run(root, NAMES, KEYS, kill_in=WRITING, kill_at=at) == KILLED
    with opened(root) as instance:
        daemon = SimpleNamespace(instance=instance, create_request_context=lambda: None)

        @dg.op
        def monitors() -> None:
            errors = execute_run_monitoring_iteration(daemon, logging.getLogger("monitoring"))
            assert list(errors) == [None, None]
            assert settle(instance) == []

        @dg.job
        def alive() -> None:
            monitors()

        assert alive.execute_in_process(instance=instance).success
        (run,) = instance.get_runs(dg.RunsFilter(job_name="alive"))
        events = [one.dagster_event_type.value for one in instance.all_logs(run.run_id)]
        assert "PIPELINE_FAILURE" not in events
    (_, _), (killed, why) = runs_in(root)
    assert killed == "FAILURE" and "is gone: it was killed" in why


def test_a_killed_run_gives_its_pool_back(launches, root):
    """Or the warehouse's next run would wait for it for ever."""
    assert launches.run(root, (WAREHOUSE,), kill_in=("connect",), kill_at=1) == KILLED
    with opened(root) as instance:
        pool = instance.event_log_storage.get_concurrency_info(WAREHOUSE)
        assert len(pool.claimed_slots) == 1
    assert launches.run(root, (WAREHOUSE,)) == 0, said_by(root)
    assert [status for status, _ in runs_in(root)] == ["SUCCESS", "FAILURE"]


def test_a_partition_that_failed_can_be_run_again_alone(launches, undisturbed, root):
    day = Folders(root).lake / "price_1m_history" / "day=2024-02-14" / "bars.parquet"
    whole = day.read_bytes()
    day.write_bytes(flipped(whole))
    assert launches.run(root, NAMES, KEYS) == 1
    assert "2 of 4 partitions failed" in said_by(root) and str(day) in said_by(root)
    assert_whole_or_absent(root, undisturbed, besides=day)
    done = sorted(path.stem for path in (Folders(root).partitions / BACKTESTS).iterdir())
    assert done == [f"2024-01.{name}" for name in STRATEGIES]
    day.write_bytes(whole)
    for name in STRATEGIES:
        key = f"2024-02|{name}"
        assert launches.run(root, NAMES, (key, key)) == 0, said_by(root)
    key = KEYS[0][:7]
    assert launches.run(root, (METRICS,), (f"{key}|{STRATEGIES[0]}", f"{key}|{STRATEGIES[1]}")) == 0
    assert kept(root) == kept(undisturbed)


@pytest.mark.parametrize(
    "keys",
    [(KEYS, KEYS), (("2024-02|ema_cross",) * 2,) * 2, (KEYS, ("2024-02|ema_cross",) * 2)],
    ids=["the same range", "the same partition", "overlapping"],
)
def test_two_at_once_lose_and_double_nothing(launches, undisturbed, root, keys):
    both = [launches.start(root, NAMES, each) for each in keys]
    assert [launches.wait(pid) for pid in both] == [0, 0], said_by(root)
    assert leftovers(root) == []
    if KEYS not in keys:
        # Alone, the month before is traded in silence: it has no run and no mark.
        wanted = kept(undisturbed)
        assert kept(root).items() <= wanted.items()
        assert len(list((Folders(root).partitions / BACKTESTS).iterdir())) == 1
    else:
        assert kept(root) == kept(undisturbed)
    assert [status for status, _ in runs_in(root)] == ["SUCCESS", "SUCCESS"]


def flipped(data: bytes) -> bytes:
    """Turn over some bytes of a Parquet file's first pages."""
    spoilt = bytearray(data)
    for at in range(200, 260):
        spoilt[at] ^= 255
    return bytes(spoilt)
