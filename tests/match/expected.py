"""What the engine must give, by the naive oracle: one fill after the other, in plain Python.

`Desk` adds to the oracle's intake what its own choices leave to the engine: amounts that do
not fit are refused without a trace, a repetition at another time is one that differs, ids are
forgotten as the watermark goes on, and fills of different keys that agree in all else go by key.
"""

from copy import deepcopy

from oracle import ids
from oracle.dedupe import UNATTRIBUTED, Intake, Row
from oracle.fifo import Book
from oracle.money import LIMIT, SCALE, DoesNotFitError, product


class Desk(Intake):
    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.refused: list[tuple] = []
        self.repeated: list[Row] = []
        self.late_rows: list[Row] = []
        self.match_rows: list[dict] = []
        self.touched: dict = {}  # (key, fill) of open lots: the latest time they changed
        self.last_fill: dict = {}
        self.last_match: dict = {}

    def arrive(self, row):
        key = (row.account, self.strategies.get(row.order_id, UNATTRIBUTED), row.symbol)
        try:
            product(row.price, row.qty, self.point_values.get(row.symbol, SCALE))
        except DoesNotFitError:
            self.refused.append((row, "notional"))
            return
        if self.watermark is not None:
            oldest = self.watermark - self.ttl
            self.seen = {name: seen for name, seen in self.seen.items() if seen.ts >= oldest}
            if row.ts < self.watermark:
                self.late_rows.append(row)
                self.out.late += 1
                self._apply(key, row)
                return
        self.waiting.append((key, row))
        self._advance(row.ts - self.lateness)

    def _advance(self, watermark):
        # Sorting by key first breaks ties that the oracle leaves to the order of arrival.
        self.waiting.sort(key=lambda item: item[0])
        super()._advance(watermark)

    def _apply(self, key, row):
        name = (key, row.order_id, row.fill_id)
        before = self.seen.get(name)
        if before is not None and abs(row.ts - before.ts) <= self.ttl:
            same = (row.content(), row.ts) == (before.content(), before.ts)
            if same:
                self.repeated.append(row)
            else:
                self.refused.append((row, "differs"))
            return
        book = self.out.books.setdefault(key, Book(self.point_values.get(row.symbol, SCALE)))
        kept, matches = deepcopy(book), len(self.out.matches)
        applied, unknown = len(self.out.applied), len(self.out.unknown_orders)
        try:
            super()._apply(key, row)
            fits = abs(book.realized_pnl) < LIMIT and abs(book.fees) < LIMIT
        except DoesNotFitError:
            fits = False
        if not fits:
            self.out.books[key] = kept
            del self.out.matches[matches:], self.out.applied[applied:]
            del self.out.unknown_orders[unknown:]
            self.seen.pop(name)
            if before is not None:
                self.seen[name] = before
            self.refused.append((row, "overflow"))
            return
        self.last_fill[key] = max(row.ts, self.last_fill.get(key, 0))
        for _, match in self.out.matches[matches:]:
            opened = (key, match.opened_by.name)
            self.touched[opened] = max(self.touched.get(opened, match.opened_by.ts), row.ts)
            self.last_match[key] = max(match.ts, self.last_match.get(key, 0))
        self._note(matches)

    def _note(self, first):
        rows = {ids.fill_id(ids.position_id(*key), r.order_id, r.fill_id): r
                for key, r in self.out.applied}  # fmt: skip
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
                "tsUpdated": self.touched.get((key, lot.fill.name), lot.fill.ts),
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
