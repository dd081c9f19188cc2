"""Sizing: how many units an admitted signal may trade.

All amounts are int64 x 1e8. Limits hold exactly: R(quantity x price x point value) of the
quantity given never exceeds the notional it was given for, but for the rounding to 1e-8.
"""

from typing import Any

import numpy as np

from streaming.rules.compile import inlined
from streaming.rules.money import value
from streaming.rules.units import LIMIT, SCALE
from streaming.rules.wide import U64, divide_wide, mul_wide

NO_LIMIT = -1
"""Stands for a limit that is not set."""

_SQUARE = U64(SCALE * SCALE)
_ZERO = U64(0)
_MOST = U64(LIMIT - 1)


@inlined
def whole_lots(quantity: int, lot_size: int) -> Any:
    """Floor a quantity >= 0 to a multiple of the lot size (> 0)."""
    return quantity - quantity % lot_size


@inlined
def fraction_of(units: int, size_hint: int) -> Any:
    """Give floor(sizeHint x units) for units >= 0 and sizeHint in [0, 1] x 1e8."""
    high, low = mul_wide(U64(units), U64(size_hint))
    _, quotient, _ = divide_wide(high, low, U64(SCALE))
    return np.int64(quotient)


@inlined
def units_for(notional: int, price: int, point_value: int) -> Any:
    """Give floor(notional / (price x point value)): the units that an amount buys.

    Parameters
    ----------
    notional : int64
        Currency x 1e8, >= 0.
    price, point_value : int64
        x 1e8, > 0.

    Returns
    -------
    int64
        Units x 1e8, at most what DECIMAL(18,8) holds.
    """
    # floor(floor(a / b) / c) = floor(a / (b c)), so the two divisions round once.
    high, low = mul_wide(U64(notional), _SQUARE)
    high, low, _ = divide_wide(high, low, U64(price))
    high, low, _ = divide_wide(high, low, U64(point_value))
    if high > _ZERO or low > _MOST:
        return np.int64(LIMIT - 1)
    return np.int64(low)


@inlined
def target_notional(capital: int, weight: int, size_hint: int) -> Any:
    """Give R(capital x weight x sizeHint), rounded once."""
    return value(capital, weight, size_hint)


@inlined
def clipped(notional: int, limit: int, used: int) -> Any:
    """Clip a notional to what a limit leaves when `used` of it is taken; may be negative."""
    if limit == NO_LIMIT:
        return notional
    return min(notional, limit - used)
