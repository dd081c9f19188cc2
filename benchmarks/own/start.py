"""P9, ours: what a process must do from its start to a first result of a compiled rule."""

import numpy as np


def first_result() -> int:
    """Match a buy with a sell through the compiled rules; give the profit x 1e8."""
    from streaming.rules.lot_books import LotBooks
    from streaming.rules.matching import match_fills

    quantity = np.array([2_00000000, -2_00000000])
    price = np.array([100_00000000, 101_00000000])
    ids = np.arange(4, dtype=np.uint64).reshape(2, 2)
    matches = match_fills(
        LotBooks(1), np.zeros(2, np.int32), quantity, price, np.zeros(2, np.int64), ids
    )
    return int(matches["pnl"].sum())
