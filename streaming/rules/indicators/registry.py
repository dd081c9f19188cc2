"""Every indicator there is: one line each.

To add one, write its kernel in the module of its kind and a line here. Everything else
follows: the constructor functions of the package, warm-up, state, the columns of the
indicator tables, and the tests of the cut law, of truncation and of warm-up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from inspect import Parameter, Signature
from typing import Any

from streaming.errors import SettingsError
from streaming.rules.indicators.names import Feature

LONGEST = 1_000_000
"""Longest window, in bars: with more, n x SCALE would leave the doubles' exact integers."""

Numbers = tuple[int | float, ...]


@dataclass(frozen=True)
class Indicator:
    """How to compute one indicator, and what it gives.

    Attributes
    ----------
    name : str
        Name of the indicator; of its feature too where there is one output.
    fn : str
        "module.kernel" within this package. A text, so that a list of columns can be had
        without loading numba. The kernel's call is described in `series`.
    about : str
        What it is, for strategy authors and the docs.
    params : tuple of str
        Names of the parameters. `width` is a positive number, all others are whole numbers
        from `least` on; `fast` is below `slow`.
    lookback : callable
        From the parameters to the number of earlier bars that the kernel looks at.
    warmup : callable or None
        From the parameters to the number of rows without a value at a series' start; None:
        as many as `lookback`.
    state : int
        Number of float64 that recursion carries from bar to bar; 0 for window features.
    outputs : tuple of str
        Names of the features; default: the indicator's own.
    published : list of tuples
        Parameter sets that are columns of the indicator tables.
    least : int
        Smallest whole-number parameter.
    """

    name: str
    fn: str
    about: str
    params: tuple[str, ...] = ()
    lookback: Callable[..., int] = lambda: 0
    warmup: Callable[..., int] | None = None
    state: int = 0
    outputs: tuple[str, ...] = ()
    published: list[Numbers] = field(default_factory=list)
    least: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the kernel gives, in the order of its outputs."""
        return self.outputs or (self.name,)

    def bars_before(self, params: Numbers) -> int:
        """Give how many earlier bars the kernel looks at."""
        return self.lookback(*params)

    def silent(self, params: Numbers) -> int:
        """Give how many rows at the start of a series have no value."""
        return (self.warmup or self.lookback)(*params)

    def kernel(self) -> Callable[..., None]:
        """Load the compiled kernel."""
        return _kernel(self.fn)

    def checked(self, feature: str, values: Numbers) -> Numbers:
        """Give the parameters in their types, or say what is wrong with them.

        Raises
        ------
        SettingsError
            If a parameter is of the wrong type or out of its bounds.
        """
        good: Numbers = ()
        for name, value in zip(self.params, values, strict=True):
            where = f"Feature {feature}: {name} = {value!r}"
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise SettingsError(f"{where} must be a number.")
            if name == "width":
                if not 0 < value < float("inf"):
                    raise SettingsError(f"{where} must be a positive number.")
                good += (float(value),)
            elif value != value or int(value) != value or not self.least <= value <= LONGEST:
                raise SettingsError(
                    f"{where} must be a whole number of bars from {self.least} to {LONGEST}."
                )
            else:
                good += (int(value),)
        named = dict(zip(self.params, good, strict=True))
        if "fast" in named and named["fast"] >= named["slow"]:
            raise SettingsError(
                f"Feature {feature}: fast = {named['fast']} must be below slow = {named['slow']}."
            )
        return good


@cache
def _kernel(path: str) -> Callable[..., None]:
    module, _, name = path.partition(".")
    kernel: Callable[..., None] = getattr(
        import_module(f"streaming.rules.indicators.{module}"), name
    )
    return kernel


_ONE = ("length",)
_MACD = ("fast", "slow", "signal")
_BAND = ("length", "width")

INDICATORS = [
    # prices and volume of the bar itself
    Indicator("open", "prices.open_price", "open of the bar", published=[()]),
    Indicator("high", "prices.high_price", "high of the bar", published=[()]),
    Indicator("low", "prices.low_price", "low of the bar", published=[()]),
    Indicator("close", "prices.close_price", "close of the bar", published=[()]),
    Indicator("volume", "volumes.volume", "volume of the bar; NaN where unknown", published=[()]),
    # moving averages
    Indicator("sma", "averages.sma", "simple moving average of the close", _ONE,
              lambda n: n - 1, published=[(5,), (10,), (20,), (50,), (100,), (200,)]),
    Indicator("ema", "averages.ema", "exponential moving average of the close", _ONE,
              lambda n: max(n - 1, 1), lambda n: n - 1, state=1,
              published=[(9,), (12,), (20,), (26,), (50,), (100,), (200,)]),
    # oscillators
    Indicator("rsi", "oscillators.rsi", "Wilder's relative strength index, 0 to 100", _ONE,
              lambda n: n, state=2, least=2, published=[(2,), (7,), (14,)]),
    Indicator("roc", "oscillators.roc", "change of the close over `length` bars, percent", _ONE,
              lambda n: n, published=[(1,), (10,), (12,), (20,), (60,), (240,)]),
    Indicator("macd", "oscillators.macd", "difference of two EMAs, its EMA, and their difference",
              _MACD, lambda f, s, g: s, lambda f, s, g: s + g - 2, state=3,
              outputs=("macd", "macd_signal", "macd_histogram"), published=[(12, 26, 9)]),
    Indicator("zscore", "bands.zscore", "close less its mean, in standard deviations", _ONE,
              lambda n: n - 1, least=2, published=[(20,), (60,)]),
    # bands
    Indicator("bollinger", "bands.bollinger", "mean of the close +- `width` standard deviations",
              _BAND, lambda n, k: n - 1, least=2, published=[(20, 2.0)],
              outputs=("bollinger_upper", "bollinger_middle", "bollinger_lower")),
    Indicator("bollinger_shape", "bands.bollinger_shape",
              "distance of the bands over their middle; place of the close between them",
              _BAND, lambda n, k: n - 1, least=2, published=[(20, 2.0)],
              outputs=("bollinger_width", "bollinger_percent")),
    Indicator("donchian", "bands.donchian", "highest high and lowest low of `length` bars", _ONE,
              lambda n: n - 1, published=[(10,), (20,), (55,)],
              outputs=("donchian_upper", "donchian_lower")),
    # trend
    Indicator("adx", "trend.adx", "Wilder's average directional index, +DI and -DI", _ONE,
              lambda n: n, lambda n: 2 * n - 1, state=4, least=2, published=[(14,)],
              outputs=("adx", "plus_di", "minus_di")),
    # volatility
    Indicator("atr", "volatility.atr", "Wilder's average true range", _ONE,
              lambda n: n, state=1, published=[(14,), (20,)]),
    Indicator("realised_volatility", "volatility.realised_volatility",
              "root mean square of log returns: standard deviation per bar, not annualised", _ONE,
              lambda n: n, published=[(20,), (60,), (240,)]),
    # volume
    Indicator("vwap", "volumes.vwap", "volume-weighted typical price of the UTC day so far",
              state=4, published=[()]),
    Indicator("vwap_rolling", "volumes.vwap_rolling",
              "volume-weighted typical price of `length` bars", _ONE,
              lambda n: n - 1, published=[(60,)]),
    Indicator("volume_sma", "volumes.volume_sma", "mean volume of `length` bars", _ONE,
              lambda n: n - 1, published=[(20,)]),
]  # fmt: skip
"""All indicators, in the order of their columns."""

VERSION = "1"
"""Raised whenever an indicator's values change: `indicatorVersion`, and part of saved state."""

