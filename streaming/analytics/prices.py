"""Closing prices at the ends of days, for marking positions to market."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from streaming.lake import Lake

Int = NDArray[np.int64]

# A month of 50 symbols is some 100 MB.
_DAYS_PER_READ = 31

NO_CLOSE = 0
"""Stands for a close where there is none; prices are positive by contract."""


class DayCloses(NamedTuple):
    """The closes that a window needs, x 1e8; 0 where there is none.

    `close[s, k]` is symbol s's last close at or before bound k (stale where the symbol did
    not trade that day), `first[s]` its first close after the first bound, up to the last.
    """

    close: Int
    first: Int


class Prices(Protocol):
    """What can tell closing prices."""

    def day_closes(self, symbols: Sequence[str], bounds: Int) -> DayCloses:
        """Give the closes of symbols at each bound (microseconds UTC, ascending)."""
        ...


class SeriesPrices:
    """Prices from series held in memory.

    Parameters
    ----------
    series
        For each symbol its bars' times (int64, microseconds UTC, ascending) and closes
        (int64 x 1e8). Symbols that are absent have no closes.
    """

    def __init__(self, series: Mapping[str, tuple[Int, Int]]) -> None:
        self._series = series

    def day_closes(self, symbols: Sequence[str], bounds: Int) -> DayCloses:
        """Give the closes of symbols at each bound (microseconds UTC, ascending)."""
        closes = DayCloses(
            np.full((len(symbols), bounds.size), NO_CLOSE, np.int64),
            np.full(len(symbols), NO_CLOSE, np.int64),
        )
        for row, symbol in enumerate(symbols):
            if symbol in self._series:
                add_series(closes, row, *self._series[symbol], bounds)
        return closes


class LakePrices:
    """Prices from the lake's bars, read a month at a time.

    Parameters
    ----------
    lake
        Symbols that it does not have have no closes.
    advance
        Told how many days of how many have been read.
    """

    def __init__(
        self, lake: "Lake", advance: Callable[[float, float, str], None] | None = None
    ) -> None:
        self._lake = lake
        self._advance = advance or (lambda done, total, what: None)

    def day_closes(self, symbols: Sequence[str], bounds: Int) -> DayCloses:
        """Give the closes of symbols at each bound (microseconds UTC, ascending).

        Raises
        ------
        LakeError
            If a file is damaged.
        """
        days = self._lake.days()
        known = {name for info in days for name in info.symbols}
        rows = {name: row for row, name in enumerate(symbols) if name in known}
        closes = SeriesPrices({}).day_closes(symbols, bounds)
        self._add_last_before(closes, rows, bounds)
        total = bounds.size - 1
        for first in range(0, total, _DAYS_PER_READ):
            last = min(first + _DAYS_PER_READ, total)
            found = self._lake.bars(list(rows), int(bounds[first]), int(bounds[last]))
            for name, bars in found.items():
                add_series(closes, rows[name], bars.ts, bars.close, bounds)
            self._advance(last, total, "closing prices")
        return closes

    def _add_last_before(self, closes: DayCloses, rows: dict[str, int], bounds: Int) -> None:
        """Enter each symbol's last close at or before the first bound, however old."""
        start = int(bounds[0])
        missing = set(rows)
        for info in reversed(self._lake.days()):
            there = sorted(missing.intersection(info.symbols))
            if info.first_ts > start or not there:
                continue
            for name, bars in self._lake.bars(there, info.first_ts - 1, start).items():
                # The day's bars up to the first bound; all of them may lie after it.
                if len(bars):
                    add_series(closes, rows[name], bars.ts, bars.close, bounds)
                    missing.discard(name)


def add_series(closes: DayCloses, row: int, ts: Int, close: Int, bounds: Int) -> None:
    """Enter a stretch of one symbol's bars into the closes.

    Stretches come in the order of time; each carries its last close on to all later bounds,
    where the next one overwrites it.

    Parameters
    ----------
    closes
        Changed in place.
    row
        The symbol's row in `closes`.
    ts, close : int64[n]
        The bars, ascending in time.
    bounds : int64[days + 1]
        Microseconds UTC, ascending.
    """
    if ts.size == 0:
        return
    last = np.searchsorted(ts, bounds, "right") - 1
    known = last >= 0
    closes.close[row, known] = close[last[known]]
    if closes.first[row] == NO_CLOSE:
        place = int(np.searchsorted(ts, bounds[0], "right"))
        if place < ts.size and ts[place] <= bounds[-1]:
            closes.first[row] = close[place]
