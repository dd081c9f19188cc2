"""Multi-timeframe: a slow chart gives the direction, a fast one the moment.

A slow row is seen from its close on, as of each row of the anchor: what crosses on H1
fires once, at the first anchor row that may know it.
"""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

from streaming.jobs.strategies.actions import Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.indicators import (
    Feature,
    close,
    donchian_lower,
    donchian_upper,
    ema,
    high,
    macd,
    macd_histogram,
    macd_signal,
    roc,
    rsi,
    sma,
)


@strategy(family="multi-timeframe")
class HourTrendPullback(Strategy):
    """Buy the end of an M5 pullback in an H1 uptrend."""

    id, version = "hour_trend_pullback", 1
    anchor = "M5"
    buys = "M5 RSI comes back above {dip:g} while the H1 averages point up"
    sells = "the H1 averages cross down, or M5 RSI falls back through {top:g}"
    ascending = ("fast", "slow")
    fast: int = param(12, ge=2, unit="H1 bars")
    slow: int = param(26, ge=3, unit="H1 bars")
    length: int = param(14, ge=2, unit="M5 bars")
    dip: float = param(40.0, gt=0, lt=50)
    top: float = param(70.0, gt=50, lt=100)

    def needs(self) -> list[Feature]:
        return [ema(self.fast, "H1"), ema(self.slow, "H1"), rsi(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        fast, slow, pull = self.features
        turned = crossed_below(before[fast], now[fast], now[slow], was=before[slow])
        return actions(
            buy=crossed_above(before[pull], now[pull], self.dip) & (now[fast] > now[slow]),
            sell=turned | crossed_below(before[pull], now[pull], self.top),
            confidence=0.6,
        )


@strategy(family="multi-timeframe")
class DayTrendEntry(Strategy):
    """Trade an M15 MACD cross, long only in a market above its 20-day average."""

    id, version = "day_trend_entry", 1
    anchor = "M15"
    buys = "M15 MACD crosses above its signal line while D1 is above its average"
    sells = "M15 MACD crosses below its signal line"
    ascending = ("fast", "slow")
    days: int = param(20, ge=2, unit="D1 bars")
    fast: int = param(12, ge=2, unit="M15 bars")
    slow: int = param(26, ge=3, unit="M15 bars")
    signal: int = param(9, ge=2, unit="M15 bars")

    def needs(self) -> list[Feature]:
        lengths = self.fast, self.slow, self.signal
        return [close("D1"), sma(self.days, "D1"), macd(*lengths), macd_signal(*lengths)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        day, average, line, signal = self.features
        up = crossed_above(before[line], now[line], now[signal], was=before[signal])
        return actions(
            buy=up & (now[day] > now[average]),
            sell=crossed_below(before[line], now[line], now[signal], was=before[signal]),
            confidence=0.6,
        )


@strategy(family="multi-timeframe")
class FourHourBreakout(Strategy):
    """H1 breakouts to the minute, but only the way that H4 has been going for two days."""

    id, version = "four_hour_breakout", 1
    buys = "the close crosses above the high of {length:g} H1 bars while H4 momentum is positive"
    sells = "the close crosses below the middle of the H1 channel"
    horizon: int = param(12, ge=1, unit="H4 bars")
    length: int = param(20, ge=2, unit="H1 bars")

    def needs(self) -> list[Feature]:
        channel = donchian_upper(self.length, "H1"), donchian_lower(self.length, "H1")
        return [close(), *channel, roc(self.horizon, "H4")]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, upper, lower, bias = self.features
        middle = 0.5 * (now[upper] + now[lower])
        was_middle = 0.5 * (before[upper] + before[lower])
        return actions(
            # Against the level as it is now: that it moves on the hour is no breakout.
            buy=crossed_above(before[price], now[price], now[upper]) & (now[bias] > 0.0),
            sell=crossed_below(before[price], now[price], middle, was=was_middle),
            confidence=0.5 + now[bias] / 4.0,
        )


@strategy(family="multi-timeframe")
class TripleScreen(Strategy):
    """Elder's three screens: the H1 tide, an M5 wave against it, and an M1 ripple to get in."""

    id, version = "triple_screen", 1
    buys = "the close exceeds the last bar's high, after an M5 dip, while H1 MACD rises"
    sells = "H1 MACD turns down, or M5 RSI crosses above {high:g}"
    length: int = param(14, ge=2, unit="M5 bars")
    low: float = param(40.0, gt=0, lt=50)
    high: float = param(65.0, gt=50, lt=100)

    def needs(self) -> list[Feature]:
        return [close(), high(), rsi(self.length, "M5"), macd_histogram(12, 26, 9, "H1")]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, top, wave, tide = self.features
        ripple = (now[price] > before[top]) & (before[wave] < self.low)
        turned = crossed_below(before[tide], now[tide], 0.0)
        return actions(
            buy=ripple & (now[wave] < self.low) & (now[tide] > 0.0),
            sell=turned | crossed_above(before[wave], now[wave], self.high),
            confidence=(50.0 - now[wave]) / 50.0,
        )
