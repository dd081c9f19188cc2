"""Actions on feature rows: where a strategy buys and sells, how surely and how much."""

from typing import NamedTuple

from streaming.rules.expressions import Condition, Number, condition, number

BUY, SELL = 1, -1
"""Values of `Signals.action`."""

THIRD = 0.33
"""Size hint of a BUY unless a strategy says otherwise: three positions fit into the capital."""


class Actions(NamedTuple):
    """What a strategy does at a row: expressions over the row and the one before."""

    buy: Condition
    sell: Condition
    confidence: Number
    size: Number
    sell_size: float


def actions(
    *,
    buy: Condition | bool,
    sell: Condition | bool,
    confidence: Number | float = 1.0,
    size: Number | float = THIRD,
    sell_size: float = 1.0,
) -> Actions:
    """Say what a strategy does.

    Parameters
    ----------
    buy, sell
        Where to act. A row where both are true is contradictory: no action.
    confidence, size
        Of BUYs, clipped to [0, 1]; size is a share of the strategy's capital, rounded
        half-even to 1e-8. A row whose confidence or size is NaN, or whose size is not above
        zero, is left out. SELLs have confidence 1: an exit is no matter of conviction.
    sell_size : float
        Share of what is held that a SELL closes; 1 closes all.

    Raises
    ------
    TypeError
        If something is no expression of its kind.
    """
    if not 0.0 < sell_size <= 1.0:
        raise ValueError(f"sell_size = {sell_size!r} must be above 0 and at most 1.")
    return Actions(
        condition(buy), condition(sell), number(confidence), number(size), float(sell_size)
    )


def crossed_above(
    previous: Number, value: Number, level: Number | float, was: Number | float | None = None
) -> Condition:
    """Tell where a value that was at or below a level has come above it.

    Parameters
    ----------
    previous, value
        The value at the row before and at the row.
    level
        The level at the row.
    was
        The level at the row before, where the level moves too.

    Returns
    -------
    Condition
        False where any of them is NaN.
    """
    return (value > level) & (previous <= (level if was is None else was))


def crossed_below(
    previous: Number, value: Number, level: Number | float, was: Number | float | None = None
) -> Condition:
    """Tell where a value that was at or above a level has come below it.

    As `crossed_above`, the other way.
    """
    return (value < level) & (previous >= (level if was is None else was))
