"""Amounts at the edges of what fits (found by mutants that survived)."""

import numpy as np

from streaming.rules import fills, money
from streaming.rules.wide import U64


def test_without_ticks_nothing_is_divided_by_them():
    with np.errstate(divide="raise"):
        assert fills.fill_price(np.int64(101), True, np.int64(0), np.int64(0)) == 101


def test_an_average_that_does_not_fit_is_told():
    # 2**64 and more units a piece, and the first that does not fit DECIMAL(18,8).
    assert money.average(U64(1), U64(0), 1) == money.OVERFLOW
    assert money.average(U64(0), U64(money.LIMIT), 1) == money.OVERFLOW
    assert money.average(U64(0), U64(money.LIMIT - 1), 1) == money.LIMIT - 1
