"""Trend: go with a move that has begun, and stay until it ends.

Entries may be filtered, exits never are: every position these open meets its exit.
"""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

from streaming.jobs.strategies.actions import Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.indicators import Feature, adx, atr, close, ema, macd, macd_signal, sma


@strategy(family="trend")
class SmaCross(Strategy):
    """The golden cross and the death cross: two simple averages, in the market or out of it."""

    id, version = "sma_cross", 1
    buys = "the fast average crosses above the slow one"
    sells = "the fast average crosses below the slow one"
    ascending = ("fast", "slow")
    fast: int = param(50, ge=2, unit="bars")
    slow: int = param(200, ge=3, unit="bars")

    def needs(self) -> list[Feature]:
        return [sma(self.fast), sma(self.slow)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        fast, slow = self.features
        return actions(
            buy=crossed_above(before[fast], now[fast], now[slow], was=before[slow]),
            sell=crossed_below(before[fast], now[fast], now[slow], was=before[slow]),
            confidence=0.5,
        )


@strategy(family="trend")
class EmaCross(Strategy):
    """A quick average cross, taken only where ADX says that there is a trend to follow."""

    id, version = "ema_cross", 1
    buys = "the fast EMA crosses above the slow one while ADX is above {strength:g}"
    sells = "the fast EMA crosses below the slow one"
    ascending = ("fast", "slow")
    fast: int = param(12, ge=2, unit="bars")
    slow: int = param(26, ge=3, unit="bars")
    length: int = param(14, ge=2, unit="bars")
    strength: float = param(20.0, ge=0, lt=100)

    def needs(self) -> list[Feature]:
        return [ema(self.fast), ema(self.slow), adx(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        fast, slow, trend = self.features
        up = crossed_above(before[fast], now[fast], now[slow], was=before[slow])
        return actions(
            buy=up & (now[trend] > self.strength),
            sell=crossed_below(before[fast], now[fast], now[slow], was=before[slow]),
            confidence=now[trend] / 50.0,
        )


@strategy(family="trend")
class MacdCross(Strategy):
    """The turn of a move: MACD crosses its signal line while still below zero."""

    id, version = "macd_cross", 1
    anchor = "M15"
    buys = "MACD crosses above its signal line, below zero"
    sells = "MACD crosses below its signal line"
    ascending = ("fast", "slow")
    fast: int = param(12, ge=2, unit="bars")
    slow: int = param(26, ge=3, unit="bars")
    signal: int = param(9, ge=2, unit="bars")
    length: int = param(14, ge=2, unit="bars of ATR")

    def needs(self) -> list[Feature]:
        lengths = self.fast, self.slow, self.signal
        return [macd(*lengths), macd_signal(*lengths), atr(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        line, signal, span = self.features
        up = crossed_above(before[line], now[line], now[signal], was=before[signal])
        return actions(
            buy=up & (now[line] < 0.0),
            sell=crossed_below(before[line], now[line], now[signal], was=before[signal]),
            confidence=-now[line] / now[span],
        )


@strategy(family="trend")
class AtrChannel(Strategy):
    """A trend is what breaks out of its usual range: an average with ATR bands either side."""

    id, version = "atr_channel", 1
    buys = "the close crosses above the average + {width:g} ATR"
    sells = "the close crosses below the average - {width:g} ATR"
    length: int = param(50, ge=2, unit="bars")
    span: int = param(14, ge=2, unit="bars of ATR")
    width: float = param(2.0, gt=0, unit="ATR")

    def needs(self) -> list[Feature]:
        return [close(), ema(self.length), atr(self.span)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, centre, span = self.features
        reach, reached = self.width * now[span], self.width * before[span]
        away, was_away = now[price] - now[centre], before[price] - before[centre]
        return actions(
            buy=crossed_above(was_away, away, reach, was=reached),
            sell=crossed_below(was_away, away, -reach, was=-reached),
            confidence=0.5,
        )
