"""A run is there whole or not at all: errors, stops, full disks, two at once, damaged input."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streaming.errors import LakeError, RunError
from streaming.jobs import symbol_stage
from streaming.jobs.strategies.signals import signals_of
from streaming.lake import Lake, atomic, prices
from streaming.runtimes.backtest import pipeline, run_backtest, slices
from streaming.runtimes.backtest.store import RunWriter, new_run
from streaming.runtimes.runs import runs

from .markets import (
    day_market,
    files,
    forget_runs,
    lake_of,
    month_market,
    request,
    run,
    traces_of_work,
    us,
)

STRATEGIES = "ema_cross,roc_momentum"
TESTS = Path(__file__).parents[1]

# A process that stops for a while after the first slice, when files are begun and not done.
CHILD = """
import contextlib, sys, time
sys.path.insert(0, {tests!r})
import streaming.cli.backtest as command
from streaming.cli import main

@contextlib.contextmanager
def progress(title, *, quiet=False):
    def advance(done, total, what=""):
        print("slice", flush=True)
        time.sleep({pause})
    yield advance

command.progress = progress
sys.argv = ["trading", "backtest", "--lake", {lake!r}, "--strategies", {names!r}, "--trace",
            "--json"]
main()
"""


@pytest.fixture(scope="module")
def market():
    return day_market(1, 500, 3)


@pytest.fixture
def lake(market, tmp_path) -> Lake:
    return lake_of(tmp_path / "lake", market)


def child(lake: Lake, pause: float) -> subprocess.Popen:
    code = CHILD.format(tests=str(TESTS), lake=str(lake.root), names=STRATEGIES, pause=pause)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def assert_nothing_is_there(lake: Lake) -> None:
    assert runs(lake) == []
    assert traces_of_work(lake) == []


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_midway_leaves_nothing(lake, error):
    def fail(done, total, what):
        raise error

    with pytest.raises(type(error)):
        run_backtest(lake, request(STRATEGIES), fail)
    assert_nothing_is_there(lake)
    assert run(lake, STRATEGIES).id


def test_an_error_in_a_thread_leaves_nothing(lake, monkeypatch):
    monkeypatch.setattr(pipeline, "advance", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(lake, STRATEGIES)
    assert_nothing_is_there(lake)


def test_an_error_of_a_symbol_in_a_later_slice_leaves_nothing(tmp_path, monkeypatch):
    """By then the accounts of the slice before are trading."""
    monkeypatch.setattr(slices, "MOST_ROWS", 700)
    lake = lake_of(tmp_path, month_market(3))
    begun = []

    def signals(strategy, view):
        begun.append(strategy)
        return 1 / 0 if len(begun) > 30 else signals_of(strategy, view)

    monkeypatch.setattr(symbol_stage, "signals_of", signals)
    with pytest.raises(ZeroDivisionError):
        run(lake, STRATEGIES)
    assert_nothing_is_there(lake)


def test_an_error_leaves_the_run_that_was_there(lake, monkeypatch):
    """To keep more of a run it is made again; if that fails the old one stays."""
    kept = files(run(lake, STRATEGIES, trace=False))
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(lake, STRATEGIES, trace=True)
    (found,) = runs(lake)
    assert files(found) == kept
    assert traces_of_work(lake) == []


def test_a_stopped_process_leaves_nothing(lake):
    process = child(lake, 60)
    assert process.stdout.readline() == "slice\n", process.stderr.read()
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert errors == "error: Stopped.\n"
    assert output == ""
    assert_nothing_is_there(lake)


def test_a_killed_process_leaves_nothing_that_can_be_seen_and_the_next_cleans_up(lake):
    process = child(lake, 60)
    assert process.stdout.readline() == "slice\n", process.stderr.read()
    assert traces_of_work(lake), "nothing was being written"
    # Another one at work meanwhile does not take the live one's files for leftovers.
    other = run(lake, "donchian_breakout")
    assert [one.id for one in runs(lake)] == [other.id]
    assert traces_of_work(lake)
    process.kill()
    process.communicate(timeout=60)
    assert [one.id for one in runs(lake)] == [other.id]
    assert traces_of_work(lake), "a killed process cannot clean up"
    found = run(lake, STRATEGIES)
    assert traces_of_work(lake) == []
    assert {one.id for one in runs(lake)} == {other.id, found.id}


def test_two_processes_at_once_make_one_run(lake):
    processes = [child(lake, 0.3) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert traces_of_work(lake) == []
    (found,) = runs(lake)
    kept = files(found)
    forget_runs(lake)
    assert files(run(lake, STRATEGIES)) == kept


class TestTwoAtOnce:
    """The same run finished by many writers at the same time."""

    def write(self, root: Path, trace: bool, barrier: threading.Barrier | None = None) -> None:
        with new_run(root, "abc", None) as writer:
            options = {"trace": trace}
            window = {"start": "", "completeTo": ""}
            writer.put_facts({"options": options, "window": window, "rows": writer.rows})
            writer.put_state("accounts", {})
            writer.put_state("symbols", {})
            if barrier is not None:
                barrier.wait()

    def test_none_fails_and_the_fullest_stays(self, tmp_path, monkeypatch):
        # Between looking whether there is one already and taking its name.
        monkeypatch.setattr(atomic, "_flush", lambda path: time.sleep(0.002))
        for _ in range(8):
            shutil.rmtree(tmp_path / "runs", ignore_errors=True)
            barrier = threading.Barrier(4)
            with ThreadPoolExecutor(4) as pool:
                work = [
                    pool.submit(self.write, tmp_path, trace, barrier)
                    for trace in (True, False, True, False)
                ]
                for one in work:
                    one.result(timeout=60)
            assert [path.name for path in (tmp_path / "runs").iterdir()] == ["abc"]
            facts = json.loads((tmp_path / "runs" / "abc" / "run.json").read_text())
            assert facts["options"]["trace"]

    def test_one_that_keeps_less_does_not_replace_one_that_keeps_more(self, tmp_path):
        self.write(tmp_path, True)
        inode = (tmp_path / "runs" / "abc").stat().st_ino
        self.write(tmp_path, False)
        assert (tmp_path / "runs" / "abc").stat().st_ino == inode
        self.write(tmp_path, True)
        assert (tmp_path / "runs" / "abc").stat().st_ino == inode


def test_prices_that_change_under_a_run_stop_it(market, lake):
    """Its runId would stand for bars that it has not seen, or not all of it."""
    altered = {"NEW": market["ANT"]}
    more = {name: bars.rows(0, 100) for name, bars in month_market(1).items()}

    def importing(found):
        def progress(done, total, what):
            lake_of(lake.root, found)

        return progress

    run_backtest(lake, request(STRATEGIES, symbols=("ANT", "BAT")), importing(altered))
    (kept,) = runs(lake)
    late = {"ANT": market["ANT"].rows(0, 1)._replace(ts=market["ANT"].ts[:1] - 60_000_000)}
    with pytest.raises(RunError, match="prices were imported while"):
        run_backtest(lake, request("donchian_breakout"), importing(late | more))
    assert [one.id for one in runs(lake)] == [kept.id]
    assert traces_of_work(lake) == []
    assert run(lake, "donchian_breakout")


class TestFullDisk:
    @pytest.fixture
    def small_runs(self, lake, small_disk) -> Path:
        """The runs of a lake, on a disk of 256 KiB."""
        folder = lake.root / "runs"
        folder.mkdir()
        return small_disk("256k", folder)

    def test_it_is_told_and_leaves_nothing(self, lake, small_runs):
        with pytest.raises(LakeError, match=r"the disk is full\. Nothing of it was changed"):
            run(lake, "all")
        assert_nothing_is_there(lake)
        found = run(lake, "ema_cross", trace=False)
        kept = files(found)
        with pytest.raises(LakeError, match="the disk is full"):
            run(lake, "all")
        assert files(found) == kept
        assert [one.id for one in runs(lake)] == [found.id]

    @pytest.mark.parametrize("what", ["write_table", "put", "put_state", "put_facts", "close"])
    def test_it_can_be_full_at_any_step(self, lake, monkeypatch, what):
        def full(*_, **__):
            raise OSError(28, "No space left on device")

        owner = pq.ParquetWriter if what == "write_table" else RunWriter
        with monkeypatch.context() as patch:
            patch.setattr(owner, what, full)
            with pytest.raises(LakeError, match="the disk is full"):
                run(lake, STRATEGIES)
        assert_nothing_is_there(lake)
        assert run(lake, STRATEGIES).id


def test_more_files_than_a_process_may_open_are_told(lake):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mine = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (mine + 40, hard))
    try:
        with pytest.raises(RunError, match=r"Leave out --trace.*ulimit -n"):
            run(lake, "all")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert_nothing_is_there(lake)


class TestDamagedLake:
    def test_a_damaged_day_is_named_and_nothing_is_left(self, tmp_path):
        lake = lake_of(tmp_path, month_market(1, 16, 30))
        path = tmp_path / "price_1m_history" / "day=2024-01-30" / "bars.parquet"
        data = bytearray(path.read_bytes())
        for at in range(200, 260):
            data[at] ^= 255
        path.write_bytes(data)
        with pytest.raises(LakeError, match=rf"{path}: is damaged"):
            run(lake, STRATEGIES)
        assert_nothing_is_there(lake)
        # Days before it are as good as they were.
        assert run(lake, STRATEGIES, end=us("2024-01-29"))

    @pytest.mark.parametrize(
        ("number", "why"),
        [
            (2, "No such file or directory"),
            (5, "Input/output error"),
            (13, "Permission denied"),
            (24, "Too many open files"),
            (28, "No space left on device"),
        ],
    )
    def test_what_fails_on_reading_is_not_told_as_writing(self, tmp_path, monkeypatch, number, why):
        """The bars of a later slice are read by a thread while the rows before are written."""
        monkeypatch.setattr(slices, "MOST_ROWS", 700)
        lake = lake_of(tmp_path, month_market(1, 16, 30))
        opened = prices.pq.ParquetFile
        lost = tmp_path / "price_1m_history" / "day=2024-01-30" / "bars.parquet"
        readers = []

        def failing(path, **options):
            if path == lost and threading.current_thread() is not threading.main_thread():
                readers.append(threading.current_thread().name)
                raise OSError(number, why)
            return opened(path, **options)

        lake.days()
        monkeypatch.setattr(prices.pq, "ParquetFile", failing)
        with pytest.raises(LakeError) as error:
            run(lake, STRATEGIES)
        assert readers
        assert str(error.value).startswith(f"{lost}: cannot be read ({why}). Nothing was changed")
        assert_nothing_is_there(lake)

    def test_a_day_that_vanishes_midway_is_no_run(self, tmp_path):
        lake = lake_of(tmp_path, month_market(1, 16, 30))
        days = sorted((tmp_path / "price_1m_history").iterdir())

        def vanish(done, total, what):
            shutil.rmtree(days[0], ignore_errors=True)

        with pytest.raises((RunError, LakeError)):
            run_backtest(lake, request(STRATEGIES), vanish)
        assert_nothing_is_there(lake)


def test_a_lake_that_may_not_be_written_is_told(lake):
    (lake.root / "runs").write_text("a file in the place of the folder")
    with pytest.raises(LakeError, match="cannot be written"):
        run(lake, STRATEGIES)
