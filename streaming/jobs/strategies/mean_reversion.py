"""Mean reversion: fade a move that went too far, and leave when it has come back."""
# ruff: noqa: D102 - `needs` and `signals` are described at Strategy

from streaming.jobs.strategies.actions import Actions, actions, crossed_above, crossed_below
from streaming.jobs.strategies.base import Rows, Strategy, param
from streaming.jobs.strategies.registry import strategy
from streaming.rules.indicators import (
    Feature,
    adx,
    atr,
    bollinger_lower,
    bollinger_middle,
    close,
    rsi,
    sma,
    vwap,
    zscore,
)


@strategy(family="mean reversion")
class RsiReversion(Strategy):
    """Wilder's oversold market: sellers have run out, for now."""

    id, version = "rsi_reversion", 1
    anchor = "M5"
    buys = "RSI falls through {low:g}"
    sells = "RSI has come back through {exit:g}"
    ascending = ("low", "exit")
    length: int = param(14, ge=2, unit="bars")
    low: float = param(30.0, gt=0, lt=50)
    exit: float = param(55.0, gt=30, lt=100)

    def needs(self) -> list[Feature]:
        return [rsi(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        strength = rsi(self.length)
        value, previous = now[strength], before[strength]
        return actions(
            buy=crossed_below(previous, value, self.low),
            sell=crossed_above(previous, value, self.exit),
            confidence=(50.0 - value) / 50.0,
        )


@strategy(family="mean reversion")
class BollingerReversion(Strategy):
    """A close outside its band is rare; the middle of the band is where it tends to return."""

    id, version = "bollinger_reversion", 1
    anchor = "M5"
    buys = "the close falls through the lower band"
    sells = "the close has come back through the middle band"
    length: int = param(20, ge=2, unit="bars")
    width: float = param(2.0, gt=0, unit="standard deviations")

    def needs(self) -> list[Feature]:
        bands = bollinger_lower(self.length, self.width), bollinger_middle(self.length, self.width)
        return [close(), *bands]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, lower, middle = self.features
        return actions(
            buy=crossed_below(before[price], now[price], now[lower], was=before[lower]),
            sell=crossed_above(before[price], now[price], now[middle], was=before[middle]),
            confidence=(now[middle] - now[price]) / (2.0 * (now[middle] - now[lower])),
        )


@strategy(family="mean reversion")
class ZscoreReversion(Strategy):
    """Statistical reversion in a quiet market: far from the mean, and no trend by ADX."""

    id, version = "zscore_reversion", 1
    buys = "the z-score falls through -{far:g} while ADX is below {trend:g}"
    sells = "the z-score comes back through zero"
    length: int = param(60, ge=2, unit="bars")
    far: float = param(2.0, gt=0, unit="standard deviations")
    span: int = param(14, ge=2, unit="bars of ADX")
    trend: float = param(30.0, gt=0, le=100)

    def needs(self) -> list[Feature]:
        return [zscore(self.length), adx(self.span)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        score, trend = self.features
        value, previous = now[score], before[score]
        return actions(
            buy=crossed_below(previous, value, -self.far) & (now[trend] < self.trend),
            sell=crossed_above(previous, value, 0.0),
            confidence=-value / (2.0 * self.far),
        )


@strategy(family="mean reversion")
class VwapReversion(Strategy):
    """The day's average price paid is what large orders are measured by, and pulls price back."""

    id, version = "vwap_reversion", 1
    buys = "the close falls {stretch:g} ATR below the day's VWAP"
    sells = "the close comes back above the day's VWAP"
    stretch: float = param(3.0, gt=0, unit="ATR")
    length: int = param(14, ge=2, unit="bars of ATR")

    def needs(self) -> list[Feature]:
        return [close(), vwap(), atr(self.length)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, fair, span = self.features
        far, was_far = -self.stretch * now[span], -self.stretch * before[span]
        away, was_away = now[price] - now[fair], before[price] - before[fair]
        return actions(
            buy=crossed_below(was_away, away, far, was=was_far),
            sell=crossed_above(was_away, away, 0.0),
            confidence=away / (2.0 * far),
        )


@strategy(family="mean reversion")
class ConnorsRsi(Strategy):
    """Connors: buy a short, sharp dip in a market that is above its long average."""

    id, version = "connors_rsi", 1
    anchor = "M15"
    buys = "a short RSI falls through {low:g} while the close is above its long average"
    sells = "the close crosses above its short average"
    ascending = ("quick", "long")
    length: int = param(2, ge=2, unit="bars")
    low: float = param(10.0, gt=0, lt=50)
    quick: int = param(5, ge=2, unit="bars")
    long: int = param(200, ge=3, unit="bars")

    def needs(self) -> list[Feature]:
        return [close(), rsi(self.length), sma(self.quick), sma(self.long)]

    def signals(self, now: Rows, before: Rows) -> Actions:
        price, dip, quick, long = self.features
        fallen = crossed_below(before[dip], now[dip], self.low)
        return actions(
            buy=fallen & (now[price] > now[long]),
            sell=crossed_above(before[price], now[price], now[quick], was=before[quick]),
            confidence=(self.low - now[dip]) / self.low,
        )
