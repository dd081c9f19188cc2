"""Amounts as integers of 1e-8, one rounding, and what fits DECIMAL(18,8)."""

from fractions import Fraction

SCALE = 10**8
LIMIT = 10**18
BPS = 10**4


class DoesNotFitError(ArithmeticError):
    """An amount has more than ten digits before the point."""


def half_even(numerator: int, denominator: int) -> int:
    """Round numerator / denominator to the nearest integer, a tie to the even one."""
    assert denominator > 0
    quotient, rest = divmod(numerator, denominator)  # rest is in [0, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1):
        quotient += 1
    return quotient


def fit(amount: int) -> int:
    """Give the amount back, if DECIMAL(18,8) holds it."""
    if not -LIMIT < amount < LIMIT:
        raise DoesNotFitError(amount)
    return amount


def product(price: int, qty: int, point_value: int = SCALE) -> int:
    """R(price x quantity x point value)."""
    # Three factors of 1e-8 make 1e-24; an amount counts 1e-8, so 1e16 goes.
    return fit(half_even(price * qty * point_value, SCALE**2))


def share_of_bps(amount: int, bps: int) -> int:
    """R(amount x bps / 10,000), where bps counts 1e-8 of a basis point."""
    return fit(half_even(amount * bps, BPS * SCALE))


def fee_share(fee: int, qty: int, c0: int, c1: int) -> int:
    """Give what the units from c0 to c1 of a fill carry of its fee: R(F c1/Q) - R(F c0/Q)."""
    return half_even(fee * c1, qty) - half_even(fee * c0, qty)


def units(text: str) -> int:
    """Read a decimal number exactly, in 1e-8: units("1.5") is 150_000_000."""
    amount = Fraction(text) * SCALE
    assert amount.denominator == 1, text
    return amount.numerator
