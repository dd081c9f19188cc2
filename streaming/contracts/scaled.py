"""Doubles as units of 1e-8, rounded once and half-even from the double's exact value."""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.units import LIMIT, SCALE

_SPLITTER = float(2**27 + 1)
"""Veltkamp's constant: splits a double into two halves whose products are exact."""

_EXACT = float(2**51)
"""Below it a double has fractional bits enough to see a half."""


def scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Round doubles to the nearest 1e-8, ties to even.

    A double is a binary fraction; what is rounded is that fraction, exactly, not its
    product with 1e8 in floating point. 17.2 gives 17.20000000; k/512 for odd k are the
    only ties.

    Parameters
    ----------
    values : float64[n]
        Any doubles, NaN and infinite ones too.

    Returns
    -------
    units : int64[n]
        Amounts x 1e8; 0 where they do not fit.
    fits : bool[n]
        Whether the rounded amount fits DECIMAL(18,8); False for NaN and infinity.
    """
    in_range = np.abs(values) < LIMIT / SCALE  # False for NaN
    safe = np.where(in_range, values, 0.0)
    product = safe * SCALE
    nearest = np.rint(product)
    rest = product - nearest  # exact
    units = nearest.astype(np.int64)
    # The product's own rounding error matters near a half, and where it exceeds a unit.
    gap = np.spacing(np.abs(product))
    doubtful = np.flatnonzero((np.abs(np.abs(rest) - 0.5) <= gap) | (np.abs(product) >= _EXACT))
    if doubtful.size:
        units[doubtful] += _correction(safe[doubtful], product[doubtful], rest[doubtful])
    fits = in_range & (np.abs(units) < LIMIT)
    return np.where(fits, units, 0), fits


def _correction(
    values: NDArray[np.float64], product: NDArray[np.float64], rest: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Give what must be added to rint(product) to round values x 1e8 exactly.

    `rest` is product - rint(product). The error of the product is found with Dekker's
    two-product; it is exact, for nothing here comes near overflow or underflow.
    """
    folded = values * _SPLITTER
    high = folded - (folded - values)
    low = values - high
    # SCALE has 27 bits, so that only `values` must be split.
    error = (high * SCALE - product) + low * SCALE
    whole = np.rint(error)
    error = error - whole
    # |rest| <= 1/2 and |error| <= 1/2, and one of them is 0 or the sum is near a half.
    up = (error > 0.5 - rest) | ((error == 0.5 - rest) & _odd(product, whole))
    down = (error < -0.5 - rest) | ((error == -0.5 - rest) & _odd(product, whole))
    more: NDArray[np.int64] = whole.astype(np.int64) + up.astype(np.int64) - down.astype(np.int64)
    return more


def _odd(product: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.bool_]:
    odd: NDArray[np.bool_] = (np.rint(product).astype(np.int64) + whole.astype(np.int64)) % 2 != 0
    return odd
