"""An account whose fills a broker reports, event by event.

Reports are fills and ends (cancelled, rejected, expired, whoever wanted it). Each counts at its
own time, or, where that is over already, as soon as it is known. At one time come fills
(as they were told), then reservations that run out, then ends, then signals.
"""

from dataclasses import dataclass, field, replace

from oracle import ids
from oracle.engine import signal_order
from oracle.fifo import Fill, Match
from oracle.gate import OK, Gate, Order, Settings, Signal
from oracle.ids import BUY, SELL
from oracle.money import product

FILL, END = "FILL", "END"
UNATTRIBUTED = "UNATTRIBUTED"


@dataclass(frozen=True)
class Report:
    """What a broker says of an order; `qty` is signed. Of an end only the first three matter."""

    ts: int
    kind: str
    order_id: int
    strategy: str = ""
    symbol: str = ""
    qty: int = 0
    price: int = 0
    fee: int = 0
    fill: str = ""


@dataclass
class Log:
    """All that came of it, each list in the order of events."""

    decisions: list[tuple[Signal, str, int, int | None]] = field(default_factory=list)
    fills: list[Report] = field(default_factory=list)
    matches: list[tuple[str, str, Match]] = field(default_factory=list)
    breaches: list[Report] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)  # (ts, orderId) to be cancelled
    ended: list[tuple[int, int]] = field(default_factory=list)
    strays: list[Report] = field(default_factory=list)  # fills of no live order
    excess: list[Report] = field(default_factory=list)  # fills of more than was left


class Brokered:
    """One account; `advance` takes it on."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.log = Log()
        self.now = -1
        self.known: list[Report] = []
        self._gates: dict[str, Gate] = {}
        self._all: list[Gate] = []

    def advance(
        self,
        signals: list[tuple[Signal, int]],
        reports: list[Report],
        reported_to: int,
        complete_to: int,
    ) -> None:
        """Take (signal, refPrice) up to `complete_to`, and reports as they have come.

        Reports later than `reported_to` may still be followed by others that are earlier.
        """
        self.known += reports
        limit = min(reported_to, complete_to)
        queue = []
        for report in [one for one in self.known if one.ts <= limit]:
            self.known.remove(report)
            at = max(report.ts, self.now)
            rank = 0 if report.kind == FILL else 2
            queue.append((at, rank, (len(queue),), report))
        for signal, ref_price in signals:
            queue.append((signal.ts, 3, signal_order(signal), (signal, ref_price)))
        while True:
            queue.sort(key=lambda item: item[:3])
            due = [
                (order.ts + self.settings.ttl, 1, (order.order_id,), order)
                for order in self.live()
                if order.side == BUY
                and order.opening
                and order.order_id not in self._gate(order.strategy).unreserved
                and order.ts + self.settings.ttl <= complete_to
            ]
            if not queue and not due:
                break
            first = min([*queue[:1], *due], key=lambda item: item[:3])
            if first[1] == 1:
                self._gate(first[3].strategy).unreserved.add(first[3].order_id)
                self.log.asked.append((first[0], first[3].order_id))
                continue
            queue.pop(0)
            if first[1] == 3:
                self._decide(*first[3])
            elif first[1] == 0:
                self._fill(first[3])
            else:
                self._end(first[3], first[0])
        self.now = complete_to

    def live(self) -> list[Order]:
        return [order for gate in self._all for order in gate.orders.values()]

    def books(self):
        return {key: book for gate in self._all for key, book in gate.books.items()}

    def _gate(self, strategy: str) -> Gate:
        name = {"account": "", "account+strategy": strategy}[self.settings.key]
        if name not in self._gates:
            self._gates[name] = Gate(self.settings, self._all)
        return self._gates[name]

    def _decide(self, signal: Signal, ref_price: int) -> None:
        gate = self._gate(signal.strategy)
        code, qty, opening = gate.decide(signal, ref_price)
        if code != OK:
            self.log.decisions.append((signal, code, 0, None))
            return
        key = ids.position_id(self.name, signal.strategy, signal.symbol)
        order_id = ids.order_id(key, signal.ts, signal.action)
        names = (signal.strategy, signal.symbol, signal.action)
        gate.orders[order_id] = Order(order_id, signal.ts, *names, qty, ref_price, opening)
        self.log.decisions.append((signal, OK, qty, order_id))

    def _fill(self, report: Report) -> None:
        gate = self._gate(report.strategy)
        book = gate.book(report.strategy, report.symbol)
        side, size = (BUY, report.qty) if report.qty > 0 else (SELL, -report.qty)
        order = gate.orders.get(report.order_id)
        names = (report.strategy, report.symbol, side)
        if order is None or (order.strategy, order.symbol, order.side) != names:
            self.log.strays.append(report)
        else:
            del gate.orders[report.order_id]
            if size < order.qty:
                gate.orders[report.order_id] = replace(order, qty=order.qty - size)
            elif size > order.qty:
                self.log.excess.append(report)
        was_open = gate.open_symbols()
        key = ids.position_id(self.name, report.strategy, report.symbol)
        name = ids.fill_id(key, ids.id_text(report.order_id), report.fill, report.ts)
        product(report.price, size, book.point_value)
        for match in book.apply(Fill(name, report.qty, report.price, report.fee, report.ts)):
            self.log.matches.append((report.strategy, report.symbol, match))
        product(book.avg_price, abs(book.net), book.point_value)
        self.log.fills.append(report)
        is_open, limit = gate.open_symbols(), self.settings.max_open
        if limit is not None and len(is_open) > max(limit, len(was_open)):
            self.log.breaches.append(report)

    def _end(self, report: Report, now: int) -> None:
        for gate in self._all:
            if gate.orders.pop(report.order_id, None) is not None:
                self.log.ended.append((now, report.order_id))
