"""Weights: the projection against exact solutions, and every rule of box and clamp."""

import math

import numpy as np
import pytest

from streaming.analytics.weights import (
    BINDS,
    CAP,
    CLAMPED_DOWN,
    CLAMPED_UP,
    FLOOR,
    FREE,
    WeightRules,
    blend,
    box,
    carry_over,
    project,
    weigh,
)
from streaming.errors import ScoringError
from tests.scores import oracle


def a_case(random, most=12):
    """Give target and bounds that some weights can keep, with ties and empty widths."""
    n = int(random.integers(1, most + 1))
    target = random.normal(1 / n, random.choice([0.01, 0.3, 2.0]), n)
    inside = random.dirichlet(np.full(n, random.choice([0.3, 3.0])))
    low = inside - random.exponential(random.choice([0.001, 0.1]), n) * (random.random(n) < 0.8)
    high = inside + random.exponential(random.choice([0.001, 0.1]), n) * (random.random(n) < 0.8)
    if random.random() < 0.3:
        target = np.round(target, 1)
    return target, low, high


@pytest.mark.parametrize("seed", range(300))
def test_projection_equals_the_exact_one(seed):
    target, low, high = a_case(np.random.default_rng(seed))
    expected = [float(x) for x in oracle.project(target.tolist(), low.tolist(), high.tolist())]
    found = project(target, low, high)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert (found >= low).all()
    assert (found <= high).all()


def test_the_order_of_strategies_is_nothing():
    random = np.random.default_rng(2)
    for _ in range(200):
        target, low, high = a_case(random, 40)
        order = random.permutation(len(target))
        straight = project(target, low, high)
        np.testing.assert_array_equal(
            straight[order], project(target[order], low[order], high[order])
        )


def test_fixed_points_stay():
    random = np.random.default_rng(3)
    for _ in range(200):
        target, low, high = a_case(random, 40)
        once = project(target, low, high)
        np.testing.assert_allclose(project(once, low, high), once, rtol=0, atol=1e-15)


def test_bounds_that_cannot_hold_are_refused():
    with pytest.raises(ScoringError, match="above the highest"):
        project(np.array([0.5, 0.5]), np.array([0.6, 0.0]), np.array([0.5, 1.0]))
    with pytest.raises(ScoringError, match="lower the floor"):
        project(np.full(2, 0.5), np.full(2, 0.6), np.full(2, 0.9))
    with pytest.raises(ScoringError, match="raise the cap"):
        project(np.full(2, 0.5), np.full(2, 0.0), np.full(2, 0.4))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20, 21, 100, 101, 1000])
def test_the_box_of_any_roster_leaves_a_solution(n):
    for rules in (WeightRules(), WeightRules(floor=0.9, cap=0.01), WeightRules(floor=0, cap=1)):
        low, high = box(n, rules)
        assert (low >= 0).all()
        assert (low <= high).all()
        assert low.sum() <= 1.0 <= high.sum() + 1e-12
    low, high = box(20)
    assert (low[0], high[0]) == (0.01, 0.15)


def test_scores_below_zero_have_no_part_and_equal_ones_are_all_there_is_then():
    equal, by_score = blend(np.array([1.0, -1.0, 3.0, 0.0]))
    np.testing.assert_allclose(equal, 0.125)
    np.testing.assert_allclose(by_score, [0.125, 0, 0.375, 0])
    for scores in ([-1.0, -2.0], [0.0, 0.0]):
        equal, by_score = blend(np.array(scores))
        np.testing.assert_allclose(equal + by_score, 0.5)


def test_enormous_scores_are_shared_out_too():
    _, by_score = blend(np.array([1e308, 1e308, 1e308]))
    np.testing.assert_allclose(by_score, 0.5 / 3)


def scores_of(random, n):
    return random.normal(0.3, random.choice([0.1, 1.0, 20.0]), n)


