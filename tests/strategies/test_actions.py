"""From conditions to actions: crosses, contradictions, NaN, clipping and rounding."""

import numpy as np
import pytest

from streaming.jobs.strategies import BUY, SELL
from streaming.jobs.strategies.actions import actions, crossed_above, crossed_below
from streaming.rules.expressions import column
from streaming.rules.program_loop import run_program
from streaming.rules.programs import program

NAN = float("nan")
A, B, C, D = (column(name) for name in "abcd")
EVERY = column("a") >= column("a")


def act(acts, **columns):
    """Rows, actions, confidences and sizes on columns of numbers."""
    arrays = {name: np.array(values, float) for name, values in columns.items()}
    rows = len(next(iter(arrays.values())))
    made = program(acts.buy, acts.sell, acts.confidence, acts.size, (), acts.sell_size)
    return run_program(made, arrays.__getitem__, rows)


def holds(condition, **columns):
    """The rows at which a condition holds."""
    return act(actions(buy=condition, sell=False), **columns)[0].tolist()


def test_a_cross_is_from_at_or_beyond_to_strictly_past_the_level():
    before, now = [1, 2, 2, 3, 1, 3], [3, 3, 2, 1, 2, 3]
    assert holds(crossed_above(A, B, 2.0), a=before, b=now) == [0, 1]
    assert holds(crossed_below(A, B, 2.0), a=before, b=now) == [3]
    assert holds(crossed_below(A, B, 2.0), a=[2, 3], b=[1, 2]) == [0]


def test_a_moving_level_is_compared_at_its_own_row():
    value = [5, 5, 5]
    assert holds(crossed_above(A, A, B, was=C), a=value, b=[4, 4, 5], c=[5, 4, 6]) == [0]
    assert holds(crossed_below(A, A, B, was=C), a=value, b=[6, 6, 5], c=[5, 6, 4]) == [0]


@pytest.mark.parametrize(("cross", "known"), [(crossed_above, (1, 3)), (crossed_below, (3, 1))])
def test_nothing_crosses_where_something_is_unknown(cross, known):
    for missing in range(4):
        row = [*known, 2.0, 2.0]
        rows = [row, [NAN if place == missing else one for place, one in enumerate(row)]]
        columns = dict(zip("abcd", zip(*rows, strict=True), strict=True))
        assert holds(cross(A, B, C, was=D), **columns) == [0]


def test_rows_that_say_both_or_nothing_give_no_action():
    rows, action, confidence, size = act(
        actions(buy=A > 0, sell=B > 0), a=[1, 0, 1, 0], b=[1, 0, 0, 1]
    )
    assert rows.tolist() == [2, 3]
    assert action.tolist() == [BUY, SELL]
    assert size.tolist() == [33_000_000, 100_000_000]
    assert confidence.tolist() == [1.0, 1.0]


def test_confidence_and_size_are_of_buys_alone():
    acts = actions(buy=A > 0, sell=B > 0, confidence=C, size=C)
    _, action, confidence, size = act(acts, a=[0, 1, 0, 1], b=[1, 0, 0, 0], c=[NAN, 0.25, 0, 0.75])
    assert action.tolist() == [SELL, BUY, BUY]
    assert confidence.tolist() == [1.0, 0.25, 0.75]
    assert size.tolist() == [100_000_000, 25_000_000, 75_000_000]


def test_confidence_and_size_are_clipped():
    values = [-1.0, 0.0, 0.4, 1.0, 7.0, float("inf")]
    _, _, confidence, _ = act(actions(buy=EVERY, sell=False, confidence=A), a=values)
    assert confidence.tolist() == [0.0, 0.0, 0.4, 1.0, 1.0, 1.0]
    rows, _, _, size = act(actions(buy=EVERY, sell=False, size=A), a=values)
    assert rows.tolist() == [2, 3, 4, 5]
    assert size.tolist() == [40_000_000, 100_000_000, 100_000_000, 100_000_000]


def test_an_unknown_confidence_or_size_is_no_action():
    for name in ("confidence", "size"):
        rows, *_ = act(actions(buy=A > 0, sell=False, **{name: B}), a=[1, 1], b=[NAN, 0.5])
        assert rows.tolist() == [1]
    assert not len(act(actions(buy=A > 0, sell=False, confidence=NAN), a=[1, 1])[0])


def test_a_division_by_nothing_warns_nobody():
    with np.errstate(all="raise"):
        rows, _, confidence, _ = act(
            actions(buy=B <= 0, sell=False, confidence=A / B), a=[0, 1], b=[0, 0]
        )
    assert rows.tolist() == [1]
    assert confidence.tolist() == [1.0]


def test_size_is_rounded_half_even_and_too_small_a_size_is_no_action():
    # 2**-9 is 195312.5 units: among the few doubles that lie half-way.
    sizes = [0.4e-8, 2**-9, 3 * 2**-9, 1 / 3]
    rows, _, _, size = act(actions(buy=EVERY, sell=False, size=A), a=sizes)
    assert rows.tolist() == [1, 2, 3]
    assert size.tolist() == [195_312, 585_938, 33_333_333]


def test_a_sell_may_close_a_part():
    assert act(actions(buy=False, sell=A > 0, sell_size=0.5), a=[1])[3].tolist() == [50_000_000]


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, NAN])
def test_a_sell_closes_some_and_not_more_than_all(share):
    with pytest.raises(ValueError, match="sell_size"):
        actions(buy=False, sell=A > 0, sell_size=share)
