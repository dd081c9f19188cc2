"""What each symbol goes through alone: bars to features to signals.

Symbols do not know of each other here, so they run side by side. A stretch of bars is cut
into blocks, so that memory does not grow with it; blocks of a month's minutes were quicker
than smaller ones that would stay nearer to the processor.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from streaming.jobs.features import AlignState, align, features_in
from streaming.jobs.indicators import FeatureRows, IndicatorState, step
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import Signals, needs_of, signals_of
from streaming.rules.bars import Bars
from streaming.rules.indicators import Feature
from streaming.rules.state import pack, unpack

_BLOCK = 65_536
_KIND, _VERSION = "symbol", 1


class SymbolState(NamedTuple):
    """What one symbol's features and their alignment keep; changed in place."""

    indicators: IndicatorState
    alignment: AlignState

    def to_bytes(self) -> bytes:
        """Give the state as bytes: equal state gives equal bytes."""
        return pack(
            _KIND,
            _VERSION,
            {
                "indicators": np.frombuffer(self.indicators.to_bytes(), np.uint8),
                "alignment": np.frombuffer(self.alignment.to_bytes(), np.uint8),
            },
        )


class SymbolStage:
    """Features and strategies of one symbol after another.

    Parameters
    ----------
    strategies
        Those to run; none where signals come from a recording.
    published
        Features, each of a timeframe, whose rows are wanted besides.
    """

    def __init__(self, strategies: Sequence[Strategy], published: Iterable[Feature] = ()) -> None:
        self._strategies = strategies
        self._needs = needs_of(strategies)
        self._features = features_in(self._needs) | set(published)

    def new_state(self) -> SymbolState:
        """Give the state of a symbol before its first bar."""
        return SymbolState(IndicatorState(self._features), AlignState(self._needs))

    def restore(self, data: bytes) -> SymbolState:
        """Restore what `SymbolState.to_bytes` gave; refused where strategies differ."""
        arrays, _ = unpack(_KIND, _VERSION, data)
        return SymbolState(
            IndicatorState.from_bytes(arrays["indicators"].tobytes()),
            AlignState.from_bytes(self._needs, arrays["alignment"].tobytes()),
        )

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
        return self.rows_and_signals(state, bars, complete_to)[1]

    def rows_and_signals(
        self, state: SymbolState, bars: Bars, complete_to: int
    ) -> tuple[list[dict[str, FeatureRows]], list[Signals]]:
        """Give the feature rows of every timeframe too, block after block; see `signals`."""
        blocks: list[dict[str, FeatureRows]] = []
        parts: list[list[Signals]] = [[] for _ in self._strategies]
        for block, known in _blocks(bars, complete_to):
            blocks.append(step(state.indicators, block, known))
            views = align(state.alignment, blocks[-1])
            for strategy, found in zip(self._strategies, parts, strict=True):
                view = views[strategy.anchor]
                if len(view):
                    signals = signals_of(strategy, view)
                    if len(signals.ts):
                        found.append(signals)
        return blocks, [_join(found) for found in parts]


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
        none = np.empty(0, np.int64)
        return Signals(none, np.empty(0, np.int8), np.empty(0, np.float64), none)
    return Signals(*(np.concatenate(column) for column in zip(*parts, strict=True)))
