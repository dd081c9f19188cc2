"""Import of price files into a lake: read, check, merge, and account for every row.

A file is first read and checked to its end, and waits by day; then it is merged, together
with the files that wait beside it, day by day under the lake's lock. So an unreadable file
changes nothing, a year of fifty symbols in fifty files writes each day once, and an import
that was stopped halfway has written some days whole and the others not at all. Importing
the files again, then or ever, writes what is missing, counts the rest as duplicates and
replaces each file's quarantine by the same rows.

What was imported is corrected in two ways: a file can replace bars of other files, and an
import can be taken back.
"""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import SourceError
from streaming.feeds.reading import Reading
from streaming.feeds.refusals import ReadingError
from streaming.feeds.waiting_file import Reason, WaitingFile
from streaming.jobs.price_rows import CONFLICT, DUPLICATE, WRITTEN, PriceRows, among, stack
from streaming.jobs.prices import conflict_rows
from streaming.lake import Lake, scratch_directory

_EPOCH = dt.date(1970, 1, 1)
# Of an import's time, reading and checking take this part; merging takes the rest.
_READING = 0.8
# Rows that wait before they are merged (64 bytes each on the lake's disk); a single file
# may be larger.
_WAITING_ROWS = 8_000_000


class ImportReport(NamedTuple):
    """What became of a file's rows: read = written + duplicate + quarantined.

    `reasons` are those of the first few refused rows; `error` says why the file as a whole
    could not be read, in which case nothing of it was imported. `days` are the UTC days (as
    the lake cuts them) of the bars that can be taken, `changed` those of which this import
    changed the bars; both ascending. Of the rows written, `replaced` took the place of bars
    that differ; of those quarantined, `differing` differ from bars that are not the file's own.
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
    replaced: int = 0
    differing: int = 0


class TakenBack(NamedTuple):
    """Bars that were taken out of the lake: how many, and of which UTC days."""

    rows: int
    days: tuple[dt.date, ...]


def import_file(
    lake: Lake,
    path: Path,
    reading: Reading,
    *,
    symbols: Collection[str] | None = None,
    now: int | None = None,
    replace: bool = False,
) -> ImportReport:
    """Import one file of bars; see `import_files`.

    Raises
    ------
    SourceError
        If the file cannot be read; nothing of it is imported.
    """
    (report,) = import_files(lake, [path], reading, symbols=symbols, now=now, replace=replace)
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
    replace: bool = False,
    advance: Callable[[float, str], None] | None = None,
    worded: Callable[[ReadingError], str] = str,
) -> list[ImportReport]:
    """Import files of bars, in order; one that cannot be read does not stop the others.

    Parameters
    ----------
    lake
        Where to.
    paths
        CSV (also packed) or Parquet files.
    reading
        How to read them.
    symbols
        The symbols that are known; rows of others are quarantined. None: all are known.
    now
        The clock, microseconds UTC; None: this machine's.
    replace
        Bars of the lake make room for those of the files that differ from them, and those of
        one file for those of the next. Without it the bar that came first is kept.
    advance
        Told how much of all files is done, 0 to 1, and the name of the one at work.
    worded
        Words refusals that name settings of the reading; as it is, for the command line.

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
        waiting: dict[int, WaitingFile] = {}
        for at, path in enumerate(paths):
            begun = at - len(waiting)

            def tell_read(done: float, at: int = at, name: str = path.name, b: int = begun) -> None:
                tell((b + _READING * (at - b + done)) / len(paths), name)

            try:
                file = WaitingFile(path, scratch / str(at))
                file.read_through(reading, symbols, clock, tell_read)
                waiting[at] = file
            except SourceError as error:
                why = worded(error) if isinstance(error, ReadingError) else str(error)
                reports[at] = ImportReport(str(path), error=why)
            rows = sum(file.prices.count for file in waiting.values())
            # Files that replace each other's bars take their turns.
            if waiting and (replace or rows >= _WAITING_ROWS or at == len(paths) - 1):

                def tell_merged(done: float, at: int = at, b: int = begun) -> None:
                    part = (at + 1 - b) * (_READING + (1 - _READING) * done)
                    tell((b + part) / len(paths), "merging")

                merged = _merge(lake, list(waiting.values()), tell_merged, replace)
                reports |= dict(zip(waiting, merged, strict=True))
                waiting = {}
    return [reports[at] for at in range(len(paths))]


