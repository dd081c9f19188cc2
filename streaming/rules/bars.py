"""One symbol's bars as arrays: what every rule on prices takes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Float = NDArray[np.float64]

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US


class _Columns(NamedTuple):
    ts: Int
    open: Int
    high: Int
    low: Int
    close: Int
    volume: Float


class Bars(_Columns):
    """Bars of one symbol, ascending in `ts`, no time twice.

    `ts` is the close of each bar in microseconds UTC; prices are int64 x 1e8 (`close` is
    the tables' `price`); `volume` is float64, NaN where the source has none. `len` counts
    rows.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    @classmethod
    def _make(cls, columns: Iterable[Any]) -> "Bars":  # type: ignore[override]  # no more arguments
        # A named tuple's own would take `len` for the number of its columns.
        return cls(*columns)

    def rows(self, start: int, stop: int) -> "Bars":
        """Give the rows from `start` up to `stop` (exclusive) as views."""
        return Bars(
            self.ts[start:stop],
            self.open[start:stop],
            self.high[start:stop],
            self.low[start:stop],
            self.close[start:stop],
            self.volume[start:stop],
        )


def no_bars() -> Bars:
    """Give bars without a row."""
    none = np.empty(0, np.int64)
    return Bars(none, none, none, none, none, np.empty(0, np.float64))


def join_bars(parts: list[Bars]) -> Bars:
    """Join consecutive stretches of one symbol's bars into one."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_bars()
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Bars._make(columns)


def plain_bars(bars: Bars) -> Bars:
    """Give the bars as read-only contiguous columns: one kind, so one compiled kernel."""
    columns = []
    for name, column in zip(Bars._fields, bars, strict=True):
        kind = np.float64 if name == "volume" else np.int64
        view = np.ascontiguousarray(column, kind).view()
        view.flags.writeable = False
        columns.append(view)
    return Bars._make(columns)
