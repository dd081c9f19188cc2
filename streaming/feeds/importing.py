"""Import of price files into a lake: read, check, merge, and account for every row.

A file is first read and checked to its end, then merged day by day under the lake's lock:
an unreadable file changes nothing, and an import that was stopped halfway has written some
days whole and the others not at all. Importing the file again, then or ever, writes what is
missing, counts the rest as duplicates and replaces the file's quarantine by the same rows.
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY, quarantine_rows
from streaming.errors import SourceError
from streaming.feeds.bar_files import Reading, read_bar_file
from streaming.feeds.spool import PriceSpool, QuarantineSpool
from streaming.feeds.tabular import Refused, digest_of
from streaming.jobs.prices import check_prices, conflict_rows
from streaming.lake import Lake, scratch_directory

_EXAMPLES = 5
# Of an import's time, reading and checking take this part; merging takes the rest.
_READING = 0.8


class Reason(NamedTuple):
    """Why one row was refused."""

    row: int
    reason: str


class ImportReport(NamedTuple):
    """What became of a file's rows: read = written + duplicate + quarantined.

    `reasons` are those of the first few refused rows; `error` says why the file as a whole
    could not be read, in which case nothing of it was imported.
    """

    file: str
    read: int = 0
    written: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: tuple[Reason, ...] = ()
    error: str | None = None


def import_file(
    lake: Lake,
    path: Path,
    reading: Reading,
    *,
    symbols: Collection[str] | None = None,
    now: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> ImportReport:
    """Import one file of bars.

    Parameters
    ----------
    lake
        Where to.
    path
        CSV (also packed) or Parquet.
    reading
        How to read it.
    symbols
        The symbols that are known; rows of others are quarantined. None: all are known.
    now
        The clock, microseconds UTC; None: this machine's.
    advance
        Told how much is done, 0 to 1.

    Raises
    ------
    SourceError
        If the file cannot be read; nothing of it is imported.
    LakeError
        If the lake is damaged, full, or written by another process for too long.
    """
    tell = advance or (lambda done: None)
    clock = time.time_ns() // 1000 if now is None else now
    key = digest_of(path)
    source = path.name
    read = written = duplicate = 0
    with scratch_directory(lake.staging, "import") as scratch:
        prices, quarantine = PriceSpool(scratch, source), QuarantineSpool(scratch)
        examples: list[Reason] = []

        def refuse(rows: pa.Table) -> None:
            quarantine.add(rows)
            fresh = rows.select(["rowNumber", "reason"]).slice(0, _EXAMPLES).to_pylist()
            examples.extend(Reason(row["rowNumber"], row["reason"]) for row in fresh)
            examples[:] = sorted(examples)[:_EXAMPLES]

        for batch in read_bar_file(path, reading):
            read += batch.rows.num_rows + len(batch.refused)
            checked = check_prices(
                batch.rows,
                source,
                batch.number,
                now=clock,
                problems=batch.problems,
                symbols=symbols,
            )
            prices.add(checked.good)
            refuse(checked.quarantine)
            refuse(_line_rows(source, batch.refused))
            tell(_READING * batch.done)
        if read == 0:
            raise SourceError(f"{path}: has columns but no rows.")
        with lake.writing(PRICE_1M_HISTORY.name):
            days = prices.days()
            for done, day in enumerate(days, start=1):
                merged = lake.merge_day(day, prices.rows(day))
                written += merged.written
                duplicate += merged.duplicates
                refuse(conflict_rows(source, merged.conflicts, merged.kept))
                tell(_READING + (1 - _READING) * done / len(days))
            lake.write_quarantine(PRICE_1M_HISTORY.name, key, quarantine.parts())
    return ImportReport(str(path), read, written, duplicate, quarantine.count, tuple(examples))


def import_files(
    lake: Lake,
    paths: list[Path],
    reading: Reading,
    *,
    symbols: Collection[str] | None = None,
    advance: Callable[[float, str], None] | None = None,
) -> list[ImportReport]:
    """Import files one after the other; one that cannot be read does not stop the others.

    `advance` is told how much of all files is done, 0 to 1, and the name of the one at work.
    """
    reports = []
    for at, path in enumerate(paths):

        def tell(done: float, at: int = at, path: Path = path) -> None:
            if advance is not None:
                advance((at + done) / len(paths), path.name)

        try:
            report = import_file(lake, path, reading, symbols=symbols, advance=tell)
        except SourceError as error:
            report = ImportReport(str(path), error=str(error))
        reports.append(report)
    return reports


def _line_rows(source: str, lines: list[Refused]) -> pa.Table:
    """Give the quarantine rows of lines that do not fit their file's columns."""
    rows = pa.table({"line": pa.array([line.line for line in lines], pa.string())})
    return quarantine_rows(
        PRICE_1M_HISTORY,
        source,
        rows,
        np.array([line.number for line in lines], np.int64),
        [line.reason for line in lines],
    )
