"""Figures of a curve: against empyrical, quantstats and scipy, and worked by hand."""

import math
from datetime import date

import empyrical as ep
import numpy as np
import pandas as pd
import pytest
import quantstats.stats as qs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats as scipy_stats

from streaming.analytics import statistics as own
from streaming.analytics.drawdown import drawdown
from streaming.errors import MoneyError, SettingsError

CAPITAL = 10_000_000_000_000  # 100,000 x 1e8
A = 365
START = date(2013, 3, 1)
CLOSE = {"rel": 1e-9, "abs": 1e-12}


def some_pnl(seed, days=365):
    """Give daily PnL with fat tails and some idle days."""
    random = np.random.default_rng(seed)
    pnl = random.standard_t(4, days) * 600e8 + random.normal(20e8)
    pnl[random.random(days) < 0.2] = 0
    return np.rint(pnl).astype(np.int64)


def judged(pnl):
    return own.figures(pnl, capital=CAPITAL, start=START)


def series(values):
    return pd.Series(values, index=pd.date_range("2013-03-01", periods=len(values)))


SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ratios_of_daily_returns_equal_empyrical_and_quantstats(seed):
    pnl = some_pnl(seed)
    r = series(pnl / CAPITAL)
    f = judged(pnl)
    assert f.sharpe == pytest.approx(ep.sharpe_ratio(r, annualization=A), **CLOSE)
    assert f.sharpe == pytest.approx(qs.sharpe(r, periods=A), **CLOSE)
    assert f.sortino == pytest.approx(ep.sortino_ratio(r, annualization=A), **CLOSE)
    assert f.sortino == pytest.approx(qs.sortino(r, periods=A), **CLOSE)
    assert f.volatility == pytest.approx(ep.annual_volatility(r, annualization=A), **CLOSE)
    assert f.volatility == pytest.approx(qs.volatility(r, periods=A), **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_equity_equal_empyrical_and_quantstats(seed):
    # They compound what they are given, so they are given the returns of equity.
    pnl = some_pnl(seed)
    equity = np.concatenate([[CAPITAL], CAPITAL + np.cumsum(pnl)])
    r = series(equity[1:] / equity[:-1] - 1)
    f = judged(pnl)
    assert f.cagr == pytest.approx(ep.cagr(r, annualization=A), **CLOSE)
    assert f.cagr == pytest.approx(qs.cagr(r, periods=A), **CLOSE)
    assert f.max_drawdown == pytest.approx(ep.max_drawdown(r), **CLOSE)
    assert f.max_drawdown == pytest.approx(qs.max_drawdown(r), **CLOSE)
    assert f.calmar == pytest.approx(ep.calmar_ratio(r, annualization=A), **CLOSE)
    assert f.calmar == pytest.approx(qs.calmar(r, periods=A), **CLOSE)
    assert f.total_return == pytest.approx(ep.cum_returns_final(r), **CLOSE)
    # quantstats divides by n - 1; the index is defined over n days.
    assert f.ulcer_index == pytest.approx(qs.ulcer_index(r) * math.sqrt(364 / 365), **CLOSE)


@pytest.mark.parametrize("seed", SEEDS)
def test_tail_figures_equal_empyrical_quantstats_and_pandas(seed):
    pnl = np.unique(some_pnl(seed))  # without ties, where the two definitions of CVaR differ
    r = series(pnl / CAPITAL)
    f = judged(pnl)
    assert f.var == pytest.approx(ep.value_at_risk(r), **CLOSE)
    assert f.var == pytest.approx(r.quantile(0.05, interpolation="linear"), **CLOSE)
    assert f.cvar == pytest.approx(ep.conditional_value_at_risk(r), **CLOSE)
    assert f.cvar == pytest.approx(
        qs.conditional_value_at_risk(r, method="historical", prepare_returns=False), **CLOSE
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_moments_are_the_biased_ones(seed):
    pnl = some_pnl(seed)
    f = judged(pnl)
    assert f.skew == pytest.approx(scipy_stats.skew(pnl / CAPITAL, bias=True), **CLOSE)
    assert f.kurtosis == pytest.approx(scipy_stats.kurtosis(pnl / CAPITAL, bias=True), **CLOSE)


def test_psr_is_the_worked_example_of_bailey_and_lopez_de_prado():
    # "The Sharpe ratio efficient frontier" (2012), section 4: 24 monthly returns with a Sharpe
    # ratio of 0.458 (1.59 a year), skew -2.448, kurtosis 10.164: PSR(0) is 0.982 if returns
    # are taken for normal, and 0.913 as they are.
    assert round(own.probabilistic_sharpe_ratio(0.458, 0.0, 0.0, 24), 3) == 0.982
    assert round(own.probabilistic_sharpe_ratio(0.458, -2.448, 10.164 - 3, 24), 3) == 0.913


@pytest.mark.parametrize("seed", SEEDS)
def test_psr_and_the_error_follow_from_the_moments(seed):
    pnl = some_pnl(seed)
    r = pnl / CAPITAL
    daily = r.mean() / r.std(ddof=1)
    skew, kurtosis = scipy_stats.skew(r), scipy_stats.kurtosis(r, fisher=False)
    error = math.sqrt((1 - skew * daily + (kurtosis - 1) / 4 * daily**2) / (len(r) - 1))
    f = judged(pnl)
    assert f.sharpe_std_error == pytest.approx(error * math.sqrt(A), **CLOSE)
    assert f.psr == pytest.approx(scipy_stats.norm.cdf(daily / error), **CLOSE)


def test_the_error_of_normal_returns_is_lo_s():
    assert own.sharpe_std_error(0.1, 0.0, 0.0, 101) == pytest.approx(math.sqrt(1.005 / 100))


def test_the_probability_of_beating_the_estimate_itself_is_a_half():
    assert own.probabilistic_sharpe_ratio(0.07, -0.3, 2.0, 250, benchmark=0.07) == 0.5


def test_drawdown_by_hand_with_dates():
    # Equity 100: 110 120 120 90 108 120 115, in thousands.
    pnl = np.array([10, 10, 0, -30, 18, 12, -5]) * 10**11
    f = judged(pnl)
    assert f.max_drawdown == -0.25
    assert f.max_drawdown_peak == date(2013, 3, 3)  # the last day at 120
    assert f.max_drawdown_trough == date(2013, 3, 4)
    assert f.max_drawdown_recovery == date(2013, 3, 6)
    assert f.max_drawdown_days == 3
    assert f.longest_drawdown_days == 3
    falls = [0, 0, 0, -30 / 120, -12 / 120, 0, -5 / 120]
    assert f.ulcer_index == pytest.approx(math.sqrt(sum(x * x for x in falls) / 7), rel=1e-12)
    assert f.calmar == pytest.approx((1.15 ** (A / 7) - 1) / 0.25, rel=1e-12)
    assert (f.best_day, f.best_day_pnl) == (date(2013, 3, 5), 18 * 10**11)
    assert (f.worst_day, f.worst_day_pnl) == (date(2013, 3, 4), -30 * 10**11)
    assert (f.days, f.active_days, f.net_pnl) == (7, 6, 15 * 10**11)


def test_a_first_day_that_loses_falls_from_the_capital_and_may_never_recover():
    f = judged(np.array([-10, 4, -14, 5]) * 10**11)
    assert f.max_drawdown == -0.2
    assert f.max_drawdown_peak == date(2013, 2, 28)  # the day before the window: the capital
    assert f.max_drawdown_trough == date(2013, 3, 3)
    assert f.max_drawdown_recovery is None
    assert f.max_drawdown_days == f.longest_drawdown_days == 4


def test_the_longest_drawdown_need_not_be_the_deepest():
    f = judged(np.array([-20, 20, -1, 0, 0, 0, 1]) * 10**11)
    assert (f.max_drawdown, f.max_drawdown_days) == (-0.2, 2)
    assert f.longest_drawdown_days == 5


def test_a_fall_on_the_last_day_alone_lasts_a_day():
    f = judged(np.array([1, 1, -1]) * 10**11)
    assert f.max_drawdown_days == f.longest_drawdown_days == 1


def test_a_fall_of_one_unit_is_a_fall_and_its_recovery_is_exact():
    huge = 10**18 - 1
    f = own.figures(np.array([-1, 1, 0]), capital=huge, start=START)
    assert f.max_drawdown < 0
    assert (f.max_drawdown_days, f.max_drawdown_recovery) == (2, date(2013, 3, 2))


def test_cvar_is_the_mean_of_the_worst_days_even_where_idle_days_tie():
    r = np.array([-0.04, -0.02, *[0.0] * 39])  # 41 days: the 5 % point is the third worst
    assert own.value_at_risk(r) == 0.0
    assert own.conditional_value_at_risk(r) == pytest.approx(-0.02)


def test_var_lies_between_days():
    r = np.arange(12) / 100  # 5 % of 11 steps: 0.55 of the way from 0.00 to 0.01
    assert own.value_at_risk(r) == pytest.approx(0.0055)
    assert own.conditional_value_at_risk(r) == 0.0


UNDEFINED_WHEN_IDLE = {"sharpe", "sharpe_std_error", "psr", "sortino", "calmar", "skew", "kurtosis"}


def undefined(figures):
    return {name for name in own.Figures.__dataclass_fields__ if getattr(figures, name) is None}


def test_idle_days_leave_ratios_undefined_and_risk_at_zero():
    f = judged(np.zeros(10, np.int64))
    dates = {"max_drawdown_peak", "max_drawdown_trough", "max_drawdown_recovery"}
    assert undefined(f) == UNDEFINED_WHEN_IDLE | dates
    assert f.volatility == f.max_drawdown == f.ulcer_index == f.cagr == f.var == 0.0


def test_equal_gains_every_day_have_no_dispersion_whatever_their_mean_rounds_to():
    f = judged(np.full(7, 333_333_333_333))
    assert f.volatility == 0.0
    assert f.sharpe is None
    assert f.psr is None


def test_one_day_has_a_return_but_no_dispersion():
    f = judged(np.array([10**11]))
    assert f.total_return == 0.01
    assert f.volatility is None
    assert f.sharpe is None
    assert f.var == f.cvar == 0.01
    assert f.cagr == pytest.approx(1.01**365 - 1)


def test_two_days_are_enough_for_dispersion():
    f = judged(np.array([-(10**11), 3 * 10**11]))
    assert f.sharpe == pytest.approx(0.01 / (0.02 * math.sqrt(2)) * math.sqrt(A))
    assert f.sortino == pytest.approx(0.01 / (0.01 / math.sqrt(2)) * math.sqrt(A))
    assert f.sharpe_std_error is not None
    assert (f.skew, f.kurtosis) == (pytest.approx(0, abs=1e-9), pytest.approx(-2))


def test_a_growth_beyond_doubles_is_undefined():
    assert judged(np.array([CAPITAL * 9])).cagr is None
    assert judged(np.array([CAPITAL * 9])).calmar is None


def test_losing_more_than_the_capital_has_no_growth_rate():
    f = judged(np.array([-CAPITAL * 2, CAPITAL // 2]))
    assert f.cagr is None
    assert f.calmar is None
    assert f.max_drawdown == -2.0


def test_losing_all_of_the_capital_grows_at_minus_one():
    assert judged(np.array([-CAPITAL, 0])).cagr == -1.0


@given(
    hnp.arrays(
        np.int64,
        st.integers(0, 30),
        elements=st.one_of(st.just(0), st.integers(-(10**16), 10**16)),
    )
)
def test_every_figure_is_finite_or_none(pnl):
    for name in own.Figures.__dataclass_fields__:
        value = getattr(judged(pnl), name)
        assert not isinstance(value, float) or math.isfinite(value), name


@given(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(-5, 5)))
def test_drawdown_equals_a_naive_search(steps):
    equity = 100 + np.concatenate([[0], np.cumsum(steps)])
    fall = drawdown(equity)
    peak, depths = 0, []
    for value in equity:
        peak = max(peak, value)
        depths.append(value / peak - 1)
    assert fall.depth == pytest.approx(min(depths))
    runs, high, at = [0], equity[0], 0
    for day, value in enumerate(equity):
        if value >= high:
            runs.append(day - at if min(equity[at : day + 1]) < high else 0)
            high, at = value, day
    runs.append(len(equity) - 1 - at)
    assert fall.longest == max(runs)
    if fall.depth < 0:
        assert fall.peak < fall.trough
        assert equity[fall.peak] == max(equity[: fall.trough])
        assert fall.peak == max(
            day for day in range(fall.trough) if equity[day] == equity[fall.peak]
        )
        later = [d for d in range(fall.trough, len(equity)) if equity[d] >= equity[fall.peak]]
        assert fall.recovery == (later[0] if later else None)
        end = len(equity) - 1 if fall.recovery is None else fall.recovery
        assert fall.days == end - fall.peak


def test_capital_must_be_positive():
    with pytest.raises(SettingsError, match="capital must be positive"):
        own.figures(np.array([1]), capital=0, start=START)


def test_equity_that_would_wrap_is_refused():
    with pytest.raises(MoneyError, match="equity"):
        own.figures(np.full(12, 10**18), capital=CAPITAL, start=START)
