"""Indicators: from bars of one series to features, whatever the batch size.

Each feature of the registry has a constructor function here, named like it: its parameters
in the registry's order, then the timeframe (None: the anchor's). So `rsi(14)`,
`ema(50, "H1")`, `macd_signal(12, 26, 9)`, `close()`; only `open_()` bears an underscore.
They are made from the registry, so a new indicator needs no line here.

All features are doubles in the price's own unit (not x 1e8), NaN before warm-up.
"""

from collections.abc import Callable

from streaming.rules.indicators.names import Feature
from streaming.rules.indicators.registry import (
    BY_FEATURE,
    INDICATORS,
    PUBLISHED,
    PUBLISHED_FEATURES,
    VERSION,
    Indicator,
    constructor,
    feature,
)
from streaming.rules.indicators.series import SeriesState, advance, new_series

__all__ = [
    "BY_FEATURE",
    "INDICATORS",
    "PUBLISHED",
    "PUBLISHED_FEATURES",
    "VERSION",
    "Feature",
    "Indicator",
    "SeriesState",
    "advance",
    "constructor",
    "feature",
    "new_series",
]


def __getattr__(name: str) -> Callable[..., Feature]:
    """Give the constructor function of a feature."""
    plain = name.removesuffix("_") if name == "open_" else name
    if plain not in BY_FEATURE or name == "open":
        raise AttributeError(f"module {__name__!r} has no feature {name!r}")
    return constructor(plain)


def __dir__() -> list[str]:
    return sorted([*__all__, *("open_" if name == "open" else name for name in BY_FEATURE)])
