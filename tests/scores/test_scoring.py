"""Scores against an oracle, statsmodels and worked examples; and strategies without a score."""

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.sandwich_covariance import S_hac_simple

from streaming.analytics import scoring
from streaming.analytics.scoring import NO_SCORE, Scores, score
from streaming.analytics.sharpe_errors import (
    expected_best,
    long_run_variance,
    newey_west_lag,
)
from streaming.analytics.statistics import probabilistic_sharpe_ratio
from tests.scores import oracle

CLOSE = {"rel": 1e-10, "abs": 1e-13}


def some_returns(random, count, days=365):
    """Give returns of strategies with histories of any length, and where each begins."""
    first = random.integers(0, days - 20, count)
    r = random.standard_t(4, (count, days)) * 0.003 + random.normal(0, 0.0003, (count, 1))
    r[random.random((count, days)) < random.uniform(0, 0.5, (count, 1))] = 0.0
    for t in range(1, days):
        r[:, t] += 0.2 * r[:, t - 1]
    return r, first


def names_of(scores: Scores):
    return [NO_SCORE[code] for code in scores.reason]


@pytest.mark.parametrize("seed", range(30))
def test_scores_equal_the_oracle(seed):
    random = np.random.default_rng(seed)
    r, first = some_returns(random, int(random.integers(1, 25)))
    r[random.random(len(r)) < 0.1] = 0.0
    found = score(r, first)
    expected = oracle.scores([row[at:].tolist() for row, at in zip(r, first, strict=True)])
    for at, one in enumerate(expected):
        if one is None:
            assert found.shrunk_sharpe[at] == 0.0
            assert found.reason[at] != scoring.SCORED
            continue
        got = (
            found.shrunk_sharpe[at],
            found.shrunk_std[at],
            found.t_stat[at],
            found.std_error[at],
        )
        assert got == pytest.approx(one, **CLOSE)


@pytest.mark.parametrize("seed", range(10))
def test_the_long_run_variance_equals_statsmodels(seed):
    random = np.random.default_rng(seed)
    days = int(random.integers(20, 400))
    x = random.normal(size=days) + 0.3
    lag = newey_west_lag(np.array([days]))
    own = long_run_variance(x[None, :], np.array([days]), lag)[0]
    theirs = S_hac_simple(x[:, None], nlags=int(lag[0]))[0, 0] / days
    assert own == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_a_mean_equals_statsmodels_regression_on_a_constant(seed):
    # The same figure by another way of statsmodels: HAC errors of an intercept.
    random = np.random.default_rng(seed)
    x = random.normal(size=250)
    x -= x.mean()
    fit = OLS(x, np.ones(250)).fit(cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False})
    own = long_run_variance(x[None, :], np.array([250]), np.array([4]))[0] / 250
    assert math.sqrt(own) == pytest.approx(float(fit.bse[0]), rel=1e-10)


@pytest.mark.parametrize(("days", "lag"), [(20, 2), (100, 4), (250, 4), (365, 5)])
def test_lags_by_the_rule(days, lag):
    assert newey_west_lag(np.array([days]))[0] == lag