def take_back(
    lake: Lake,
    path: Path,
    reading: Reading,
    *,
    instead: Reading,
    symbols: Collection[str] | None = None,
    now: int | None = None,
) -> TakenBack:
    """Take out of a lake what an import of a file had written, had it been read another way.

    Parameters
    ----------
    lake, path, symbols, now
        As in `import_files`.
    reading
        How the file was read.
    instead
        How it should have been read: bars that it gives that way stay. So do those that
        another file brought.

    Raises
    ------
    SourceError
        If the file cannot be read in both ways; nothing is taken out.
    LakeError
        If the lake is damaged, full, or written by another process for too long.
    """
    clock = time.time_ns() // 1000 if now is None else now
    taken: dict[int, int] = {}
    with scratch_directory(lake.staging, "import") as scratch:
        files = [WaitingFile(path, scratch / name) for name in ("wrong", "right")]
        for file, way in zip(files, (reading, instead), strict=True):
            file.read_through(way, symbols, clock, lambda done: None)
        wrong, right = files
        with lake.writing(PRICE_1M_HISTORY.name):
            for day in wrong.prices.days():
                parts = (wrong.prices.rows(day), right.prices.rows(day))
                taken[day] = lake.take_out(day, partial(_among_first, *parts))
    return TakenBack(sum(taken.values()), _dates([day for day, count in taken.items() if count]))


def _among_first(wrong: PriceRows, right: PriceRows, held: PriceRows) -> NDArray[np.bool_]:
    return among(held, wrong) & ~among(held, right)


def _merge(
    lake: Lake, files: list[WaitingFile], tell: Callable[[float], None], replace: bool
) -> list[ImportReport]:
    """Merge files into the lake, report on each, and forget their rows."""
    fates = np.zeros((len(files), 3), np.int64)
    changed: list[list[int]] = [[] for _ in files]
    differing = [0] * len(files)
    replaced = 0
    with lake.writing(PRICE_1M_HISTORY.name):
        days = sorted({day for file in files for day in file.prices.days()})
        for done, day in enumerate(days, start=1):
            parts = [file.prices.rows(day) for file in files]
            merged = lake.merge_day(day, stack(parts), replace=replace)
            replaced += len(merged.replaced)
            begin = conflicts = 0
            for at, (file, part) in enumerate(zip(files, parts, strict=True)):
                of_day = np.bincount(merged.fate[begin : begin + len(part)], minlength=3)
                fates[at] += of_day
                if of_day[WRITTEN]:
                    changed[at].append(day)
                begin += len(part)
                # Conflicts come in order of arrival, so each file's are together.
                own = slice(conflicts, conflicts + int(of_day[CONFLICT]))
                conflicts = own.stop
                if of_day[CONFLICT]:
                    kept = merged.kept.take(own)
                    file.refuse(conflict_rows(file.path.name, merged.conflicts.take(own), kept))
                    differing[at] += _of_others(kept, part)
            tell(done / len(days))
        for file in files:
            lake.write_quarantine(PRICE_1M_HISTORY.name, file.key, file.quarantine.parts())
    reports = []
    results = zip(files, fates.tolist(), changed, differing, strict=True)
    for file, of_file, own_days, others in results:
        shutil.rmtree(file.folder)
        reports.append(
            ImportReport(
                str(file.path),
                read=file.read,
                written=of_file[WRITTEN],
                duplicate=of_file[DUPLICATE],
                quarantined=file.quarantine.count,
                reasons=tuple(file.reasons),
                days=_dates(file.prices.days()),
                changed=_dates(own_days),
                # Where bars are replaced, files come one by one.
                replaced=replaced,
                differing=others,
            )
        )
    return reports


def _of_others(kept: PriceRows, part: PriceRows) -> int:
    """Count the conflicts with bars that a file does not bring itself.

    `kept` has the bar of each conflict, `part` the file's rows of that day.
    """
    pairs = np.stack([kept.symbol, kept.ts])
    _, first, which = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
    own = among(kept.take(first), part)
    return int(np.count_nonzero(~own[which.ravel()]))


def _dates(days: list[int]) -> tuple[dt.date, ...]:
    return tuple(_EPOCH + dt.timedelta(days=day) for day in days)
