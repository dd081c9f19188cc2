"""The inbox: a folder into which other programs put files, fed to the live engine as they come.

Bars go into its folder `bars`, exec reports into `reports`: CSV or JSON lines (also packed) or
Parquet, told by their first bytes. A file is left alone while it is hidden, has the name of a
half-written one (`.tmp`, `.part`, ...) or has changed a moment ago; writing it under such a
name and renaming it is safest. Whole files arrive in the order of `inbox_files`: at each look
reports before bars, each by time of writing, then name. A content counts once.

A file counts whole or not at all, its bad rows apart: a large one is read through before its
first rows are given. One that cannot be used goes to `refused`, with a row in quarantine and
an alert, and stops nothing. Files say nothing of how far bars are complete: the lateness, and
the clock, decide. Bars of years belong into the lake: of two files with the same hours, the
first would make the second late.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    PRICE_1M_HISTORY,
    Table,
    quarantine_rows,
    validate,
)
from streaming.errors import ContractError, SettingsError, SourceError
from streaming.feeds.bar_files import read_bar_file
from streaming.feeds.feed import Arrival, Batch, Feed, FeedAlert
from streaming.feeds.inbox_files import InboxFiles, Kind, TakenFile
from streaming.feeds.pieces import Piece, cut
from streaming.feeds.raw_rows import line_rows
from streaming.feeds.reading import Reading
from streaming.feeds.ready_files import SETTLE_SECONDS
from streaming.feeds.refusals import ReadingError, as_key
from streaming.feeds.report_files import read_report_file
from streaming.feeds.tabular import digest_of
from streaming.jobs.trading_engine import REPORTS, ReportBatch

ROWS = 50_000
"""Rows of a batch at most; small files that are there together are one batch."""

REFUSED_FILE = "FEED_FILE_REFUSED"
"""Code of the alert."""

_TABLES: dict[Kind, Table] = {"bars": PRICE_1M_HISTORY, "reports": EXEC_REPORT_HISTORY}
_WHOLE = "all"
_POSITION = re.compile(rf"(\d+) ({_WHOLE}|\d+) ([0-9a-f]{{32}})")


class _Place(NamedTuple):
    """Where the feed is: a file's number, the last row of it that was given, and its digest.

    `row` None: all of the file is done with.
    """

    number: int = 0
    row: int | None = None
    digest: str = ""

    @classmethod
    def read(cls, text: str | None) -> Self:
        if text is None:
            return cls()
        found = _POSITION.fullmatch(text)
        if found is None:
            raise SourceError(
                f"The store's position {text!r} is none of an inbox. Go on with the feed that it "
                "was begun with, or begin a new store."
            )
        return cls(int(found[1]), None if found[2] == _WHOLE else int(found[2]), found[3])

    def __str__(self) -> str:
        return f"{self.number} {_WHOLE if self.row is None else self.row} {self.digest}"


class InboxFeed(Feed):
    """The files of an inbox.

    Parameters
    ----------
    root
        The inbox; made where it is not there.
    reading_of
        Says how a file of bars of this name is to be read; by usual names unless given.
    settle_seconds
        For how long a file must not have changed before it is taken for whole.
    follow
        Wait for more files; otherwise end where no file is ready.
    rows
        Rows of a batch at most.
    """

    name = "inbox"

    def __init__(
        self,
        root: Path,
        *,
        reading_of: Callable[[str], Reading] = lambda name: Reading(),
        settle_seconds: float = SETTLE_SECONDS,
        follow: bool = True,
        rows: int = ROWS,
    ) -> None:
        self._root = root
        self._reading_of = reading_of
        self._settle = settle_seconds
        self._follow = follow
        self._rows = rows

    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give what is in files after a position: a file's number and row, and its digest.

        Raises
        ------
        SourceError
            If the position is of another inbox.
        LakeError
            If the folders cannot be read, or files not be moved.
        """
        place = _Place.read(position)
        files = InboxFiles(self._root, place.number, self._settle)
        parts: list[Batch] = []
        rows = 0
        for part in self._parts(files, place):
            if parts and (part is None or rows + _count(part) > self._rows):
                yield _together(parts)
                parts.clear()
                rows = 0
            if part is not None:
                parts.append(part)
                rows += _count(part)
            elif not self._follow:
                return
            else:
                yield None

    def _parts(self, files: InboxFiles, place: _Place) -> Iterator[Batch | None]:
        """Give part after part of file after file; None where there is none for now."""
        begun = files.taken(place.number)
        if begun is not None and begun.digest != place.digest:
            raise SourceError(
                f"The store was fed from another inbox than {self._root}: file {place.number} "
                "there was another one. Go on with that one, or begin a new store."
            )
        if place.row is not None:
            if begun is None:
                raise SourceError(
                    f"{self._root}: file {place.number}, which was used up to row {place.row}, is "
                    "gone from `taken`. Put it back."
                )
            yield from self._of_file(files, begun, place.row)
        while True:
            file = files.next()
            if file is None:
                yield None
            else:
                yield from self._of_file(files, file, 0)

    def _of_file(self, files: InboxFiles, file: TakenFile, after: int) -> Iterator[Batch]:
        """Give a file's rows after one of them, in parts; or say that it cannot be used."""
        given = after
        try:
            waiting = None
            for piece in cut(self._whole(file, after), after, self._rows):
                if waiting is not None:
                    yield _batch(file, waiting, waiting.last)
                    given = waiting.last
                waiting = piece
            yield _batch(file, waiting, None)
        except (ContractError, SettingsError, SourceError) as error:
            why = error.worded(as_key) if isinstance(error, ReadingError) else str(error)
            yield _refusal(files, file, why, given)

    def _whole(self, file: TakenFile, after: int) -> Iterator[Piece]:
        """Read a file of which all can be read."""
        if digest_of(file.path, named=False) != file.digest:
            raise SourceError(
                f"{file.name}: was written to after it had been taken. Write files under a hidden "
                "name, or one that ends in .tmp, and rename them when they are whole."
            )
        pieces = self._read(file)
        if after:
            return pieces
        first = list(islice(pieces, 2))
        deque(pieces, 0)
        if not any(piece.size for piece in first):
            raise SourceError(f"{file.name}: has no rows.")
        return iter(first) if len(first) < 2 else self._read(file)

    def _read(self, file: TakenFile) -> Iterator[Piece]:
        """Read a file, batch by batch.

        Raises
        ------
        ContractError, SettingsError, SourceError
            If it cannot be used.
        """
        if file.kind == "reports":
            for one in read_report_file(file.path, file.name):
                validate(REPORTS, one.batch.rows.slice(0, 1), file.name)
                yield Piece(one.batch, one.refused)
            return
        for bars in read_bar_file(file.path, self._reading_of(file.name), file.name):
            validate(PRICE_1M_HISTORY, bars.rows.slice(0, 1), file.name)
            yield Piece(Arrival(bars.rows, file.name, bars.number, bars.problems), bars.refused)


