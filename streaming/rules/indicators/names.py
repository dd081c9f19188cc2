"""The name of one number per bar: which indicator, with which parameters, on which bars."""

from typing import NamedTuple


class Feature(NamedTuple):
    """One output of an indicator, as a strategy asks for it.

    Made by the constructor functions of `streaming.rules.indicators`, which check the
    parameters: `rsi(14)`, `ema(50, "H1")`. A named tuple, because features are keys of the
    dicts that values travel in, and a tuple's hash costs little.

    Attributes
    ----------
    name : str
        Name in the registry: "rsi", "macd_signal".
    params : tuple of int or float
        In the registry's order.
    timeframe : str or None
        A key of `streaming.rules.timeframes.TIMEFRAMES`; None means the anchor timeframe
        of whoever asks.
    """

    name: str
    params: tuple[int | float, ...] = ()
    timeframe: str | None = None

    @property
    def column(self) -> str:
        """Name of the feature's column in the indicator tables: "macd_signal_12_26_9"."""
        return "_".join([self.name, *(_digits(value) for value in self.params)])

    @property
    def local(self) -> "Feature":
        """The feature without its timeframe: the key of values on one series."""
        return self if self.timeframe is None else Feature(self.name, self.params)

    def on(self, anchor: str) -> "Feature":
        """Give the feature with a timeframe: its own, or else the anchor's."""
        return Feature(self.name, self.params, anchor) if self.timeframe is None else self

    # A tuple's own order would fail between a timeframe and None.
    def __lt__(self, other: tuple[object, ...]) -> bool:
        return _order(self) < _order(other)

    def __le__(self, other: tuple[object, ...]) -> bool:
        return _order(self) <= _order(other)

    def __gt__(self, other: tuple[object, ...]) -> bool:
        return _order(self) > _order(other)

    def __ge__(self, other: tuple[object, ...]) -> bool:
        return _order(self) >= _order(other)

    def __str__(self) -> str:
        return self.column if self.timeframe is None else f"{self.column}@{self.timeframe}"


def _order(feature: tuple[object, ...]) -> tuple[str, object, str]:
    name, params, timeframe = feature
    return str(name), params, str(timeframe or "")


def _digits(value: float) -> str:
    """Write a parameter so that it fits into a column name: 14, 2, 2p5."""
    return f"{value:g}".replace(".", "p").replace("+", "")