@pytest.mark.parametrize("seed", range(400))
def test_weights_keep_box_and_clamp_and_sum_to_one(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 130))
    rules = WeightRules(step=float(random.choice([0.0, 0.001, 0.02, 0.3])))
    previous = None
    for _ in range(4):
        found = weigh(scores_of(random, n), previous, rules)
        low, high = box(n, rules)
        assert abs(math.fsum(found.weight) - 1.0) <= 1e-12
        assert (found.weight >= low).all()
        assert (found.weight <= high).all()
        if previous is not None:
            # Yesterday's weights keep the box: no clamp has to widen.
            assert found.widened <= 1e-15
            assert (np.abs(found.weight - previous) <= rules.step + 1e-15).all()
        previous = found.weight


@pytest.mark.parametrize("seed", range(300))
def test_clamps_widen_by_the_least_that_leaves_a_solution(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 10))
    # Previous weights from anywhere: edited by hand, or of other bounds.
    previous = random.uniform(-0.2, 0.8, n)
    if random.random() < 0.3:
        previous = np.round(previous, 1)
    rules = WeightRules(step=float(random.choice([0.0, 0.02])))
    found = weigh(scores_of(random, n), previous, rules)
    low, high = box(n, rules)
    expected = oracle.least_widening(low.tolist(), high.tolist(), previous.tolist(), rules.step)
    assert found.widened == pytest.approx(float(expected), abs=1e-14)
    assert abs(math.fsum(found.weight) - 1.0) <= 1e-12
    assert (np.abs(found.weight - previous) <= rules.step + found.widened + 1e-14).all()
    assert (found.weight >= low - 1e-15).all()
    assert (found.weight <= high + 1e-15).all()


def test_what_binds_each_weight_is_told():
    scores = np.array([9.0] + [0.0] * 18 + [1.0])
    first = weigh(scores)
    assert [BINDS[code] for code in first.binds[[0, 1]]] == ["cap", ""]
    assert first.binds[0] == CAP
    assert first.weight[0] == 0.15
    next_ = weigh(np.roll(scores, 1), first.weight)
    assert next_.binds[0] == CLAMPED_DOWN
    assert next_.weight[0] == pytest.approx(0.13)
    assert next_.binds[1] == CLAMPED_UP
    assert next_.weight[1] == pytest.approx(first.weight[1] + 0.02)
    assert FREE in next_.binds
    low = weigh(np.array([5.0] * 10 + [-1.0] * 10), rules=WeightRules(floor=0.03, score_share=1.0))
    assert set(low.binds[10:].tolist()) == {FLOOR}
    np.testing.assert_allclose(low.weight[10:], 0.2 / 20)


def test_one_strategy_alone_has_it_all():
    for previous in (None, np.array([1.0])):
        assert weigh(np.array([-3.0]), previous).weight.tolist() == [1.0]


def test_no_strategy_and_values_that_are_not_finite_are_refused():
    with pytest.raises(ScoringError, match="no strategy"):
        weigh(np.empty(0))
    with pytest.raises(ScoringError, match="Strategy 1: its score is nan"):
        weigh(np.array([1.0, np.nan]))
    with pytest.raises(ScoringError, match="Strategy 0: its previous weight is inf"):
        weigh(np.array([1.0, 1.0]), np.array([np.inf, 0.5]))


def test_a_changed_roster_starts_from_the_projected_weights():
    assert carry_over({}, ["a"]) is None
    kept = carry_over({"a": 0.4, "b": 0.6}, ["b", "a"])
    assert kept is not None
    assert kept.tolist() == [0.6, 0.4]
    names = [f"s{at}" for at in range(20)]
    old = dict.fromkeys(names, 0.05)
    grown = carry_over(old, [*names, "new"])
    assert grown is not None
    assert grown[-1] == 0.2 / 21
    assert math.fsum(grown) == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(grown[:-1], (1 - 0.2 / 21) / 20)
    shrunk = carry_over(old, names[:10])
    assert shrunk is not None
    np.testing.assert_allclose(shrunk, 0.1)
    other = carry_over(old, ["x", "y"])
    assert other is not None
    np.testing.assert_allclose(other, 0.5)
