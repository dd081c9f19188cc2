"""Checked rows of one file, laid out on the disk by day.

A file may hold its rows in any order: all of a year for one symbol, then for the next. So
that each day of the lake is merged once and memory does not grow with the file, rows wait
here, batch by batch, each batch sorted by day.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streaming.contracts import QUARANTINE_HISTORY, arrow_schema
from streaming.jobs.price_rows import PriceRows, day_of, no_rows

_COLUMNS = 8


class PriceSpool:
    """Rows by day.

    Parameters
    ----------
    folder
        An empty folder; whoever made it removes it.
    source
        Name of the file that the rows are from.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._source = source
        self._codes: dict[str, int] = {}
        # For each file the place of each day's block in it: first row and number of rows.
        self._parts: list[dict[int, tuple[int, int]]] = []
        self.count = 0

    def add(self, rows: PriceRows) -> None:
        """Append rows in order of arrival."""
        if not len(rows):
            return
        self.count += len(rows)
        days = day_of(rows.ts)
        order = np.argsort(days, kind="stable")
        present, begins = np.unique(days[order], return_index=True)
        ends = [*begins[1:].tolist(), len(rows)]
        codes = np.array([self._code(name) for name in rows.symbols], np.int64)
        matrix = np.empty((_COLUMNS, len(rows)), np.int64)
        matrix[0] = codes[rows.symbol[order]]
        for at, column in enumerate(rows[3:8], start=1):
            matrix[at] = column[order]
        matrix[6] = rows.volume[order].view(np.int64)
        matrix[7] = rows.number[order]
        places: dict[int, tuple[int, int]] = {}
        with self._path(len(self._parts)).open("wb") as file:
            for day, begin, end in zip(present.tolist(), begins.tolist(), ends, strict=True):
                # Not `tofile`: its error on a full disk does not say that this is why.
                file.write(np.ascontiguousarray(matrix[:, begin:end]).data)
                places[day] = (begin, end - begin)
        self._parts.append(places)

    def days(self) -> list[int]:
        """Give the days that have rows, in days since 1970, ascending."""
        return sorted({day for places in self._parts for day in places})

    def rows(self, day: int) -> PriceRows:
        """Give the rows of one day in order of arrival, none where it has none."""
        parts = [
            self._block(part, *places[day])
            for part, places in enumerate(self._parts)
            if day in places
        ]
        if not parts:
            return no_rows()
        symbol, ts, opened, high, low, price, volume, number = np.concatenate(parts, axis=1)
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

    def _block(self, part: int, first: int, count: int) -> NDArray[np.int64]:
        # Read, not mapped: pages of a mapped file would count as memory that grows with it.
        with self._path(part).open("rb") as file:
            file.seek(first * _COLUMNS * 8)
            return np.fromfile(file, np.int64, _COLUMNS * count).reshape(_COLUMNS, count)

    def _path(self, part: int) -> Path:
        return self._folder / f"rows-{part}"

    def _code(self, name: str) -> int:
        return self._codes.setdefault(name, len(self._codes))


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
