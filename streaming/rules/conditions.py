"""Conditions on columns of feature rows: where they hold, and what is done there.

Each is one pass over the columns. The same written in numpy takes three or four, and as many
columns that are thrown away; over twenty strategies that is most of a backtest.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import kernel
from streaming.rules.money import SCALE

Mask = NDArray[np.bool_]
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@kernel
def over_line(previous: Float, value: Float, was: Float, level: Float) -> Mask:
    """Tell where `value` is above `level` and `previous` was not above `was`.

    All float64[n]; false where any is NaN. With the two pairs exchanged it tells where a
    value is below a line that it was not below.
    """
    rows = value.shape[0]
    out = np.empty(rows, np.bool_)
    for i in range(rows):
        out[i] = (value[i] > level[i]) & (previous[i] <= was[i])
    return out


@kernel
def over_level(previous: Float, value: Float, level: float) -> Mask:
    """Tell where `value` is above a number that `previous` was not above."""
    rows = value.shape[0]
    out = np.empty(rows, np.bool_)
    for i in range(rows):
        out[i] = (value[i] > level) & (previous[i] <= level)
    return out


@kernel
def under_level(previous: Float, value: Float, level: float) -> Mask:
    """Tell where `value` is below a number that `previous` was not below."""
    rows = value.shape[0]
    out = np.empty(rows, np.bool_)
    for i in range(rows):
        out[i] = (value[i] < level) & (previous[i] >= level)
    return out


@kernel
def size_actions(
    rows: Int, buys: Mask, confidence: Float, size: Float, sell_size: float
) -> tuple[Int, NDArray[np.int8], Float, Int]:
    """Give rows, actions, confidences and size hints of what is really done.

    Parameters
    ----------
    rows : int64[k], buys : bool[k]
        Rows where something is done, and whether that is a BUY.
    confidence, size : float64[b]
        Of the b rows that buy, in their order.
    sell_size : float
        Of the others.

    Returns
    -------
    rows int64[m], action int8[m] (1 BUY, -1 SELL), confidence float64[m], hint int64[m]
        Confidence and size clipped to [0, 1], size in units of 1e-8, half-even. Left out is
        a row whose confidence or size is NaN, or whose size is not above zero.
    """
    total = rows.shape[0]
    kept = np.empty(total, np.int64)
    action = np.empty(total, np.int8)
    sure = np.empty(total, np.float64)
    hints = np.empty(total, np.int64)
    at = 0
    bought = 0
    for i in range(total):
        belief, share = 1.0, sell_size
        if buys[i]:
            belief, share = confidence[bought], size[bought]
            bought += 1
        if np.isnan(belief) or np.isnan(share):
            continue
        hint = np.int64(np.rint(min(max(share, 0.0), 1.0) * SCALE))
        if hint <= 0:
            continue
        kept[at] = rows[i]
        action[at] = 1 if buys[i] else -1
        sure[at] = min(max(belief, 0.0), 1.0)
        hints[at] = hint
        at += 1
    return kept[:at], action[:at], sure[:at], hints[:at]


@kernel
def forget_unknown(column: Float, rows: Int, known: Mask) -> None:
    """Clear `known` (bool[k]) where the column is NaN at one of the rows (int64[k])."""
    for i in range(rows.shape[0]):
        if np.isnan(column[rows[i]]):
            known[i] = False
