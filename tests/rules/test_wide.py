"""128-bit arithmetic against Python's own integers."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from streaming.rules import wide
from streaming.rules.wide import U64

WORD = 2**64
WORDS = (
    st.integers(0, WORD - 1)
    | st.integers(0, 2**33)
    | st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**63 - 1, 2**63, WORD - 2, WORD - 1])
)
PAIRS = st.tuples(WORDS, WORDS)


def split(number):
    high, low = divmod(number, WORD)
    return U64(high), U64(low)


def joined(high, low):
    return int(high) * WORD + int(low)


@given(WORDS, WORDS)
def test_products(a, b):
    assert joined(*wide.mul_wide(U64(a), U64(b))) == a * b


@given(st.integers(-(2**63) + 1, 2**63 - 1))
@example(-(2**63) + 1)
def test_magnitudes(x):
    assert int(wide.magnitude(np.int64(x))) == abs(x)


@given(PAIRS, PAIRS)
def test_sums_differences_and_order(a, b):
    left, right = joined(*a), joined(*b)
    args = (*split(left), *split(right))
    assert joined(*wide.add_wide(*args)) == (left + right) % 2**128
    assert joined(*wide.sub_wide(*args)) == (left - right) % 2**128
    assert bool(wide.less_wide(*args)) == (left < right)


@given(PAIRS)
def test_a_number_is_not_less_than_itself(a):
    args = split(joined(*a))
    assert not wide.less_wide(*args, *args)


@given(PAIRS, WORDS)
@example((1, 0), 2**63)
@example((WORD - 1, WORD - 1), 1)
@example((WORD - 1, WORD - 1), 2)
def test_scaling_tells_whether_it_fits(a, factor):
    exact = joined(*a) * factor
    fits, high, low = wide.scale_wide(*split(joined(*a)), U64(factor))
    assert bool(fits) == (exact < 2**128)
    if fits:
        assert joined(high, low) == exact


@given(PAIRS, WORDS)
@example((WORD - 1, WORD - 1), WORD - 1)
@example((2**63, 0), 2**63 + 1)
@example((2**32, 2**32), 2**32 + 1)
@example((0x7FFF_FFFF_8000_0000, 0), 0x8000_0000_0000_0001)  # needs the second correction
def test_division(a, divisor):
    assume(divisor > 0)
    high, low, rest = wide.divide_wide(*split(joined(*a)), U64(divisor))
    assert (joined(high, low), int(rest)) == divmod(joined(*a), divisor)


@pytest.mark.parametrize("bits", range(1, 65))
def test_division_by_divisors_of_every_length(bits):
    """However far a divisor is from filling its word, the quotient is exact."""
    random = np.random.default_rng(bits)
    least, most = 2 ** (bits - 1), 2**bits - 1
    for divisor in (
        least,
        most,
        *(int(random.integers(least, most, endpoint=True, dtype=np.uint64)) for _ in range(20)),
    ):
        for high in (divisor - 1, divisor // 2, divisor // 3):
            number = high * WORD + int(random.integers(0, WORD, dtype=np.uint64))
            _, low, rest = wide.divide_wide(*split(number), U64(divisor))
            assert (int(low), int(rest)) == divmod(number, divisor)


@given(PAIRS)
def test_doubles_are_the_nearest_or_next_to_it(a):
    number = joined(*a)
    assert wide.float_wide(*split(number)) == pytest.approx(float(number), rel=2e-16)
