"""Scores of strategies: Sharpe ratios of daily returns, with their errors, shrunk.

A strategy's Sharpe ratio of some months is mostly noise. Its error is measured from the
returns themselves (fat tails, skew and autocorrelation count), and the ratio is pulled towards
0 the more, the larger the error is: the mean of what is left to believe under a normal prior
with mean 0. The formulas are SPEC section 4's; each is named where it stands.

Ratios in results are annualised; inside a function they are those of one day, unless said.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.drawdown import drawdown
from streaming.analytics.sharpe_errors import (
    expected_best,
    long_run_variance,
    newey_west_lag,
)
from streaming.analytics.statistics import (
    DAYS_PER_YEAR,
    NAN,
    Moments,
    moments,
    probabilistic_sharpe_ratio,
    sharpe_ratio,
)

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Flags = NDArray[np.bool_]

SCORED = 0
TOO_FEW_DAYS = 1
TOO_FEW_ACTIVE_DAYS = 2
NO_VARIANCE = 3
NOT_FINITE = 4

NO_SCORE = ("", "TOO_FEW_DAYS", "TOO_FEW_ACTIVE_DAYS", "NO_VARIANCE", "NOT_FINITE")
"""Why there is no score, by number; nothing where there is one."""

OPEN_LOSS = "OPEN_LOSS"
"""Flag of a strategy whose open loss is more than two daily standard deviations."""

_OPEN_LOSS_DEVIATIONS = 2.0


class ScoringRules(NamedTuple):
    """What the formulas take as given.

    Attributes
    ----------
    tau : float
        Standard deviation of the prior of true Sharpe ratios, per year.
    days_per_year : int
        Annualises daily figures.
    min_days, min_active : int
        Fewer observations, or fewer active days, give no score.
    low, high : float
        Bounds of D, the variance of a daily Sharpe ratio times the days.
    pooling_days : int
        With T days, log D has weight T / (T + pooling_days) on its own.
    """

    tau: float = 1.0
    days_per_year: int = DAYS_PER_YEAR
    min_days: int = 20
    min_active: int = 10
    low: float = 0.25
    high: float = 6.0
    pooling_days: int = 100


STANDARD = ScoringRules()


class Scores(NamedTuple):
    """What each of n strategies' returns say; undefined figures are NaN, but for the score.

    Attributes
    ----------
    observations, active_days : int64[n]
        Days counted; days with activity among them.
    net_return : float64[n]
        Sum of the daily returns.
    sharpe : float64[n]
        mean / sd (ddof 1), annualised.
    std_error : float64[n]
        sqrt(A D / T) with the shrunk D: the error of `sharpe`.
    shrunk_sharpe : float64[n]
        SR*, annualised: the score; 0 where there is none.
    shrunk_std : float64[n]
        sd*, annualised: what is left uncertain about the true ratio.
    t_stat : float64[n]
        SR* / sd*.
    psr, deflated : float64[n]
        Probability that the true ratio is above 0; above the best that as many worthless
        strategies would show (reported, never used as weights).
    dispersion, pooled_dispersion : float64[n]
        D before and after it is shrunk across strategies.
    daily_std : float64[n]
        Of the daily returns, ddof 1.
    max_drawdown : float64[n]
        Of 1 + cumulative return, 0 or negative.
    reason : int8[n]
        Place in NO_SCORE; 0 where there is a score.
    """

    observations: Int
    active_days: Int
    net_return: Float
    sharpe: Float
    std_error: Float
    shrunk_sharpe: Float
    shrunk_std: Float
    t_stat: Float
    psr: Float
    deflated: Float
    dispersion: Float
    pooled_dispersion: Float
    daily_std: Float
    max_drawdown: Float
    reason: NDArray[np.int8]


def score(
    returns: Float, first: Int, active: Flags | None = None, rules: ScoringRules = STANDARD
) -> Scores:
    """Score strategies by their daily net returns.

    Parameters
    ----------
    returns : float64[n, days]
        Daily net PnL / notional, of the same calendar days for all; an idle day is 0.
    first : int64[n]
        The day from which each strategy counts: the later of the window's start and its
        first paper day ever; `days` where it has none. What stands before it is not looked at.
    active : bool[n, days], optional
        Days with a match; those whose return is not 0 where it is not given.
    rules
        See there.

    Returns
    -------
    Scores
        A strategy with too few days, no variance or a value that is not finite has no score,
        and does not touch those of others.
    """
    returns = np.ascontiguousarray(returns, np.float64)
    strategies, days = returns.shape
    counted = np.arange(days) >= first[:, None]
    finite: Flags = np.all(np.isfinite(np.where(counted, returns, 0.0)), axis=1)
    used = np.where(counted & finite[:, None], returns, 0.0)
    observations = counted.sum(axis=1)
    busy = counted & (used != 0.0 if active is None else active)
    # Sums of returns of any size may leave the doubles; such a strategy has no score.
    with np.errstate(over="ignore", invalid="ignore"):
        of = [
            moments(used[at, days - count :]) if good else Moments(int(count), NAN, NAN, NAN, NAN)
            for at, (count, good) in enumerate(zip(observations.tolist(), finite, strict=True))
        ]
        ratio = np.array([sharpe_ratio(one) for one in of], np.float64)
        dispersion = _dispersion(used, counted, of, ratio, rules)
        falls = [_fall(used[at], good) for at, good in enumerate(finite)]
        net = np.where(finite, used.sum(axis=1), NAN)
    active_days = busy.sum(axis=1)
    std = np.array([one.std for one in of], np.float64)
    reason = _reasons(observations, active_days, std, dispersion, finite, rules)
    scored = reason == SCORED
    pooled = _pool(dispersion, observations, scored, rules)
    shrunk, spread = _shrink(ratio, pooled, observations, rules)
    year = math.sqrt(rules.days_per_year)
    error = np.sqrt(pooled / np.maximum(observations, 1))
    return Scores(
        observations,
        active_days,
        net,
        np.where(std > 0.0, ratio, NAN) * year,
        error * year,
        np.where(scored, shrunk, 0.0) * year,
        np.where(scored, spread, NAN) * year,
        np.where(scored, shrunk / spread, NAN),
        _probabilities(ratio, of, np.zeros(strategies), scored),
        _probabilities(
            ratio, of, np.full(strategies, _best_of_none(ratio[scored], strategies)), scored
        ),
        dispersion,
        pooled,
        std,
        np.array(falls, np.float64),
        reason,
    )


def open_losses(open_return: Float, scores: Scores) -> Flags:
    """Tell which strategies hide a loss: one not closed, of over two daily deviations.

    Parameters
    ----------
    open_return : float64[n]
        Unrealised PnL / notional at the end of the window; NaN where it is not known.
    """
    deviation = np.where(np.isfinite(scores.daily_std), scores.daily_std, 0.0)
    found: Flags = open_return < -_OPEN_LOSS_DEVIATIONS * deviation
    return found


def _dispersion(
    used: Float, counted: Flags, of: list[Moments], ratio: Float, rules: ScoringRules
) -> Float:
    """Give D = T V, V the long-run variance of a Sharpe ratio's influence, within bounds."""
    observations = counted.sum(axis=1)
    mean = np.array([one.mean for one in of])[:, None]
    # Times (T - 1)/T: with the variance of ddof 0, psi has mean zero.
    biased = np.array([one.std for one in of]) * np.sqrt(
        np.maximum(observations - 1, 0) / np.maximum(observations, 1)
    )
    with np.errstate(divide="ignore"):
        z = np.where(counted, (used - mean) / biased[:, None], 0.0)
    psi = np.where(counted, z - ratio[:, None] / 2.0 * (z * z - 1.0), 0.0)
    variance = long_run_variance(psi, observations, newey_west_lag(observations))
    return np.clip(variance, rules.low, rules.high)