def _batch(file: TakenFile, piece: Piece | None, row: int | None) -> Batch:
    """Give a piece as a batch; `row` None where it is the file's last."""
    place = str(_Place(file.number, row, file.digest))
    if piece is None:
        return Batch([], None, place)
    rows, refused = piece.rows, piece.refused
    return Batch(
        [rows] if isinstance(rows, Arrival) and rows.rows.num_rows else [],
        None,
        place,
        [rows] if isinstance(rows, ReportBatch) and rows.rows.num_rows else [],
        [line_rows(_TABLES[file.kind], file.name, refused)] if refused else [],
    )


def _refusal(files: InboxFiles, file: TakenFile, why: str, given: int) -> Batch:
    """Put a file aside, and say so."""
    place = files.refuse(file)
    used = f"Its rows up to {given} were used" if given else "Nothing of it was used"
    reason = why.replace(str(file.path), file.name)
    row = pa.table({"file": [file.name], "digest": [file.digest]})
    try:
        # Not the clock: reading the file again gives the same rows.
        written = place.stat().st_mtime_ns // 1000
    except OSError:
        written = time.time_ns() // 1000
    return Batch(
        [],
        None,
        str(_Place(file.number, None, file.digest)),
        (),
        [quarantine_rows(_TABLES[file.kind], file.name, row, [given], [reason])],
        [FeedAlert(REFUSED_FILE, f"{reason} {used}; it lies in refused/{place.name}.", written)],
    )


def _count(batch: Batch) -> int:
    """Count a batch's rows, refused ones too."""
    tables = [one.rows for one in batch.arrivals] + [one.rows for one in batch.reports]
    return sum(rows.num_rows for rows in [*tables, *batch.quarantine])


def _together(parts: Sequence[Batch]) -> Batch:
    """Make one batch of parts that follow each other."""
    return Batch(
        [one for part in parts for one in part.arrivals],
        None,
        parts[-1].position,
        [one for part in parts for one in part.reports],
        [one for part in parts for one in part.quarantine],
        [one for part in parts for one in part.alerts],
    )
