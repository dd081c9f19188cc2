"""What one symbol's way from bars to signals needs and keeps."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from streaming.jobs.features import AlignState, Needs, features_in
from streaming.jobs.indicators import IndicatorState
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.strategies.signals import needs_of
from streaming.rules.indicators import PUBLISHED_FEATURES, Feature
from streaming.rules.state import pack, unpack
from streaming.rules.timeframes import TIMEFRAMES

_KIND, _VERSION = "symbol", 1


class SymbolNeeds(NamedTuple):
    """What to compute: features, and what strategies look at by their anchor timeframe."""

    features: frozenset[Feature]
    alignment: Needs


def symbol_needs(strategies: Iterable[Strategy], *, published: bool) -> SymbolNeeds:
    """Give what strategies need, each feature once.

    Parameters
    ----------
    strategies
        Those to run.
    published : bool
        Whether the columns of the indicator tables are wanted too, on every timeframe.
    """
    alignment = needs_of(strategies)
    features = features_in(alignment)
    if published:
        features |= {one.on(name) for one in PUBLISHED_FEATURES for name in TIMEFRAMES}
    return SymbolNeeds(frozenset(features), alignment)


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

    @classmethod
    def from_bytes(cls, needs: Needs, data: bytes) -> "SymbolState":
        """Restore a state whose alignment was made for the same needs.

        Raises
        ------
        StateError
            If the bytes are damaged, or were saved by other rules or for other strategies.
        """
        arrays, _ = unpack(_KIND, _VERSION, data)
        return cls(
            IndicatorState.from_bytes(arrays["indicators"].tobytes()),
            AlignState.from_bytes(needs, arrays["alignment"].tobytes()),
        )
