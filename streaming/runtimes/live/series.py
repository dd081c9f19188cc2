"""Every symbol's features and signals in the live engine, and their rows.

A minute or a few go through the panel, all symbols at once; a long stretch goes symbol by
symbol, which is quicker then. Both give the same rows, signals and states. Rows of bars that are
not complete come of the panel alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import INDICATOR_HISTORY, empty_table
from streaming.jobs.indicators import indicator_history_rows
from streaming.jobs.panel import PanelSignals, SymbolPanel
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import Signals, no_signals
from streaming.jobs.symbol_stage import SymbolStage
from streaming.jobs.symbols import SymbolState
from streaming.rules.bars import Bars, join_bars, no_bars

FEW_MINUTES = 30
"""Up to as many minutes of bars the panel is quicker."""


_ORDER = [(name, "ascending") for name in ("barTs", "timeframe", "symbol")]


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
    intrabar
        Whether to give rows of bars that are not complete, too (`indicators.intrabar`): as of
        each minute that has a bar of the symbol. Strategies do not see them.
    """

    def __init__(self, strategies: Sequence[Strategy], *, intrabar: bool = False) -> None:
        self._intrabar = intrabar
        self._names = [one.id for one in strategies]
        self._stage = SymbolStage(strategies, published=True)
        self._panel = SymbolPanel(strategies, [], published=True)
        self._code: dict[str, int] = {}

    @property
    def symbols(self) -> list[str]:
        """Those that have a state, in the order in which they came."""
        return list(self._code)

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
        self._include(symbols)
        times = np.unique(np.concatenate([np.empty(0, np.int64), *(b.ts for b in bars.values())]))
        if len(times) > FEW_MINUTES and not self._intrabar:
            return self._one_by_one(symbols, bars, complete_to, calc_ts)
        return self._at_once(symbols, bars, times.tolist(), complete_to, calc_ts)

    def warm_up(self, name: str, bars: Bars, complete_to: int) -> None:
        """Take a symbol through bars of which nothing is to come."""
        self._include([name])
        state = self._panel.state(self._code[name])
        self._stage.warm_up(state, bars, complete_to)
        self._panel.load(self._code[name], state)

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take over what `to_bytes` gave, by symbol."""
        self._include(list(states))
        for name, data in states.items():
            self._panel.load(self._code[name], data)

    def to_bytes(self, names: Sequence[str]) -> dict[str, bytes]:
        """Give the states of some symbols."""
        codes = np.array([self._code[name] for name in names], np.int64)
        return dict(zip(names, self._panel.states(codes), strict=True))

    def _include(self, symbols: Sequence[str]) -> None:
        new = [name for name in symbols if name not in self._code]
        if new:
            codes = self._panel.add(new)
            self._code |= dict(zip(new, codes.tolist(), strict=True))

    def _at_once(
        self,
        symbols: Sequence[str],
        bars: Mapping[str, Bars],
        times: list[int],
        complete_to: int,
        calc_ts: int,
    ) -> Worked:
        """Take all symbols through each minute, and to the end."""
        codes = np.repeat(
            np.array([self._code[name] for name in bars], np.int64),
            [len(one) for one in bars.values()],
        )
        together = join_bars(list(bars.values()))
        rows = [empty_table(INDICATOR_HISTORY)]
        signals: list[PanelSignals] = []
        # Of a minute nothing more comes, but only the last reaches to where all is complete.
        steps = [(ts, ts) for ts in times[:-1]] + [(ts, complete_to) for ts in times[-1:]]
        if self._intrabar and times and times[-1] < complete_to:
            # As of the last minute, what ends after it is not complete yet.
            steps = [*((ts, ts) for ts in times), (complete_to, complete_to)]
        for ts, known in steps or [(complete_to, complete_to)]:
            here = np.flatnonzero(together.ts == ts)
            minute = Bars._make(column[here] for column in together)
            made = self._panel.advance(codes[here], minute, known)
            rows.append(self._panel.history_rows(made, calc_ts).sort_by(_ORDER))
            signals.append(made.signals)
            if self._intrabar:
                open_bars = self._panel.tentative(codes[here])
                rows.append(
                    self._panel.history_rows(open_bars, calc_ts, final=False).sort_by(_ORDER)
                )
        every = PanelSignals(*(np.concatenate(parts) for parts in zip(*signals, strict=True)))
        found = self._panel.by_symbol(every)
        places = [self._code[name] for name in symbols]
        return Worked(
            pa.concat_tables(rows),
            {name: [of[place] for place in places] for name, of in found.items()},
        )

    def _one_by_one(
        self, symbols: Sequence[str], bars: Mapping[str, Bars], complete_to: int, calc_ts: int
    ) -> Worked:
        """Take each symbol through all of its bars."""
        parts = [empty_table(INDICATOR_HISTORY)]
        signals: dict[str, list[Signals]] = {name: [] for name in self._names}
        for name in symbols:
            state: SymbolState = self._panel.state(self._code[name])
            found: dict[str, list[Signals]] = {one: [] for one in self._names}
            for rows, blocks in self._stage.blocks(state, bars.get(name, no_bars()), complete_to):
                for strategy, one in zip(self._names, blocks, strict=True):
                    if len(one.ts):
                        found[strategy].append(one)
                parts += [
                    indicator_history_rows(name, timeframe, new, calc_ts)
                    for timeframe, new in rows.items()
                    if len(new.ts)
                ]
            self._panel.load(self._code[name], state)
            for strategy, blocks in found.items():
                signals[strategy].append(_joined(blocks))
        # As the panel would have given them: minute after minute.
        return Worked(pa.concat_tables(parts).sort_by(_ORDER), signals)


def _joined(parts: list[Signals]) -> Signals:
    if not parts:
        return no_signals()
    return Signals(*(np.concatenate(column) for column in zip(*parts, strict=True)))
