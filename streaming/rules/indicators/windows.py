"""Sums, deviations and extremes of sliding windows, the same from whichever row they start.

Each function takes a whole column with the earlier bars in front, so that it can look back,
and no state: what it gives for a row depends on that row's window alone.
"""

import math

import numpy as np

from streaming.rules.bars import Float, Int
from streaming.rules.compile import kernel
from streaming.rules.indicators.exact import add_product, quotient, wide_float, wide_quotient
from streaming.rules.money import SCALE
from streaming.rules.wide import U64

BLOCK = 2048
"""Rows that a kernel handles at once where it needs scratch: the scratch stays in cache."""

_ROOM = 2.0**60
"""Sums below this leave an int64 room for the sums and differences made of them."""

_ZERO = U64(0)


@kernel
def block_rows(length: int) -> int:
    """Give how many rows to handle at once, so that opening a window costs little."""
    return max(BLOCK, 8 * length)


@kernel
def _fits(prices: Int, length: int) -> bool:
    """Tell whether any sum of `length` of these prices stays below `_ROOM`."""
    largest = 0
    for price in prices:
        largest = max(largest, abs(price))
    return bool(float(length) * float(largest) < _ROOM)


@kernel
def window_means(prices: Int, at: int, length: int, mean: Float) -> None:
    """Give the mean of each window: the double nearest to the exact value.

    Parameters
    ----------
    prices : int64[m]
        x 1e8.
    at, length : int
        Row of the first window's newest price, at least length - 1; prices per window.
    mean : float64[n]
        Receives the means, in the price's own unit.
    """
    rows = len(mean)
    if rows == 0:
        return
    divisor = length * SCALE
    oldest = at - length + 1
    new = prices[at + 1 : at + rows]
    old = prices[oldest : oldest + rows - 1]
    rest = mean[1:]
    if _fits(prices[oldest : at + rows], length):
        total = 0
        for price in prices[oldest : at + 1]:
            total += price
        mean[0] = quotient(total, divisor)
        for i in range(len(rest)):
            total += new[i] - old[i]
            rest[i] = quotient(total, divisor)
        return
    high, low = np.int64(0), _ZERO
    for price in prices[oldest : at + 1]:
        high, low = add_product(high, low, price, 1)
    mean[0] = wide_quotient(high, low, divisor)
    for i in range(len(rest)):
        high, low = add_product(high, low, new[i] - old[i], 1)
        rest[i] = wide_quotient(high, low, divisor)


@kernel
def _moments(window: Int) -> tuple[float, float]:
    """Give n x (last price - mean) and n**2 x variance of one window of n prices.

    Exact integers, rounded once, where n x spread < 2**60; else (spreads of billions of
    currency units) float sums in the window's order. Equal prices give exactly 0, 0.
    """
    length = len(window)
    last = window[length - 1]
    most = least = last
    for price in window:
        most = max(most, price)
        least = min(least, price)
    if float(length) * float(most - least) < _ROOM:
        total = 0
        high, low = np.int64(0), _ZERO
        for price in window:
            # Neither result depends on the price that the differences refer to.
            difference = price - last
            total += difference
            high, low = add_product(high, low, difference, length * difference)
        high, low = add_product(high, low, total, -total)
        return float(-total), wide_float(high, low)
    centre = 0.0
    for price in window:
        centre += float(price - last)
    centre /= length
    squares = 0.0
    for price in window:
        squares += (float(price - last) - centre) ** 2
    return -centre * length, squares * length


@kernel
def window_moments(
    prices: Int, at: int, length: int, mean: Float, gap: Float, deviation: Float
) -> None:
    """Give mean, gap and standard deviation of each window.

    n**2 x variance = n sum(x**2) - (sum x)**2 is an integer of up to 128 bits. When y
    leaves a window and x enters it, it grows by (x - y) (n (x + y) - old sum - new sum):
    one product per bar, no drift, and exactly 0 for equal prices.

    Parameters
    ----------
    prices, at, length, mean
        As in `window_means`.
    gap : float64[n] or float64[0]
        Receives newest price - mean; pass it empty where it is not needed.
    deviation : float64[n]
        Receives the standard deviation of the population (divisor n).
    """
    rows = len(mean)
    if rows == 0:
        return
    window_means(prices, at, length, mean)
    unit = 1.0 / (float(length) * SCALE)
    oldest = at - length + 1
    if not _fits(prices[oldest : at + rows], length):
        for i in range(rows):
            distance, squares = _moments(prices[oldest + i : at + i + 1])
            deviation[i] = math.sqrt(squares) * unit
            if len(gap) > 0:
                gap[i] = distance * unit
        return
    total = 0
    high, low = np.int64(0), _ZERO
    for price in prices[oldest : at + 1]:
        total += price
        high, low = add_product(high, low, price, length * price)
    high, low = add_product(high, low, total, -total)
    new = prices[at + 1 : at + rows]
    old = prices[oldest : oldest + rows - 1]
    rest = deviation[1:]
    gaps = gap[1:]
    deviation[0] = math.sqrt(wide_float(high, low)) * unit
    if len(gap) > 0:
        gap[0] = float(length * prices[at] - total) * unit
    for i in range(len(rest)):
        difference = new[i] - old[i]
        after = total + difference
        high, low = add_product(
            high, low, difference, length * (new[i] + old[i]) - total - after
        )
        total = after
        rest[i] = math.sqrt(wide_float(high, low)) * unit
        if len(gaps) > 0:
            gaps[i] = float(length * new[i] - total) * unit


@kernel
def tree_sums(values: Float, length: int) -> Float:
    """Give the sum of the last `length` values at each row, added in halves.

    Sums of doubles depend on their order; here the order depends on the length alone, so a
    row's sum is the same whatever came before its window. NaN stays in the windows that
    hold it.

    Returns
    -------
    float64[m]
        Rows before length - 1 hold sums of what there is, or parts of them.
    """
    size = len(values)
    part = values.copy()
    total = np.zeros(size)
    done = 0
    width = 1
    while width <= length:
        if length & width:
            newer = total[min(done, size) :]
            for i in range(len(newer)):
                newer[i] += part[i]
            done += width
        if 2 * width <= length:
            longer = part.copy()
            rest = longer[min(width, size) :]
            for i in range(len(rest)):
                rest[i] += part[i]
            part = longer
        width *= 2
    return total


@kernel
def window_max(values: Int, length: int) -> Int:
    """Give the largest of the last `length` values at each row (fewer at the start)."""
    size = len(values)
    largest = values.copy()
    width = 1
    while width < length:
        # Windows of `width` that overlap or touch make one of up to twice the width.
        step = min(width, length - width)
        longer = largest.copy()
        rest = longer[min(step, size) :]
        for i in range(len(rest)):
            rest[i] = max(rest[i], largest[i])
        largest = longer
        width += step
    return largest
