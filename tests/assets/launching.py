"""Runs of `trading_assets.launch` in processes of their own, and what they leave."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from streaming.lake import Lake
from trading_assets.platform import Folders

_SERVER = Path(__file__).with_name("launch_server.py")
WRITING = ("fsync", "replace", "unlink", "write_table")
"""Between these calls lies every step by which something gets its place on the disk."""


class Launches:
    """A program that forks a process for each launch; see `launch_server`."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End it."""
        self._server.communicate(timeout=60)

    def warm(self, lake: Path, month: str, strategy: str) -> None:
        """Do the work of a month in a lake, which makes all launches shorter."""
        self._ask({"warm": str(lake), "key": [month, strategy]})

    def start(self, folder: Path, names: tuple[str, ...], keys: Any = None, **more: Any) -> int:
        """Begin a launch, and give its process."""
        asked = {"folder": str(folder), "names": names, "keys": keys, **more}
        pid: int = self._ask(asked)["pid"]
        return pid

    def wait(self, pid: int) -> int:
        """Give what a process exited with."""
        code: int = self._ask({"wait": pid})["code"]
        return code

    def run(self, folder: Path, names: tuple[str, ...], keys: Any = None, **more: Any) -> int:
        """Launch, and give what the process exited with."""
        return self.wait(self.start(folder, names, keys, **more))

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer


def calls_of(folder: Path) -> int:
    """Give how many of the counted calls the last launch made."""
    return int(folder.with_name(f"{folder.name}.calls").read_text())


def said_by(folder: Path) -> str:
    """Give what the launches on a folder have printed."""
    return folder.with_name(f"{folder.name}.log").read_text()


def kept(root: Path) -> dict[str, bytes]:
    """Give every file that work leaves in a data folder: not locks, nor what Dagster keeps.

    Nor verdicts, which go with the times of files.
    """
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {".locks", "dagster", "verdicts"}.intersection(path.parts)
    }


def leftovers(root: Path) -> list[Path]:
    """Give what unfinished work has left."""
    return sorted(root.rglob("*.partial"))


def opened(root: Path) -> dg.DagsterInstance:
    """Open the instance of a data folder, without changing anything."""
    return dg.DagsterInstance.from_config(str(Folders(root).dagster))


def runs_in(root: Path) -> list[tuple[str, str]]:
    """Give status, and what its last event says, of every run, the newest first."""
    with opened(root) as instance:
        return [
            (run.status.value, instance.all_logs(run.run_id)[-1].message or "")
            for run in instance.get_runs()
        ]


def lake_in(root: Path) -> Lake:
    """Open the lake of a data folder."""
    return Lake(Folders(root).lake)
