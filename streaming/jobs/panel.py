"""Bars to feature rows and signals for all symbols at once, one minute at a time.

The live engine's form of what `SymbolStage` does for one symbol's long stretch of bars: the
same rows, signals and saved states, so that either may take over from the other at any bar.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import INDICATOR_HISTORY
from streaming.contracts.arrow import empty_table
from streaming.jobs.indicator_panel import IndicatorPanel
from streaming.jobs.indicator_rows import history_rows
from streaming.jobs.panel_features import AlignPanel, AnchorWave
from streaming.jobs.panel_state import panel_bytes, read_panel
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import Signals, no_signals
from streaming.jobs.symbols import SymbolState, symbol_needs
from streaming.rules.bars import Bars, Float, Int
from streaming.rules.indicators import Feature
from streaming.rules.indicators.panel import Wave
from streaming.rules.program_loop import run_program


class SeriesRows(NamedTuple):
    """New feature rows of one timeframe: `ts` int64[n] is their `barTs`, microseconds UTC.

    `codes` int64[n] tells the symbol; a symbol with two rows has the older one first.
    `values` float64[n] by feature (without timeframe), NaN before warm-up.
    """

    codes: Int
    ts: Int
    values: Mapping[Feature, Float]


class PanelSignals(NamedTuple):
    """Signals of all strategies on all symbols.

    `strategy` and `symbol` int32[n] are places among the panel's; the others are as in
    `Signals`. In the order of strategies; those of one strategy and symbol ascend in time.
    """

    strategy: NDArray[np.int32]
    symbol: NDArray[np.int32]
    ts: Int
    action: NDArray[np.int8]
    confidence: Float
    size_hint: Int


class PanelRows(NamedTuple):
    """What one minute gave: feature rows by timeframe, and signals."""

    features: dict[str, SeriesRows]
    signals: PanelSignals


class SymbolPanel:
    """Features and strategies of many symbols.

    Parameters
    ----------
    strategies
        Those to run.
    symbols
        Their codes are their places here; more can be added later.
    published : bool
        Whether to compute all columns of the indicator tables too, on every timeframe. What
        strategies and tables both want is computed once.

    Attributes
    ----------
    strategies : tuple of Strategy
    """

    def __init__(
        self, strategies: Sequence[Strategy], symbols: Sequence[str], *, published: bool
    ) -> None:
        self.strategies = tuple(strategies)
        self._needs = symbol_needs(strategies, published=published)
        self._indicators = IndicatorPanel(self._needs.features)
        self._alignment = AlignPanel(self._needs.alignment, self._indicators)
        self._names: pa.Array[Any] = pa.array([], pa.string())
        self.add(symbols)
        self._prepare()

    @property
    def symbols(self) -> list[str]:
        """Their names, by code."""
        return self._indicators.symbols

    def add(self, symbols: Sequence[str]) -> Int:
        """Take in symbols that have no bar yet, and give their codes (int64)."""
        codes = self._indicators.add(symbols)
        self._alignment.reserve(self._indicators.room)
        return codes

    def advance(self, codes: Int, bars: Bars, complete_to: int) -> PanelRows:
        """Take all symbols through a minute.

        Parameters
        ----------
        codes : int64[k]
            Symbols that have a bar, in any order, none twice; may be none.
        bars : Bars
            k rows: the bar of each.
        complete_to : int
            Microseconds UTC, for all symbols: no bar at or before it will come any more. It
            finishes the bars of longer timeframes whose boundary it reaches, without a bar
            too.

        Returns
        -------
        PanelRows
            Of the symbols that have rows. The arrays are the caller's.

        Raises
        ------
        StateError
            If a bar is not later than what came before of its symbol, or a symbol has two.
            Nothing is changed then.
        """
        waves = self._indicators.advance(codes, bars, complete_to)
        return PanelRows(
            {name: self._series_rows(name, found) for name, found in waves.items()},
            self._signals(waves),
        )

    def tentative(self, codes: Int) -> PanelRows:
        """Give the rows of the bars of symbols (codes int64[k], none twice) that are not complete.

        Those are of the longer timeframes, as of the newest minute; there are no signals, and
        nothing changes.
        """
        waves = self._indicators.tentative(codes)
        return PanelRows(
            {name: self._series_rows(name, found) for name, found in waves.items()}, _NONE
        )

    def history_rows(self, rows: PanelRows, calc_ts: int, *, final: bool = True) -> pa.Table:
        """Give feature rows as rows of `indicator_history`, shortest timeframe first.

        `calc_ts` is the wall clock of the computation, microseconds UTC; `final` is false for
        rows of bars that are not complete. The same rows are `indicator_latest`'s upserts: where
        a symbol and timeframe have two, the later comes later.
        """
        if len(self._names) != len(self.symbols):
            self._names = pa.array(self.symbols, pa.string())
        # Most minutes end no longer timeframe: no columns are made where there is no row.
        parts = [
            history_rows(self._names, name, one.codes, one.ts, one.values, calc_ts, final=final)
            for name, one in rows.features.items()
            if len(one.ts)
        ]
        return pa.concat_tables([empty_table(INDICATOR_HISTORY), *parts])

    def state(self, code: int) -> SymbolState:
        """Give one symbol's state, as `SymbolStage` would have left it; a copy."""
        return SymbolState(self._indicators.state(code), self._alignment.state(code))

    def states(self, codes: Int) -> list[bytes]:
        """Give the states of some symbols as bytes, each as `SymbolState.to_bytes` does."""
        return [self.state(code).to_bytes() for code in codes.tolist()]

    def load(self, code: int, state: SymbolState | bytes) -> None:
        """Put one symbol's state in place of what is there; it is copied.

        Raises
        ------
        StateError
            If the bytes are damaged, or the state was made by other rules, for other
            strategies or for other features.
        """
        if isinstance(state, bytes):
            state = SymbolState.from_bytes(self._needs.alignment, state)
        self._indicators.load(code, state.indicators)
        self._alignment.load(code, state.alignment)

    def to_bytes(self, codes: Int) -> bytes:
        """Give the state of some symbols in one piece: equal state gives equal bytes."""
        return panel_bytes(self._needs, self._indicators, self._alignment, codes)

    def restore(self, data: bytes) -> Int:
        """Put symbols' state that `to_bytes` gave in place of what is there.

        Returns
        -------
        int64[n]
            Their codes; symbols that are not there yet are added.

        Raises
        ------
        StateError
            If the bytes are damaged, or were saved by other rules, or for other features or
            strategies.
        """
        saved = read_panel(self._needs, data)
        known = set(self.symbols)
        self.add([name for name in saved.symbols if name not in known])
        code_of = {name: code for code, name in enumerate(self.symbols)}
        codes = np.array([code_of[name] for name in saved.symbols], np.int64)
        self._indicators.put(codes, saved.indicators)
        self._alignment.put(codes, saved.alignment)
        return codes

    def by_symbol(self, signals: PanelSignals) -> dict[str, list[Signals]]:
        """Give signals by strategy id, of each symbol in turn: what the books of accounts take."""
        none = no_signals()
        found = {one.id: [none] * len(self.symbols) for one in self.strategies}
        order = np.lexsort((signals.symbol, signals.strategy))
        key = signals.strategy[order].astype(np.int64) * len(self.symbols) + signals.symbol[order]
        edges = np.flatnonzero(np.diff(key, prepend=-1, append=-1)).tolist()
        columns = [column[order] for column in signals[2:]]
        for start, stop in pairwise(edges):
            strategy, symbol = divmod(int(key[start]), len(self.symbols))
            found[self.strategies[strategy].id][symbol] = Signals._make(
                column[start:stop] for column in columns
            )
        return found

    def _prepare(self) -> None:
        """Load all that is compiled, so that the first minute is as quick as any other."""
        waves = self._indicators.prepare()
        for place, strategy in enumerate(self.strategies):
            for wave in self._alignment.align(waves)[strategy.anchor]:
                _signals_of(place, strategy, wave)

    def _series_rows(self, timeframe: str, waves: list[Wave]) -> SeriesRows:
        row_of = self._indicators.series(timeframe).row_of
        if len(waves) == 1:
            codes, ts, _, now = waves[0]
        else:
            codes = np.concatenate([np.empty(0, np.int64), *(one.codes for one in waves)])
            ts = np.concatenate([np.empty(0, np.int64), *(one.ts for one in waves)])
            none = np.empty((1 + max(row_of.values(), default=-1), 0))
            now = np.concatenate([none, *(one.now for one in waves)], axis=1)
        return SeriesRows(codes, ts, {one: now[row] for one, row in row_of.items()})

    def _signals(self, waves: Mapping[str, Sequence[Wave]]) -> PanelSignals:
        aligned = self._alignment.align(waves)
        parts = [
            _signals_of(place, strategy, wave)
            for place, strategy in enumerate(self.strategies)
            for wave in aligned[strategy.anchor]
        ]
        return PanelSignals(*(np.concatenate(column) for column in zip(_NONE, *parts, strict=True)))


_NONE = PanelSignals(np.empty(0, np.int32), np.empty(0, np.int32), *no_signals())


def _signals_of(place: int, strategy: Strategy, wave: AnchorWave) -> PanelSignals:
    """Run a strategy, with its place among all, over one row of each symbol."""
    at, action, confidence, size_hint = run_program(strategy.program, wave.column, len(wave))
    return PanelSignals(
        np.full(len(at), place, np.int32),
        wave.codes[at].astype(np.int32),
        wave.ts[at],
        action,
        confidence,
        size_hint,
    )
