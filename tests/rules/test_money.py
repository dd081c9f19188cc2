"""Amounts against Python's own integers: products, shares, averages, text."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from oracle.money import LIMIT as ORACLE_LIMIT
from oracle.money import SCALE, DoesNotFitError, fit, half_even, product, units
from oracle.strategies import amounts

from streaming.rules import money
from streaming.rules import units as scale
from streaming.rules.wide import U64

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
FITTING = st.integers(1 - ORACLE_LIMIT, ORACLE_LIMIT - 1)


def fitting(compute):
    """Give what the oracle computes, OVERFLOW where it does not fit."""
    try:
        return fit(compute())
    except DoesNotFitError:
        return scale.OVERFLOW


def test_constants_are_those_of_the_specification():
    assert (scale.SCALE, scale.LIMIT) == (SCALE, ORACLE_LIMIT)


@given(INT64 | amounts(), INT64 | amounts())
@example(1, SCALE // 2)  # 0.5 of the last digit: to 0
@example(3, SCALE // 2)  # 1.5: to 2
@example(-3, SCALE // 2)
@example(ORACLE_LIMIT - 1, SCALE)
@example(ORACLE_LIMIT, SCALE)
def test_times_is_the_product_rounded_once(a, b):
    assert money.times(a, b) == fitting(lambda: half_even(a * b, SCALE))


@given(INT64 | amounts(), INT64 | amounts(), st.integers(1, ORACLE_LIMIT - 1))
@example(1, SCALE // 2, SCALE)
@example(1, SCALE // 2, 3 * SCALE)  # 1.5, where rounding after the first product gives 0
@example(-1, SCALE // 2, 3 * SCALE)
@example(ORACLE_LIMIT - 1, ORACLE_LIMIT - 1, ORACLE_LIMIT - 1)
def test_value_is_the_triple_product_rounded_once(price, qty, point_value):
    assert money.value(price, qty, point_value) == fitting(lambda: product(price, qty, point_value))


@given(st.integers(1, 3 * 10**9), st.integers(1, 3 * 10**9), st.integers(1, 10**6), st.booleans())
def test_value_of_everyday_sizes(price, qty, point_value, negative):
    price = -price if negative else price
    assert money.value(price, qty, point_value) == product(price, qty, point_value)


@given(st.integers(0, 10**9), st.sampled_from([1, -1]))
def test_value_rounds_ties_to_even(half, sign):
    # price x quantity is an odd number of halves of the last digit.
    assert money.value(sign * (2 * half + 1), SCALE // 2, SCALE) == sign * (half + half % 2)


def test_a_value_of_more_than_64_bits_does_not_come_back_as_its_low_ones():
    # 2 x (2**62 + 2) x 2 = 4 x (2**62 + 2) = 2**64 + 8, all in 1e-8.
    assert money.value(2 * scale.SCALE, 2**62 + 2, 2 * scale.SCALE) == scale.OVERFLOW
    assert money.times(4 * scale.SCALE, 2**62 + 2) == scale.OVERFLOW


@given(FITTING, st.data())
def test_a_share_is_the_part_of_the_whole_rounded_once(amount, data):
    whole = data.draw(st.integers(1, ORACLE_LIMIT - 1) | st.integers(1, 100))
    part = data.draw(st.integers(0, whole))
    assert money.share(amount, part, whole) == half_even(amount * part, whole)


@given(FITTING | amounts(), st.lists(st.integers(1, 10**12), min_size=1, max_size=8))
def test_shares_add_up_to_the_amount(amount, parts):
    assume(abs(amount) < ORACLE_LIMIT)
    whole, done, total = sum(parts), 0, 0
    for part in parts:
        total += money.share(amount, done + part, whole) - money.share(amount, done, whole)
        done += part
    assert total == amount


@given(
    st.lists(
        st.tuples(st.integers(1, ORACLE_LIMIT - 1), st.integers(1, 10**17)), min_size=1, max_size=9
    )
)
@example([(1, 1), (2, 1)])  # 1.5: to 2
@example([(2, 1), (3, 1)])  # 2.5: to 2
def test_an_average_is_rounded_half_even(lots):
    cost = sum(price * qty for price, qty in lots)
    held = sum(qty for _, qty in lots)
    average = money.average(U64(cost >> 64), U64(cost & (2**64 - 1)), held)
    assert average == half_even(cost, held)


def test_an_average_that_does_not_fit_is_told():
    # 2**64 and more units a piece, and the first that does not fit DECIMAL(18,8).
    assert money.average(U64(1), U64(0), 1) == scale.OVERFLOW
    assert money.average(U64(0), U64(scale.LIMIT), 1) == scale.OVERFLOW
    assert money.average(U64(0), U64(scale.LIMIT - 1), 1) == scale.LIMIT - 1


@given(FITTING)
def test_text_and_back(amount):
    assert scale.to_money(scale.money_text(amount)) == amount
    assert units(scale.money_text(amount)) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.5", 150_000_000),
        ("-0.00000001", -1),
        ("9999999999.99999999", ORACLE_LIMIT - 1),
        ("0", 0),
        ("+2", 2 * SCALE),
        ("1e3", 1000 * SCALE),
        ("1.500000000", 150_000_000),
    ],
)
def test_text_is_read_exactly(text, amount):
    assert scale.to_money(text) == amount


@pytest.mark.parametrize(
    "text", ["", "x", "1.123456789", "10000000000", "-10000000000", "nan", "inf", "1,5", "1 2"]
)
def test_text_that_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        scale.to_money(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(150_000_000, "1.50"), (0, "0.00"), (-1, "-0.00000001"), (100 * SCALE, "100.00")],
)
def test_text_has_the_places_it_needs_and_at_least_two(amount, text):
    assert scale.money_text(amount) == text