BY_FEATURE = {name: indicator for indicator in INDICATORS for name in indicator.features}
"""The indicator that gives a feature, by the feature's name."""

PUBLISHED_FEATURES = [
    Feature(name, params)
    for indicator in INDICATORS
    for params in indicator.published
    for name in indicator.features
]
"""Features that are columns of the indicator tables."""

PUBLISHED = [feature.column for feature in PUBLISHED_FEATURES]
"""Columns of the indicator tables, all nullable DOUBLE."""


def feature(name: str, *params: float, tf: str | None = None) -> Feature:
    """Make a feature by its name.

    Raises
    ------
    SettingsError
        If there is no such feature or timeframe, or a parameter does not fit.
    """
    from streaming.rules.timeframes import check_timeframe

    indicator = BY_FEATURE.get(name)
    if indicator is None:
        raise SettingsError(
            f"Feature {name!r} is unknown. There are: {', '.join(sorted(BY_FEATURE))}."
        )
    if len(params) != len(indicator.params):
        raise SettingsError(
            f"Feature {name} takes {len(indicator.params)} parameters "
            f"({', '.join(indicator.params) or 'none'}), not {len(params)}."
        )
    if tf is not None:
        check_timeframe(tf)
    return Feature(name, indicator.checked(name, params), tf)


@cache
def constructor(name: str) -> Callable[..., Feature]:
    """Make the constructor function of a feature: its parameters, then the timeframe."""
    indicator = BY_FEATURE[name]
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature(
        [
            *(Parameter(param, kind) for param in indicator.params),
            Parameter("tf", kind, default=None),
        ]
    )

    def make(*args: Any, **kwargs: Any) -> Feature:
        given = signature.bind(*args, **kwargs).arguments
        tf = given.pop("tf", None)
        return feature(name, *given.values(), tf=tf)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Feature {name}: {indicator.about}."
    make.__signature__ = signature  # type: ignore[attr-defined]  # what `help` shows
    return make
