"""The order in which an account's signals are taken.

By event time; at equal time by weight x confidence descending, then strategyId, then
symbol (SPEC section 3).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import inlined, steady

Int = NDArray[np.int64]
Codes = NDArray[np.int32]
Float = NDArray[np.float64]

_MINUTE_US = 60_000_000
_MOST_MINUTES = 1 << 22


@inlined
def _goes_before(score: Float, strategy: Codes, symbol: Codes, a: int, b: int) -> bool:
    if score[a] != score[b]:
        return bool(score[a] > score[b])
    if strategy[a] != strategy[b]:
        return bool(strategy[a] < strategy[b])
    return bool(symbol[a] < symbol[b])


@steady
def _order_minutes(
    minute: Int, starts: Int, score: Float, strategy: Codes, symbol: Codes, order: Int
) -> None:
    """Sort by minute (counting), then within each minute by rank (insertion)."""
    rows = minute.shape[0]
    for row in range(rows):
        starts[minute[row] + 1] += 1
    for slot in range(starts.shape[0] - 1):
        starts[slot + 1] += starts[slot]
    for row in range(rows):
        order[starts[minute[row]]] = row
        starts[minute[row]] += 1
    # Placing has moved each start to its minute's end, which is the next one's start.
    first = 0
    for slot in range(starts.shape[0] - 1):
        last = starts[slot]
        for i in range(first + 1, last):
            row = order[i]
            j = i
            while j > first and _goes_before(score, strategy, symbol, row, order[j - 1]):
                order[j] = order[j - 1]
                j -= 1
            order[j] = row
        first = last


def rank_signals(ts: Int, weight: Int, confidence: Float, strategy: Codes, symbol: Codes) -> Any:
    """Give the order in which to take signals: int64[n], indices into the arrays.

    Parameters
    ----------
    ts : int64[n]
        Microseconds UTC.
    weight : int64[n]
        x 1e8.
    confidence : float64[n]
        In [0, 1].
    strategy, symbol : int32[n]
        Codes in the order of the ids as text.

    Notes
    -----
    Equal in all five: the order of the input.
    """
    if len(ts) == 0 or bool((ts[1:] > ts[:-1]).all()):
        return np.arange(len(ts))
    score = weight.astype(np.float64) * confidence
    first = int(ts.min())
    span = int(ts.max()) - first
    if span // _MINUTE_US < _MOST_MINUTES and not ((ts - first) % _MINUTE_US).any():
        order = np.empty(len(ts), np.int64)
        starts = np.zeros(span // _MINUTE_US + 2, np.int64)
        _order_minutes((ts - first) // _MINUTE_US, starts, score, strategy, symbol, order)
        return order
    return np.lexsort((symbol, strategy, -score, ts))
