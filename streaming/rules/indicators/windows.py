"""Means, deviations, sums and extremes of sliding windows, the same wherever they start.

Each function takes a column with the earlier bars in front, so that it can look back, and
no state: what it gives for a row depends on that row's window alone. Prices are summed as
integers, which slide along without drifting; doubles are summed in an order that depends on
the length of the window only.

A window of sums that may pass 64 bits (prices in the billions, or very long windows) takes
a slower way to the same value.
"""

import math

import numpy as np

from streaming.rules.bars import Float, Int
from streaming.rules.compile import kernel
from streaming.rules.indicators.exact import (
    EXACT,
    add_product,
    divide,
    quotient,
    wide_float,
    wide_quotient,
)
from streaming.rules.units import SCALE
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
def largest_sum(prices: Int, length: int) -> float:
    """Give a bound on the magnitude of the sum of any `length` of these prices."""
    largest = 0
    # Looped over by index, because numba runs that several rows at once.
    for i in range(len(prices)):
        largest = max(largest, abs(prices[i]))
    return float(length) * float(largest)


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
    unit = 1.0 / divisor
    oldest = at - length + 1
    window = prices[oldest : at + 1]
    new = prices[at + 1 : at + rows]
    old = prices[oldest : oldest + rows - 1]
    rest = mean[1:]
    bound = largest_sum(prices[oldest : at + rows], length)
    if bound <= EXACT:
        total = window.sum()
        mean[0] = float(total)
        for i in range(len(rest)):
            total += new[i] - old[i]
            rest[i] = float(total)
        # By itself, this runs several rows at once.
        for i in range(rows):
            mean[i] = divide(mean[i], divisor, unit)
    elif bound <= _ROOM:
        total = window.sum()
        mean[0] = quotient(total, divisor)
        for i in range(len(rest)):
            total += new[i] - old[i]
            rest[i] = quotient(total, divisor)
    else:
        high, low = np.int64(0), _ZERO
        for price in window:
            high, low = add_product(high, low, price, 1)
        mean[0] = wide_quotient(high, low, divisor)
        for i in range(len(rest)):
            high, low = add_product(high, low, new[i] - old[i], 1)
            rest[i] = wide_quotient(high, low, divisor)


@kernel
def window_gaps(prices: Int, at: int, length: int, gap: Float) -> None:
    """Give newest price - mean of each window, exactly until it is rounded at last.

    Parameters as for `window_means`; `gap` is in the price's own unit.
    """
    rows = len(gap)
    if rows == 0:
        return
    unit = 1.0 / (length * SCALE)
    oldest = at - length + 1
    if largest_sum(prices[oldest : at + rows], length) > _ROOM:
        for i in range(rows):
            gap[i] = _moments(prices[oldest + i : at + i + 1])[0] * unit
        return
    new = prices[at : at + rows]
    old = prices[oldest : oldest + rows]
    total = prices[oldest:at].sum()
    for i in range(rows):
        total += new[i]
        gap[i] = float(length * new[i] - total) * unit
        total -= old[i]


@kernel
def window_moments(prices: Int, at: int, length: int, mean: Float, deviation: Float) -> None:
    """Give the mean of each window and its standard deviation (of the population: over n).

    n**2 x variance = n sum(x**2) - (sum x)**2 is an integer of up to 128 bits. When y
    leaves a window and x enters it, it grows by (x - y) (n (x + y) - old sum - new sum):
    one product per bar, no drift, and exactly 0 for equal prices.

    Parameters as for `window_means`; `deviation` is in the price's own unit.
    """
    rows = len(mean)
    if rows == 0:
        return
    divisor = length * SCALE
    unit = 1.0 / divisor
    oldest = at - length + 1
    bound = largest_sum(prices[oldest : at + rows], length)
    if bound <= _ROOM:
        total = 0
        high, low = np.int64(0), _ZERO
        for price in prices[oldest : at + 1]:
            total += price
            high, low = add_product(high, low, price, length * price)
        high, low = add_product(high, low, total, -total)
        mean[0] = float(total)
        deviation[0] = wide_float(high, low)
        new = prices[at + 1 : at + rows]
        old = prices[oldest : oldest + rows - 1]
        means, deviations = mean[1:], deviation[1:]
        for i in range(len(means)):
            difference = new[i] - old[i]
            after = total + difference
            grown = length * (new[i] + old[i]) - total - after
            high, low = add_product(high, low, difference, grown)
            total = after
            means[i] = float(total)
            deviations[i] = wide_float(high, low)
        # By themselves, these run several rows at once.
        for i in range(rows):
            mean[i] = divide(mean[i], divisor, unit)
        for i in range(rows):
            deviation[i] = math.sqrt(deviation[i]) * unit
    else:
        for i in range(rows):
            squares = _moments(prices[oldest + i : at + i + 1])[1]
            deviation[i] = math.sqrt(squares) * unit
    if bound > EXACT:
        # The sums themselves are no longer doubles: these means need more care.
        window_means(prices, at, length, mean)


@kernel
def _moments(window: Int) -> tuple[float, float]:
    """Give n x (last price - mean) and n**2 x variance of one window of n prices, x 1e8.

    From exact integers, rounded once, where n x spread <= 2**60: as above. Else, where
    prices spread over billions of currency units, from doubles summed in the window's order.
    """
    length = len(window)
    last = window[length - 1]
    if float(length) * float(window.max() - window.min()) <= _ROOM:
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
def tree_sums(values: Float, length: int) -> Float:
    """Give the sum of the last `length` values at each row, added in halves.

    NaN stays in the windows that hold it.

    Returns
    -------
    float64[m]
        Rows before length - 1 hold nothing of use.
    """
    size = len(values)
    part = values.copy()
    spare = np.empty(size)
    total = np.zeros(size)
    done = 0
    width = 1
    while True:
        if length & width:
            newer = total[min(done, size) :]
            for i in range(len(newer)):
                newer[i] += part[i]
            done += width
        if done == length:
            return total
        later = part[min(width, size) :]
        longer = spare[min(width, size) :]
        for i in range(len(later)):
            longer[i] = later[i] + part[i]
        part, spare = spare, part
        width *= 2


@kernel
def window_extremes(highs: Int, lows: Int, length: int) -> tuple[Int, Int]:
    """Give the highest high and the lowest low of the last `length` bars at each row.

    Returns
    -------
    int64[m], int64[m]
        Rows before length - 1 hold nothing of use.
    """
    size = len(highs)
    top, bottom = highs.copy(), lows.copy()
    spare_top, spare_bottom = np.empty(size, np.int64), np.empty(size, np.int64)
    width = 1
    while width < length:
        # Two windows of `width` that touch or overlap make one of up to twice the width.
        step = min(width, length - width, size)
        later, longer = top[step:], spare_top[step:]
        for i in range(len(later)):
            longer[i] = max(later[i], top[i])
        later, longer = bottom[step:], spare_bottom[step:]
        for i in range(len(later)):
            longer[i] = min(later[i], bottom[i])
        top, spare_top = spare_top, top
        bottom, spare_bottom = spare_bottom, bottom
        width += min(width, length - width)
    return top, bottom
