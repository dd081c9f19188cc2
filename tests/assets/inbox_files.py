"""An inbox in a folder of its own, and files for it."""

import os
from pathlib import Path
from typing import Any

from streaming.lake import Lake
from trading_assets.analytics.inbox import Inbox
from trading_assets.platform import Folders

HEADER = "symbol,ts,open,high,low,close,volume"


def bars(day: str, minutes: range = range(1, 6), symbol: str = "SPY", close: float = 100.5) -> str:
    """A CSV of bars of one day, labelled by their close."""
    lines = [
        f"{symbol},{day}T00:{minute:02d}:00Z,100,101,99,{close},{minute}" for minute in minutes
    ]
    return "\n".join([HEADER, *lines, ""])


class Place:
    """A data folder with an inbox whose files need not settle."""

    def __init__(self, root: Path, settle_seconds: float = 0.0, **options: Any) -> None:
        self.folders = Folders(root)
        self.lake = Lake(self.folders.lake)
        self.inbox = Inbox(self.folders, self.lake, settle_seconds=settle_seconds, **options)
        self.folders.inbox.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, content: str | bytes) -> Path:
        """Put a file into the inbox."""
        path = self.folders.inbox / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def put_old(self, name: str, content: str | bytes) -> Path:
        """Put a file there whose times of writing are not what they were."""
        path = self.put(name, content)
        os.utime(path, (1, 1))
        return path

    @property
    def rows(self) -> int:
        """How many bars the lake has."""
        return sum(info.rows for info in self.lake.days())

    @property
    def ready(self) -> list[str]:
        """Names of the files that are ready."""
        return [file.name for file in self.inbox.listing().ready]


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }
