"""The indicators job for many symbols, one minute at a time: what a live engine calls.

As `streaming.jobs.indicators.step` for each symbol, with the same rows and the same state,
but with all symbols in one call.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.errors import StateError
from streaming.jobs.indicators import IndicatorState, utc_text
from streaming.rules.bars import MINUTE_US, Bars, Int, no_bars, plain_bars
from streaming.rules.indicators import Feature
from streaming.rules.indicators.panel import SeriesPanel, Wave
from streaming.rules.intervals import NONE, finish_intervals

_ROOM = 64
"""Least number of symbols that there is room for."""


class _Timeframe:
    """One timeframe of all symbols: the bars that are not finished, and the series."""

    def __init__(self, minutes: int, features: Iterable[Feature]) -> None:
        self.minutes = minutes
        self.series = SeriesPanel(features)
        self.partial = no_bars()

    def reserve(self, symbols: int) -> None:
        self.series.reserve(symbols)
        partial = _empty_bars(symbols)
        partial.ts[:] = NONE
        for column, before in zip(partial, self.partial, strict=True):
            column[: len(before)] = before
        self.partial = partial


class IndicatorPanel:
    """What the indicators of many symbols keep from minute to minute.

    Parameters
    ----------
    needs, timeframes
        As for `IndicatorState`.

    Attributes
    ----------
    clock : int64[symbols]
        Microseconds UTC up to which the input of each is complete.
    symbols : list of str
        By code.
    room : int
        How many symbols there are arrays for.
    """

    def __init__(self, needs: Iterable[Feature], timeframes: Iterable[str] = ()) -> None:
        self._blank = IndicatorState(needs, timeframes)
        self._timeframes = {
            name: _Timeframe(one.minutes, one.series.features)
            for name, one in self._blank.timeframes.items()
        }
        self.symbols: list[str] = []
        self.room = 0
        self.clock: Int = np.empty(0, np.int64)

    def add(self, symbols: Sequence[str]) -> Int:
        """Take in symbols that have no bar yet, and give their codes."""
        start = len(self.symbols)
        self.symbols += symbols
        count = len(self.symbols)
        if count > self.room:
            # Doubled, so that symbols that come one by one are not copied each time.
            self.room = max(count, 2 * self.room, _ROOM)
            for timeframe in self._timeframes.values():
                timeframe.reserve(self.room)
        self.clock = np.concatenate((self.clock, np.full(len(symbols), -1, np.int64)))
        return np.arange(start, count)

    def series(self, timeframe: str) -> SeriesPanel:
        """Give the series of a timeframe."""
        return self._timeframes[timeframe].series

    def advance(self, codes: Int, bars: Bars, complete_to: int) -> dict[str, list[Wave]]:
        """Compute the features of all bars that the next minute's bars finish.

        Parameters
        ----------
        codes : int64[k]
            Symbols that have a bar, in any order, none twice.
        bars : Bars
            k rows: the bar of each.
        complete_to : int
            Microseconds UTC, for all symbols: no bar at or before it will come any more.

        Returns
        -------
        dict of timeframe to list of Wave
            Every timeframe that is needed. A symbol has at most one row in a wave, and its
            later row in the later wave; there are at most two, none of them empty.

        Raises
        ------
        StateError
            If a bar is not later than what came before of its symbol, or a symbol has two.
            Nothing is changed then.
        """
        codes, bars, row_of = self._checked(codes, bars)
        waves = {}
        for name, timeframe in self._timeframes.items():
            if timeframe.minutes == 1:
                finished = [(codes, bars)] if len(codes) else []
            else:
                finished = self._finish(timeframe, row_of, bars, complete_to)
            waves[name] = [timeframe.series.advance(*one) for one in finished]
        self.clock[codes] = bars.ts
        np.maximum(self.clock, complete_to, out=self.clock)
        return waves

    def tentative(self, codes: Int) -> dict[str, list[Wave]]:
        """Compute the features of bars that are not complete, as if they were; nothing changes.

        Parameters
        ----------
        codes : int64[k]
            Symbols, none twice.

        Returns
        -------
        dict of timeframe to list of Wave
            Every timeframe longer than a minute: one wave of the symbols that have such a bar,
            labelled by the boundary that will end it, or none.
        """
        codes = np.sort(np.ascontiguousarray(codes, np.int64))
        waves: dict[str, list[Wave]] = {}
        for name, timeframe in self._timeframes.items():
            if timeframe.minutes > 1:
                some = codes[timeframe.partial.ts[codes] != NONE]
                bars = Bars._make(column[some] for column in timeframe.partial)
                waves[name] = (
                    [timeframe.series.tentative(some, plain_bars(bars))] if len(some) else []
                )
        return waves

    def prepare(self) -> dict[str, list[Wave]]:
        """Load all that is compiled: give a wave without a row of each timeframe."""
        none = np.empty(0, np.int64)
        self.advance(none, no_bars(), -1)
        self.put(none, self.arrays(none))
        bars = plain_bars(no_bars())
        return {
            name: [timeframe.series.advance(none, bars)]
            for name, timeframe in self._timeframes.items()
        }

    def state(self, code: int) -> IndicatorState:
        """Give one symbol's state, as `step` would have left it; a copy."""
        state = self._blank.blank_copy()
        state.clock = int(self.clock[code])
        for name, timeframe in self._timeframes.items():
            one = state.timeframes[name]
            timeframe.series.save(code, one.series)
            rows = slice(code, code + (timeframe.partial.ts[code] != NONE))
            one.partial = Bars._make(column[rows].copy() for column in timeframe.partial)
        return state

    def load(self, code: int, state: IndicatorState) -> None:
        """Put one symbol's state in place of what is there; it is copied.

        Raises
        ------
        StateError
            If the state was made for other features.
        """
        if state.needs != self._blank.needs or [*state.timeframes] != [*self._timeframes]:
            raise StateError(
                f"Indicators of {self.symbols[code]}: the state was made for other features "
                "than the panel computes. Start from the symbol's first bar."
            )
        self.clock[code] = state.clock
        for name, timeframe in self._timeframes.items():
            one = state.timeframes[name]
            timeframe.series.load(code, one.series)
            timeframe.partial.ts[code] = NONE
            for column, value in zip(timeframe.partial, one.partial, strict=True):
                column[code : code + len(value)] = value

    def arrays(self, codes: Int) -> dict[str, NDArray[Any]]:
        """Copy the state of n symbols: equal state gives equal arrays.

        Returns
        -------
        dict
            `clock` int64[n]; for each timeframe what `SeriesPanel.arrays` gives, `partial`
            int64[5, n] and `partial_volume` float64[n]: the bar that is not finished, with time
            `NONE` and zeros where there is none.
        """
        found: dict[str, NDArray[Any]] = {"clock": self.clock[codes]}
        for name, timeframe in self._timeframes.items():
            for part, array in timeframe.series.arrays(codes).items():
                found[f"{name}.{part}"] = array
            bar = [column[codes] for column in timeframe.partial]
            for column in bar[1:]:
                column[bar[0] == NONE] = 0
            found[f"{name}.partial"] = np.array(bar[:5], np.int64)
            found[f"{name}.partial_volume"] = bar[5]
        return found

    def put(self, codes: Int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put what `arrays` of a panel of the same needs gave in place of n symbols' state."""
        self.clock[codes] = arrays["clock"]
        for name, timeframe in self._timeframes.items():
            parts = {
                part.removeprefix(f"{name}."): array
                for part, array in arrays.items()
                if part.startswith(f"{name}.")
            }
            timeframe.series.put(codes, parts)
            bar = [*parts["partial"], parts["partial_volume"]]
            for column, values in zip(timeframe.partial, bar, strict=True):
                column[codes] = values

    def _checked(self, codes: Int, bars: Bars) -> tuple[Int, Bars, Int]:
        """Give codes ascending with their bars, and the row of each symbol's bar or -1."""
        codes, bars = np.ascontiguousarray(codes, np.int64), plain_bars(bars)
        if (codes[1:] <= codes[:-1]).any():
            order = np.argsort(codes)
            codes, bars = codes[order], plain_bars(Bars._make(column[order] for column in bars))
            twice = np.flatnonzero(codes[1:] == codes[:-1])
            if len(twice):
                raise StateError(
                    f"Indicators: two bars of {self.symbols[codes[twice[0]]]} in one minute. "
                    "Give one bar of each symbol at a time."
                )
        late = np.flatnonzero(bars.ts <= self.clock[codes])
        if len(late):
            at = late[0]
            raise StateError(
                f"Indicators: a bar of {self.symbols[codes[at]]} of {utc_text(bars.ts[at])} came "
                f"after {utc_text(self.clock[codes[at]])} was complete. Late bars are for the "
                "price table alone; leave them out here."
            )
        row_of = np.full(len(self.symbols), -1, np.int64)
        row_of[codes] = np.arange(len(codes))
        return codes, bars, row_of

    def _finish(
        self, timeframe: _Timeframe, row_of: Int, bars: Bars, complete_to: int
    ) -> list[tuple[Int, Bars]]:
        """Give the bars of a timeframe that are finished, by wave."""
        count = len(row_of)
        codes = np.empty(count, np.int64), np.empty(count, np.int64)
        finished = _empty_bars(count), _empty_bars(count)
        length = timeframe.minutes * MINUTE_US
        found = finish_intervals(
            row_of, bars, complete_to, length, timeframe.partial, codes, finished
        )
        return [
            (some[:rows], plain_bars(part.rows(0, rows)))
            for some, part, rows in zip(codes, finished, found, strict=True)
            if rows
        ]


def _empty_bars(rows: int) -> Bars:
    return Bars._make(np.empty(rows, column.dtype) for column in no_bars())
