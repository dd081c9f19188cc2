"""Drawdown: how far and how long equity stays below its highest so far."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of a curve, by index: 0 is the capital, k the end of day k.

    `depth` is equity over its peak so far, minus 1: 0 or negative. `peak` is the last point at
    the old maximum, `trough` the first lowest point after it, `recovery` the first point back
    at the maximum, or None. `longest` is the longest stretch of days, anywhere, from a
    maximum to its recovery or the curve's end. Without any fall the points are None.
    """

    depth: float
    peak: int | None
    trough: int | None
    recovery: int | None
    days: int
    longest: int
    ulcer: float


def drawdown(equity: Int | Float) -> Drawdown:
    """Find the deepest and the longest fall of a curve.

    Parameters
    ----------
    equity : int64 or float64[days + 1]
        The capital, positive, and then equity at each day's end. With integers, a recovery
        is exact to the last 1e-8.

    Returns
    -------
    Drawdown
        Depth is below -1 where equity fell below zero. `ulcer` is the root mean square of
        the days' drawdowns, as fractions (P. Martin, B. McCann, "The Investor's Guide to
        Fidelity Funds", 1989; theirs is in percent).
    """
    peaks = np.maximum.accumulate(equity)
    # Subtracted before dividing: a fall of one unit stays a fall, however large the equity.
    depths = (equity - peaks) / peaks
    days = equity.size - 1
    below = depths[1:]
    ulcer = math.sqrt(float(np.dot(below, below)) / days) if days else math.nan
    under = equity < peaks
    if not under.any():
        return Drawdown(0.0, None, None, None, 0, 0, 0.0 if days else math.nan)
    at_peak = np.flatnonzero(~under)
    spans = np.append(at_peak[1:], days) - at_peak
    # Between maxima on neighbouring days nothing fell; after the last one something may have.
    fell = np.append(np.diff(at_peak) > 1, at_peak[-1] < days)
    longest = int(spans[fell].max())
    trough = int(np.argmin(depths))
    place = int(np.searchsorted(at_peak, trough)) - 1
    recovered = place + 1 < at_peak.size
    return Drawdown(
        float(depths[trough]),
        int(at_peak[place]),
        trough,
        int(at_peak[place + 1]) if recovered else None,
        int(spans[place]),
        longest,
        ulcer,
    )
