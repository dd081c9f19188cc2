"""Figures of a curve: what daily PnL says about return and risk.

Every function here takes plain arrays and gives NaN where a figure is undefined (too few
days, no dispersion, nothing lost yet); `figures` turns those into None. Conventions:

- r = daily net PnL / capital, not compounded; an idle day is 0 and counts.
- Drawdown, CAGR, Calmar and Ulcer are on equity = capital + cumulative PnL.
- Years have `days_per_year` days (365: every calendar day counts).
- The risk-free rate is 0.
- Variance in volatility and Sharpe is the sample's (ddof 1); skew and kurtosis are biased
  moments, kurtosis in excess of the normal's 3.
- Losses are negative: drawdown, VaR, CVaR.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.days import checked_sum_range
from streaming.analytics.drawdown import drawdown
from streaming.errors import SettingsError

Int = NDArray[np.int64]
Float = NDArray[np.float64]

NAN = math.nan
DAYS_PER_YEAR = 365
TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, sample standard deviation, biased skew and excess kurtosis; NaN where undefined."""

    count: int
    mean: float
    std: float
    skew: float
    kurtosis: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one curve of daily PnL amounts to. Undefined figures are None, never inf.

    Money (`net_pnl`, `best_day_pnl`, `worst_day_pnl`) is currency x 1e8, exact. Ratios,
    returns and risks are fractions: 0.01 is one percent. `volatility`, `sharpe`,
    `sharpe_std_error`, `sortino` and `cagr` are annualised. A drawdown that begins in the
    first days may peak on the day before the window: the capital itself.
    """

    days: int
    active_days: int
    net_pnl: int
    total_return: float
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sharpe_std_error: float | None
    psr: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_peak: date | None
    max_drawdown_trough: date | None
    max_drawdown_recovery: date | None
    max_drawdown_days: int
    longest_drawdown_days: int
    ulcer_index: float
    var: float | None
    cvar: float | None
    skew: float | None
    kurtosis: float | None
    best_day: date | None
    best_day_pnl: int | None
    worst_day: date | None
    worst_day_pnl: int | None


def moments(returns: Float) -> Moments:
    """Give the first four moments of returns.

    Parameters
    ----------
    returns : float64[days]
        Daily returns, finite.

    Returns
    -------
    Moments
        `std` needs two days; `skew` and `kurtosis` two days that differ. Returns that are
        all equal have a deviation of exactly 0, whatever their mean rounds to.
    """
    count = returns.size
    if count == 0:
        return Moments(0, NAN, NAN, NAN, NAN)
    mean = float(returns.sum()) / count
    if count < 2:
        return Moments(count, mean, NAN, NAN, NAN)
    if float(returns.max()) == float(returns.min()):
        return Moments(count, mean, 0.0, NAN, NAN)
    deviation = returns - mean
    squares = deviation * deviation
    total = float(squares.sum())
    variance = total / count
    # Deviations so small that their squares vanish have no shape that doubles could show.
    if variance * variance == 0.0:
        return Moments(count, mean, math.sqrt(total / (count - 1)), NAN, NAN)
    third = float((squares * deviation).sum()) / count
    fourth = float(np.dot(squares, squares)) / count
    skew = third / variance / math.sqrt(variance)
    kurtosis = fourth / variance / variance - 3.0
    return Moments(count, mean, math.sqrt(total / (count - 1)), skew, kurtosis)


def sharpe_ratio(of: Moments) -> float:
    """Give the Sharpe ratio of one day: mean / sample deviation. NaN without dispersion."""
    return of.mean / of.std if of.std > 0.0 else NAN


def sharpe_std_error(sharpe: float, skew: float, kurtosis: float, count: int) -> float:
    """Give the standard error of a Sharpe ratio.

    sqrt((1 - skew SR + (k - 1)/4 SR^2) / (T - 1)), with k = excess kurtosis + 3. For normal
    returns that is Lo's sqrt((1 + SR^2/2) / (T - 1)).

    Sources: E. Mertens, "Comments on variance of the IID estimator in Lo (2002)", 2002;
    A. Lo, "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), 2002;
    D. Bailey, M. Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk
    15(2), 2012, whose T - 1 is used here.

    Parameters
    ----------
    sharpe
        Per observation, not annualised; the error is in the same unit.
    skew, kurtosis
        Of the returns; kurtosis in excess of 3.
    count
        Observations, T.

    Returns
    -------
    float
        NaN below two observations, or where a moment is NaN.
    """
    if count < 2:
        return NAN
    spread = 1.0 - skew * sharpe + (kurtosis + 2.0) / 4.0 * sharpe * sharpe
    return math.sqrt(spread / (count - 1)) if spread > 0.0 else NAN


def probabilistic_sharpe_ratio(
    sharpe: float, skew: float, kurtosis: float, count: int, benchmark: float = 0.0
) -> float:
    """Give the probability that the true Sharpe ratio is above a benchmark.

    PSR = Phi((SR - SR*) / error), Bailey and Lopez de Prado (2012), with the error of
    `sharpe_std_error`. All ratios per observation, not annualised. NaN where the error is.
    """
    error = sharpe_std_error(sharpe, skew, kurtosis, count)
    if math.isnan(error):
        return NAN
    return 0.5 * math.erfc((benchmark - sharpe) / (error * math.sqrt(2.0)))


def sortino_ratio(returns: Float, days_per_year: float = DAYS_PER_YEAR) -> float:
    """Give mean / sqrt(mean(min(r, 0)^2)) x sqrt(days_per_year).

    The downside is taken over all days, gains counting as 0 (Sortino and Price, "Performance
    measurement in a downside risk framework", Journal of Investing 3(3), 1994). NaN below
    two days, or where no day lost.
    """
    if returns.size < 2:
        return NAN
    losses = np.minimum(returns, 0.0)
    downside = math.sqrt(float(np.dot(losses, losses)) / returns.size)
    if downside == 0.0:
        return NAN
    return float(returns.sum()) / returns.size / downside * math.sqrt(days_per_year)


def annual_growth(growth: float, days: int, days_per_year: float = DAYS_PER_YEAR) -> float:
    """Give CAGR: final / initial equity to the power of 1 / years, minus 1.

    NaN where equity ended below zero (no real root) or the power leaves the doubles (a large
    gain within a day or two, over a year).
    """
    if days < 1 or growth < 0.0:
        return NAN
    try:
        return float(growth ** (days_per_year / days)) - 1.0
    except OverflowError:
        return NAN


def value_at_risk(returns: Float, tail: float = TAIL) -> float:
    """Give the historical VaR: the `tail` quantile of returns, linear between days.

    The return itself, so a loss is negative. NaN without days.
    """
    if not returns.size:
        return NAN
    # By hand, because the first np.quantile of a process takes 10 ms to import numpy.ma.
    position = tail * (returns.size - 1)
    low = int(position)
    high = min(low + 1, returns.size - 1)
    ordered = np.partition(returns, (low, high))
    below, above = float(ordered[low]), float(ordered[high])
    return below + (above - below) * (position - low)


def conditional_value_at_risk(returns: Float, tail: float = TAIL) -> float:
    """Give the historical CVaR: the mean return of the days up to the VaR.

    These are the floor(tail (n - 1)) + 1 worst days, the points on or below the linear
    quantile. Days that tie with the VaR beyond that number do not thin the tail out, so a
    strategy that is mostly idle still shows what its worst days cost. NaN without days.
    This is empyrical's CVaR; the mean of all returns <= VaR differs where many days tie.
    """
    if not returns.size:
        return NAN
    last = int(tail * (returns.size - 1))
    return float(np.partition(returns, last)[: last + 1].mean())


def figures(
    pnl: Int, *, capital: int, start: date, days_per_year: float = DAYS_PER_YEAR
) -> Figures:
    """Judge a curve of daily PnL.

    Parameters
    ----------
    pnl : int64[days]
        Net PnL of each calendar day, currency x 1e8; idle days are 0.
    capital
        Capital base, currency x 1e8, positive.
    start
        The first day.
    days_per_year
        For annualising.

    Raises
    ------
    SettingsError
        If the capital is not positive.
    MoneyError
        If equity could leave int64.
    """
    if capital <= 0:
        raise SettingsError(f"capital must be positive, not {capital / 1e8:g}.")
    equity = np.empty(pnl.size + 1, np.int64)
    equity[0] = capital
    equity[1:] = pnl
    checked_sum_range(equity, "equity")
    np.cumsum(equity, out=equity)
    returns = pnl / capital
    of = moments(returns)
    sharpe = sharpe_ratio(of)
    root = math.sqrt(days_per_year)
    error = sharpe_std_error(sharpe, of.skew, of.kurtosis, of.count)
    fall = drawdown(equity)
    growth = annual_growth(int(equity[-1]) / capital, pnl.size, days_per_year)
    best = int(np.argmax(pnl)) if pnl.size else None
    worst = int(np.argmin(pnl)) if pnl.size else None

    def day(point: int | None, shift: int = 0) -> date | None:
        return None if point is None else start + timedelta(days=point + shift)

    return Figures(
        days=pnl.size,
        active_days=int(np.count_nonzero(pnl)),
        net_pnl=int(equity[-1]) - capital,
        total_return=(int(equity[-1]) - capital) / capital,
        cagr=_defined(growth),
        volatility=_defined(of.std * root),
        sharpe=_defined(sharpe * root),
        sharpe_std_error=_defined(error * root),
        psr=_defined(probabilistic_sharpe_ratio(sharpe, of.skew, of.kurtosis, of.count)),
        sortino=_defined(sortino_ratio(returns, days_per_year)),
        calmar=_defined(growth / -fall.depth if fall.depth < 0.0 else NAN),
        max_drawdown=fall.depth,
        max_drawdown_peak=day(fall.peak, -1),
        max_drawdown_trough=day(fall.trough, -1),
        max_drawdown_recovery=day(fall.recovery, -1),
        max_drawdown_days=fall.days,
        longest_drawdown_days=fall.longest,
        ulcer_index=fall.ulcer if pnl.size else 0.0,
        var=_defined(value_at_risk(returns)),
        cvar=_defined(conditional_value_at_risk(returns)),
        skew=_defined(of.skew),
        kurtosis=_defined(of.kurtosis),
        best_day=day(best),
        best_day_pnl=None if best is None else int(pnl[best]),
        worst_day=day(worst),
        worst_day_pnl=None if worst is None else int(pnl[worst]),
    )


def _defined(value: float) -> float | None:
    """Give a figure, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None
