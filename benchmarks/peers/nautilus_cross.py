"""P2, nautilus_trader: an SMA cross driven bar by bar through its backtest engine.

The bars become nautilus objects before the timing starts, and its own analysis is off, so
what is timed is the engine's run alone: less than the product does in the same row. It
takes minutes for a year of bars, so it runs on fewer and its speed is compared.

nautilus fills a market order at the close of the bar that caused it, the product at the
next one: the number of trades is equal all the same, but for one at the very end.
"""

import argparse
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from benchmarks.contender import Work, serve
from benchmarks.inputs import FINE_TICK, SCALE, MarketBars, bars, digest

DIGITS = 8
VENUE = Venue("SIM")
INSTRUMENT = InstrumentId(Symbol("X"), VENUE)
BAR_TYPE = BarType.from_str(f"{INSTRUMENT}-1-MINUTE-LAST-EXTERNAL")
FAST, SLOW = 10, 30


class Cross(Strategy):
    """Buys one unit when the fast average crosses above the slow one, sells when below."""

    def __init__(self) -> None:
        super().__init__()
        self.fast, self.slow = SimpleMovingAverage(FAST), SimpleMovingAverage(SLOW)
        self.above: bool | None = None
        self.unit = Quantity.from_int(1)

    def on_start(self) -> None:
        """Ask for the bars and let the engine keep the averages up to date."""
        self.register_indicator_for_bars(BAR_TYPE, self.fast)
        self.register_indicator_for_bars(BAR_TYPE, self.slow)
        self.subscribe_bars(BAR_TYPE)

    def on_bar(self, bar: Bar) -> None:
        """Send a market order on the bar of a cross."""
        if not self.slow.initialized:
            return
        above = self.fast.value > self.slow.value
        if self.above is not None and above != self.above:
            if above:
                self._send(OrderSide.BUY)
            elif self.portfolio.is_net_long(INSTRUMENT):
                self._send(OrderSide.SELL)
        self.above = above

    def _send(self, side: OrderSide) -> None:
        self.submit_order(self.order_factory.market(INSTRUMENT, side, self.unit))


def prepare(count: int) -> Work:
    """Turn the bars into nautilus objects."""
    market = bars(count, tick=FINE_TICK)
    objects = nautilus_bars(market)

    def run() -> int:
        engine = BacktestEngine(
            BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
        )
        engine.add_venue(
            VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(1e9, USD)], base_currency=USD
        )
        engine.add_instrument(instrument())
        engine.add_data(objects)
        engine.add_strategy(Cross())
        engine.run()
        orders = len(engine.cache.orders())
        engine.dispose()
        return orders

    return Work(run, _facts, count, digest(*market), ["nautilus_trader"])


def instrument() -> Equity:
    """Describe a share quoted to 1e-8, with the product's fee of one basis point."""
    fee = Decimal("0.0001")
    return Equity(
        instrument_id=INSTRUMENT,
        raw_symbol=Symbol("X"),
        currency=USD,
        price_precision=DIGITS,
        price_increment=Price(1 / SCALE, DIGITS),
        lot_size=Quantity.from_int(1),
        maker_fee=fee,
        taker_fee=fee,
        ts_event=0,
        ts_init=0,
    )


def nautilus_bars(market: MarketBars) -> list[Bar]:
    """Make nautilus bars, with a volume that never limits a fill."""
    volume = Quantity.from_int(1_000_000)
    columns = [(price / SCALE).tolist() for price in market[1:5]]
    return [
        Bar(BAR_TYPE, *(Price(value, DIGITS) for value in prices), volume, ts, ts)
        for ts, *prices in zip((market.ts * 1_000).tolist(), *columns, strict=True)
    ]


def _facts(orders: int) -> dict[str, float]:
    return {"trades": orders // 2}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    serve(prepare, {"count": 500}, **vars(parser.parse_args()))
