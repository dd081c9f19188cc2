"""Weights of strategies: half equal, half by score, within bounds, changed a little a day.

p = max(0, SR*) / sum (equal where none is positive); u = 0.5/n + 0.5 p. The weights are the
nearest to u that sum to 1 and keep within the box (a floor and a cap) and within the clamp
(previous weight +- a step). Where box and clamp leave no solution, every clamp widens by the
smallest common amount that does. All of it is exact: breakpoints, no iteration to a tolerance.
The rules are SPEC section 4's.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.errors import ScoringError

Float = NDArray[np.float64]

FREE, FLOOR, CAP, CLAMPED_UP, CLAMPED_DOWN = range(5)

BINDS = ("", "floor", "cap", "clamp: may rise no more", "clamp: may fall no more")
"""What binds a weight, by number."""


class WeightRules(NamedTuple):
    """Shares: how much follows the score, the box, and the step a day.

    Attributes
    ----------
    score_share : float
        Share of the capital that follows the scores; the rest is equal for all.
    floor, cap : float
        With n strategies the box is min(floor, 0.2/n) to min(1, max(cap, 3/n)).
    step : float
        How far a weight may go from the previous one.
    """

    score_share: float = 0.5
    floor: float = 0.01
    cap: float = 0.15
    step: float = 0.02


STANDARD = WeightRules()


class Weights(NamedTuple):
    """The weights of n strategies, and why they are so; all float64[n] unless said.

    Attributes
    ----------
    weight
        Sums to 1 within 1e-12.
    equal_part, score_part
        What u is made of: weight would be their sum if nothing bound it.
    previous
        The previous weight, after a change of roster projected; None at first.
    low, high
        The bounds that held.
    widened : float
        By how much every clamp had to widen; 0 where none had to.
    binds : int8[n]
        Place in BINDS.
    """

    weight: Float
    equal_part: Float
    score_part: Float
    previous: Float | None
    low: Float
    high: Float
    widened: float
    binds: NDArray[np.int8]


def weigh(scores: Float, previous: Float | None = None, rules: WeightRules = STANDARD) -> Weights:
    """Give the weights that follow from scores.

    Parameters
    ----------
    scores : float64[n]
        Shrunk Sharpe ratios, finite; 0 where there is none.
    previous : float64[n], optional
        The newest weights before, of the same strategies (`carry_over` after a change of
        roster); None: no clamp.
    rules
        See there.

    Raises
    ------
    ScoringError
        If there is no strategy, or a score or previous weight is not finite.
    """
    count = len(scores)
    if count == 0:
        raise ScoringError("There is no strategy to weigh. Put one into the roster.")
    _refuse_not_finite(scores, "score")
    equal_part, score_part = blend(scores, rules)
    low, high = box(count, rules)
    widened = 0.0
    floor, cap = low, high
    if previous is not None:
        _refuse_not_finite(previous, "previous weight")
        widened = _least_widening(low, high, previous, rules.step)
        step = rules.step + widened
        low, high = np.maximum(low, previous - step), np.minimum(high, previous + step)
        # Where widening just makes them meet, rounding may leave them the other way round.
        low = np.minimum(low, high)
    weight = project(equal_part + score_part, low, high)
    binds = np.select(
        [
            (weight >= cap) & (high >= cap),
            (weight <= floor) & (low <= floor),
            weight >= high,
            weight <= low,
        ],
        [CAP, FLOOR, CLAMPED_UP, CLAMPED_DOWN],
        FREE,
    ).astype(np.int8)
    return Weights(weight, equal_part, score_part, previous, low, high, widened, binds)


def blend(scores: Float, rules: WeightRules = STANDARD) -> tuple[Float, Float]:
    """Give the two parts of u: equal for all, and by score."""
    count = len(scores)
    positive = np.maximum(scores, 0.0)
    largest = float(positive.max())
    if largest > 0.0:
        # Scaled first: a sum of ratios of any size stays within the doubles.
        positive = positive / largest
        by_score = positive / math.fsum(positive)
    else:
        by_score = np.full(count, 1.0 / count)
    equal = np.full(count, (1.0 - rules.score_share) / count)
    return equal, rules.score_share * by_score


def box(count: int, rules: WeightRules = STANDARD) -> tuple[Float, Float]:
    """Give the lowest and highest weight of each of n strategies; they always leave a solution."""
    low = min(rules.floor, 0.2 / count)
    high = min(1.0, max(rules.cap, 3.0 / count))
    return np.full(count, low), np.full(count, high)


def carry_over(
    previous: Mapping[str, float], strategies: Sequence[str], rules: WeightRules = STANDARD
) -> Float | None:
    """Give the previous weights of today's roster; None where there are none at all.

    Parameters
    ----------
    previous
        Weight by strategy, as last published.
    strategies
        Today's roster.

    Returns
    -------
    float64[strategies]
        After a change of roster projected onto the box and a sum of 1, a new strategy
        starting from 0; else as they are.
    """
    if not previous:
        return None
    kept = np.array([previous.get(name, 0.0) for name in strategies], np.float64)
    if set(previous) == set(strategies):
        return kept
    _refuse_not_finite(kept, "previous weight")
    return project(kept, *box(len(strategies), rules))


def project(target: Float, low: Float, high: Float) -> Float:
    """Give the nearest weights (Euclidean) within bounds that sum to 1.

    Parameters
    ----------
    target, low, high : float64[n]
        low <= high; sum(low) <= 1 <= sum(high), up to rounding.

    Returns
    -------
    float64[n]
        clip(target - shift, low, high), with the one shift that makes the sum 1: the
        projection by the conditions of Karush, Kuhn and Tucker.

    Raises
    ------
    ScoringError
        If no weights within the bounds sum to 1.

    Notes
    -----
    The sum falls as the shift grows, in straight pieces that meet where a weight leaves a
    bound. The piece in which it is 1 is found among those 2n points; there the shift is one
    division. P. Brucker, "An O(n) algorithm for quadratic knapsack problems", Operations
    Research Letters 3(3), 1984. Sums are exact (fsum), so the order of strategies is nothing.
    """
    _refuse_bounds(low, high)
    if math.fsum(high) <= 1.0:
        return high.copy()
    if math.fsum(low) >= 1.0:
        return low.copy()
    leaves_high, reaches_low = target - high, target - low
    points = np.unique(np.concatenate([leaves_high, reaches_low]))
    first, last = 0, len(points) - 1
    # The sum is above 1 at the first point and below it at the last.
    while last - first > 1:
        middle = (first + last) // 2
        if math.fsum(np.clip(target - points[middle], low, high)) >= 1.0:
            first = middle
        else:
            last = middle
    at_high = leaves_high >= points[last]
    at_low = ~at_high & (reaches_low <= points[first])
    free = ~(at_high | at_low)
    fixed = math.fsum([*high[at_high], *low[at_low], -1.0])
    # No weight is free only where the sum is 1 on the whole piece.
    shift = math.fsum([*target[free], fixed]) / int(free.sum()) if free.any() else 0.0
    moved = np.clip(target - shift, low, high)
    weight: Float = np.where(at_high, high, np.where(at_low, low, moved))
    return weight


def _least_widening(low: Float, high: Float, previous: Float, step: float) -> float:
    """Give the smallest amount by which all clamps widen so that box and clamps leave weights."""
    gap = np.maximum(previous - high, low - previous).max() - step
    up = _least_rise(previous + step, high, 1.0)
    down = _least_rise(step - previous, -low, -1.0)
    return max(0.0, float(gap), up, down)


def _least_rise(level: Float, ceiling: Float, total: float) -> float:
    """Give the smallest d >= 0 with sum(min(ceiling, level + d)) >= total.

    `sum(ceiling)` is at least `total`, up to rounding.
    """
    if math.fsum(np.minimum(level, ceiling)) >= total:
        return 0.0
    gap = ceiling - level
    order = np.argsort(gap, kind="stable")
    level, ceiling, gap = level[order], ceiling[order], gap[order]
    for full in range(len(gap)):
        # The first `full` have reached their ceilings.
        rise = math.fsum([total, *-ceiling[:full], *-level[full:]]) / (len(gap) - full)
        if rise <= gap[full]:
            return max(0.0, rise)
    return float(gap[-1])


def _refuse_bounds(low: Float, high: Float) -> None:
    """Refuse bounds that no weights can keep."""
    for bad in np.flatnonzero(~(low <= high)).tolist():
        raise ScoringError(
            f"Strategy {bad}: the lowest weight {low[bad]:g} is above the highest {high[bad]:g}."
        )
    slack = 1e-12
    if math.fsum(low) > 1.0 + slack or math.fsum(high) < 1.0 - slack:
        raise ScoringError(
            f"No weights between {math.fsum(low):.6g} and {math.fsum(high):.6g} in sum can sum "
            "to 1: lower the floor, or raise the cap."
        )


def _refuse_not_finite(values: Float, what: str) -> None:
    for bad in np.flatnonzero(~np.isfinite(values)).tolist():
        raise ScoringError(f"Strategy {bad}: its {what} is {values[bad]}, which is not finite.")
