"""Money: DECIMAL(18,8) as int64 scaled by 1e8, rounded once and half-even.

Products of two or three amounts are taken in 128 bits, so that R(x) of SPEC section 1 is
exact: no intermediate rounding, no wrapped number. A result that does not fit
DECIMAL(18,8) is the sentinel `OVERFLOW`; callers turn it into an error that names the row.
"""

from typing import Any

import numpy as np

from streaming.rules.compile import Number, inlined
from streaming.rules.units import LIMIT, OVERFLOW, SCALE
from streaming.rules.wide import U64, divide_wide, magnitude, mul_wide, scale_wide

_U_SCALE = U64(SCALE)
_U_SQUARE = U64(SCALE * SCALE)
_U_LIMIT = U64(LIMIT)
_ZERO = U64(0)
_ONE = U64(1)


@inlined
def _round_half_even(quotient: Number, remainder: Number, divisor: Number) -> Number:
    """Round quotient + remainder / divisor (all uint64) to the nearest, ties to even."""
    # Without branches: which way a remainder falls is as good as random, and a wrong guess
    # of the processor costs more than all the arithmetic here.
    twice = U64(remainder + remainder)
    up = (twice > divisor) | ((twice == divisor) & ((quotient & _ONE) == _ONE))
    return U64(quotient + U64(up))


@inlined
def _with_sign(negative: bool, size: Number) -> Any:
    sign = -np.int64(negative)
    return (np.int64(size) ^ sign) - sign


@inlined
def _signed(negative: bool, size: Number) -> Any:
    """Give the int64 of a magnitude, or OVERFLOW where it does not fit."""
    if size >= _U_LIMIT:
        return OVERFLOW
    return _with_sign(negative, size)


@inlined
def times(a: int, b: int) -> Any:
    """Give R(a x b): the product of two amounts.

    Parameters
    ----------
    a, b : int64
        Amounts x 1e8, of any sign, magnitude below 2**63.

    Returns
    -------
    int64
        The product x 1e8, half-even, or OVERFLOW.
    """
    high, low = mul_wide(magnitude(a), magnitude(b))
    if high == _ZERO:
        # Division by a constant is a multiplication; the general path is three times slower.
        quotient = low // _U_SCALE
        remainder = U64(low - quotient * _U_SCALE)
    else:
        over, quotient, remainder = divide_wide(high, low, _U_SCALE)
        if over != _ZERO:
            return OVERFLOW
    return _signed((a < 0) != (b < 0), _round_half_even(quotient, remainder, _U_SCALE))


@inlined
def value(price: int, quantity: int, point_value: int) -> Any:
    """Give R(price x quantity x point value), rounded once.

    Parameters
    ----------
    price, quantity : int64
        x 1e8, of any sign (a price may be a difference of prices).
    point_value : int64
        Currency per point of price and unit of quantity, x 1e8, positive.

    Returns
    -------
    int64
        Currency x 1e8, or OVERFLOW.
    """
    if point_value == SCALE:
        return times(price, quantity)
    high, low = mul_wide(magnitude(price), magnitude(quantity))
    fits, high, low = scale_wide(high, low, U64(point_value))
    if not fits:
        return OVERFLOW
    over, quotient, remainder = divide_wide(high, low, _U_SQUARE)
    if over != _ZERO:
        return OVERFLOW
    return _signed((price < 0) != (quantity < 0), _round_half_even(quotient, remainder, _U_SQUARE))


@inlined
def share(amount: int, part: int, whole: int) -> Any:
    """Give R(amount x part / whole): the share that the first `part` of `whole` units carry.

    The share of units c0 to c1 is share(c1) - share(c0), so shares add up exactly
    (SPEC section 3, TradingEngine).

    Parameters
    ----------
    amount : int64
        Currency x 1e8, of any sign (a rebate is negative).
    part, whole : int64
        Units x 1e8, 0 <= part <= whole, whole > 0.
    """
    if amount == 0:
        return amount
    high, low = mul_wide(magnitude(amount), U64(part))
    divisor = U64(whole)
    if high == _ZERO:
        quotient = low // divisor
        remainder = U64(low - quotient * divisor)
    else:
        _, quotient, remainder = divide_wide(high, low, divisor)
    # No more than the amount, so it fits as that does.
    return _with_sign(amount < 0, _round_half_even(quotient, remainder, divisor))


@inlined
def average(high: Number, low: Number, quantity: int) -> Any:
    """Give R(sum / quantity) of a 128-bit sum of price x quantity: the average price.

    Parameters
    ----------
    high, low : uint64
        Sum over lots of price x quantity, both x 1e8.
    quantity : int64
        Sum of the quantities x 1e8, positive.
    """
    divisor = U64(quantity)
    over, quotient, remainder = divide_wide(high, low, divisor)
    if over != _ZERO:
        return OVERFLOW
    return _signed(False, _round_half_even(quotient, remainder, divisor))
