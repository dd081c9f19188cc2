"""What became of files of the inbox, in words and numbers."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from streaming.feeds.importing import ImportReport
from streaming.feeds.reading import Reading
from streaming.feeds.waiting_file import Reason
from trading_assets.analytics.inbox_ledger import Entry

Fate = Literal["imported", "duplicate", "refused", "waiting", "held", "missing"]


class InboxReport(NamedTuple):
    """What became of one file.

    Attributes
    ----------
    name
        The file's name.
    fate
        "imported"; "duplicate": its content was imported before; "refused": it cannot be
        read and was moved; "waiting": it is still being written; "held": it was imported by
        other rules of reading, and waits for a person to say that it replaces those bars;
        "missing": it is not there.
    message
        All of it in a sentence or two.
    read, written, duplicate, quarantined
        Rows; read is the sum of the others.
    replaced
        Of the rows written, those that took the place of bars that differ.
    taken_out
        Bars that were taken out first: those of the same file read by other rules.
    days
        UTC days of which the lake may hold other bars than before.
    reasons
        Why the first few rows were quarantined.
    moved_to
        Where a refused file lies now.
    """

    name: str
    fate: Fate
    message: str
    read: int = 0
    written: int = 0
    duplicate: int = 0
    quarantined: int = 0
    replaced: int = 0
    taken_out: int = 0
    days: tuple[dt.date, ...] = ()
    reasons: tuple[Reason, ...] = ()
    moved_to: Path | None = None


def imported(
    name: str, report: ImportReport, taken_out: int, days: Sequence[dt.date]
) -> InboxReport:
    """Report a file that was imported."""
    message = (
        f"{name}: {report.read:,} rows read, {report.written:,} written, "
        f"{report.duplicate:,} duplicate, {report.quarantined:,} quarantined."
    )
    if taken_out:
        message += f" {taken_out:,} bars that it gave by other rules of reading were taken out."
    if report.replaced:
        message += f" {report.replaced:,} rows took the place of bars that differ."
    if report.differing:
        message += (
            f" {report.differing:,} rows differ from bars that were kept before: to put them in "
            f"their place, {replacing(name)}."
        )
    if report.reasons:
        first = report.reasons[0]
        message += f" First one: row {first.row}: {first.reason}"
    return InboxReport(
        name,
        "imported",
        message,
        report.read,
        report.written,
        report.duplicate,
        report.quarantined,
        report.replaced,
        taken_out,
        tuple(days),
        report.reasons,
    )


def held(entry: Entry, name: str, reading: Reading) -> str:
    """Say why a file that was imported by other rules of reading waits."""
    then, now = entry.reading.as_json(), reading.as_json()
    changed = [f"{key} {then[key]!r}, now {now[key]!r}" for key in then if then[key] != now[key]]
    return (
        f"was imported at {entry.imported} by other rules of reading ({'; '.join(changed)}); to "
        f"put what it gives now in the place of what it gave then, {replacing(name)}"
    )


def replacing(name: str) -> str:
    """Say how a person has a file replace what the lake has."""
    return f'run the job import_inbox with files: ["{name}"] and replace: true'
