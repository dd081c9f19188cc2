"""The name of one number per bar: which indicator, with which parameters, on which bars."""

from dataclasses import dataclass, replace
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class Feature:
    """One output of an indicator, as a strategy asks for it.

    Made by the constructor functions of `streaming.rules.indicators`, which check the
    parameters: `rsi(14)`, `ema(50, "H1")`.

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
        return self if self.timeframe is None else replace(self, timeframe=None)

    def on(self, anchor: str) -> "Feature":
        """Give the feature with a timeframe: its own, or else the anchor's."""
        return replace(self, timeframe=anchor) if self.timeframe is None else self

    def __lt__(self, other: "Feature") -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, tuple[int | float, ...], str]:
        return self.name, self.params, self.timeframe or ""

    def __str__(self) -> str:
        return self.column if self.timeframe is None else f"{self.column}@{self.timeframe}"


def _digits(value: float) -> str:
    """Write a parameter so that it fits into a column name: 14, 2, 2p5."""
    return f"{value:g}".replace(".", "p").replace("+", "")
