"""Bands around the close, and where in them it stands."""

import numpy as np

from streaming.rules.bars import Bars, Float
from streaming.rules.compile import kernel
from streaming.rules.indicators.prices import to_doubles
from streaming.rules.indicators.rows import Out, blank
from streaming.rules.indicators.windows import (
    block_rows,
    window_extremes,
    window_gaps,
    window_moments,
)


@kernel
def bollinger(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the Bollinger bands: upper, middle, lower = mean +- width x standard deviation.

    Bollinger (2001); as TA-Lib's BBANDS with simple averages: the deviation is that of the
    population (divisor n). Equal prices have deviation 0 exactly.
    """
    length, width = int(params[0]), params[1]
    for k in range(3):
        start = blank(out[k], seen, length - 1)
    step = block_rows(length)
    for block in range(start, len(out[0]), step):
        upper = out[0][block : block + step]
        middle = out[1][block : block + step]
        lower = out[2][block : block + step]
        window_moments(bars.close, first + block, length, middle, upper)
        for i in range(len(middle)):
            reach = width * upper[i]
            upper[i] = middle[i] + reach
            lower[i] = middle[i] - reach


@kernel
def bollinger_shape(
    bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out
) -> None:
    """Give the width of the Bollinger bands and the place of the close in them.

    Width = (upper - lower) / middle; percent = (close - lower) / (upper - lower): 0 on the
    lower band, 1 on the upper, and 0.5 where the bands coincide, because the close is then
    on the middle.
    """
    length, width = int(params[0]), params[1]
    for k in range(2):
        start = blank(out[k], seen, length - 1)
    step = block_rows(length)
    scratch = np.empty(step)
    for block in range(start, len(out[0]), step):
        breadth = out[0][block : block + step]
        place = out[1][block : block + step]
        deviation = scratch[: len(place)]
        window_gaps(bars.close, first + block, length, place)
        window_moments(bars.close, first + block, length, breadth, deviation)
        for i in range(len(place)):
            across = 2.0 * width * deviation[i]
            breadth[i] = across / breadth[i]
            # Without deviation there is no gap either: 0 over anything will do.
            place[i] = 0.5 + place[i] / (across if across > 0.0 else 1.0)


@kernel
def zscore(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give close - mean of `length` closes, in standard deviations of the population.

    0 where all closes of the window are equal: the close is at its mean.
    """
    length = int(params[0])
    start = blank(out[0], seen, length - 1)
    step = block_rows(length)
    scratch = np.empty((2, step))
    for block in range(start, len(out[0]), step):
        score = out[0][block : block + step]
        mean, deviation = scratch[0, : len(score)], scratch[1, : len(score)]
        window_gaps(bars.close, first + block, length, score)
        window_moments(bars.close, first + block, length, mean, deviation)
        for i in range(len(score)):
            score[i] /= deviation[i] if deviation[i] > 0.0 else 1.0


@kernel
def donchian(bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out) -> None:
    """Give the Donchian channel: highest high and lowest low of the last `length` bars.

    This bar is one of them. As TA-Lib's MAX of the highs and MIN of the lows. The channel
    that a breakout leaves is that of the row before.
    """
    length = int(params[0])
    for k in range(2):
        start = blank(out[k], seen, length - 1)
    step = block_rows(length)
    for block in range(start, len(out[0]), step):
        upper = out[0][block : block + step]
        lower = out[1][block : block + step]
        oldest = first + block - length + 1
        newest = first + block + len(upper)
        top, bottom = window_extremes(bars.high[oldest:newest], bars.low[oldest:newest], length)
        to_doubles(top[length - 1 :], upper)
        to_doubles(bottom[length - 1 :], lower)
