"""A disk that is full or refuses ends an import with one line, and costs nothing."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streaming import cli
from streaming.lake import Lake

_MAIN = "from streaming.cli import main; main()"


def _limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _import(path: Path, lake: Path, size: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _MAIN, "import", str(path), "--lake", str(lake)],
        capture_output=True,
        text=True,
        preexec_fn=None if size is None else lambda: _limited(size),
    )


def _prices(path: Path, price: int, day: str = "2024-03-04") -> Path:
    minutes = np.datetime64(day) + np.arange(1, 1440).astype("timedelta64[m]")
    rows = [f"S,{str(minute).replace('T', ' ')},{','.join([str(price)] * 4)}" for minute in minutes]
    path.write_text("\n".join(["symbol,ts,open,high,low,close", *rows, ""]))
    return path


def _contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }


def test_a_disk_that_is_full_while_rows_wait_costs_nothing(tmp_path):
    lake = tmp_path / "lake"
    assert _import(_prices(tmp_path / "a.csv", 10), lake).returncode == 0
    before = _contents(lake)
    more = _prices(tmp_path / "b.csv", 11, "2024-03-05")
    done = _import(more, lake, 20_000)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    # In the staging folder: it was full while the rows waited there.
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {lake / '.staging' / 'import'}: cannot be written")
    assert "File too large" in last
    assert _contents(lake) == before
    assert not list(lake.rglob("*.partial"))
    assert _import(more, lake).returncode == 0
    assert len(Lake(lake).bars()["S"]) == 2 * 1439


def test_a_full_disk_says_that_it_is_full(trading, tmp_path, monkeypatch):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this machine has no /dev/full")
    monkeypatch.setattr("streaming.feeds.spool.DaySpool._path", lambda self, number: full)
    path = _prices(tmp_path / "a.csv", 10)
    code, _, errors = trading("import", path, "--lake", tmp_path / "lake")
    assert code == 1
    assert "the disk is full. Nothing of it was changed; free some space" in errors
    assert _contents(tmp_path / "lake") == {}


@pytest.mark.parametrize("words", [("import", "a.csv", "--lake"), ("market", "--out")])
def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(trading, tmp_path, words):
    _prices(tmp_path / "a.csv", 10)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for folder in ("/proc/nowhere", tmp_path / ("x" * 300), loop / "deep", "/dev/null/x"):
        code, _, errors = trading(*words, folder)
        assert code == 1
        (line,) = [line for line in errors.splitlines() if "error" in line]
        assert line.startswith(f"error: {folder}")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(5, os.strerror(5), "/a/b"), "error: /a/b: Input/output error\n"),
        (OSError(5, os.strerror(5)), "error: Input/output error\n"),
        (OSError("short write"), "error: short write\n"),
        (OSError(), "error: OSError\n"),
    ],
)
def test_any_other_error_of_the_system_is_one_line(trading, monkeypatch, error, line):
    def broken():
        raise error

    monkeypatch.setattr(cli, "application", broken)
    assert trading("runs") == (1, "", line)
