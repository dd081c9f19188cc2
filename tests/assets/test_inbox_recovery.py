"""A process may be killed at any step, or work beside another one, on a disk that is full."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.errors import LakeError
from streaming.feeds.synthetic_files import write_market

from .inbox_files import Place, bars, contents

# Imports what is ready; with a number, kills itself at that call of fsync, rename or unlink:
# between any two steps of writing. On stdin comes the sign to begin.
_IMPORT = """
import os, signal, sys
from pathlib import Path
from streaming.lake import Lake
from trading_assets.analytics.inbox import Inbox
from trading_assets.platform import Folders
import pyarrow.dataset
folders = Folders(Path(sys.argv[1]))
left = int(sys.argv[2])
def counted(original):
    def call(*args, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **options)
    return call
for name in ("fsync", "replace", "link", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
print("ready", flush=True)
sys.stdin.readline()
Inbox(folders, Lake(folders.lake), settle_seconds=0).import_ready()
print(left, flush=True)
"""


def _fill(root: Path) -> Place:
    place = Place(root)
    write_market(place.folders.inbox, seed=3, symbols=2, days=2)
    place.put("bad.csv", "<html>")
    place.put("worse.csv", "")
    return place


def _start(root: Path, calls: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", _IMPORT, str(root), str(calls)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def _results(place: Place) -> tuple[dict, dict, set]:
    refused = {
        path.name: path.read_bytes()
        for path in place.folders.refused.iterdir()
        if not path.name.endswith(".reason.txt") and not path.name.startswith(".")
    }
    entries = place.inbox.unannounced()
    days = {(entry.name, day) for entry in entries for day in entry.days}
    return contents(place.folders.lake), refused, days


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    place = _fill(tmp_path_factory.mktemp("clean"))
    before = contents(place.folders.inbox)
    place.inbox.import_ready()
    return before, *_results(place)


# One after the other: the ledger's begin, days, quarantine, refusing, the ledger's end.
@pytest.mark.parametrize("calls", [1, 2, 3, 4, 6, 9, 12, 15, 18, 21, 24, 27, 30])
def test_after_a_kill_between_any_steps_nothing_is_lost_or_doubled(tmp_path, clean, calls):
    before, lake, refused, days = clean
    place = _fill(tmp_path)
    process = _start(tmp_path, calls)
    process.communicate("go\n", timeout=60)
    # An import with fewer steps ends by itself: then the numbers above are to be chosen anew.
    assert process.returncode == -signal.SIGKILL
    kept = [*contents(place.folders.inbox).items()]
    if place.folders.refused.is_dir():
        kept += contents(place.folders.refused).items()
    assert set(before.values()) <= {content for _, content in kept}
    place.inbox.import_ready()
    assert _results(place) == (lake, refused, days)
    assert place.ready == []
    assert list(tmp_path.rglob(".*.partial")) == []


def test_two_processes_at_once_lose_and_double_nothing(tmp_path, clean):
    _, lake, refused, days = clean
    place = _fill(tmp_path)
    processes = [_start(tmp_path, 0) for _ in range(2)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert _results(place) == (lake, refused, days)


def test_a_full_disk_is_told_and_the_same_again_does_what_is_left(tmp_path, monkeypatch):
    import errno
    import os

    place = Place(tmp_path)
    path = place.put("spy.csv", bars("2024-03-01"))

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError, match="the disk is full"):
        place.inbox.import_ready()
    monkeypatch.undo()
    assert path.exists()
    assert [report.fate for report in place.inbox.import_ready()] == ["imported"]
    assert place.rows == 5


def test_a_refused_file_that_cannot_be_moved_stays(tmp_path):
    place = Place(tmp_path)
    path = place.put("spy.csv", "")
    place.folders.refused.write_text("in the way")
    with pytest.raises(LakeError, match="stays where it is"):
        place.inbox.import_ready()
    assert path.exists()


def test_who_waits_for_too_long_is_told(tmp_path):
    from streaming.lake import table_lock

    place = Place(tmp_path, wait_seconds=0.1)
    place.put("spy.csv", bars("2024-03-01"))
    with table_lock(tmp_path, "inbox"), pytest.raises(LakeError, match="inbox: process"):
        place.inbox.import_ready()
