"""Features of one timeframe for many symbols, one bar of each at a time.

As `series`, for the other shape of work: there one symbol's long stretch of bars, here one
new bar of each of many symbols. The state lies in arrays over symbols, and one compiled loop
takes every symbol through every kernel; while a symbol's bars are in the nearest cache, all
kernels use them. Values and state are bit for bit those of `series`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.bars import Bars, Float, Int, plain_bars
from streaming.rules.compile import steady
from streaming.rules.indicators.calls import Calls, call_kernel, calls_of
from streaming.rules.indicators.names import Feature
from streaming.rules.indicators.series import SeriesState, plan_of

_SLACK = 16
"""Bars that fit behind the lookback before a symbol's row is moved to the front again."""


class Wave(NamedTuple):
    """New rows of features, at most one of each symbol.

    `codes` int64[k] tells the symbols, ascending, `ts` int64[k] the `barTs`. `before` and
    `now` float64[outputs, k] are the values as of the row before and as of this row; NaN
    where there is none or the feature is not warm.
    """

    codes: Int
    ts: Int
    before: Float
    now: Float


class SeriesPanel:
    """The series of many symbols on one timeframe; changed in place.

    Parameters
    ----------
    features : iterable of Feature
        What to compute, in any order; timeframes are ignored.

    Attributes
    ----------
    features : tuple of Feature
        Without timeframe, ascending.
    row_of : dict of Feature to int
        The row of each among the outputs of all kernels.
    seen : int64[symbols]
        Bars of each symbol so far.
    last : float64[outputs, symbols]
        The newest row of each; NaN before the first bar.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self.features = tuple(sorted({feature.local for feature in features}))
        plan = plan_of(self.features)
        self._calls = calls_of(plan)
        self._lookback = plan.lookback
        starts = self._calls.outputs.tolist()
        self.row_of = {
            feature: start + output
            for call, start in zip(plan.calls, starts, strict=False)
            for feature, output in call.rows
        }
        self._rows = np.array([self.row_of[one] for one in self.features], np.int64)
        width = self._lookback + _SLACK
        self._table = Bars(*(np.empty((0, width), np.int64),) * 5, np.empty((0, width)))
        self._held = np.empty(0, np.int64)
        self.seen = np.empty(0, np.int64)
        self._memory = np.empty((0, plan.memory))
        self.last = np.empty((starts[-1], 0))

    def reserve(self, symbols: int) -> None:
        """Make room for so many symbols; new ones have no bar yet."""
        more = symbols - len(self.seen)
        # One column at a time: old and new of all at once would be twice the memory.
        for name in Bars._fields:
            column = _grown(getattr(self._table, name), more)
            self._table = self._table._replace(**{name: column})
        self._held = _grown(self._held, more)
        self.seen = _grown(self.seen, more)
        self._memory = _grown(self._memory, more)
        unknown = np.full((self.last.shape[0], more), np.nan)
        self.last = np.concatenate((self.last, unknown), axis=1)

    def advance(self, codes: Int, bars: Bars) -> Wave:
        """Compute the features of one new bar of some symbols.

        Parameters
        ----------
        codes : int64[k]
            The symbols, ascending, none twice.
        bars : Bars
            k rows, the bar of each; later than those before.
        """
        before = np.empty((self.last.shape[0], len(codes)))
        now = np.empty_like(before)
        _append(codes, bars, self._lookback, self._table, self._held)
        _compute(
            self._calls,
            codes,
            Bars._make(_read_only(column) for column in self._table),
            self._held,
            self.seen,
            self._lookback,
            self._memory,
            self.last,
            before,
            now,
        )
        return Wave(codes, bars.ts, before, now)

    def tentative(self, codes: Int, bars: Bars) -> Wave:
        """Compute what `advance` would, of bars that are not complete, and change nothing."""
        seen, memory = self.seen[codes], self._memory[codes]
        last = self.last[:, codes]
        wave = self.advance(codes, bars)
        # The bar behind the newest is as good as not there.
        self._held[codes] -= 1
        self.seen[codes] = seen
        self._memory[codes] = memory
        self.last[:, codes] = last
        return wave

    def save(self, code: int, state: SeriesState) -> None:
        """Write one symbol's series into a state for the same features."""
        stop = int(self._held[code])
        start = max(stop - self._lookback, 0)
        state.tail = Bars._make(column[code, start:stop].copy() for column in self._table)
        state.seen = int(self.seen[code])
        state.memory = self._memory[code].copy()
        state.last = self.last[self._rows, code]

    def load(self, code: int, state: SeriesState) -> None:
        """Put a symbol's series in place of what is there."""
        rows = len(state.tail)
        for column, tail in zip(self._table, state.tail, strict=True):
            column[code, :rows] = tail
        self._held[code] = rows
        self.seen[code] = state.seen
        self._memory[code] = state.memory
        self.last[self._rows, code] = state.last

    def arrays(self, codes: Int) -> dict[str, NDArray[Any]]:
        """Copy the series of n symbols: equal series give equal arrays.

        Returns
        -------
        dict
            The newest bars of each symbol, one symbol after another, as columns named as those
            of `Bars`; `rows` and `seen` int64[n]: how many of them each has, and how many
            there ever were; `memory` float64[n, m]; `last` float64[features, n].
        """
        rows = np.minimum(self._held[codes], self._lookback)
        tails = Bars._make(np.empty(rows.sum(), column.dtype) for column in self._table)
        _copy_tails(codes, self._held, rows, self._table, tails)
        return {
            **tails._asdict(),
            "rows": rows,
            "seen": self.seen[codes],
            "memory": self._memory[codes],
            "last": self.last[self._rows[:, None], codes],
        }

    def put(self, codes: Int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put what `arrays` gave in place of the series of n symbols."""
        self._held[codes] = arrays["rows"]
        tails = plain_bars(Bars._make(arrays[name] for name in Bars._fields))
        _put_tails(codes, self._held, tails, self._table)
        self.seen[codes] = arrays["seen"]
        self._memory[codes] = arrays["memory"]
        self.last[self._rows[:, None], codes] = arrays["last"]


def _grown(array: np.ndarray, more: int) -> np.ndarray:
    grown = np.zeros((len(array) + more, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _read_only(column: np.ndarray) -> np.ndarray:
    view = column.view()
    view.flags.writeable = False
    return view


@steady
def _append(codes: Int, bars: Bars, lookback: int, table: Bars, held: Int) -> None:
    """Write each bar behind its symbol's newest; without room, keep `lookback` bars first."""
    width = table.ts.shape[1]
    for k in range(codes.shape[0]):
        code = codes[k]
        at = held[code]
        if at == width:
            # Forwards, so that a bar is read before its place is written.
            for i in range(lookback):
                old = width - lookback + i
                table.ts[code, i] = table.ts[code, old]
                table.open[code, i] = table.open[code, old]
                table.high[code, i] = table.high[code, old]
                table.low[code, i] = table.low[code, old]
                table.close[code, i] = table.close[code, old]
                table.volume[code, i] = table.volume[code, old]
            at = lookback
        table.ts[code, at] = bars.ts[k]
        table.open[code, at] = bars.open[k]
        table.high[code, at] = bars.high[k]
        table.low[code, at] = bars.low[k]
        table.close[code, at] = bars.close[k]
        table.volume[code, at] = bars.volume[k]
        held[code] = at + 1


@steady
def _compute(
    calls: Calls,
    codes: Int,
    table: Bars,
    held: Int,
    seen: Int,
    lookback: int,
    memory: Float,
    last: Float,
    before: Float,
    now: Float,
) -> None:
    """Run every kernel on the newest bar of each symbol, and move the state on."""
    for k in range(codes.shape[0]):
        code = codes[k]
        stop = held[code]
        known = min(stop - 1, lookback)
        start = stop - 1 - known
        bars = Bars(
            table.ts[code, start:stop],
            table.open[code, start:stop],
            table.high[code, start:stop],
            table.low[code, start:stop],
            table.close[code, start:stop],
            table.volume[code, start:stop],
        )
        for call in range(calls.address.shape[0]):
            address = calls.address[call]
            params = calls.params[call, : calls.given[call]]
            state = memory[code, calls.memory[call] : calls.memory[call + 1]]
            row = calls.outputs[call]
            outputs = calls.outputs[call + 1] - row
            if outputs == 1:
                one = (now[row, k : k + 1],)
                call_kernel(address, bars, known, seen[code], params, state, one)
            elif outputs == 2:
                two = (now[row, k : k + 1], now[row + 1, k : k + 1])
                call_kernel(address, bars, known, seen[code], params, state, two)
            else:
                three = (
                    now[row, k : k + 1],
                    now[row + 1, k : k + 1],
                    now[row + 2, k : k + 1],
                )
                call_kernel(address, bars, known, seen[code], params, state, three)
        seen[code] += 1
        for row in range(now.shape[0]):
            before[row, k] = last[row, code]
            last[row, code] = now[row, k]


@steady
def _copy_tails(codes: Int, held: Int, rows: Int, table: Bars, tails: Bars) -> None:
    """Copy the newest rows of each symbol's bars, one symbol after another."""
    at = 0
    for k in range(codes.shape[0]):
        code = codes[k]
        for place in range(held[code] - rows[k], held[code]):
            tails.ts[at] = table.ts[code, place]
            tails.open[at] = table.open[code, place]
            tails.high[at] = table.high[code, place]
            tails.low[at] = table.low[code, place]
            tails.close[at] = table.close[code, place]
            tails.volume[at] = table.volume[code, place]
            at += 1


@steady
def _put_tails(codes: Int, held: Int, tails: Bars, table: Bars) -> None:
    """Put each symbol's bars, `held` of them, at the start of its row."""
    at = 0
    for k in range(codes.shape[0]):
        code = codes[k]
        for place in range(held[code]):
            table.ts[code, place] = tails.ts[at]
            table.open[code, place] = tails.open[at]
            table.high[code, place] = tails.high[at]
            table.low[code, place] = tails.low[at]
            table.close[code, place] = tails.close[at]
            table.volume[code, place] = tails.volume[at]
            at += 1
