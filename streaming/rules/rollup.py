"""Positions as a whole: what the open lots of each key come to."""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Records, steady
from streaming.rules.fifo import Int, average_price
from streaming.rules.units import SCALE


@steady
def _average_prices(books: Records, out: Int) -> None:
    for key in range(books.shape[0]):
        if books[key]["net"] != 0:
            out[key] = average_price(books[key])


def average_prices(books: Records) -> Int:
    """Give R(sum(price x remaining) / sum(remaining)) of each BOOK; 0 where it is flat."""
    out = np.zeros(len(books), np.int64)
    _average_prices(books, out)
    return out


def costs(books: Records) -> NDArray[np.float64]:
    """Give the cost of each BOOK's open lots, in currency x 1e8, to fifteen digits."""
    sums = books["cost_high"].astype(np.float64) * 2.0**64 + books["cost_low"]
    return np.asarray(sums * (books["point_value"] / SCALE / SCALE))
