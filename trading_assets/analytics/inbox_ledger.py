"""The inbox's ledger: which contents have been imported, and what became of them.

One JSON file, replaced as a whole. Whoever writes it holds the inbox's lock.
"""

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from streaming.errors import LakeError
from streaming.lake import atomic_file
from streaming.lake.atomic import read_errors

_VERSION = 1
_DAY = dt.timedelta(days=1)


class Stamp(NamedTuple):
    """What tells cheaply that a file is not the one that was seen: size and mtime (ns)."""

    size: int
    mtime: int


@dataclass
class Entry:
    """One content that was imported.

    Attributes
    ----------
    name
        The file's name when it came first.
    digest
        blake2b of the content, 32 hex digits.
    size
        Bytes.
    imported
        When, ISO 8601 UTC.
    read, written, duplicate, quarantined
        Rows; read is the sum of the others.
    days
        UTC days of which the lake may hold other bars than before, ascending.
    announced
        Whether Dagster has been told of these days.
    """

    name: str
    digest: str
    size: int
    imported: str
    read: int
    written: int
    duplicate: int
    quarantined: int
    days: list[dt.date]
    announced: bool = False


@dataclass
class Ledger:
    """Every content that was imported, and the files that are known without reading them.

    Attributes
    ----------
    entries
        By digest.
    begun
        Digests whose import began; where a process died, what it wrote is not known.
    seen
        By file name: its stamp when its content was last accounted for.
    """

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    seen: dict[str, Stamp] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a ledger; an empty one where there is none.

        Raises
        ------
        LakeError
            If it is damaged or cannot be read.
        """
        try:
            with read_errors(path):
                if not path.exists():
                    return cls(path)
                text = path.read_text(encoding="utf-8")
            content = json.loads(text)
            if content["version"] != _VERSION:
                raise ValueError(f"version {content['version']}, this program knows {_VERSION}")
            entries = [_entry(each) for each in content["entries"]]
            return cls(
                path,
                {entry.digest: entry for entry in entries},
                set(content["begun"]),
                {name: Stamp(*stamp) for name, stamp in content["seen"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LakeError(
                f"{path}: is damaged ({error}). Move it away: every file in the inbox is then "
                "imported again, which adds no bar twice."
            ) from error

    def save(self) -> None:
        """Replace the file by what this ledger says.

        Raises
        ------
        LakeError
            If the disk is full or refuses; the file is then as it was.
        """
        content = {
            "version": _VERSION,
            "begun": sorted(self.begun),
            "seen": self.seen,
            "entries": [
                asdict(entry) | {"days": ranges_of(entry.days)} for entry in self.entries.values()
            ],
        }
        with atomic_file(self.path) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def settle(self, entry: Entry) -> None:
        """Account for a content."""
        self.entries[entry.digest] = entry
        self.begun.discard(entry.digest)


def ranges_of(days: Iterable[dt.date]) -> list[list[str]]:
    """Give ascending days as [first, last] of each unbroken stretch: a year is one of them."""
    stretches: list[list[dt.date]] = []
    for day in days:
        if stretches and day - stretches[-1][1] == _DAY:
            stretches[-1][1] = day
        else:
            stretches.append([day, day])
    return [[first.isoformat(), last.isoformat()] for first, last in stretches]


def _entry(content: dict[str, Any]) -> Entry:
    stretches = [[dt.date.fromisoformat(text) for text in pair] for pair in content["days"]]
    days = [first + _DAY * at for first, last in stretches for at in range((last - first).days + 1)]
    return Entry(**{**content, "days": days})
