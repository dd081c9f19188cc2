"""What each symbol goes through alone over long stretches: bars to features to signals.

Symbols do not know of each other here, so they run side by side. A stretch of bars is cut
into blocks, so that memory does not grow with it; blocks of a month's minutes were quicker
than smaller ones that would stay nearer to the processor.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from streaming.jobs.features import AlignState, align
from streaming.jobs.indicators import FeatureRows, IndicatorState, step
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import Signals, no_signals, signals_of
from streaming.jobs.symbols import SymbolState, symbol_needs
from streaming.rules.bars import Bars

_BLOCK = 65_536


class SymbolStage:
    """Features and strategies of one symbol after another.

    Parameters
    ----------
    strategies
        Those to run; none where signals come from a recording.
    published : bool
        Whether to compute all columns of the indicator tables too, as a panel may: states go
        from one to the other.
    """

    def __init__(self, strategies: Sequence[Strategy], *, published: bool = False) -> None:
        self._strategies = strategies
        self._needs = symbol_needs(strategies, published=published)

    def new_state(self) -> SymbolState:
        """Give the state of a symbol before its first bar."""
        return SymbolState(IndicatorState(self._needs.features), AlignState(self._needs.alignment))

    def restore(self, data: bytes) -> SymbolState:
        """Restore what `SymbolState.to_bytes` gave; refused where strategies differ."""
        return SymbolState.from_bytes(self._needs.alignment, data)

    def warm_up(self, state: SymbolState, bars: Bars, complete_to: int) -> None:
        """Take the features through bars before the window, without signals."""
        for block, known in _blocks(bars, complete_to):
            align(state.alignment, step(state.indicators, block, known))

    def signals(self, state: SymbolState, bars: Bars, complete_to: int) -> list[Signals]:
        """Give the signals of each strategy on the symbol's next bars, in their order.

        Parameters
        ----------
        state
            Changed in place.
        bars
            The symbol's next bars, up to `complete_to`.
        complete_to
            Microseconds UTC up to which the bars are all there are.
        """
        parts: list[list[Signals]] = [[] for _ in self._strategies]
        for _, signals in self.blocks(state, bars, complete_to):
            for one, found in zip(signals, parts, strict=True):
                if len(one.ts):
                    found.append(one)
        return [_join(found) for found in parts]

    def blocks(
        self, state: SymbolState, bars: Bars, complete_to: int
    ) -> Iterator[tuple[dict[str, FeatureRows], list[Signals]]]:
        """Give the feature rows of each timeframe too, one block of bars after another.

        Parameters as for `signals`.
        """
        none = no_signals()
        for block, known in _blocks(bars, complete_to):
            rows = step(state.indicators, block, known)
            views = align(state.alignment, rows)
            yield (
                rows,
                [
                    signals_of(one, views[one.anchor]) if len(views[one.anchor]) else none
                    for one in self._strategies
                ],
            )


def _blocks(bars: Bars, complete_to: int) -> list[tuple[Bars, int]]:
    """Cut bars into blocks, each with the time up to which it is complete."""
    starts = range(0, len(bars), _BLOCK)
    blocks = [bars.rows(start, start + _BLOCK) for start in starts] or [bars]
    known = [int(block.ts[-1]) for block in blocks[:-1]]
    return list(zip(blocks, [*known, complete_to], strict=True))


def _join(parts: list[Signals]) -> Signals:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_signals()
    return Signals(*(np.concatenate(column) for column in zip(*parts, strict=True)))
