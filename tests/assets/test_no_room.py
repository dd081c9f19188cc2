"""A data folder that cannot be written: said by its name, in a line, and nothing lost."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.platform import Folders, Platform

from .launching import kept, leftovers, runs_in

FIRST, SECOND = "2024-01|ema_cross", "2024-02|ema_cross"
INDICATORS = "indicator_history"
TOLD = {"full": "full|No space left|not enough space", "read-only": "Read-only file system"}


class Disk:
    """A small disk that can be filled, and made read-only."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def refuse(self, how: str) -> None:
        """Let it be "full", or "read-only"."""
        if how == "full":
            with (self.root / "filler").open("wb", buffering=0) as filler:
                while True:
                    try:
                        filler.write(bytes(4096))
                    except OSError:
                        break
        else:
            self._remount("ro")

    def allow(self) -> None:
        """Let it be written again."""
        self._remount("rw")
        (self.root / "filler").unlink(missing_ok=True)

    def _remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.root)], check=True)


@pytest.fixture
def disk(small_disk) -> Disk:
    """A disk of 48 MiB."""
    return Disk(small_disk("48m"))


@pytest.fixture
def platform(platform, disk) -> Platform:
    """The data folder on that disk, under the name that the other fixtures know."""
    there = disk.root / "data"
    shutil.move(platform.folders.root, there)
    return Platform(folder=str(there))


def said(result) -> str:
    (event,) = result.get_step_failure_events()
    failure = event.event_specific_data.user_failure_data
    assert failure is not None, event.event_specific_data.error_display_string
    return failure.description


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_every_asset_says_so_and_keeps_what_was_there(platform, materialise, disk, how):
    materialise(BACKTESTS, METRICS, keys=FIRST)
    materialise(LEADERBOARD)
    materialise(WAREHOUSE)
    before = kept(platform.folders.root)
    disk.refuse(how)
    lake, metrics = platform.folders.lake, platform.folders.metrics
    for name, keys, place in (
        (BACKTESTS, SECOND, lake / "runs"),
        (INDICATORS, "2024-01", lake / INDICATORS),
        (METRICS, FIRST, metrics / METRICS),
        (LEADERBOARD, None, metrics),
        (WAREHOUSE, None, platform.folders.warehouse),
    ):
        text = said(materialise(name, keys=keys, ok=False))
        assert str(place) in text, (name, text)
        assert re.search(TOLD[how], text), (name, text)
        assert "again" in text, (name, text)
    # DuckDB may leave an empty log of what it could not write.
    assert kept(platform.folders.root).items() - before.items() <= {("warehouse.duckdb.wal", b"")}
    assert before.items() <= kept(platform.folders.root).items()
    disk.allow()
    materialise(BACKTESTS, METRICS, keys=SECOND)
    materialise(INDICATORS, keys="2024-01")
    materialise(LEADERBOARD)
    materialise(WAREHOUSE)
    assert before.items() - kept(platform.folders.root).items() <= {
        (name, data) for name, data in before.items() if name.startswith(("metrics/", "warehouse"))
    }
    assert leftovers(platform.folders.root) == []


def trading_assets(folder: Path, module: str, *words: str) -> tuple[int, list[str]]:
    """Run a program of the platform: its exit code, and the lines of its error output."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"trading_assets.{module}", *words],
        env=os.environ | {"TRADING__DATA__FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stderr.splitlines() if " - dagster - " not in line]
    return done.returncode, lines


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_the_command_lines_say_so_in_a_line(platform, disk, how):
    root = platform.folders.root
    assert trading_assets(root, "home") == (0, [])
    before = kept(root)
    disk.refuse(how)
    for words in (("home",), ("launch", "materialise", WAREHOUSE)):
        code, lines = trading_assets(root, *words)
        assert code == 1
        (line,) = lines
        assert re.match(rf"error: {Folders(root).dagster}\S*: .*({TOLD[how]})", line), line
        assert "do the same again" in line
    code, (line,) = trading_assets(disk.root / "fresh", "home")
    assert code == 1 and f"error: {disk.root / 'fresh'}" in line
    assert kept(root) == before
    disk.allow()
    assert trading_assets(root, "launch", "materialise", WAREHOUSE)[0] == 0


def test_a_disk_that_fills_up_under_a_run_ends_it_in_a_line(platform, disk):
    root = platform.folders.root
    assert trading_assets(root, "launch", "materialise", WAREHOUSE)[0] == 0
    before = kept(root)
    disk.refuse("full")
    # Room for the run's beginning, not for its end.
    os.truncate(disk.root / "filler", (disk.root / "filler").stat().st_size - 330_000)
    month = ("--from", "2024-01", "--to", "2024-02", "--strategies", "ema_cross")
    code, lines = trading_assets(root, "launch", "backfill", *month)
    assert code == 1
    # Dagster tells of each event that it could not keep, and may do so last.
    assert any(re.search(rf"error: {Folders(root).dagster}\S*: .*again", one) for one in lines), (
        lines
    )
    assert before.items() <= kept(root).items()
    disk.allow()
    assert trading_assets(root, "launch", "backfill", *month)[0] == 0
    assert leftovers(root) == []
    assert {status for status, _ in runs_in(root)} <= {"SUCCESS", "FAILURE"}
