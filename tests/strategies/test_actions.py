"""From conditions to actions: crosses, contradictions, NaN, clipping and rounding."""

import numpy as np
import pytest

from streaming.jobs.strategies import BUY, SELL
from streaming.jobs.strategies.actions import actions, crossed_above, crossed_below

NAN = float("nan")


def mask(*rows):
    return np.array(rows, np.bool_)


def column(*values):
    return np.array(values, np.float64)


def test_a_cross_is_from_at_or_beyond_to_strictly_past_the_level():
    before = column(1, 2, 2, 3, 1, 3)
    now = column(3, 3, 2, 1, 2, 3)
    assert crossed_above(before, now, 2.0).tolist() == [True, True, False, False, False, False]
    assert crossed_below(before, now, 2.0).tolist() == [False, False, False, True, False, False]
    assert crossed_below(column(2, 3), column(1, 2), 2.0).tolist() == [True, False]


def test_a_moving_level_is_compared_at_its_own_row():
    value = column(5, 5, 5)
    assert crossed_above(value, value, column(4, 4, 5), was=column(5, 4, 6)).tolist() == [
        True,
        False,
        False,
    ]
    assert crossed_below(value, value, column(6, 6, 5), was=column(5, 6, 4)).tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("cross", [crossed_above, crossed_below])
def test_nothing_crosses_where_something_is_unknown(cross):
    known = {crossed_above: (1.0, 3.0), crossed_below: (3.0, 1.0)}[cross]
    for missing in range(4):
        row = [known[0], known[1], 2.0, 2.0]
        assert cross(*(column(value) for value in row[:3]), was=column(row[3])).all()
        row[missing] = NAN
        assert not cross(*(column(value) for value in row[:3]), was=column(row[3])).any()


def test_rows_that_say_both_or_nothing_give_no_action():
    acted = actions(buy=mask(1, 0, 1, 0), sell=mask(1, 0, 0, 1))
    assert acted.rows.tolist() == [2, 3]
    assert acted.action.tolist() == [BUY, SELL]
    assert acted.size_hint.tolist() == [33_000_000, 100_000_000]
    assert acted.confidence.tolist() == [1.0, 1.0]
    assert [acted.action.dtype, acted.size_hint.dtype] == [np.int8, np.int64]


def test_confidence_and_size_are_asked_for_on_buying_rows_alone():
    asked = []

    def sure(at):
        asked.append(at.tolist())
        return np.array([0.25, 0.75])

    acted = actions(buy=mask(0, 1, 0, 1), sell=mask(1, 0, 0, 0), confidence=sure, size=sure)
    assert asked == [[1, 3], [1, 3]]
    assert acted.confidence.tolist() == [1.0, 0.25, 0.75]
    assert acted.size_hint.tolist() == [100_000_000, 25_000_000, 75_000_000]


def test_confidence_and_size_are_clipped():
    values = column(-1.0, 0.0, 0.4, 1.0, 7.0, float("inf"))
    every = np.ones(6, np.bool_)
    acted = actions(buy=every, sell=~every, confidence=lambda at: values[at])
    assert acted.confidence.tolist() == [0.0, 0.0, 0.4, 1.0, 1.0, 1.0]
    sized = actions(buy=every, sell=~every, size=lambda at: values[at])
    assert sized.rows.tolist() == [2, 3, 4, 5]
    assert sized.size_hint.tolist() == [40_000_000, 100_000_000, 100_000_000, 100_000_000]


def test_an_unknown_confidence_or_size_is_no_action():
    unknown = column(NAN, 0.5)
    every = np.ones(2, np.bool_)
    for name in ("confidence", "size"):
        assert actions(buy=every, sell=~every, **{name: lambda at: unknown[at]}).rows.tolist() == [
            1
        ]
    assert not len(actions(buy=every, sell=~every, confidence=NAN).rows)


def test_a_division_by_nothing_warns_nobody():
    zero = np.zeros(2)
    every = np.ones(2, np.bool_)
    with np.errstate(all="raise"):
        acted = actions(buy=every, sell=~every, confidence=lambda at: column(0, 1)[at] / zero[at])
    assert acted.rows.tolist() == [1]
    assert acted.confidence.tolist() == [1.0]


def test_size_is_rounded_half_even_and_too_small_a_size_is_no_action():
    # 2**-9 is 195312.5 units: among the few doubles that lie half-way.
    sizes = column(0.4e-8, 2**-9, 3 * 2**-9, 1 / 3)
    every = np.ones(4, np.bool_)
    acted = actions(buy=every, sell=~every, size=lambda at: sizes[at])
    assert acted.rows.tolist() == [1, 2, 3]
    assert acted.size_hint.tolist() == [195_312, 585_938, 33_333_333]


def test_a_sell_may_close_a_part():
    acted = actions(buy=mask(0), sell=mask(1), sell_size=0.5)
    assert acted.size_hint.tolist() == [50_000_000]
