"""A simulated exchange: it fills in parts, rejects, delays, says things twice and out of order.

What it does with an order depends on its seed, the order and the bar alone, never on when or
how often it is asked; so a run that is stopped and gone on with gets the same reports. All it
knows is in a file of its own, which a killed engine finds as it was.

An order fills at the close of a bar after it came in, with slippage and fees as everywhere
(`streaming.rules.fills`). With no chances and no delay each fills whole at the next bar, under
the fillId of a simulated fill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from streaming.brokers.broker import Broker, BrokerOrder, Said
from streaming.brokers.exchange_file import FILL, ExchangeFile, LiveOrder, Report
from streaming.instruments import Instruments
from streaming.rules.bars import Bars
from streaming.rules.fills import fill_fee, fill_price
from streaming.rules.money import value
from streaming.rules.sizing import whole_lots


@dataclass(frozen=True)
class Habits:
    """How an exchange behaves.

    Attributes
    ----------
    seed : int
    reject, expire, wait, part, twice : float
        Chances in [0, 1]: that an order is rejected; that a bar ends it; that a bar passes it
        by; that a bar fills only a part of it; that a fill is told twice.
    delay_ms : int
        How long, in event time, a report takes at most; each takes its own time, so that they
        come out of order.
    slippage, fee_rate : int
        Rates x 1e8.
    """

    seed: int = 0
    reject: float = 0.0
    expire: float = 0.0
    wait: float = 0.0
    part: float = 0.0
    twice: float = 0.0
    delay_ms: int = 0
    slippage: int = 0
    fee_rate: int = 0


class SimulatedExchange(Broker):
    """An account at a simulated exchange.

    Parameters
    ----------
    path
        Its file; made where it is not there, with its folder. Never the engine's store.
    account
        accountId of its reports.
    habits, instruments
        How it behaves, and what it trades.

    Raises
    ------
    BrokerError
        If the file is another account's, or cannot be opened.
    """

    name = "exchange"

    def __init__(
        self,
        path: Path,
        account: str,
        habits: Habits | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self._habits = habits or Habits()
        self._instruments = instruments or Instruments()
        self._file = ExchangeFile(path, account)

    def submit(self, orders: Sequence[BrokerOrder]) -> None:
        """Take orders in; each is rejected or acknowledged, once."""
        with self._file.changing() as clock:
            for one in orders:
                since = max(one.ts, clock)
                quantity = one.quantity
                order = LiveOrder(
                    one.order_id, one.symbol, quantity, quantity, one.ts, since, 0, None
                )
                if not self._file.add(order):
                    continue
                if self._random(order.order_id).random() < self._habits.reject:
                    self._end(order, "REJECTED", since, "no reason given")
                else:
                    self._report(order, "ACKED", since)

    def cancel(self, order_ids: Sequence[str]) -> None:
        """Cancel orders as soon as the word has arrived; until then they may fill."""
        with self._file.changing() as clock:
            for order in self._file.live():
                if order.order_id in order_ids and order.cancel_at is None:
                    at = clock + self._delay(order.order_id, "cancel")
                    self._file.update(order._replace(cancel_at=at))
            self._end_cancelled(clock)

    def show(self, bars: Mapping[str, Bars], complete_to: int) -> None:
        """Let orders fill on the bars up to a time, and tell what is due."""
        with self._file.changing() as clock:
            if complete_to <= clock:
                return
            for order in self._file.live():
                of_symbol = bars.get(order.symbol)
                if of_symbol is not None:
                    self._trade(order, of_symbol, clock, complete_to)
            self._file.set_clock(complete_to)
            self._end_cancelled(complete_to)

    def reports(self, after: str | None) -> Said:
        """Give what it told after a position, which is the number of the last report."""
        with self._file.reading():
            return self._file.said(after, self._habits.delay_ms * 1000)

    def open_orders(self) -> dict[str, BrokerOrder]:
        """Give the orders that may still fill, as of its last report."""
        with self._file.reading():
            return self._file.open_orders()

    def positions(self) -> dict[str, int]:
        """Give what its told fills come to, by symbol, flat ones left out."""
        with self._file.reading():
            return self._file.positions()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _trade(self, order: LiveOrder, bars: Bars, clock: int, complete_to: int) -> None:
        """Take a live order through its bars after the clock, until it is over."""
        first = int(np.searchsorted(bars.ts, max(clock, order.since), side="right"))
        last = int(np.searchsorted(bars.ts, complete_to, side="right"))
        moments = zip(bars.ts[first:last].tolist(), bars.close[first:last].tolist(), strict=True)
        for ts, close in moments:
            if order.cancel_at is not None and ts > order.cancel_at:
                return
            random = self._random(order.order_id, ts)
            if random.random() < self._habits.expire:
                self._end(order, "EXPIRED", ts, "at the exchange's own will")
                return
            if random.random() < self._habits.wait:
                continue
            order = self._fill(order, ts, close, random)
            if order.quantity == 0:
                return

    def _fill(self, order: LiveOrder, ts: int, close: int, random: Random) -> LiveOrder:
        habits, facts = self._habits, self._instruments[order.symbol]
        left = abs(order.quantity)
        size = left
        if random.random() < habits.part:
            size = int(whole_lots(random.randint(1, left), facts.lot_size)) or left
        buys = order.quantity > 0
        price = int(fill_price(close, buys, habits.slippage, facts.tick_size))
        fees = int(fill_fee(value(price, size, facts.point_value), habits.fee_rate))
        units = size if buys else -size
        after = order._replace(quantity=order.quantity - units, fills=order.fills + 1)
        self._file.update(after)
        said = self._report(order, FILL, ts, str(after.fills), (units, price, fees))
        if random.random() < habits.twice:
            latest = ts + habits.delay_ms * 1000
            self._file.write(said._replace(tell_at=random.randint(said.tell_at, latest), again=1))
        return after

    def _end(self, order: LiveOrder, event: str, ts: int, reason: str) -> None:
        self._file.update(order._replace(quantity=0))
        self._report(order, event, ts, reason=reason)

    def _end_cancelled(self, clock: int) -> None:
        for order in self._file.live():
            if order.cancel_at is not None and order.cancel_at <= clock:
                self._end(order, "CANCELLED", order.cancel_at, "as asked")

    def _report(
        self,
        order: LiveOrder,
        event: str,
        ts: int,
        fill_id: str = "",
        amounts: tuple[int, int, int] = (0, 0, 0),
        reason: str | None = None,
    ) -> Report:
        """Say something as soon as its delay is over."""
        tell_at = ts + self._delay(order.order_id, event, fill_id)
        names = (order.order_id, event, fill_id, 0, order.symbol)
        report = Report(tell_at, ts, *names, *amounts, reason)
        self._file.write(report)
        return report

    def _delay(self, *what: str) -> int:
        """Give how long something takes, in microseconds."""
        return self._random(*what).randint(0, self._habits.delay_ms) * 1000

    def _random(self, *what: object) -> Random:
        return Random(" ".join(map(str, (self._habits.seed, *what))))  # noqa: S311  # no secret
