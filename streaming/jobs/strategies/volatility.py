"""Volatility: trade the change of it, or trade by it."""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

from streaming.jobs.strategies.actions import THIRD, Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.expressions import minimum
from streaming.rules.indicators import (
    Feature,
    atr,
    bollinger_middle,
    bollinger_upper,
    close,
    realised_volatility,
    sma,
)


@strategy(family="volatility")
class Squeeze(Strategy):
    """Carter's squeeze: Bollinger bands that lay inside the Keltner channel come out of it."""

    id, version = "squeeze", 1
    anchor = "M5"
    buys = "the bands widen beyond {keltner:g} ATR while the close is above their middle"
    sells = "the close crosses below the middle band"
    length: int = param(20, ge=2, unit="bars")
    width: float = param(2.0, gt=0, unit="standard deviations")
    span: int = param(14, ge=2, unit="bars of ATR")
    keltner: float = param(1.5, gt=0, unit="ATR")

    def needs(self) -> list[Feature]:
        bands = bollinger_upper(self.length, self.width), bollinger_middle(self.length, self.width)
        return [close(), *bands, atr(self.span)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, upper, middle, span = self.features
        half, was_half = now[upper] - now[middle], before[upper] - before[middle]
        reach, reached = self.keltner * now[span], self.keltner * before[span]
        return actions(
            buy=crossed_above(was_half, half, reach, was=reached) & (now[price] > now[middle]),
            sell=crossed_below(before[price], now[price], now[middle], was=before[middle]),
            confidence=(now[price] - now[middle]) / (2.0 * half),
        )


@strategy(family="volatility")
class VolatilityTarget(Strategy):
    """A plain trend entry sized by risk: small when the market is wilder than usual."""

    id, version = "volatility_target", 1
    buys = "the close crosses above its average; size falls with volatility"
    sells = "the close crosses below its average"
    ascending = ("short", "long")
    average: int = param(200, ge=2, unit="bars")
    short: int = param(60, ge=2, unit="bars")
    long: int = param(240, ge=3, unit="bars")
    most: float = param(0.5, gt=0, le=1, unit="of capital")

    def needs(self) -> list[Feature]:
        volatility = realised_volatility(self.short), realised_volatility(self.long)
        return [close(), sma(self.average), *volatility]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, average, recent, usual = self.features
        return actions(
            buy=crossed_above(before[price], now[price], now[average], was=before[average]),
            sell=crossed_below(before[price], now[price], now[average], was=before[average]),
            confidence=0.5,
            size=minimum(THIRD * now[usual] / now[recent], self.most),
        )


@strategy(family="volatility")
class CalmTrend(Strategy):
    """Rising prices in a calm market tend to go on; turbulence ends it."""

    id, version = "calm_trend", 1
    buys = "volatility falls below {calm:g} times its usual level, above the long average"
    sells = "volatility rises above {wild:g} times its usual level"
    ascending = ("short", "long")
    average: int = param(200, ge=2, unit="bars")
    short: int = param(60, ge=2, unit="bars")
    long: int = param(240, ge=3, unit="bars")
    calm: float = param(0.75, gt=0, lt=1)
    wild: float = param(1.25, gt=1)

    def needs(self) -> list[Feature]:
        volatility = realised_volatility(self.short), realised_volatility(self.long)
        return [close(), sma(self.average), *volatility]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, average, recent, usual = self.features
        low, was_low = self.calm * now[usual], self.calm * before[usual]
        high, was_high = self.wild * now[usual], self.wild * before[usual]
        calmed = crossed_below(before[recent], now[recent], low, was=was_low)
        return actions(
            buy=calmed & (now[price] > now[average]),
            sell=crossed_above(before[recent], now[recent], high, was=was_high),
            confidence=0.5,
        )
