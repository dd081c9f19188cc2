"""The lake: history as Parquet, by table and day, for anybody to read.

Layout below the lake's folder:

- `price_1m_history/day=YYYY-MM-DD/bars.parquet` (module `prices`),
- `quarantine_history/table=<name>/<key>.parquet` (module `quarantine`),
- `live/<table>/day=YYYY-MM-DD.parquet` (module `history`),
- `runs/<runId>/...`, written by the backtest with `atomic_directory`,
- `.locks` and `.staging`, which no reader needs.

Every file is whole or absent. Readers take no lock; writers of one table take turns.
"""

import datetime as dt
import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY
from streaming.errors import LakeError
from streaming.jobs.price_rows import (
    Merged,
    PriceRows,
    by_day,
    merge,
    no_rows,
    rows_of_table,
    stack,
)
from streaming.lake import prices
from streaming.lake.atomic import disk_errors, read_errors, sweep
from streaming.lake.lock import WAIT_SECONDS, table_lock
from streaming.lake.prices import DayInfo
from streaming.lake.quarantine import (
    quarantined_by_day,
    read_quarantine,
    write_quarantine,
)
from streaming.rules.bars import Bars, no_bars

_EPOCH = dt.date(1970, 1, 1)


class WriteReport(NamedTuple):
    """What became of rows that were handed to the lake.

    `written` and `duplicates` are numbers of rows; `conflicts` are the rows that differ
    from the bar that the lake keeps, and `kept` that bar, at the same place.
    """

    written: int
    duplicates: int
    conflicts: PriceRows
    kept: PriceRows


