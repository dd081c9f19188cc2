"""Recorded fills as they arrive: put in order, doubles dropped, late ones applied at once.

Choices where SPEC.md is silent:

- A fill with a ts equal to the watermark is not late, so fills are let go only when the
  watermark is past their ts, not when it is on it.
- Fills with equal (ts, orderId, fillId) apply in the order of (side, quantity, price, fee),
  BUY first, then by account, symbol and the strategy that they name, so that any order of
  arrival within the lateness gives the same.
- Doubles are looked for as fills apply, not as they arrive, for the same reason. A fill is a
  double of the latest applied fill with its account, symbol and (orderId, fillId) if their
  times are at most the TTL apart. One that differs in time, side, quantity, price or fee, or
  that names another strategy, is dropped as well, and told apart, because a person has to look.
- What was applied with a ts before the watermark less the TTL is forgotten, as the watermark
  stood when a fill arrived; only a late fill can tell the difference.
- An id that comes again after the TTL is that of a new fill, which its ts tells apart; one that
  comes so late that what was applied at its ts is forgotten is told apart by its number.
- An order that signals do not know is of the strategy that the first of its account's rows to
  name one names, in order of application, until the TTL has passed since its latest fill. A
  row's word counts whatever becomes of its fill. An applied row that names another strategy than
  its order's is told.
- An order of which nobody says whose it is goes to UNATTRIBUTED, with one alert for each fill
  applied.
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
    """An exec report; `qty` is positive, `said` the strategy that it names, "" for none."""

    account: str
    order_id: str
    fill_id: str
    symbol: str
    side: str
    qty: int
    price: int
    ts: int
    fee: int = 0
    said: str = ""

    def content(self) -> tuple[bool, int, int, int]:
        return (self.side != BUY, self.qty, self.price, self.fee)

    def claim(self) -> tuple[str, str, bool, str]:
        """Sort key of rows that agree in all else: those that name nobody come last."""
        return (self.account, self.symbol, not self.said, self.said)


@dataclass
class Taken:
    """What became of the rows."""

    applied: list[tuple[Key, Row]] = field(default_factory=list)
    matches: list[tuple[Key, Match]] = field(default_factory=list)
    books: dict[Key, Book] = field(default_factory=dict)
    duplicates: Counter = field(default_factory=Counter)  # of equal content, by key
    fills: dict[int, Row] = field(default_factory=dict)  # by their ids
    differing: list[tuple[Key, Row]] = field(default_factory=list)
    late: int = 0
    unknown_orders: list[Row] = field(default_factory=list)
    disputed: list[tuple[Key, Row]] = field(default_factory=list)


def application_order(row: Row) -> tuple:
    """Sort key of rows that the watermark passes together."""
    return (row.ts, row.order_id, row.fill_id, row.content(), row.claim())


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
        self.waiting: list[tuple[Row, str, int | None]] = []  # with the order's known strategy
        self.seen: dict[tuple[str, str, str, str], tuple[Row, str]] = {}  # with whom it names
        self.words: dict[tuple[str, str], tuple[str, int]] = {}  # of orders: whose, latest fill
        self.out = Taken()

    def arrive(self, row: Row) -> None:
        known = self.strategies.get(row.order_id, "")
        horizon = None if self.watermark is None else self.watermark - self.ttl
        if self.watermark is not None and row.ts < self.watermark:
            self.out.late += 1
            self._apply(row, known, horizon)
            return
        self.waiting.append((row, known, horizon))
        self._advance(row.ts - self.lateness)

    def complete(self, up_to: int) -> None:
        """Take it that no row with ts <= up_to will come any more."""
        self._advance(up_to + 1)

    def end(self) -> Taken:
        """Let go of everything: no row will come any more."""
        if self.waiting:
            self.complete(max(row.ts for row, _, _ in self.waiting))
        return self.out

    def _advance(self, watermark: int) -> None:
        if self.watermark is not None and watermark <= self.watermark:
            return
        self.watermark = watermark
        ready = [item for item in self.waiting if item[0].ts < watermark]
        self.waiting = [item for item in self.waiting if item[0].ts >= watermark]
        for row, known, horizon in sorted(ready, key=lambda item: application_order(item[0])):
            self._apply(row, known, horizon)

    def _apply(self, row: Row, known: str, horizon: int | None) -> None:
        strategy = known or self._word(row, horizon) or UNATTRIBUTED
        self._book((row.account, strategy, row.symbol), row, horizon)

    def _word(self, row: Row, horizon: int | None) -> str:
        """Give whose the row's order is by this row and those before it, "" for nobody's."""
        order = (row.account, row.order_id)
        strategy, latest = self.words.get(order, ("", row.ts))
        forgotten = horizon is not None and latest < horizon
        if not strategy or forgotten or row.ts - latest > self.ttl:
            strategy, latest = row.said, row.ts
        if strategy:
            self.words[order] = (strategy, max(latest, row.ts))
        return strategy

    def _book(self, key: Key, row: Row, horizon: int | None) -> None:
        names = (row.account, row.symbol, row.order_id, row.fill_id)
        before, named = self.seen.get(names, (None, ""))
        if before is not None and horizon is not None and before.ts < horizon:
            before = None
        if before is not None and abs(row.ts - before.ts) <= self.ttl:
            same = (row.ts, row.content()) == (before.ts, before.content())
            if same and row.said in ("", named):
                self.out.duplicates[key] += 1
            else:
                self.out.differing.append((key, row))
            return
        latest, _ = self.seen.get(names, (row, ""))
        if latest.ts <= row.ts:
            self.seen[names] = (row, row.said or key[1])
        if key[1] == UNATTRIBUTED:
            self.out.unknown_orders.append(row)
        if row.said not in ("", key[1]):
            self.out.disputed.append((key, row))
        book = self.out.books.setdefault(key, Book(self.point_values.get(row.symbol, 10**8)))
        late = horizon is not None and row.ts < horizon
        again = len(self.out.applied) + 1 if late else 0
        name = ids.fill_id(ids.position_id(*key), row.order_id, row.fill_id, row.ts, again)
        assert name not in self.out.fills, "no two fills have one id"
        self.out.fills[name] = row
        fill = Fill(
            name,
            row.qty if row.side == BUY else -row.qty,
            row.price,
            row.fee,
            row.ts,
        )
        self.out.applied.append((key, row))
        self.out.matches.extend((key, match) for match in book.apply(fill))
