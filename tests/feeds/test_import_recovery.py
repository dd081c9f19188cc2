"""An import may be killed at any moment, repeated, or run beside another one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streaming.feeds import importing
from streaming.feeds.importing import import_files
from streaming.feeds.reading import Reading
from streaming.feeds.synthetic_files import DUPLICATES_PER_FILE, REFUSED_PER_FILE, write_market
from streaming.lake import Lake

# Imports all files given; on stdin comes the sign to begin, so that starting up takes no part.
# With a number, kills itself at that call of fsync: between any two steps of writing.
_IMPORT = """
import os, signal, sys
from pathlib import Path
from streaming.feeds.reading import Reading
from streaming.feeds.importing import import_files
from streaming.lake import Lake
import pyarrow.dataset
lake, calls, *files = sys.argv[1:]
left = int(calls)
original = os.fsync
def fsync(handle):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    original(handle)
os.fsync = fsync
print("ready", flush=True)
sys.stdin.readline()
import_files(Lake(lake), [Path(file) for file in files], Reading())
print("done", flush=True)
"""


class Market:
    """Files with faults, and the lake that a clean import of them gives."""

    def __init__(self, folder: Path) -> None:
        self.files = write_market(folder / "files", seed=3, symbols=9, days=4)
        self.clean = folder / "clean"
        self.reports = import_files(Lake(self.clean), self.files, Reading())


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Market:
    return Market(tmp_path_factory.mktemp("market"))


def _contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }


def _start(lake: Path, files: list[Path], calls: int = 0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORT, str(lake), str(calls), *map(str, files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_every_row_of_the_market_is_accounted_for(market):
    for report in market.reports:
        assert report.error is None
        assert report.read == report.written + report.duplicate + report.quarantined
        faults = (report.duplicate, report.quarantined)
        assert faults == (DUPLICATES_PER_FILE, REFUSED_PER_FILE)
    assert Lake(market.clean).quarantine().num_rows == len(market.files) * REFUSED_PER_FILE


def test_importing_again_changes_no_byte(market):
    before = _contents(market.clean)
    for report in import_files(Lake(market.clean), market.files, Reading()):
        assert (report.written, report.quarantined) == (0, REFUSED_PER_FILE)
        assert report.read == report.duplicate + report.quarantined
    assert _contents(market.clean) == before


@pytest.mark.parametrize("seed", range(3))
def test_after_a_kill_at_any_time_the_same_import_gives_the_same_bytes(market, tmp_path, seed):
    rng = random.Random(seed)
    process = _start(tmp_path, market.files)
    try:
        _go(process)
        time.sleep(rng.uniform(0.0, 0.4))
        process.kill()
    finally:
        process.communicate()
    _assert_recovers(tmp_path, market)


@pytest.mark.parametrize("calls", [1, 2, 3, 8, 17])
def test_after_a_kill_between_any_steps_the_same_import_gives_the_same_bytes(
    market, tmp_path, calls
):
    process = _start(tmp_path, market.files, calls)
    _go(process)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.rglob(".*.partial"))
    _assert_recovers(tmp_path, market)


def _assert_recovers(root: Path, market: Market) -> None:
    bars = Lake(market.clean).bars()
    for name, part in Lake(root).bars().items():
        assert set(part.ts.tolist()) <= set(bars[name].ts.tolist())
    for report in import_files(Lake(root), market.files, Reading()):
        assert report.read == report.written + report.duplicate + report.quarantined
    assert _contents(root) == _contents(market.clean)


def test_two_imports_at_once_lose_and_double_nothing(market, tmp_path):
    """One file in common, the others apart: as if one after the other."""
    ours = [_start(tmp_path, market.files[:6]), _start(tmp_path, market.files[5:])]
    for process in ours:
        _go(process)
    for process in ours:
        out, _ = process.communicate(timeout=60)
        assert out == "done\n"
    assert _contents(tmp_path) == _contents(market.clean)


def test_the_order_of_the_files_does_not_matter(market, tmp_path):
    import_files(Lake(tmp_path), market.files[::-1], Reading())
    assert _contents(tmp_path) == _contents(market.clean)


@pytest.mark.parametrize("waiting", [0, 5_000, 30_000])
def test_files_may_wait_for_each_other_or_be_merged_one_by_one(
    market, tmp_path, monkeypatch, waiting
):
    """Files that contradict each other too: the first one given wins, wherever it waits."""
    other = tmp_path / market.files[0].name
    text = market.files[0].read_text()
    other.write_text(text.replace(",1", ",2", 40) + text.splitlines()[5] + "\n")
    files = [*market.files[:4], other, tmp_path / "none.csv", market.files[4]]
    together = import_files(Lake(tmp_path / "together"), files, Reading())
    monkeypatch.setattr(importing, "_WAITING_ROWS", waiting)
    assert import_files(Lake(tmp_path / "parts"), files, Reading()) == together
    alone = Lake(tmp_path / "alone")
    for path, report in zip(files, together, strict=True):
        assert import_files(alone, [path], Reading()) == [report]
    assert together[4].quarantined > REFUSED_PER_FILE
    assert together[5].error is not None
    assert _contents(tmp_path / "together") == _contents(tmp_path / "alone")
    assert _contents(tmp_path / "together") == _contents(tmp_path / "parts")


def test_progress_rises_from_nothing_to_all(market, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "_WAITING_ROWS", 20_000)
    told = []
    import_files(
        Lake(tmp_path), market.files, Reading(), advance=lambda done, name: told.append(done)
    )
    assert told == sorted(told)
    assert 0 < told[0] < 0.2
    assert told[-1] == 1
