"""Checked rows of one file, laid out on the disk by day.

A file may hold its rows in any order: all of a year for one symbol, then for the next. So
that each day is looked at once and memory does not grow with the file, rows wait here,
batch by batch, each batch sorted by day.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streaming.contracts import QUARANTINE_HISTORY, arrow_schema
from streaming.jobs.price_rows import PriceRows, day_of, no_rows

Int = NDArray[np.int64]


class DaySpool:
    """Rows of int64 columns by day.

    Parameters
    ----------
    folder
        An empty folder; whoever made it removes it.
    columns
        How many columns a row has.
    """

    def __init__(self, folder: Path, columns: int) -> None:
        self._folder = folder
        self._columns = columns
        # Where each day's blocks lie: number of the file, first row in it, and number of rows.
        self._blocks: dict[int, list[tuple[int, int, int]]] = {}
        self._files = 0
        self.count = 0

    def add(self, days: Int, columns: Sequence[Int]) -> None:
        """Append rows in order of arrival, each with the day that it belongs to."""
        if not len(days):
            return
        self.count += len(days)
        order = np.argsort(days, kind="stable")
        present, begins = np.unique(days[order], return_index=True)
        ends = [*begins[1:].tolist(), len(days)]
        matrix = np.empty((self._columns, len(days)), np.int64)
        for at, column in enumerate(columns):
            matrix[at] = column[order]
        with self._path(self._files).open("wb") as file:
            for day, begin, end in zip(present.tolist(), begins.tolist(), ends, strict=True):
                # Not `tofile`: its error on a full disk does not say that this is why.
                file.write(np.ascontiguousarray(matrix[:, begin:end]).data)
                self._blocks.setdefault(day, []).append((self._files, begin, end - begin))
        self._files += 1

    def days(self) -> list[int]:
        """Give the days that have rows, ascending."""
        return sorted(self._blocks)

    def rows(self, day: int) -> Int:
        """Give the rows of one day in order of arrival, int64[columns, rows]."""
        none = np.empty((self._columns, 0), np.int64)
        return np.concatenate([none, *(self._block(*at) for at in self._blocks.get(day, []))], 1)

    def _block(self, number: int, first: int, count: int) -> Int:
        # Read, not mapped: pages of a mapped file would count as memory that grows with it.
        with self._path(number).open("rb") as file:
            file.seek(first * self._columns * 8)
            block = np.fromfile(file, np.int64, self._columns * count)
            return block.reshape(self._columns, count)

    def _path(self, number: int) -> Path:
        return self._folder / f"rows-{number}"


class PriceSpool:
    """Rows of prices by day, in days since 1970.

    Parameters
    ----------
    folder
        An empty folder; whoever made it removes it.
    source
        Name of the file that the rows are from.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._rows = DaySpool(folder, columns=8)
        self._source = source
        self._codes: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._rows.count

    def add(self, rows: PriceRows) -> None:
        """Append rows in order of arrival."""
        if not len(rows):
            return
        codes = np.array(
            [self._codes.setdefault(name, len(self._codes)) for name in rows.symbols], np.int64
        )
        volume = rows.volume.view(np.int64)
        self._rows.add(day_of(rows.ts), [codes[rows.symbol], *rows[3:8], volume, rows.number])

    def days(self) -> list[int]:
        """Give the days that have rows, ascending."""
        return self._rows.days()

    def rows(self, day: int) -> PriceRows:
        """Give the rows of one day in order of arrival, none where it has none."""
        symbol, ts, opened, high, low, price, volume, number = self._rows.rows(day)
        if not len(ts):
            return no_rows()
        return PriceRows(
            list(self._codes),
            [self._source],
            symbol,
            ts,
            opened,
            high,
            low,
            price,
            volume.view(np.float64),
            np.zeros(len(ts), np.int64),
            number,
        )


class QuarantineSpool:
    """Refused rows in the order in which they were found.

    Parameters
    ----------
    folder
        A folder; whoever made it removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = 0
        self.count = 0

    def add(self, rows: pa.Table) -> None:
        """Append rows in the schema of `quarantine_history`."""
        if rows.num_rows:
            # A file for each part: of hundreds of sources, none is kept open.
            pq.write_table(rows, self._path(self._parts))
            self._parts += 1
            self.count += rows.num_rows

    def parts(self) -> Iterator[pa.Table]:
        """Give all rows, part by part."""
        for part in range(self._parts):
            yield pq.read_table(self._path(part)).cast(arrow_schema(QUARANTINE_HISTORY))

    def _path(self, part: int) -> Path:
        return self._folder / f"refused-{part}.parquet"
