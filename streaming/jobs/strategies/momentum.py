"""Momentum: what has risen goes on rising, until it does not."""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

import math

from streaming.jobs.strategies.actions import Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.indicators import Feature, realised_volatility, roc, rsi


@strategy(family="momentum")
class RocMomentum(Strategy):
    """The plainest momentum: the last hour's return, entered when it is worth something."""

    id, version = "roc_momentum", 1
    buys = "the rate of change crosses above {rise:g}"
    sells = "the rate of change crosses below zero"
    length: int = param(60, ge=1, unit="bars")
    rise: float = param(0.2, gt=0, unit="percent")

    def needs(self) -> list[Feature]:
        return [roc(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        change = roc(self.length)
        value, previous = now[change], before[change]
        return actions(
            buy=crossed_above(previous, value, self.rise),
            sell=crossed_below(previous, value, 0.0),
            confidence=value / (2.0 * self.rise),
        )


@strategy(family="momentum")
class RsiMomentum(Strategy):
    """RSI as a gauge of trend: strength takes it past 60, and only weakness below 40."""

    id, version = "rsi_momentum", 1
    anchor = "M15"
    buys = "RSI crosses above {high:g}"
    sells = "RSI crosses below {low:g}"
    length: int = param(14, ge=2, unit="bars")
    high: float = param(60.0, gt=50, lt=100)
    low: float = param(40.0, gt=0, lt=50)

    def needs(self) -> list[Feature]:
        return [rsi(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        strength = rsi(self.length)
        value, previous = now[strength], before[strength]
        return actions(
            buy=crossed_above(previous, value, self.high),
            sell=crossed_below(previous, value, self.low),
            confidence=(value - 50.0) / 50.0,
        )


@strategy(family="momentum")
class DualHorizonMomentum(Strategy):
    """A rise that shows over a short and a long horizon is less likely to be noise."""

    id, version = "dual_horizon_momentum", 1
    buys = "both horizons' returns have become positive"
    sells = "the long horizon's return crosses below zero"
    ascending = ("short", "long")
    short: int = param(60, ge=1, unit="bars")
    long: int = param(240, ge=2, unit="bars")

    def needs(self) -> list[Feature]:
        return [roc(self.short), roc(self.long)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        short, long = self.features
        return actions(
            buy=(now[short] > 0.0)
            & (now[long] > 0.0)
            & ((before[short] <= 0.0) | (before[long] <= 0.0)),
            sell=crossed_below(before[long], now[long], 0.0),
            confidence=0.6,
        )


@strategy(family="momentum")
class TimeSeriesMomentum(Strategy):
    """Moskowitz, Ooi and Pedersen: a return counts by how many standard deviations it is."""

    id, version = "time_series_momentum", 1
    buys = "the return over {length:g} crosses above {entry:g} standard deviations"
    sells = "the return over {length:g} crosses below zero"
    length: int = param(240, ge=2, unit="bars")
    entry: float = param(1.0, gt=0, unit="standard deviations")

    def needs(self) -> list[Feature]:
        return [roc(self.length), realised_volatility(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        move, sigma = self.features
        # ROC is in percent; volatility is per bar and grows with the root of time.
        scale = self.entry * 100.0 * math.sqrt(self.length)
        return actions(
            buy=crossed_above(
                before[move], now[move], scale * now[sigma], was=scale * before[sigma]
            ),
            sell=crossed_below(before[move], now[move], 0.0),
            confidence=now[move] / (2.0 * scale * now[sigma]),
        )
