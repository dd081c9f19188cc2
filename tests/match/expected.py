"""What the engine must give, by the naive oracle: one fill after the other, in plain Python.

`Desk` adds to the oracle's intake what that leaves to the engine: amounts that do not fit are
refused without a trace.
"""

from collections import deque
from dataclasses import replace

from oracle import ids
from oracle.dedupe import Intake, Row
from oracle.fifo import Book
from oracle.money import LIMIT, SCALE, DoesNotFitError, product


class Desk(Intake):
    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.refused: list[tuple[Row, str]] = []
        self.match_rows: list[dict] = []
        self.last_fill: dict = {}
        self.last_match: dict = {}

    def arrive(self, row):
        try:
            product(row.price, row.qty, self.point_values.get(row.symbol, SCALE))
        except DoesNotFitError:
            self.refused.append((row, "notional"))
        else:
            if 2 * abs(row.fee) >= LIMIT:
                self.refused.append((row, "fees"))
            else:
                super().arrive(row)

    def _book(self, key, row, horizon):
        out, seen = self.out, dict(self.seen)
        book = out.books.setdefault(key, Book(self.point_values.get(row.symbol, SCALE)))
        lists = (out.applied, out.matches, out.unknown_orders, out.disputed)
        kept, lengths, differing = _copy(book), [len(one) for one in lists], len(out.differing)
        fills = dict(out.fills)
        try:
            super()._book(key, row, horizon)
            fits = abs(book.realized_pnl) < LIMIT and abs(book.fees) < LIMIT
        except DoesNotFitError:
            fits = False
        if not fits:
            out.books[key], self.seen, out.fills = kept, seen, fills
            for one, length in zip(lists, lengths, strict=True):
                del one[length:]
            self.refused.append((row, "overflow"))
        elif len(out.differing) > differing:
            self.refused.append((row, "differs"))
        elif len(out.applied) > lengths[0]:
            self.last_fill[key] = max(row.ts, self.last_fill.get(key, 0))
            for _, match in out.matches[lengths[1] :]:
                self.last_match[key] = max(match.ts, self.last_match.get(key, 0))
            self._note(lengths[1])

    def _note(self, first):
        rows = self.out.fills
        for key, match in self.out.matches[first:]:
            bought, sold = rows[match.buy.name], rows[match.sell.name]
            self.match_rows.append(
                {
                    "matchId": ids.id_text(ids.match_id(match)),
                    "accountId": key[0],
                    "strategyId": key[1],
                    "symbol": key[2],
                    "buyOrderId": bought.order_id,
                    "sellOrderId": sold.order_id,
                    "matchedQty": match.qty,
                    "buyPrice": match.buy.price,
                    "sellPrice": match.sell.price,
                    "realizedPnl": match.pnl,
                    "matchTimestamp": match.ts,
                    "buyFillId": bought.fill_id,
                    "sellFillId": sold.fill_id,
                    "openTs": match.opened_by.ts,
                    "direction": match.direction,
                    "fees": match.fees,
                    "runId": None,
                }
            )

    def lot_rows(self):
        return [
            {
                "accountId": key[0],
                "strategyId": key[1],
                "symbol": key[2],
                "lotId": ids.id_text(lot.fill.name),
                "side": "LONG" if lot.fill.qty > 0 else "SHORT",
                "qtyOpen": self.opened(key, lot),
                "qtyRem": lot.left,
                "avgPrice": lot.fill.price,
                "tsOpen": lot.fill.ts,
                "tsUpdated": lot.updated,
            }
            for key, book in sorted(self.out.books.items())
            for lot in book.lots
        ]

    def opened(self, key, lot):
        closed = [m.qty for k, m in self.out.matches if k == key and m.closed_by is lot.fill]
        return abs(lot.fill.qty) - sum(closed)

    def rollup_rows(self):
        return [
            {
                "accountId": key[0],
                "strategyId": key[1],
                "symbol": key[2],
                "side": rollup[0],
                "netQty": rollup[1],
                "avgPrice": rollup[2],
                "lastUpdated": self.last_fill[key],
            }
            for key, book in sorted(self.out.books.items())
            if (rollup := book.rollup())
        ]

    def realized_rows(self):
        return [
            {
                "accountId": key[0],
                "strategyId": key[1],
                "symbol": key[2],
                "realizedPnl": self.out.books[key].realized_pnl,
                "fees": self.out.books[key].fees,
                "ts": ts,
            }
            for key, ts in sorted(self.last_match.items())
        ]


def _copy(book):
    other = Book(book.point_value)
    other.lots = deque(replace(lot) for lot in book.lots)
    other.realized_pnl, other.fees = book.realized_pnl, book.fees
    return other
