"""Recorded fills as they arrive: put in order, doubles dropped, late ones applied at once.

Choices where SPEC.md is silent:

- A fill with a ts equal to the watermark is not late, so fills are let go only when the
  watermark is past their ts, not when it is on it.
- Fills of one key with equal (ts, orderId, fillId) apply in the order of (side, quantity,
  price, fee), BUY first, so that any order of arrival within the lateness gives the same.
- Doubles are looked for as fills apply, not as they arrive, for the same reason. A fill is a
  double of the newest applied fill with its (orderId, fillId) and key if their times are at
  most the TTL apart. One that differs in time, side, quantity, price or fee is dropped as well,
  and told apart, because a person has to look.
- What was applied with a ts before the watermark less the TTL is forgotten, as the watermark
  stood when a fill arrived; only a late fill can tell the difference.
- An order that is not known goes to UNATTRIBUTED, with one alert for each fill applied.
"""

from collections import Counter
from dataclasses import dataclass, field

from oracle import ids
from oracle.fifo import Book, Fill, Match
from oracle.ids import BUY

DAY = 24 * 3600 * 1_000_000
UNATTRIBUTED = "UNATTRIBUTED"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """An exec report; `qty` is positive."""

    account: str
    order_id: str
    fill_id: str
    symbol: str
    side: str
    qty: int
    price: int
    ts: int
    fee: int = 0

    def content(self) -> tuple[bool, int, int, int]:
        return (self.side != BUY, self.qty, self.price, self.fee)


@dataclass
class Taken:
    """What became of the rows."""

    applied: list[tuple[Key, Row]] = field(default_factory=list)
    matches: list[tuple[Key, Match]] = field(default_factory=list)
    books: dict[Key, Book] = field(default_factory=dict)
    duplicates: Counter = field(default_factory=Counter)  # of equal content, by key
    differing: list[tuple[Key, Row]] = field(default_factory=list)
    late: int = 0
    unknown_orders: list[Row] = field(default_factory=list)


class Intake:
    """The TradingEngine's door: `arrive` row by row, `complete` where a feed says so."""

    def __init__(
        self,
        strategies: dict[str, str],
        lateness: int = 5_000_000,
        ttl: int = 7 * DAY,
        point_values: dict[str, int] | None = None,
    ) -> None:
        self.strategies = strategies
        self.lateness = lateness
        self.ttl = ttl
        self.point_values = point_values or {}
        self.watermark: int | None = None
        self.waiting: list[tuple[Key, Row, int | None]] = []
        self.seen: dict[tuple[Key, str, str], Row] = {}
        self.out = Taken()

    def arrive(self, row: Row) -> None:
        key = (row.account, self.strategies.get(row.order_id, UNATTRIBUTED), row.symbol)
        horizon = None if self.watermark is None else self.watermark - self.ttl
        if self.watermark is not None and row.ts < self.watermark:
            self.out.late += 1
            self._apply(key, row, horizon)
            return
        self.waiting.append((key, row, horizon))
        self._advance(row.ts - self.lateness)

    def complete(self, up_to: int) -> None:
        """Take it that no row with ts <= up_to will come any more."""
        self._advance(up_to + 1)

    def end(self) -> Taken:
        """Let go of everything: no row will come any more."""
        if self.waiting:
            self.complete(max(row.ts for _, row, _ in self.waiting))
        return self.out

    def _advance(self, watermark: int) -> None:
        if self.watermark is not None and watermark <= self.watermark:
            return
        self.watermark = watermark
        ready = [item for item in self.waiting if item[1].ts < watermark]
        self.waiting = [item for item in self.waiting if item[1].ts >= watermark]
        for item in sorted(
            ready,
            key=lambda item: (item[1].ts, item[1].order_id, item[1].fill_id, item[1].content()),
        ):
            self._apply(*item)

    def _apply(self, key: Key, row: Row, horizon: int | None) -> None:
        name = (key, row.order_id, row.fill_id)
        before = self.seen.get(name)
        if before is not None and horizon is not None and before.ts < horizon:
            before = None
        if before is not None and abs(row.ts - before.ts) <= self.ttl:
            if row == before:
                self.out.duplicates[key] += 1
            else:
                self.out.differing.append((key, row))
            return
        self.seen[name] = row
        if key[1] == UNATTRIBUTED:
            self.out.unknown_orders.append(row)
        book = self.out.books.setdefault(key, Book(self.point_values.get(row.symbol, 10**8)))
        position = ids.position_id(*key)
        fill = Fill(
            ids.fill_id(position, row.order_id, row.fill_id),
            row.qty if row.side == BUY else -row.qty,
            row.price,
            row.fee,
            row.ts,
        )
        self.out.applied.append((key, row))
        self.out.matches.extend((key, match) for match in book.apply(fill))
