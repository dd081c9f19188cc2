"""Sizes against Python's own integers: floors, lots, one rounding, limits."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle.money import LIMIT, SCALE, half_even, product, units

from streaming.rules import money, sizing
from streaming.rules import units as scale

AMOUNT = st.integers(0, LIMIT - 1) | st.integers(0, 10**12)
POSITIVE = st.integers(1, LIMIT - 1) | st.integers(1, 10**12)
PORTION = st.integers(0, SCALE) | st.sampled_from([0, 1, SCALE // 2, SCALE // 3, SCALE - 1, SCALE])


@given(AMOUNT, POSITIVE | st.integers(1, 100))
@example(30, 10)
@example(29, 10)
@example(9, 10)
def test_lots_are_whole(qty, lot):
    assert sizing.whole_lots(qty, lot) == qty // lot * lot


@given(AMOUNT, PORTION)
@example(3, SCALE // 2)
@example(LIMIT - 1, SCALE)
@example(LIMIT - 1, SCALE - 1)
def test_a_fraction_is_floored(held, size_hint):
    assert sizing.fraction_of(held, size_hint) == held * size_hint // SCALE


@given(AMOUNT, POSITIVE, POSITIVE)
@example(units("1000"), units("3"), SCALE)
@example(units("1000"), units("3"), units("50"))
@example(LIMIT - 1, 1, SCALE)
@example(LIMIT - 1, LIMIT - 1, LIMIT - 1)
def test_an_amount_buys_what_it_pays_for_floored(notional, price, point_value):
    exact = notional * SCALE**2 // (price * point_value)
    assert sizing.units_for(notional, price, point_value) == min(exact, LIMIT - 1)


@given(AMOUNT, st.integers(1, 10**12), st.sampled_from([SCALE, 50 * SCALE, SCALE // 100]))
def test_what_is_bought_never_costs_more_than_the_amount(notional, price, point_value):
    qty = int(sizing.units_for(notional, price, point_value))
    assert money.value(price, qty, point_value) <= notional
    if qty < LIMIT - 1:
        assert price * (qty + 1) * point_value > notional * SCALE**2


@given(AMOUNT, PORTION | st.integers(0, 3 * SCALE), PORTION)
@example(3, SCALE // 2, SCALE)  # 1.5 of the last digit: to 2
@example(1, SCALE // 2, SCALE)  # 0.5: to 0
@example(1, 60_000_000, 60_000_000)  # 0.36: nothing, where rounding twice gives 1
def test_the_target_is_rounded_once(capital, weight, size_hint):
    exact = half_even(capital * weight * size_hint, SCALE**2)
    got = sizing.target_notional(capital, weight, size_hint)
    assert got == (exact if exact < LIMIT else scale.OVERFLOW)


@given(AMOUNT, AMOUNT, AMOUNT)
@example(5, 5, 0)
@example(5, 4, 0)
@example(5, 10, 5)
@example(5, 10, 6)
@example(5, 10, 10)
@example(5, 10, 11)
def test_a_limit_leaves_what_is_not_used(notional, limit, used):
    assert sizing.clipped(notional, limit, used) == min(notional, limit - used)


@given(AMOUNT, AMOUNT)
def test_no_limit_leaves_all(notional, used):
    assert sizing.clipped(notional, sizing.NO_LIMIT, used) == notional


def test_a_limit_of_nothing_is_a_limit():
    assert sizing.NO_LIMIT != 0
    assert sizing.clipped(5, 0, 0) == 0


@pytest.mark.parametrize(
    ("notional", "price", "point_value", "qty"),
    [("1000", "10", "1", "100"), ("1000", "3", "1", "333.33333333"), ("300", "2", "50", "3")],
)
def test_by_hand(notional, price, point_value, qty):
    bought = int(sizing.units_for(units(notional), units(price), units(point_value)))
    assert bought == units(qty)
    assert product(units(price), bought, units(point_value)) <= units(notional)
