"""Import of price files into a lake: read, check, merge, and account for every row.

A file is first read and checked to its end, and waits by day; then it is merged, together
with the files that wait beside it, day by day under the lake's lock. So an unreadable file
changes nothing, a year of fifty symbols in fifty files writes each day once, and an import
that was stopped halfway has written some days whole and the others not at all. Importing
the files again, then or ever, writes what is missing, counts the rest as duplicates and
replaces each file's quarantine by the same rows.
"""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import ContractError, SourceError
from streaming.feeds.bar_files import Reading, read_bar_file
from streaming.feeds.raw_rows import line_rows
from streaming.feeds.spool import PriceSpool, QuarantineSpool
from streaming.feeds.tabular import digest_of
from streaming.jobs.price_rows import CONFLICT, DUPLICATE, WRITTEN, stack
from streaming.jobs.prices import check_prices, conflict_rows
from streaming.lake import Lake, scratch_directory

_EXAMPLES = 5
_EPOCH = dt.date(1970, 1, 1)
# Of an import's time, reading and checking take this part; merging takes the rest.
_READING = 0.8
# Rows that wait before they are merged (64 bytes each on the lake's disk); a single file
# may be larger.
_WAITING_ROWS = 8_000_000


class Reason(NamedTuple):
    """Why one row was refused."""

    row: int
    reason: str


class ImportReport(NamedTuple):
    """What became of a file's rows: read = written + duplicate + quarantined.

    `reasons` are those of the first few refused rows; `error` says why the file as a whole
    could not be read, in which case nothing of it was imported. `days` are the UTC days (as
    the lake cuts them) of the bars that can be taken, `changed` those to which this import
    added bars; both ascending.
    """

    file: str
    read: int = 0
    written: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: tuple[Reason, ...] = ()
    error: str | None = None
    days: tuple[dt.date, ...] = ()
    changed: tuple[dt.date, ...] = ()


def import_file(
    lake: Lake,
    path: Path,
    reading: Reading,
    *,
    symbols: Collection[str] | None = None,
    now: int | None = None,
) -> ImportReport:
    """Import one file of bars; see `import_files`.

    Raises
    ------
    SourceError
        If the file cannot be read; nothing of it is imported.
    """
    (report,) = import_files(lake, [path], reading, symbols=symbols, now=now)
    if report.error is not None:
        raise SourceError(report.error)
    return report


def import_files(
    lake: Lake,
    paths: Sequence[Path],
    reading: Reading,
    *,
    symbols: Collection[str] | None = None,
    now: int | None = None,
    advance: Callable[[float, str], None] | None = None,
) -> list[ImportReport]:
    """Import files of bars, in order; one that cannot be read does not stop the others.

    Parameters
    ----------
    lake
        Where to.
    paths
        CSV or JSON lines (also packed), or Parquet.
    reading
        How to read them.
    symbols
        The symbols that are known; rows of others are quarantined. None: all are known.
    now
        The clock, microseconds UTC; None: this machine's.
    advance
        Told how much of all files is done, 0 to 1, and the name of the one at work.

    Returns
    -------
    list of ImportReport
        One for each path, the same as if they had been imported one by one.

    Raises
    ------
    LakeError
        If the lake is damaged, full, or written by another process for too long.
    """
    clock = time.time_ns() // 1000 if now is None else now
    tell = advance or (lambda done, name: None)
    reports: dict[int, ImportReport] = {}
    with scratch_directory(lake.staging, "import") as scratch:
        waiting: dict[int, _Waiting] = {}
        for at, path in enumerate(paths):
            begun = at - len(waiting)

            def tell_read(done: float, at: int = at, name: str = path.name, b: int = begun) -> None:
                tell((b + _READING * (at - b + done)) / len(paths), name)

            try:
                file = _Waiting(path, scratch / str(at))
                file.read_through(reading, symbols, clock, tell_read)
                waiting[at] = file
            except SourceError as error:
                reports[at] = ImportReport(str(path), error=str(error))
            rows = sum(file.prices.count for file in waiting.values())
            if waiting and (rows >= _WAITING_ROWS or at == len(paths) - 1):

                def tell_merged(done: float, at: int = at, b: int = begun) -> None:
                    part = (at + 1 - b) * (_READING + (1 - _READING) * done)
                    tell((b + part) / len(paths), "merging")

                _merge(lake, list(waiting.values()), tell_merged)
                reports |= {place: file.report() for place, file in waiting.items()}
                waiting = {}
    return [reports[at] for at in range(len(paths))]


