"""One account, event by event: bars fill orders, the clock cancels them, signals make them.

Everything up to and including `complete_to` is known, and nothing after it: an order whose
bar has not come by then stays pending, and none is cancelled for a time that is not over.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from oracle import ids
from oracle.fifo import Fill, Match
from oracle.gate import OK, Gate, Order, Settings, Signal
from oracle.ids import BUY
from oracle.money import fit, product, share_of_bps

Bars = dict[str, list[tuple[int, int]]]
"""(ts, close) of each symbol, ascending."""


@dataclass(frozen=True)
class Decision:
    """What became of a signal; `order_id` only where the code is OK."""

    signal: Signal
    code: str
    qty: int
    ref_price: int
    order_id: int | None


@dataclass(frozen=True)
class Report:
    """An exec report."""

    order: Order
    ts: int
    price: int
    fee: int


@dataclass
class Outcome:
    """All that one run gives, each list in the order of events."""

    decisions: list[Decision] = field(default_factory=list)
    order_events: list[tuple[int, int, str]] = field(default_factory=list)  # (orderId, ts, event)
    reports: list[Report] = field(default_factory=list)
    matches: list[tuple[str, str, Match]] = field(default_factory=list)  # (strategy, symbol, match)
    breaches: list[Report] = field(default_factory=list)  # the fills that broke the limit
    gates: dict[str, Gate] = field(default_factory=dict)
    all_gates: list[Gate] = field(default_factory=list)

    def pending(self) -> list[Order]:
        """Live orders, by orderId."""
        live = [order for gate in self.gates.values() for order in gate.orders.values()]
        return sorted(live, key=lambda order: order.order_id)

    def books(self):
        """Books of all keys that ever traded: {(strategy, symbol): book}."""
        return {key: book for gate in self.gates.values() for key, book in gate.books.items()}

    def rollup(self) -> dict[tuple[str, str], tuple[str, int, int]]:
        rows = {key: book.rollup() for key, book in self.books().items()}
        return {key: row for key, row in rows.items() if row is not None}


def fill_price(close: int, side: str, settings: Settings, symbol: str) -> int:
    """Give the bar's close, slipped against the trader and moved on to the next tick.

    SPEC.md is silent where that leaves a sale nothing: it gets the smallest price there is.
    """
    slip = share_of_bps(close, settings.slippage_bps)
    price = close + slip if side == BUY else close - slip
    tick = settings.instrument(symbol).tick
    if tick:
        below = price - price % tick
        price = below if side != BUY or below == price else below + tick
    return fit(max(price, tick or 1))


def signal_order(signal: Signal) -> tuple[float, str, str]:
    """Sort key of the signals of one moment."""
    return (-(float(signal.weight) * signal.confidence), signal.strategy, signal.symbol)


def simulate(
    account: str, settings: Settings, bars: Bars, signals: list[Signal], complete_to: int
) -> Outcome:
    """Run one account over its bars and signals up to `complete_to`."""
    out = Outcome()
    times = {s: [ts for ts, _ in rows] for s, rows in bars.items()}
    closes = {s: dict(rows) for s, rows in bars.items()}

    moments = {signal.ts for signal in signals}
    moments |= {ts for rows in times.values() for ts in rows}
    moments |= {signal.ts + settings.ttl for signal in signals}
    for now in sorted(moment for moment in moments if moment <= complete_to):
        for order in out.pending():
            if now in closes[order.symbol]:
                _fill(out, account, settings, order, now, closes[order.symbol][now])
        for order in out.pending():
            if order.side == BUY and order.opening and order.ts + settings.ttl <= now:
                del _gate_of(out, settings, order.strategy).orders[order.order_id]
                out.order_events.append((order.order_id, now, "CANCELLED"))
        for signal in sorted((s for s in signals if s.ts == now), key=signal_order):
            newest = bisect_right(times[signal.symbol], now) - 1
            if newest < 0:
                raise ValueError(f"no bar of {signal.symbol} up to {now}")
            ref_price = closes[signal.symbol][times[signal.symbol][newest]]
            _admit(out, account, settings, signal, ref_price)
    return out


def _gate_of(out: Outcome, settings: Settings, strategy: str) -> Gate:
    name = {"account": "", "account+strategy": strategy}[settings.key]
    if name not in out.gates:
        out.gates[name] = Gate(settings, out.all_gates)
    return out.gates[name]


def _admit(out: Outcome, account: str, settings: Settings, signal: Signal, ref_price: int) -> None:
    gate = _gate_of(out, settings, signal.strategy)
    code, qty, opening = gate.decide(signal, ref_price)
    if code != OK:
        out.decisions.append(Decision(signal, code, 0, ref_price, None))
        return
    key = ids.position_id(account, signal.strategy, signal.symbol)
    order = Order(
        ids.order_id(key, signal.ts, signal.action),
        signal.ts,
        signal.strategy,
        signal.symbol,
        signal.action,
        qty,
        ref_price,
        opening,
    )
    gate.orders[order.order_id] = order
    out.decisions.append(Decision(signal, OK, qty, ref_price, order.order_id))
    out.order_events.append((order.order_id, signal.ts, "SENT"))
    out.order_events.append((order.order_id, signal.ts, "ACKED"))


def _fill(
    out: Outcome, account: str, settings: Settings, order: Order, now: int, close: int
) -> None:
    gate = _gate_of(out, settings, order.strategy)
    book = gate.book(order.strategy, order.symbol)
    price = fill_price(close, order.side, settings, order.symbol)
    fee = share_of_bps(product(price, order.qty, book.point_value), settings.fee_bps)
    key = ids.position_id(account, order.strategy, order.symbol)
    name = ids.fill_id(key, ids.id_text(order.order_id), ids.SIMULATED_FILL_ID, now)
    was_open = gate.open_symbols()
    del gate.orders[order.order_id]
    signed = order.qty if order.side == BUY else -order.qty
    for match in book.apply(Fill(name, signed, price, fee, now)):
        out.matches.append((order.strategy, order.symbol, match))
    report = Report(order, now, price, fee)
    out.reports.append(report)
    is_open = gate.open_symbols()
    limit = settings.max_open
    if limit is not None and len(is_open) > max(limit, len(was_open)):
        out.breaches.append(report)
