"""Every symbol's features and signals in the live engine, and their rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from streaming.contracts import INDICATOR_HISTORY, arrow_schema
from streaming.jobs.indicators import indicator_history_rows
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import Signals
from streaming.jobs.symbols import SymbolStage, SymbolState
from streaming.rules.bars import Bars, no_bars
from streaming.rules.indicators import PUBLISHED_FEATURES
from streaming.rules.timeframes import TIMEFRAMES

PUBLISHED = [feature.on(name) for feature in PUBLISHED_FEATURES for name in TIMEFRAMES]
"""What `indicator_history` holds of every symbol: each published feature on each timeframe."""


class Worked(NamedTuple):
    """What a stretch of time gave: rows of `indicator_history`, and signals.

    `signals` holds for each strategy those on each of the symbols asked for.
    """

    indicators: pa.Table
    signals: dict[str, list[Signals]]


class Series:
    """The series of all symbols.

    Parameters
    ----------
    strategies
        Those that run, sorted by id.
    """

    def __init__(self, strategies: Sequence[Strategy]) -> None:
        self._names = [one.id for one in strategies]
        self._stage = SymbolStage(strategies, PUBLISHED)
        self.states: dict[str, SymbolState] = {}

    def work(
        self, symbols: Sequence[str], bars: Mapping[str, Bars], complete_to: int, calc_ts: int
    ) -> Worked:
        """Take all symbols to a time.

        Parameters
        ----------
        symbols
            Sorted; new ones start with these bars.
        bars
            The next bars, ascending, up to `complete_to`; symbols without any may be missing.
        complete_to
            Microseconds UTC.
        calc_ts
            The wall clock, microseconds UTC.
        """
        parts = [arrow_schema(INDICATOR_HISTORY).empty_table()]
        by_symbol = []
        for name in symbols:
            blocks, signals = self._stage.rows_and_signals(
                self._state(name), bars.get(name, no_bars()), complete_to
            )
            by_symbol.append(signals)
            for rows in blocks:
                parts += [
                    indicator_history_rows(name, timeframe, found, calc_ts)
                    for timeframe, found in rows.items()
                    if len(found.ts)
                ]
        found = {
            name: [signals[at] for signals in by_symbol] for at, name in enumerate(self._names)
        }
        return Worked(pa.concat_tables(parts), found)

    def warm_up(self, name: str, bars: Bars, complete_to: int) -> None:
        """Take a symbol through bars of which nothing is to come."""
        self._stage.warm_up(self._state(name), bars, complete_to)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what `to_bytes` gave, by symbol."""
        self.states = {name: self._stage.restore(data) for name, data in states.items()}

    def to_bytes(self, names: Iterable[str]) -> dict[str, bytes]:
        """Give the states of some symbols."""
        return {name: self.states[name].to_bytes() for name in names}

    def _state(self, name: str) -> SymbolState:
        if name not in self.states:
            self.states[name] = self._stage.new_state()
        return self.states[name]
