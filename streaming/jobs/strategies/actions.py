"""Actions on feature rows: where a strategy buys and sells, how surely and how much."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.bars import Float, Int
from streaming.rules.conditions import (
    over_level,
    over_line,
    size_actions,
    under_level,
)

Mask = NDArray[np.bool_]
AtRows = Callable[[Int], Float]

BUY, SELL = 1, -1
"""Values of `Actions.action`."""

THIRD = 0.33
"""Size hint of a BUY unless a strategy says otherwise: three positions fit into the capital."""


class Actions(NamedTuple):
    """What a strategy does, on the k rows where it does anything.

    `rows` int64[k], ascending: which rows; `action` int8[k]: BUY or SELL; `confidence`
    float64[k] in [0, 1]; `size_hint` int64[k], x 1e8, in (0, 1].
    """

    rows: Int
    action: NDArray[np.int8]
    confidence: Float
    size_hint: Int

    def take(self, kept: Mask) -> "Actions":
        """Give some of the actions: those where `kept` (bool[k]) is true."""
        return Actions(
            self.rows[kept], self.action[kept], self.confidence[kept], self.size_hint[kept]
        )


def actions(
    *,
    buy: Mask,
    sell: Mask,
    confidence: float | AtRows = 1.0,
    size: float | AtRows = THIRD,
    sell_size: float = 1.0,
) -> Actions:
    """Turn conditions into actions.

    Parameters
    ----------
    buy, sell : bool[n]
        Where to act. A row where both are true is contradictory: no action.
    confidence, size : float or function of rows
        Of BUYs. A function receives the indices of the buying rows (int64[k]) and gives
        float64[k], so that it costs nothing on the many rows where nothing happens.
    sell_size : float
        Share of what is held that a SELL closes; 1 closes all.

    Returns
    -------
    Actions
        Confidence and size clipped to [0, 1], size rounded half-even to 1e-8. A row whose
        confidence or size is NaN, or whose size is not above zero, is left out. SELLs have
        confidence 1: an exit is no matter of conviction.
    """
    rows = np.flatnonzero(buy ^ sell)
    buys = buy[rows]
    at = rows[buys]
    # A market that stands still has an ATR of zero: what is divided by it is unknown.
    with np.errstate(divide="ignore", invalid="ignore"):
        sure, sizes = _at(confidence, at), _at(size, at)
    return Actions(*size_actions(rows, buys, sure, sizes, float(sell_size)))


def _at(value: float | AtRows, rows: Int) -> Float:
    if callable(value):
        return np.ascontiguousarray(value(rows), np.float64)
    return np.full(len(rows), value, np.float64)


def crossed_above(
    previous: Float, value: Float, level: float | Float, was: Float | None = None
) -> Mask:
    """Tell where a value that was at or below a level has come above it.

    Parameters
    ----------
    previous, value : float64[n]
        The value at the row before and at the row.
    level : float or float64[n]
        The level at the row.
    was : float64[n], optional
        The level at the row before, where the level moves too.

    Returns
    -------
    bool[n]
        False where any of them is NaN.
    """
    if was is None and isinstance(level, float | int):
        return over_level(previous, value, float(level))
    line, line_before = _lines(level, was, value)
    return over_line(previous, value, line_before, line)


def crossed_below(
    previous: Float, value: Float, level: float | Float, was: Float | None = None
) -> Mask:
    """Tell where a value that was at or above a level has come below it.

    As `crossed_above`, the other way.
    """
    if was is None and isinstance(level, float | int):
        return under_level(previous, value, float(level))
    line, line_before = _lines(level, was, value)
    return over_line(line_before, line, previous, value)


def _lines(level: float | Float, was: Float | None, value: Float) -> tuple[Float, Float]:
    line = np.full(len(value), level) if isinstance(level, float | int) else level
    return line, line if was is None else was
