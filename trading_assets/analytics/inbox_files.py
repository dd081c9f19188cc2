"""A file of the inbox that is about to be imported, and its receipt."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import NamedTuple

from streaming.feeds.importing import ImportReport
from streaming.feeds.reading import Reading
from trading_assets.analytics.inbox_ledger import Entry, Stamp, receipt_key


class FreshFile(NamedTuple):
    """A file whose content is to be imported.

    Attributes
    ----------
    path, digest, stamp
        The file, what stands for its content, and what tells it from another.
    reading
        How it is to be read.
    before
        What it was imported as by other rules, which it now replaces.
    """

    path: Path
    digest: str
    stamp: Stamp
    reading: Reading
    before: Entry | None

    @property
    def key(self) -> str:
        """What stands for this content, read that way."""
        return receipt_key(self.digest, self.reading)


def digest_of(path: Path) -> str:
    """Give what stands for a file's content: 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def stamp_of(path: Path) -> Stamp | None:
    """Give what tells a file from another; None: it is not there."""
    try:
        return Stamp.of(path.lstat())
    except FileNotFoundError:
        return None


def receipt(file: FreshFile, report: ImportReport, days: set[dt.date]) -> Entry:
    """Make the receipt of a file that was imported."""
    before = file.before
    return Entry(
        file.path.name,
        file.digest,
        file.reading,
        file.stamp.size,
        dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        report.read,
        report.written,
        report.duplicate,
        report.quarantined,
        report.replaced,
        before.taken_out if before else 0,
        sorted(days | set(before.days if before else ())),
        list(report.days),
    )
