"""Made-up worlds of strategies whose true Sharpe ratios are known.

A world has strategies with fat-tailed, skewed, correlated and autocorrelated daily returns,
idle days and histories of different lengths that all end today. An estimator sees the
returns; it is judged by the truth.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.statistics import DAYS_PER_YEAR

Float = NDArray[np.float64]

DEGREES = 4
CORRELATION = 0.2
_MEAN_ABS = 1.0
"""E|t| of Student's t with 4 degrees: 2 sqrt(4) Gamma(5/2) / (3 sqrt(pi) Gamma(2))."""


class Climate(NamedTuple):
    """What a kind of world is like; ranges are uniform.

    Attributes
    ----------
    mean, spread : float
        Of the true annual Sharpe ratios, normal.
    stretch : float
        Losses are larger by up to this share.
    memory : (float, float)
        Range of the AR(1) coefficients.
    idle : float
        Up to this share of days is idle.
    shortest, longest : int
        Days of history, log-uniform.
    turns_bad : bool
        Half-way through its history the true ratio becomes minus its absolute value; the
        truth that counts is the later one.
    """

    mean: float = 0.5
    spread: float = 1.0
    stretch: float = 0.5
    memory: tuple[float, float] = (-0.1, 0.3)
    idle: float = 0.6
    shortest: int = 20
    longest: int = 365
    turns_bad: bool = False


class World(NamedTuple):
    """One world of n strategies.

    Attributes
    ----------
    returns : float64[n, days], first : int64[n]
        As `streaming.analytics.scoring.score` takes them.
    truth : float64[n]
        True annual Sharpe ratios.
    mean : float64[n], covariance : float64[n, n]
        Of one day's returns, from which a portfolio's true ratio follows.
    """

    returns: Float
    first: NDArray[np.int64]
    truth: Float
    mean: Float
    covariance: Float

    def portfolio_sharpe(self, weights: Float) -> float:
        """Give the true annual Sharpe ratio of a portfolio."""
        risk = float(weights @ self.covariance @ weights)
        return float(weights @ self.mean) / math.sqrt(risk) * math.sqrt(DAYS_PER_YEAR)


def make_world(random: np.random.Generator, climate: Climate, strategies: int = 20) -> World:
    """Draw a world."""
    days = climate.longest
    truth = random.normal(climate.mean, climate.spread, strategies)
    stretch = random.uniform(0.0, climate.stretch, strategies)
    memory = random.uniform(*climate.memory, strategies)
    active = 1.0 - random.uniform(0.0, climate.idle, strategies)
    length = np.exp(
        random.uniform(math.log(climate.shortest), math.log(climate.longest + 1), strategies)
    ).astype(np.int64)
    noise = _standard_noise(random, stretch, days)
    series = _remember(noise, memory)
    busy = random.random((strategies, days)) < active[:, None]
    shift = _shift(truth, active)
    if climate.turns_bad:
        bad = -np.abs(truth)
        turned = np.arange(days) >= (days - length // 2)[:, None]
        returns = busy * (series + np.where(turned, _shift(bad, active)[:, None], shift[:, None]))
        truth, shift = bad, _shift(bad, active)
    else:
        returns = busy * (series + shift[:, None])
    covariance = _covariance(memory, active)
    covariance[np.diag_indices(strategies)] = active * (1 + shift**2) - (active * shift) ** 2
    return World(returns, days - length, truth, active * shift, covariance)


def _standard_noise(random: np.random.Generator, stretch: Float, days: int) -> Float:
    """Draw Student-t noise, equicorrelated, losses stretched, of mean 0 and variance 1."""
    strategies = len(stretch)
    common = random.normal(size=days) * math.sqrt(CORRELATION)
    own = random.normal(size=(strategies, days)) * math.sqrt(1.0 - CORRELATION)
    noise = (common + own) * np.sqrt(DEGREES / random.chisquare(DEGREES, days))
    longer = 1.0 + stretch[:, None]
    noise = np.where(noise < 0.0, noise * longer, noise)
    mean = -stretch * _MEAN_ABS / 2.0
    # The variance of t with 4 degrees is 2: each half brings 1.
    variance = 1.0 + (1.0 + stretch) ** 2 - mean**2
    standard: Float = (noise - mean[:, None]) / np.sqrt(variance)[:, None]
    return standard


def _remember(noise: Float, memory: Float) -> Float:
    """Make noise an AR(1) of variance 1, stationary from its first day."""
    series = noise.copy()
    fresh = np.sqrt(1.0 - memory**2)
    for day in range(1, noise.shape[1]):
        series[:, day] = memory * series[:, day - 1] + fresh * noise[:, day]
    return series


def _shift(truth: Float, active: Float) -> Float:
    """Give what to add on active days so that the daily ratio, idle days and all, is true."""
    daily = truth / math.sqrt(DAYS_PER_YEAR)
    shift: Float = daily * np.sqrt(active / (active**2 - daily**2 * active * (1.0 - active)))
    return shift


def _covariance(memory: Float, active: Float) -> Float:
    """Give the covariances of returns of different strategies on one day."""
    fresh = np.sqrt(1.0 - memory**2)
    together = np.outer(fresh, fresh) / (1.0 - np.outer(memory, memory))
    covariance: Float = CORRELATION * together * np.outer(active, active)
    return covariance
