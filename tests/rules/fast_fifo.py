"""FIFO cases of the oracle as the arrays of `streaming.rules.fifo`, and the answers back."""

import numpy as np
from oracle import ids
from oracle.fifo import Book, Fill
from oracle.samples import FillCase

from streaming.rules.fifo import average_price
from streaming.rules.lot_books import LotBooks
from streaming.rules.matching import match_fills

WORD = 2**64


def fill_words(name: int) -> int:
    """Give the 128-bit id that a fill named by a small number has in these tests."""
    return (name + 1) * WORD + (name * 0x9E3779B97F4A7C15) % WORD


class Feed:
    """Fills of many keys, merged into one sequence of application."""

    def __init__(self, cases: list[FillCase], order: list[int] | None = None) -> None:
        """Merge by `order`, the key of each step; without it, one round of keys after another."""
        if order is None:
            longest = max(len(case.fills) for case in cases)
            order = [
                key
                for step in range(longest)
                for key, case in enumerate(cases)
                if step < len(case.fills)
            ]
        queues = [iter(case.fills) for case in cases]
        self.rows: list[tuple[int, Fill]] = [(key, next(queues[key])) for key in order]
        self.point_values = np.array([case.point_value for case in cases], np.int64)
        self.keys = np.array([key for key, _ in self.rows], np.int32)
        self.columns = [
            np.array([getattr(fill, name) for _, fill in self.rows], np.int64)
            for name in ("qty", "price", "fee")
        ]
        self.ids = np.array(
            [divmod(fill_words(ref), WORD) for ref in range(len(self.rows))], np.uint64
        ).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.rows)

    def books(self, shards: int = 1) -> LotBooks:
        return LotBooks(len(self.point_values), self.point_values, shards=shards)

    def match(self, books: LotBooks, part: slice = slice(None)) -> list[tuple]:
        """Apply a part of the fills by the fast rule."""
        qty, price, fee = (column[part] for column in self.columns)
        found = match_fills(books, self.keys[part], qty, price, fee, self.ids[part])
        return match_rows(found)


def match_rows(found) -> list[tuple]:
    """Give (open, close, signed qty, pnl, fees, id high, id low) of each match."""
    names = ["open_ref", "close_ref", "quantity", "pnl", "fees", "id_high", "id_low"]
    return list(zip(*(found[name].tolist() for name in names), strict=True))


def lot_rows(books: LotBooks) -> list[tuple]:
    """Give (key, ref, units left, price, fee, quantity, id high, id low) of each open lot."""
    keys, lots = books.open_lots()
    names = ["ref", "remaining", "price", "fee", "quantity", "id_high", "id_low"]
    return list(zip(keys.tolist(), *(lots[name].tolist() for name in names), strict=True))


def position_rows(books: LotBooks) -> list[tuple[int, int]]:
    """Give (netQty, avgPrice) of each key, (0, 0) where it is flat."""
    nets = books.books["net"].tolist()
    return [
        (net, int(average_price(books.books[key])) if net else 0) for key, net in enumerate(nets)
    ]


class Expected:
    """What the oracle gives for a feed: matches and open lots as `Feed` gives them."""

    def __init__(self, feed: Feed) -> None:
        self.books = [Book(int(value)) for value in feed.point_values]
        self.matches: list[tuple] = []
        self.after: list[int] = []  # how many matches there are after each fill
        for ref, (key, fill) in enumerate(feed.rows):
            named = Fill(ref, fill.qty, fill.price, fill.fee, fill.ts)
            for match in self.books[key].apply(named):
                mixed = ids.mix(fill_words(match.buy.name), fill_words(match.sell.name))
                self.matches.append(
                    (
                        match.opened_by.name,
                        match.closed_by.name,
                        match.qty if match.direction == "LONG" else -match.qty,
                        match.pnl,
                        match.fees,
                        *divmod(mixed, WORD),
                    )
                )
            self.after.append(len(self.matches))

    def lots(self) -> list[tuple]:
        return [
            (
                key,
                lot.fill.name,
                lot.left,
                lot.fill.price,
                lot.fill.fee,
                abs(lot.fill.qty),
                *divmod(fill_words(lot.fill.name), WORD),
            )
            for key, book in enumerate(self.books)
            for lot in book.lots
        ]

    def positions(self) -> list[tuple[int, int]]:
        return [(book.net, book.avg_price) for book in self.books]
