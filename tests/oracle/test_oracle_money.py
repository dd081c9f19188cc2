"""Rounding, products and fee shares, each against numbers worked out by hand."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.money import (
    LIMIT,
    DoesNotFitError,
    fee_share,
    fit,
    half_even,
    product,
    share_of_bps,
    units,
)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (5, 2, 2),  # 2.5 lies between 2 and 3: the even one
        (7, 2, 4),  # 3.5: 4 is even
        (-5, 2, -2),
        (-7, 2, -4),
        (1, 2, 0),
        (-1, 2, 0),
        (8, 3, 3),  # 2.67
        (7, 3, 2),  # 2.33
        (-8, 3, -3),
    ],
)
def test_a_tie_goes_to_the_even_neighbour(numerator, denominator, rounded):
    assert half_even(numerator, denominator) == rounded


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_rounding_is_that_of_pythons_fractions(numerator, denominator):
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


def test_units_are_hundred_millionths():
    assert units("1.5") == 150_000_000
    assert units("-0.00000001") == -1


def test_product_of_price_and_quantity():
    assert product(units("2.5"), units("3")) == units("7.5")
    # Ten contracts of 50 a point at 2.5: 10 x 2.5 x 50.
    assert product(units("2.5"), units("10"), units("50")) == units("1250")


def test_product_rounds_once_half_even():
    # 0.00000001 x 0.5 = half of the last digit: down to 0, as 0 is even.
    assert product(1, units("0.5")) == 0
    # 0.00000003 x 0.5 = 1.5 of the last digit: up to 2.
    assert product(3, units("0.5")) == 2
    # 0.00000001 x 0.5 x 3 is 1.5 again; rounding after the first product would give 0.
    assert product(1, units("0.5"), units("3")) == 2


def test_what_fits_is_below_ten_thousand_million():
    assert fit(LIMIT - 1) == units("9999999999.99999999")
    assert fit(1 - LIMIT) == units("-9999999999.99999999")
    for amount in (LIMIT, -LIMIT):
        with pytest.raises(DoesNotFitError):
            fit(amount)
    with pytest.raises(DoesNotFitError):
        product(units("100000"), units("100000"))


def test_basis_points():
    assert share_of_bps(units("200"), units("1")) == units("0.02")
    assert share_of_bps(units("200"), units("0.5")) == units("0.01")
    assert share_of_bps(units("0.00005"), units("1")) == 0  # 0.5 of the last digit
    assert share_of_bps(units("0.00015"), units("1")) == 2  # 1.5 of the last digit


def test_fee_shares_leave_no_remainder():
    # A fee of 0.00000010 over 3 units: 3.33 -> 3, 6.67 -> 7, 10, so 3, 4 and 3.
    three = units("3")
    cuts = [0, units("1"), units("2"), three]
    shares = [fee_share(10, three, a, b) for a, b in itertools.pairwise(cuts)]
    assert shares == [3, 4, 3]


def test_fee_shares_of_a_rebate():
    # -0.00000005 over 2 units: -2.5 -> -2 (even), so -2 and then -3.
    two = units("2")
    assert fee_share(-5, two, 0, units("1")) == -2
    assert fee_share(-5, two, units("1"), two) == -3