def test_deflated_ratio_is_the_worked_example_of_bailey_and_lopez_de_prado():
    # "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014, their numerical
    # example: a ratio of 2.5 a year over 1,250 days of which a year has 250, the best of 100
    # whose ratios have a variance of 1/2 a year, skew -3, kurtosis 10: the ratio to beat is
    # 0.1132 a day, and the deflated one 0.9004.
    best = expected_best(math.sqrt(0.5 / 250), 100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic_sharpe_ratio(2.5 / math.sqrt(250), -3.0, 10.0 - 3.0, 1250, best)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_deflated_ratios_equal_the_oracle():
    random = np.random.default_rng(5)
    r = random.standard_t(5, (12, 300)) * 0.01 + 0.0005
    found = score(r, np.zeros(12, np.int64))
    ratios = [oracle.daily_ratio(row.tolist()) for row in r]
    for at, row in enumerate(r):
        z = (row - row.mean()) / row.std()
        expected = oracle.deflated(ratios[at], ratios, 12, (z**3).mean(), (z**4).mean(), len(row))
        assert found.deflated[at] == pytest.approx(expected, rel=1e-9)


def test_one_strategy_alone_is_not_chosen_among_others():
    r = np.random.default_rng(1).normal(0.001, 0.01, (1, 200))
    found = score(r, np.zeros(1, np.int64))
    assert found.deflated[0] == found.psr[0]
    # And D has only its own median to go to.
    assert found.pooled_dispersion[0] == pytest.approx(found.dispersion[0])


def poor(days=100):
    """Give the returns of strategies that can have no score, with the reason of each."""
    random = np.random.default_rng(9)
    good = random.normal(0, 0.01, days)
    rows = {
        "one day": (good, days - 1, "TOO_FEW_DAYS"),
        "no day": (good, days, "TOO_FEW_DAYS"),
        "19 days": (good, days - 19, "TOO_FEW_DAYS"),
        "idle": (np.zeros(days), 0, "TOO_FEW_ACTIVE_DAYS"),
        "9 active days": (np.where(np.arange(days) < 9, good, 0.0), 0, "TOO_FEW_ACTIVE_DAYS"),
        "constant": (np.full(days, 0.1), 0, "NO_VARIANCE"),
        "NaN": (np.where(np.arange(days) == 50, np.nan, good), 0, "NOT_FINITE"),
        "infinite": (np.where(np.arange(days) == 50, np.inf, good), 0, "NOT_FINITE"),
        "enormous": (np.where(np.arange(days) == 50, 1e300, good), 0, "NOT_FINITE"),
    }
    return good, rows


def test_strategies_without_a_score_say_why_and_do_not_touch_the_others():
    good, rows = poor()
    alone = score(good[None, :], np.zeros(1, np.int64))
    r = np.array([good, *(row for row, *_ in rows.values())])
    first = np.array([0, *(at for _, at, _ in rows.values())])
    found = score(r, first)
    assert names_of(found) == ["", *(why for *_, why in rows.values())]
    assert found.shrunk_sharpe[0] == alone.shrunk_sharpe[0]
    assert found.std_error[0] == alone.std_error[0]
    assert (found.shrunk_sharpe[1:] == 0.0).all()
    assert np.isnan(found.t_stat[1:]).all()
    assert np.isfinite(found.t_stat[0])


def test_the_least_history_that_has_a_score():
    good = np.random.default_rng(2).normal(0.001, 0.01, 100)
    r = np.where(np.arange(100) >= 90, good, 0.0)
    assert names_of(score(r[None, :], np.array([80]))) == [""]
    assert names_of(score(r[None, :], np.array([81]))) == ["TOO_FEW_DAYS"]


def test_no_strategy_is_no_score():
    found = score(np.empty((0, 365)), np.empty(0, np.int64))
    assert all(len(column) == 0 for column in found)


def test_days_before_a_strategys_first_do_not_count():
    random = np.random.default_rng(3)
    r = random.normal(0, 0.01, (4, 200))
    first = np.array([0, 50, 120, 170])
    before = np.where(np.arange(200) < first[:, None], np.nan, r)
    for one, other in zip(score(r, first), score(before, first), strict=True):
        np.testing.assert_array_equal(one, other)
    short = score(r[:, 50:], np.maximum(first - 50, 0))
    assert short.shrunk_sharpe[3] != 0.0


def test_the_order_of_strategies_is_nothing():
    random = np.random.default_rng(4)
    r, first = some_returns(random, 30)
    order = random.permutation(30)
    straight, turned = score(r, first), score(r[order], first[order])
    for one, other in zip(straight, turned, strict=True):
        np.testing.assert_array_equal(one[order], other)


def test_idle_days_count_and_activity_may_be_told():
    random = np.random.default_rng(6)
    r = random.normal(0.001, 0.01, (1, 60))
    r[0, 12:] = 0.0
    assert names_of(score(r, np.zeros(1, np.int64))) == [""]
    # Matches of no profit are activity, too.
    active = np.zeros((1, 60), bool)
    active[0, :9] = True
    assert names_of(score(r, np.zeros(1, np.int64), active)) == ["TOO_FEW_ACTIVE_DAYS"]


def test_scores_do_not_depend_on_the_notional():
    random = np.random.default_rng(7)
    r, first = some_returns(random, 10)
    one, other = score(r, first), score(r * 1024.0, first)
    np.testing.assert_allclose(one.shrunk_sharpe, other.shrunk_sharpe, rtol=1e-12)


def test_shrinking_never_turns_a_ratio_and_never_enlarges_it():
    random = np.random.default_rng(8)
    r, first = some_returns(random, 200)
    found = score(r, first)
    with_score = found.reason == scoring.SCORED
    assert with_score.sum() > 100
    raw, shrunk = found.sharpe[with_score], found.shrunk_sharpe[with_score]
    assert (np.sign(raw) == np.sign(shrunk)).all()
    assert (np.abs(shrunk) < np.abs(raw)).all()


def test_an_open_loss_of_over_two_deviations_sets_a_flag():
    random = np.random.default_rng(10)
    found = score(random.normal(0, 0.01, (4, 100)), np.zeros(4, np.int64))
    sd = found.daily_std
    open_return = np.array([-2.01 * sd[0], -1.99 * sd[1], np.nan, 0.5])
    assert scoring.open_losses(open_return, found).tolist() == [True, False, False, False]


def test_the_deepest_fall_is_of_capital_and_cumulative_return():
    r = np.array([[0.1, -0.22, 0.05] + [0.0] * 30])
    assert score(r, np.zeros(1, np.int64)).max_drawdown[0] == pytest.approx(-0.22 / 1.1)
