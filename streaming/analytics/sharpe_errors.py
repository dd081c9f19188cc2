"""What a Sharpe ratio's error is made of: long-run variance, and luck among many trials."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_EULER = 0.5772156649015329


def newey_west_lag(observations: Int) -> Int:
    """Give floor(4 (T/100)^(2/9)): how many days apart autocovariances count.

    Source: W. Newey, K. West, "Automatic lag selection in covariance matrix estimation",
    Review of Economic Studies 61(4), 1994.
    """
    return np.floor(4.0 * (observations / 100.0) ** (2.0 / 9.0)).astype(np.int64)


def long_run_variance(values: Float, observations: Int, lag: Int) -> Float:
    """Give the Newey-West variance of each row's mean times its observations.

    g_0 + 2 sum over l of (1 - l/(lag + 1)) g_l, with g_l = sum of x_t x_(t-l) / T; the rows
    are not centred.

    Parameters
    ----------
    values : float64[n, days]
        The last `observations` of each row count; those before are 0.
    observations, lag : int64[n]
        T >= 1 and the lag of each row.

    Notes
    -----
    Source: W. Newey, K. West, "A simple, positive semi-definite, heteroskedasticity and
    autocorrelation consistent covariance matrix", Econometrica 55(3), 1987.
    """
    days = values.shape[1]
    total = np.zeros(len(values))
    for apart in range(min(int(lag.max(initial=0)) + 1, days)):
        share = np.maximum(1.0 - apart / (lag + 1.0), 0.0) * (1.0 if apart == 0 else 2.0)
        total += share * (values[:, apart:] * values[:, : days - apart]).sum(axis=1)
    variance: Float = total / np.maximum(observations, 1)
    return variance


def expected_best(std: float, trials: int) -> float:
    """Give the ratio that the best of so many worthless strategies is expected to show.

    std ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))), g Euler's constant, z the normal quantile.

    Source: D. Bailey, M. Lopez de Prado, "The deflated Sharpe ratio", Journal of Portfolio
    Management 40(5), 2014.

    Parameters
    ----------
    std
        Standard deviation of the ratios tried.
    trials
        N; one alone is not chosen among others: 0.
    """
    if trials < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    most = (1.0 - _EULER) * quantile(1.0 - 1.0 / trials)
    return std * (most + _EULER * quantile(1.0 - 1.0 / (trials * math.e)))
