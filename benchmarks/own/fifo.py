"""P1, ours: FIFO matches of fills with 128-bit match ids, exact fee shares and exact PnL.

With one thread rows come in the order of the fills; with two, each thread gives its own
keys' rows in that order (vectorbt's come by column, which is by key).
"""

import argparse

import numpy as np

from benchmarks.contender import Work, serve
from benchmarks.inputs import SCALE, digest, fills, half_even
from streaming.rules.lot_books import LotBooks
from streaming.rules.matching import match_shards

Outcome = tuple[LotBooks, list[np.ndarray]]


def prepare(count: int, keys: int, threads: int) -> Work:
    """Hold the fills in memory; a shard of the keys for each thread."""
    flow = fills(count, keys)

    def run() -> Outcome:
        books = LotBooks(keys, shards=threads)
        return books, match_shards(books, flow.key, flow.qty, flow.price, flow.fee, flow.ids)

    def facts(outcome: Outcome) -> dict[str, float]:
        books, parts = outcome
        return _facts(books, np.concatenate(parts), last_price=flow.price[-keys:])

    return Work(run, facts, len(flow.key), digest(*flow[:4]), ["numba"])


def _facts(books: LotBooks, matches: np.ndarray, last_price: np.ndarray) -> dict[str, float]:
    """Reduce to what vectorbt can tell too; the profit marks the open lots."""
    key, lots = books.open_lots()
    side = np.sign(books.books["net"][key])
    # Prices are whole cents and quantities whole units, so all of this is exact.
    left, whole = lots["remaining"] // SCALE, lots["quantity"] // SCALE
    fees_left = lots["fee"] - half_even(lots["fee"] * (whole - left), whole)
    marked = (last_price[key] - lots["price"]) * side * left - fees_left
    return {
        "closing_fills": len(np.unique(matches["close_ref"])),
        "closed_units": int(np.abs(matches["quantity"]).sum()) / SCALE,
        "profit": int((matches["pnl"] - matches["fees"]).sum() + marked.sum()) / SCALE,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    serve(prepare, {"count": 20 * given.keys}, **vars(given))