class Lake:
    """History under one folder.

    Parameters
    ----------
    root
        The lake's folder; made when something is written.
    wait_seconds
        How long to wait for another process that writes the same table.

    Raises
    ------
    LakeError
        If `root` is a file.
    """

    def __init__(self, root: Path | str, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.root = Path(root)
        self._wait_seconds = wait_seconds
        self._infos: dict[dt.date, tuple[tuple[int, int, int], DayInfo]] = {}
        if self.root.exists() and not self.root.is_dir():
            raise LakeError(f"{self.root}: is a file; a lake is a folder. Name another one.")

    @classmethod
    def existing(cls, root: Path) -> Self:
        """Give the lake in a folder.

        Raises
        ------
        LakeError
            If there is no such folder.
        """
        if not root.is_dir():
            raise LakeError(f"{root}: there is no such folder. `trading import` makes a lake.")
        return cls(root)

    @property
    def _prices(self) -> Path:
        return self.root / PRICE_1M_HISTORY.name

    @property
    def staging(self) -> Path:
        """Folder for intermediate files, on the lake's disk; see `scratch_directory`."""
        return self.root / ".staging"

    def days(self) -> list[DayInfo]:
        """Give what the footer of each day of prices says, in order of the days.

        Footers are read once and again only when a file has changed.

        Raises
        ------
        LakeError
            If a file is damaged or cannot be read.
        """
        infos: dict[dt.date, tuple[tuple[int, int, int], DayInfo]] = {}
        with read_errors(self._prices):
            files = self._day_files()
        for day, name in files:
            # Years of days are looked at before every read: no Path is made for each.
            try:
                stat = os.stat(name)  # noqa: PTH116
            except FileNotFoundError:
                continue
            except OSError:
                with read_errors(Path(name)):
                    raise
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            known = self._infos.get(day)
            if known and known[0] == stamp:
                infos[day] = known
                continue
            path = Path(name)
            with read_errors(path):
                info = prices.read_info(path)
            if info.day != day:
                raise LakeError(
                    f"{path}: holds the bars of {info.day}. Move it to its own folder, or "
                    "delete it and import that day again."
                )
            infos[day] = (stamp, info)
        self._infos = infos
        return [info for _, info in infos.values()]

    def symbols(self) -> list[str]:
        """Give the symbols that have prices, sorted."""
        return sorted({name for info in self.days() for name in info.symbols})

    def bars(
        self,
        symbols: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> dict[str, Bars]:
        """Read bars with start < ts <= end.

        Parameters
        ----------
        symbols
            Which ones; None: all that the lake has.
        start, end
            Microseconds UTC; None: from the first, to the last bar.

        Returns
        -------
        dict
            For each symbol asked for, in sorted order, its bars; none where it has none
            in that time. The arrays may be views of larger ones: do not write to them.

        Raises
        ------
        LakeError
            If a symbol is not in the lake, or a file is damaged or cannot be read.
        """
        days = self.days()
        known = {name for info in days for name in info.symbols}
        wanted = known if symbols is None else set(symbols)
        for name in sorted(wanted - known):
            near = difflib.get_close_matches(name, known, n=3)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise LakeError(
                f"{self.root}: has no prices of {name!r}.{hint} Import some, or ask for one "
                f"of its {len(known)} symbols."
            )
        days = [
            info
            for info in days
            if (start is None or info.last_ts > start) and (end is None or info.first_ts <= end)
        ]
        names = sorted(wanted)
        counts = [sum(info.symbols.get(name, (0, ""))[0] for info in days) for name in names]
        begins = [0, *np.cumsum(counts, dtype=np.int64).tolist()]
        columns = [np.empty(begins[-1], np.float64 if c == 5 else np.int64) for c in range(6)]
        into = dict(zip(names, begins, strict=False))
        for info in days:
            if wanted.intersection(info.symbols):
                prices.read_bars(self.day_file(info.day), info, into, columns)
        every = Bars(*columns)
        return {
            name: _between(every.rows(begin, begin + count), start, end) if count else no_bars()
            for name, begin, count in zip(names, begins, counts, strict=False)
        }

    def write_prices(self, rows: PriceRows | pa.Table) -> WriteReport:
        """Merge rows into the days that they belong to.

        The first bar of a (symbol, ts) is kept: equal ones after it are counted,
        differing ones given back. Each day is replaced as a whole or not at all; a day to
        which nothing is added is not touched.

        Parameters
        ----------
        rows
            Rows in order of arrival, all of which keep the rules of `price_1m_history`:
            arrays, or a table in its Arrow schema.

        Raises
        ------
        LakeError
            If a file is damaged, the disk full, or another writer does not end. Days
            before the one at fault are written; the same call again writes the rest.
        """
        if not isinstance(rows, PriceRows):
            rows = rows_of_table(rows, np.arange(1, rows.num_rows + 1))
        with self.writing(PRICE_1M_HISTORY.name):
            reports = [self.merge_day(day, part) for day, part in by_day(rows)]
        return WriteReport(
            sum(report.written for report in reports),
            sum(report.duplicates for report in reports),
            stack([report.conflicts for report in reports]),
            stack([report.kept for report in reports]),
        )

    def merge_day(self, day: int, rows: PriceRows, *, replace: bool = False) -> Merged:
        """Merge rows, all of one day, into that day's file; call it under `writing`.

        Parameters
        ----------
        day
            Days since 1970-01-01 UTC.
        rows
            Rows in order of arrival.
        replace
            Bars of the lake make room for rows that differ.
        """
        date, path, held = self._held(day)
        merged = merge(held, rows, replace=replace)
        if merged.written:
            prices.write_day(path, date, merged.rows)
        return merged

    def take_out(self, day: int, chosen: Callable[[PriceRows], NDArray[np.bool_]]) -> int:
        """Take bars out of one day's file; call it under `writing`.

        Parameters
        ----------
        day
            Days since 1970-01-01 UTC.
        chosen
            Told the day's n bars; gives bool[n], those to take out.

        Returns
        -------
        int
            How many they were. A day that has none left has no file.
        """
        date, path, held = self._held(day)
        left = held.take(~chosen(held))
        if len(left) == len(held):
            return 0
        if len(left):
            prices.write_day(path, date, stack([left]))
        else:
            path.unlink()
        return len(held) - len(left)

    def _held(self, day: int) -> tuple[dt.date, Path, PriceRows]:
        date = _EPOCH + dt.timedelta(days=day)
        path = self.day_file(date)
        return date, path, prices.read_rows(path) if path.exists() else no_rows()

    @contextmanager
    def writing(self, table: str) -> Iterator[None]:
        """Hold the lock of a table, first removing what killed writers of it left behind.

        Raises
        ------
        LakeError
            If another writer holds it too long, or the folder cannot be written.
        """
        with (
            disk_errors(self.root, "Whole days were written or not at all"),
            table_lock(self.root, table, self._wait_seconds),
        ):
            sweep(self.root / table)
            sweep(self.root / QUARANTINE_HISTORY.name)
            sweep(self.staging)
            yield

    def write_quarantine(self, table: str, key: str, parts: Iterable[pa.Table]) -> int:
        """Replace the refused rows of one source; see `quarantine.write_quarantine`."""
        return write_quarantine(self.root, table, key, parts)

    def quarantine(self, table: str | None = None) -> pa.Table:
        """Read refused rows, of one table or all, sorted by source and row number."""
        return read_quarantine(self.root, table)

    def quarantined_by_day(self, table: str) -> dict[dt.date, int]:
        """Count refused rows by day; see `quarantine.quarantined_by_day`."""
        return quarantined_by_day(self.root, table)

    def day_file(self, day: dt.date) -> Path:
        """Name the file that holds a UTC day's bars, whether it is there or not."""
        return self._prices / f"day={day.isoformat()}" / prices.FILE

    def _day_files(self) -> list[tuple[dt.date, str]]:
        if not self._prices.is_dir():
            return []
        days = []
        with os.scandir(self._prices) as folders:
            for folder in folders:
                name, _, text = folder.name.partition("=")
                try:
                    day = dt.date.fromisoformat(text) if name == "day" else None
                except ValueError:
                    day = None
                if day is not None:
                    days.append((day, f"{folder.path}/{prices.FILE}"))
        return sorted(days)


def _between(bars: Bars, start: int | None, end: int | None) -> Bars:
    first = 0 if start is None else int(np.searchsorted(bars.ts, start, "right"))
    stop = len(bars) if end is None else int(np.searchsorted(bars.ts, end, "right"))
    return bars.rows(first, max(first, stop))
