"""Breakout: price leaves a range that held, and is followed out of it."""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

from streaming.jobs.strategies.actions import Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.indicators import (
    Feature,
    atr,
    bollinger_middle,
    bollinger_upper,
    close,
    donchian_lower,
    donchian_upper,
    ema,
    high,
    low,
)


@strategy(family="breakout")
class DonchianBreakout(Strategy):
    """The Turtles' entry on a new high, with the middle of the channel as trailing stop.

    Only the first close of a run of new highs is an entry: the bar before it made none.
    """

    id, version = "donchian_breakout", 1
    buys = "the close is above the highest high of the {length:g} bars before"
    sells = "the close crosses below the middle of the channel"
    length: int = param(55, ge=3, unit="bars")
    span: int = param(14, ge=2, unit="bars of ATR")

    def needs(self) -> list[Feature]:
        channel = donchian_upper(self.length), donchian_lower(self.length)
        return [close(), high(), *channel, atr(self.span)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, top, upper, lower, span = self.features
        middle = 0.5 * (now[upper] + now[lower])
        was_middle = 0.5 * (before[upper] + before[lower])
        return actions(
            # The channel of the bar before: the bar itself is not part of what it leaves.
            buy=(now[price] > before[upper]) & (before[top] < before[upper]),
            sell=crossed_below(before[price], now[price], middle, was=was_middle),
            confidence=(now[price] - before[upper]) / now[span],
        )


@strategy(family="breakout")
class BollingerBreakout(Strategy):
    """Strength begets strength: a close above the upper band starts a ride along it."""

    id, version = "bollinger_breakout", 1
    anchor = "M15"
    buys = "the close crosses above the upper band"
    sells = "the close crosses below the middle band"
    length: int = param(20, ge=2, unit="bars")
    width: float = param(2.0, gt=0, unit="standard deviations")

    def needs(self) -> list[Feature]:
        bands = bollinger_upper(self.length, self.width), bollinger_middle(self.length, self.width)
        return [close(), *bands]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, upper, middle = self.features
        return actions(
            buy=crossed_above(before[price], now[price], now[upper], was=before[upper]),
            sell=crossed_below(before[price], now[price], now[middle], was=before[middle]),
            confidence=(now[price] - now[middle]) / (2.0 * (now[upper] - now[middle])),
        )


@strategy(family="breakout")
class AtrBreakout(Strategy):
    """One bar far larger than usual is news being priced; the first move is rarely all of it."""

    id, version = "atr_breakout", 1
    anchor = "M5"
    buys = "the close is up by more than {thrust:g} ATR in one bar, and above its average"
    sells = "the close crosses below its average"
    thrust: float = param(2.0, gt=0, unit="ATR")
    length: int = param(14, ge=2, unit="bars of ATR")
    average: int = param(26, ge=2, unit="bars")

    def needs(self) -> list[Feature]:
        return [close(), atr(self.length), ema(self.average)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, span, average = self.features
        # The ATR before: the bar itself must not stretch the yardstick it is measured by.
        large = now[price] - before[price] > self.thrust * before[span]
        return actions(
            buy=large & (now[price] > now[average]),
            sell=crossed_below(before[price], now[price], now[average], was=before[average]),
            confidence=(now[price] - before[price]) / (2.0 * self.thrust * before[span]),
        )


@strategy(family="breakout")
class PreviousDayBreakout(Strategy):
    """Yesterday's high is a level that everyone watches."""

    id, version = "previous_day_breakout", 1
    buys = "the close crosses above the previous UTC day's high"
    sells = "the close crosses below the middle of the previous UTC day's range"

    def needs(self) -> list[Feature]:
        return [close(), high("D1"), low("D1")]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, top, bottom = self.features
        middle = 0.5 * (now[top] + now[bottom])
        was_middle = 0.5 * (before[top] + before[bottom])
        return actions(
            # Against today's level alone: that the level moves at midnight is no breakout.
            buy=crossed_above(before[price], now[price], now[top]),
            sell=crossed_below(before[price], now[price], middle, was=was_middle),
            confidence=0.5,
        )
