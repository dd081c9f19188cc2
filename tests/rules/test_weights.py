"""Weights as of the time of each signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.money import SCALE, half_even

from streaming.rules.weights import WeightSchedule, equal_weight, weights_at


@pytest.mark.parametrize(("n", "weight"), [(1, SCALE), (3, 33_333_333), (7, 14_285_714)])
def test_equal_weights_by_hand(n, weight):
    assert equal_weight(n) == weight


@given(st.integers(1, 10**6))
def test_equal_weights_are_rounded_half_even(n):
    assert equal_weight(n) == half_even(SCALE, n)


IDS = ["a", "b", "c"]
SIGNALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50)), max_size=12)


@given(
    st.dictionaries(st.integers(0, 50), st.lists(st.integers(0, SCALE), min_size=2, max_size=2)),
    SIGNALS,
)
def test_a_signal_takes_the_newest_weight_in_force(by_time, signals):
    times = sorted(by_time)
    table = np.array([by_time[ts] for ts in times], np.int64).reshape(-1, 2)
    schedule = WeightSchedule(np.array(times, np.int64), ("a", "c"), table)
    found = weights_at(
        schedule,
        IDS,
        np.array([row[0] for row in signals], np.int32),
        np.array([row[1] for row in signals], np.int64),
    )

    def weight(strategy, ts):
        in_force = [time for time in times if time <= ts]
        if IDS[strategy] == "b" or not in_force:
            return half_even(SCALE, 3)  # not known, or before the first
        return by_time[in_force[-1]][("a", "c").index(IDS[strategy])]

    assert found.tolist() == [weight(*row) for row in signals]


@given(SIGNALS)
def test_without_a_schedule_weights_are_equal(signals):
    rows = np.array(signals, np.int64).reshape(-1, 2)
    found = weights_at(None, IDS, rows[:, 0].astype(np.int32), rows[:, 1])
    assert found.tolist() == [33_333_333] * len(signals)


def schedule(ts=(1,), names=("a",), weights=((SCALE,),)):
    return WeightSchedule(np.array(ts), names, np.array(weights))


def test_another_schedule_has_another_digest():
    others = [
        schedule(),
        schedule(ts=(2,)),
        schedule(names=("b",)),
        schedule(weights=((1,),)),
        schedule(ts=(1, 2), weights=((SCALE,), (SCALE,))),
        schedule(names=("a", "b"), weights=((SCALE, SCALE),)),
    ]
    assert len({one.digest(None, 9) for one in others}) == len(others)
    assert schedule().digest(None, 9) == schedule().digest(None, 9)


def test_a_schedule_that_goes_on_has_the_same_digest_up_to_then():
    short, long = schedule(), schedule(ts=(1, 5), weights=((SCALE,), (3,)))
    assert long.digest(None, 4) == short.digest(None, 4)
    assert long.digest(None, 5) != short.digest(None, 5)


def test_strategies_that_take_no_part_change_no_digest():
    alone, both = schedule(), schedule(names=("a", "b"), weights=((SCALE, 7),))
    assert both.digest(["a"], 9) == alone.digest(["a"], 9)
    assert both.digest(["a", "b"], 9) != alone.digest(["a", "b"], 9)
    assert schedule(names=("b",)).digest(["a"], 9) != alone.digest(["a"], 9)
