"""Admission and size of one signal, on what the account holds and has in the market."""

from dataclasses import dataclass, field

from oracle.fifo import Book
from oracle.ids import BUY, SELL
from oracle.money import LIMIT, SCALE, half_even, product

OK = "OK"
OPEN_LIMIT_EXCEEDED = "OPEN_LIMIT_EXCEEDED"
NO_OPEN_POSITION = "NO_OPEN_POSITION"
BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
BELOW_MIN_QTY = "BELOW_MIN_QTY"


@dataclass(frozen=True)
class Instrument:
    """Terms of one symbol; a tick of 0 is none."""

    lot: int = 1
    min_qty: int = 1
    tick: int = 0
    point_value: int = SCALE


@dataclass(frozen=True)
class Settings:
    """What the owner sets; None in a limit or in `max_open` is no limit."""

    max_open: int | None = 3
    sell_requires_long: bool = True
    reserve_on_open: bool = True
    ttl: int = 300_000_000
    key: str = "account"
    capital: int = 100_000 * SCALE
    order_limit: int | None = 100_000 * SCALE
    symbol_limit: int | None = 100_000 * SCALE
    gross_limit: int | None = 100_000 * SCALE
    slippage_bps: int = 0
    fee_bps: int = 0
    instruments: dict[str, Instrument] = field(default_factory=dict)

    def instrument(self, symbol: str) -> Instrument:
        return self.instruments.get(symbol, Instrument())


@dataclass(frozen=True)
class Signal:
    """A strategy's wish; `size_hint` and `weight` count 1e-8, `confidence` is a float."""

    ts: int
    strategy: str
    symbol: str
    action: str
    size_hint: int = SCALE
    confidence: float = 1.0
    weight: int = SCALE


@dataclass(frozen=True)
class Order:
    """An accepted signal; `opening` where it opens or adds, else it closes or covers."""

    order_id: int
    ts: int
    strategy: str
    symbol: str
    side: str
    qty: int
    ref_price: int
    opening: bool


class Gate:
    """What one key of the gate (an account, or a strategy in it) knows.

    Places are counted by key; the limits on amounts are the account's, so that exposure is
    summed over all gates of the account.
    """

    def __init__(self, settings: Settings, account: "list[Gate] | None" = None) -> None:
        self.settings = settings
        self.account = [] if account is None else account
        self.account.append(self)
        self.books: dict[tuple[str, str], Book] = {}
        self.orders: dict[int, Order] = {}  # live ones, by orderId; qty is what is left
        self.unreserved: set[int] = set()  # those of them whose reservation is over

    def book(self, strategy: str, symbol: str) -> Book:
        point_value = self.settings.instrument(symbol).point_value
        return self.books.setdefault((strategy, symbol), Book(point_value))

    def open_symbols(self) -> set[str]:
        return {symbol for (_, symbol), book in self.books.items() if book.net != 0}

    def pending_symbols(self) -> set[str]:
        if not self.settings.reserve_on_open:
            return set()
        return {
            order.symbol
            for order in self.orders.values()
            if order.side == BUY and order.order_id not in self.unreserved
        }

    def pending_qty(self, strategy: str, symbol: str, side: str) -> int:
        return sum(
            order.qty
            for order in self.orders.values()
            if (order.strategy, order.symbol, order.side) == (strategy, symbol, side)
        )

    def exposure(self, symbol: str | None = None) -> int:
        """Positions at cost and opening orders at their refPrice, of one symbol or of all."""
        return sum(gate.own_exposure(symbol) for gate in self.account)

    def own_exposure(self, symbol: str | None) -> int:
        total = 0
        for (_, held), book in self.books.items():
            if symbol in (None, held):
                total += product(book.avg_price, abs(book.net), book.point_value)
        for order in self.orders.values():
            if order.opening and symbol in (None, order.symbol):
                point_value = self.settings.instrument(order.symbol).point_value
                total += product(order.ref_price, order.qty, point_value)
        return total

    def decide(self, signal: Signal, ref_price: int) -> tuple[str, int, bool]:
        """Give (code, quantity, whether it opens or adds)."""
        net = self.book(signal.strategy, signal.symbol).net
        is_open = signal.symbol in self.open_symbols()
        if signal.action == BUY:
            places = self.open_symbols() | self.pending_symbols()
            limit = self.settings.max_open
            if not (is_open or limit is None or len(places) < limit):
                return OPEN_LIMIT_EXCEEDED, 0, True
            if net < 0:
                return self._reduce(signal, -net, BUDGET_EXCEEDED)
            return self._size(signal, ref_price)
        assert signal.action == SELL
        allowed = net > 0 if self.settings.sell_requires_long else is_open
        if not allowed:
            return NO_OPEN_POSITION, 0, False
        if net > 0:
            return self._reduce(signal, net, NO_OPEN_POSITION)
        return self._size(signal, ref_price)

    def _reduce(self, signal: Signal, held: int, nothing_left: str) -> tuple[str, int, bool]:
        """Close part of a long, or cover part of a short, of `held` units."""
        terms = self.settings.instrument(signal.symbol)
        wanted = held
        if signal.size_hint != SCALE:
            wanted = held * signal.size_hint // SCALE
            wanted -= wanted % terms.lot
        left = held - self.pending_qty(signal.strategy, signal.symbol, signal.action)
        if left <= 0:
            return nothing_left, 0, False
        qty = min(wanted, left)
        if qty == 0 or (qty < terms.min_qty and qty != left):
            return BELOW_MIN_QTY, 0, False
        return OK, qty, False

    def _size(self, signal: Signal, ref_price: int) -> tuple[str, int, bool]:
        """Size an order that opens or adds, by capital and limits."""
        settings = self.settings
        terms = settings.instrument(signal.symbol)
        notional = half_even(settings.capital * signal.weight * signal.size_hint, SCALE**2)
        if settings.order_limit is not None:
            notional = min(notional, settings.order_limit)
        if settings.symbol_limit is not None:
            notional = min(notional, settings.symbol_limit - self.exposure(signal.symbol))
        if settings.gross_limit is not None:
            notional = min(notional, settings.gross_limit - self.exposure())
        room = LIMIT - 1 - abs(self.book(signal.strategy, signal.symbol).net)
        room -= sum(
            order.qty
            for order in self.orders.values()
            if (order.strategy, order.symbol) == (signal.strategy, signal.symbol)
        )
        if notional <= 0 or room <= 0:
            return BUDGET_EXCEEDED, 0, True
        qty = min(notional * SCALE**2 // (ref_price * terms.point_value), room)
        qty -= qty % terms.lot
        if qty == 0 or qty < terms.min_qty:
            return BELOW_MIN_QTY, 0, True
        return OK, qty, True