def _reasons(
    observations: Int,
    active_days: Int,
    std: Float,
    dispersion: Float,
    finite: Flags,
    rules: ScoringRules,
) -> NDArray[np.int8]:
    """Say why there is no score, the first reason that holds."""
    judged = [
        (~finite, NOT_FINITE),
        (observations < rules.min_days, TOO_FEW_DAYS),
        (active_days < rules.min_active, TOO_FEW_ACTIVE_DAYS),
        (std == 0.0, NO_VARIANCE),
        (~np.isfinite(dispersion * std), NOT_FINITE),
    ]
    return np.select([holds for holds, _ in judged], [why for _, why in judged], SCORED).astype(
        np.int8
    )


def _pool(dispersion: Float, observations: Int, scored: Flags, rules: ScoringRules) -> Float:
    """Shrink log D towards log of the median D of those that have a score."""
    if not scored.any():
        return np.full(len(dispersion), NAN)
    centre = math.log(float(np.median(dispersion[scored])))
    own = observations / (observations + rules.pooling_days)
    pooled: Float = np.exp(own * np.log(dispersion) + (1.0 - own) * centre)
    return np.where(scored, pooled, NAN)


def _shrink(
    ratio: Float, pooled: Float, observations: Int, rules: ScoringRules
) -> tuple[Float, Float]:
    """Give SR* and sd*, of one day."""
    days = np.maximum(observations, 1)
    prior = rules.tau**2 / rules.days_per_year
    variance = pooled / days
    shrunk = ratio * observations / (observations + pooled / prior)
    return shrunk, np.sqrt(prior * variance / (prior + variance))


def _probabilities(ratio: Float, of: list[Moments], above: Float, scored: Flags) -> Float:
    return np.array(
        [
            probabilistic_sharpe_ratio(float(sr), one.skew, one.kurtosis, one.count, float(than))
            if good
            else NAN
            for sr, one, than, good in zip(ratio, of, above, scored, strict=True)
        ],
        np.float64,
    )


def _best_of_none(ratios: Float, trials: int) -> float:
    """Give what a roster's best would show by luck; NaN where fewer than two have a score."""
    if trials < 2:
        return 0.0
    return expected_best(float(ratios.std(ddof=1)), trials) if len(ratios) > 1 else NAN


def _fall(returns: Float, finite: bool) -> float:
    """Give the deepest fall of 1 + cumulative return; NaN where it leaves the doubles."""
    if not finite:
        return NAN
    equity = np.concatenate([[1.0], 1.0 + np.cumsum(returns)])
    return drawdown(equity).depth if np.isfinite(equity).all() else NAN
