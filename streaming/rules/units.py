"""What an int64 of money stands for: DECIMAL(18,8), scaled by 1e8; and such numbers as text.

Nothing is compiled here: who only reads or names amounts need not wait for numba.
"""

SCALE = 100_000_000
"""Units of the last place in one unit of currency or quantity."""

LIMIT = 10**18
"""The first magnitude that DECIMAL(18,8) cannot hold."""

MOST_FEE = LIMIT // 2
"""The first magnitude that a fill's fee may not have: a match adds the shares of two fills."""

OVERFLOW = -(2**63)
"""Stands for an amount that does not fit; no valid amount has this value."""


def to_money(text: str) -> int:
    """Read a decimal text exactly into x 1e8.

    Raises
    ------
    ValueError
        If it is no number, has more than 8 decimal places, or does not fit DECIMAL(18,8).
    """
    from decimal import Decimal, InvalidOperation

    try:
        scaled = Decimal(text).scaleb(8)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) >= LIMIT:
        raise ValueError(f"{text!r} does not fit DECIMAL(18,8)")
    return int(scaled)


def money_text(amount: int) -> str:
    """Write an amount x 1e8 with the places it needs, at least two."""
    sign = "-" if amount < 0 else ""
    whole, places = divmod(abs(amount), SCALE)
    return f"{sign}{whole}.{f'{places:08d}'.rstrip('0').ljust(2, '0')}"
