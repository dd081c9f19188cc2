"""A random broker beside a random market: what it reports, and when that becomes known.

It fills in parts, late, twice as much, after an end or out of nothing; it ends orders, asked or
not. Every case has been through the oracle, because a broker answers to what was ordered.
"""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from oracle import samples
from oracle.brokered import END, FILL, UNATTRIBUTED, Brokered, Report
from oracle.gate import Order, Signal
from oracle.ids import BUY
from oracle.money import DoesNotFitError
from oracle.samples import MINUTE, START, TradingCase


@dataclass(frozen=True)
class Step:
    """What is known next: signals with their refPrices, reports, and how far both are known."""

    signals: list[tuple[Signal, int]]
    reports: list[Report]
    reported_to: int
    complete_to: int


@dataclass(frozen=True)
class BrokerCase:
    """A market and what its broker said of it, and the account that it should come to."""

    case: TradingCase
    steps: list[Step]
    account: Brokered


def ref_price(case: TradingCase, signal: Signal) -> int:
    rows = case.bars[signal.symbol]
    return rows[bisect_right([ts for ts, _ in rows], signal.ts) - 1][1]


def broker_case(rng: Random, *, timely: bool = False) -> BrokerCase:
    """Give a case; a timely broker says everything before its time is decided."""
    case = samples.trading_case(rng)
    account = Brokered("acct", case.settings)
    broker = _Broker(rng, case, timely)
    steps = []
    begin = START - 1
    while begin < case.complete_to:
        end = min(begin + rng.choice([MINUTE, MINUTE, 2 * MINUTE, MINUTE // 2]), case.complete_to)
        signals = [(s, ref_price(case, s)) for s in case.signals if begin < s.ts <= end]
        reports = broker.reports(account, begin, end)
        late = 0 if timely else rng.choice([0, 0, 0, MINUTE // 4, 2 * MINUTE])
        step = Step(signals, reports, end - late, end)
        account.advance(step.signals, step.reports, step.reported_to, step.complete_to)
        steps.append(step)
        begin = end
    return BrokerCase(case, steps, account)


def fitting_case(rng: Random, *, timely: bool = False) -> BrokerCase:
    """Give a case with signals whose amounts all fit DECIMAL(18,8)."""
    while True:
        try:
            made = broker_case(rng, timely=timely)
        except DoesNotFitError:
            continue
        if made.case.signals:
            return made


class _Broker:
    """Answers to what was ordered before the step that it reports."""

    def __init__(self, rng: Random, case: TradingCase, timely: bool) -> None:
        self.rng = rng
        self.case = case
        self.timely = timely
        self.mood = rng.randint(1, 9)
        self.over: list[Order] = []
        self.number = 0

    def reports(self, account: Brokered, begin: int, end: int) -> list[Report]:
        rng, found = self.rng, []
        live = sorted(account.live(), key=lambda order: order.order_id)
        asked = {order for _, order in account.log.asked}
        for order in live:
            if rng.randint(0, 9) < self.mood:
                found += self._answer(order, order.order_id in asked, begin, end)
        if self.over and rng.randint(0, 5) == 0:
            order = rng.choice(self.over)
            found.append(self._fill(order, rng.randint(1, max(1, order.qty)), begin, end))
        if rng.randint(0, 9) == 0:
            found.append(self._unknown(begin, end))
        rng.shuffle(found)
        return found

    def _time(self, begin: int, end: int) -> int:
        first = begin + 1 if self.timely else begin - 2 * MINUTE
        return self.rng.choice([self.rng.randint(first, end), end])

    def _answer(self, order: Order, asked: bool, begin: int, end: int) -> list[Report]:
        kind = self.rng.randint(0, 11)
        if kind == 0 or (asked and kind < 6):
            self.over.append(order)
            return [Report(self._time(begin, end), END, order.order_id)]
        if kind < 4:
            self.over.append(order)
            return [self._fill(order, order.qty, begin, end)]
        if kind == 4:
            more = order.qty + self.rng.randint(1, 5)
            return [self._fill(order, more, begin, end)]
        parts = self.rng.randint(1, 3)
        least = max(1, order.qty // 5)
        return [self._fill(order, self.rng.randint(1, least), begin, end) for _ in range(parts)]

    def _fill(self, order: Order, qty: int, begin: int, end: int) -> Report:
        rng = self.rng
        self.number += 1
        price = max(1, order.ref_price + rng.randint(-3, 3) * (order.ref_price // 50))
        signed = qty if order.side == BUY else -qty
        names = (order.order_id, order.strategy, order.symbol)
        if rng.randint(0, 30) == 0:
            signed = -signed
        fee, name = rng.randint(-3, 40), f"f{self.number}"
        return Report(self._time(begin, end), FILL, *names, signed, price, fee, name)

    def _unknown(self, begin: int, end: int) -> Report:
        rng = self.rng
        self.number += 1
        owner = rng.choice(
            [UNATTRIBUTED, UNATTRIBUTED, *sorted({s.strategy for s in self.case.signals})]
        )
        symbol = rng.choice(sorted(self.case.bars))
        qty, price = rng.choice([-1, 1]) * rng.randint(1, 10**9), self.case.bars[symbol][0][1]
        ts, name = self._time(begin, end), f"f{self.number}"
        if rng.randint(0, 1):
            return Report(ts, END, rng.getrandbits(128))
        return Report(ts, FILL, rng.getrandbits(128), owner, symbol, qty, price, 1, name)
