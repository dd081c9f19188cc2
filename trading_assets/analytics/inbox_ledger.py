"""The inbox's ledger: a receipt for each content that was imported, and how it was read.

The same content read by other rules is another import: of other bars, for all that is known.

One JSON file, replaced as a whole. Whoever writes it holds the inbox's lock.
"""

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from streaming.errors import LakeError
from streaming.feeds.reading import Reading
from streaming.lake import atomic_file, sweep, table_lock
from streaming.lake.atomic import disk_errors, read_errors
from trading_assets.platform import Folders

_VERSION = 2
WAIT_SECONDS = 3600.0
"""How long to wait for another process that works on the inbox."""

_DAY = dt.timedelta(days=1)


class Stamp(NamedTuple):
    """What tells cheaply that a file is not the one that was seen: size, mtime and ctime (ns).

    Any tool can set the mtime to what it was; nothing but a change sets the ctime.
    """

    size: int
    mtime: int
    ctime: int

    @classmethod
    def of(cls, info: os.stat_result) -> Self:
        """Take it from what the disk says of a file."""
        return cls(info.st_size, info.st_mtime_ns, info.st_ctime_ns)


class Seen(NamedTuple):
    """A file whose content was accounted for: its stamp then, and the key of the receipt."""

    stamp: Stamp
    key: str


def receipt_key(digest: str, reading: Reading) -> str:
    """Give what stands for a content read in one way: 32 hex digits."""
    text = digest + json.dumps(reading.as_json(), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass
class Entry:
    """The receipt of one content that was imported.

    Attributes
    ----------
    name
        The file's name when it came first.
    digest
        blake2b of the content, 32 hex digits.
    reading
        How it was read.
    size
        Bytes.
    imported
        When, ISO 8601 UTC.
    read, written, duplicate, quarantined
        Rows; read is the sum of the others.
    replaced
        Of the rows written, those that took the place of bars that differ.
    taken_out
        Bars that were taken out first: those of the same file read by other rules.
    days
        UTC days of which the lake may hold other bars than before, ascending.
    covers
        UTC days of all its bars, ascending.
    announced
        Whether Dagster has been told of these days.
    """

    name: str
    digest: str
    reading: Reading
    size: int
    imported: str
    read: int
    written: int
    duplicate: int
    quarantined: int
    replaced: int
    taken_out: int
    days: list[dt.date]
    covers: list[dt.date]
    announced: bool = False

    @property
    def key(self) -> str:
        """What stands for this content, read as it was."""
        return receipt_key(self.digest, self.reading)


@dataclass
class Ledger:
    """Every content that was imported, and the files that are known without reading them.

    Attributes
    ----------
    entries
        Receipts by key.
    begun
        Keys of those whose import began; where a process died, what it wrote is not known.
    seen
        By file name: the file whose content was last accounted for.
    """

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    seen: dict[str, Seen] = field(default_factory=dict)

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
                {entry.key: entry for entry in entries},
                set(content["begun"]),
                {name: Seen(Stamp(*at), key) for name, (at, key) in content["seen"].items()},
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
            "entries": [_as_json(entry) for entry in self.entries.values()],
        }
        with atomic_file(self.path) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def settle(self, entry: Entry) -> None:
        """Account for a content."""
        self.entries[entry.key] = entry
        self.begun.discard(entry.key)

    def read_otherwise(self, name: str, digest: str, reading: Reading) -> Entry | None:
        """Give the receipt of a file whose content was imported by other rules, if it was."""
        entry = self.receipt_of(name)
        return entry if entry and entry.digest == digest and entry.reading != reading else None

    def receipt_of(self, name: str) -> Entry | None:
        """Give the receipt of the content that a file was last known to have, if there is one."""
        seen = self.seen.get(name)
        return self.entries.get(seen.key) if seen else None


@contextmanager
def alone(folders: Folders, wait_seconds: float) -> Iterator[None]:
    """Hold the inbox's lock, first removing what killed writers left behind.

    Raises
    ------
    LakeError
        If another process works on the inbox for too long, or the disk refuses.
    """
    with (
        disk_errors(folders.root, "The inbox's files are where they were"),
        table_lock(folders.root, "inbox", wait_seconds),
    ):
        sweep(folders.ledger.parent)
        sweep(folders.refused)
        yield


def ranges_of(days: Iterable[dt.date]) -> list[list[str]]:
    """Give ascending days as [first, last] of each unbroken stretch: a year is one of them."""
    stretches: list[list[dt.date]] = []
    for day in days:
        if stretches and day - stretches[-1][1] == _DAY:
            stretches[-1][1] = day
        else:
            stretches.append([day, day])
    return [[first.isoformat(), last.isoformat()] for first, last in stretches]


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        **asdict(entry),
        "reading": entry.reading.as_json(),
        "days": ranges_of(entry.days),
        "covers": ranges_of(entry.covers),
    }


def _entry(content: dict[str, Any]) -> Entry:
    days = {name: _days(content[name]) for name in ("days", "covers")}
    return Entry(**{**content, **days, "reading": Reading(**content["reading"])})


def _days(stretches: list[list[str]]) -> list[dt.date]:
    pairs = [[dt.date.fromisoformat(text) for text in pair] for pair in stretches]
    return [first + _DAY * at for first, last in pairs for at in range((last - first).days + 1)]