class _Waiting:
    """A file that is read and checked, and not yet merged."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.key = digest_of(path)
        self.fates = np.zeros(3, np.int64)
        self.changed: list[int] = []
        self._folder = folder
        folder.mkdir()
        self.prices = PriceSpool(folder, path.name)
        self.quarantine = QuarantineSpool(folder)
        self._read = 0
        self._reasons: list[Reason] = []

    def read_through(
        self,
        reading: Reading,
        symbols: Collection[str] | None,
        now: int,
        tell: Callable[[float], None],
    ) -> None:
        """Read and check the file to its end."""
        for batch in read_bar_file(self.path, reading):
            self._read += batch.rows.num_rows + len(batch.refused)
            try:
                checked = check_prices(
                    batch.rows,
                    self.path.name,
                    batch.number,
                    now=now,
                    problems=batch.problems,
                    symbols=symbols,
                )
            except ContractError as error:
                # A column whose type as a whole holds no such values.
                raise SourceError(f"{self.path}: {error}") from error
            self.prices.add(checked.good)
            self.refuse(checked.quarantine)
            self.refuse(line_rows(PRICE_1M_HISTORY, self.path.name, batch.refused))
            tell(batch.done)
        if self._read == 0:
            raise SourceError(f"{self.path}: has columns but no rows.")

    def refuse(self, rows: pa.Table) -> None:
        """Keep refused rows, and the reasons of the first few."""
        self.quarantine.add(rows)
        fresh = rows.select(["rowNumber", "reason"]).slice(0, _EXAMPLES).to_pylist()
        reasons = [*self._reasons, *(Reason(row["rowNumber"], row["reason"]) for row in fresh)]
        self._reasons = sorted(reasons)[:_EXAMPLES]

    def report(self) -> ImportReport:
        """Say what became of the file, and forget its rows."""
        shutil.rmtree(self._folder)
        return ImportReport(
            str(self.path),
            read=self._read,
            written=int(self.fates[WRITTEN]),
            duplicate=int(self.fates[DUPLICATE]),
            quarantined=self.quarantine.count,
            reasons=tuple(self._reasons),
            days=_dates(self.prices.days()),
            changed=_dates(self.changed),
        )


def _merge(lake: Lake, files: list[_Waiting], tell: Callable[[float], None]) -> None:
    with lake.writing(PRICE_1M_HISTORY.name):
        days = sorted({day for file in files for day in file.prices.days()})
        for done, day in enumerate(days, start=1):
            parts = [file.prices.rows(day) for file in files]
            merged = lake.merge_day(day, stack(parts))
            begin = conflicts = 0
            for file, part in zip(files, parts, strict=True):
                fates = np.bincount(merged.fate[begin : begin + len(part)], minlength=3)
                file.fates += fates
                if fates[WRITTEN]:
                    file.changed.append(day)
                begin += len(part)
                # Conflicts come in order of arrival, so each file's are together.
                own = slice(conflicts, conflicts + int(fates[CONFLICT]))
                conflicts = own.stop
                if fates[CONFLICT]:
                    refused = (merged.conflicts.take(own), merged.kept.take(own))
                    file.refuse(conflict_rows(file.path.name, *refused))
            tell(done / len(days))
        for file in files:
            lake.write_quarantine(PRICE_1M_HISTORY.name, file.key, file.quarantine.parts())


def _dates(days: list[int]) -> tuple[dt.date, ...]:
    return tuple(_EPOCH + dt.timedelta(days=day) for day in days)
