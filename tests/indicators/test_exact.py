"""Arithmetic that is exact, or rounded once: against Python's integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.rules.compile import kernel
from streaming.rules.indicators.exact import (
    add_product,
    divide,
    fma,
    quotient,
    wide_float,
    wide_quotient,
)
from streaming.rules.indicators.windows import tree_sums
from streaming.rules.units import SCALE

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
WIDE = st.integers(-(2**127) + 1, 2**127 - 1) | st.integers(0, 127).map(lambda k: 2**k - 1)
DIVISORS = st.integers(1, 2**53 - 1) | st.integers(1, 10**6).map(lambda n: n * SCALE)
DOUBLES = st.floats(-1e150, 1e150, allow_subnormal=False)


def words(number: int) -> tuple[np.int64, np.uint64]:
    return np.int64(number >> 64), np.uint64(number & (2**64 - 1))


@given(start=WIDE, a=INT64, b=INT64)
def test_add_product_is_exact(start, a, b):
    high, low = add_product(*words(start), a, b)
    total = (start + a * b + 2**127) % 2**128 - 2**127
    assert (int(high) << 64) + int(low) == total


@given(number=WIDE, divisor=DIVISORS)
@example(number=(2**53 + 1) * 2**70, divisor=1)
@example(number=(2**53 + 3) * 2**70, divisor=1)
@example(number=(2**53 + 1) * 2**70 + 1, divisor=1)
@example(number=0, divisor=7)
def test_wide_quotient_is_the_nearest_double(number, divisor):
    assert wide_quotient(*words(number), divisor) == float(Fraction(number, divisor))


@given(number=INT64, divisor=DIVISORS)
@example(number=2**53, divisor=3)
@example(number=2**53 + 1, divisor=1)
@example(number=-(2**53) - 1, divisor=10**8)
def test_quotient_is_the_nearest_double(number, divisor):
    assert quotient(number, divisor) == float(Fraction(number, divisor))


@given(number=st.integers(0, 2**127 - 1))
def test_wide_float_is_the_nearest_double_or_next_to_it(number):
    assert wide_float(*words(number)) == pytest.approx(number, rel=2.3e-16)


@given(a=DOUBLES, b=DOUBLES, c=DOUBLES)
@example(a=1 + 2.0**-30, b=1 - 2.0**-30, c=-1.0)
def test_fma_rounds_once(a, b, c):
    assert fma(a, b, c) == float(Fraction(a) * Fraction(b) + Fraction(c))


@kernel
def divide_each(numbers: np.ndarray, divisor: float, out: np.ndarray) -> None:
    inverse = 1.0 / divisor
    for i in range(len(out)):
        out[i] = divide(float(numbers[i]), divisor, inverse)


def test_divide_is_a_division():
    random = np.random.default_rng(1)
    for _ in range(200):
        divisor = int(random.integers(1, 10 ** int(random.integers(1, 7)) + 1)) * SCALE
        numbers = random.integers(-(2**53), 2**53, 5000) >> random.integers(0, 50, 5000)
        # Near multiples of the divisor, quotients lie near doubles and midway between them.
        numbers[::2] = np.clip(numbers[::2] // divisor * divisor, -(2**53), 2**53)
        out = np.empty(len(numbers))
        divide_each(numbers, float(divisor), out)
        np.testing.assert_array_equal(out, numbers / divisor)


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=60),
    length=st.integers(1, 40),
)
def test_tree_sums_depend_on_their_window_alone(values, length):
    column = np.array(values)
    sums = tree_sums(column, length)
    assert len(sums) == len(column)
    for row in range(length - 1, len(column)):
        window = column[row - length + 1 : row + 1]
        alone = tree_sums(window, length)[-1]
        assert (alone == sums[row]) or (np.isnan(alone) and np.isnan(sums[row]))
        assert np.isnan(alone) == np.isnan(window).any()
        assert np.isnan(alone) or alone == pytest.approx(float(window.sum()), abs=1e-8)
