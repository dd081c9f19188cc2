"""Sizes of single signals at the edges of each rule."""

import numpy as np
import pytest

from streaming.rules.decisions import Signals, decide
from streaming.rules.fifo import BOOK, LOT
from streaming.rules.gate import (
    BELOW_MIN_QTY,
    BUDGET_EXCEEDED,
    DAILY_LOSS_EXCEEDED,
    NO_OPEN_POSITION,
    OPEN_LIMIT_EXCEEDED,
    TRADING_HALTED,
    new_gates,
)
from streaming.rules.holdings import Holdings, Instruments, Rules
from streaming.rules.units import LIMIT, SCALE


def decided(
    buys,
    *,
    held=0,
    ordered=0,
    against=0,
    hint=SCALE,
    lot=1,
    least=0,
    capital=1000 * SCALE,
    weight=SCALE,
    price=SCALE,
    most=1,
    strict=1,
    halted=0,
):
    """Decide one signal of one strategy on one symbol: (units or negated code, opens).

    Live orders have `ordered` units on the signal's side, `against` on the other.
    """
    signals = Signals(
        np.array([60]),
        np.array([0], np.int32),
        np.array([0], np.int32),
        np.array([buys]),
        np.array([hint]),
        np.array([weight]),
        np.array([0]),
        np.array([price]),
    )
    books = np.zeros(1, BOOK)
    books["net"] = held
    state = Holdings(
        books,
        np.zeros(0, LOT),
        np.array([-1, 0]),
        np.zeros((1, 2), np.uint64),
        np.zeros(1, np.int64),
        np.array([against if buys else ordered]),
        np.array([ordered if buys else against]),
        np.zeros(2, np.int64),
    )
    gates = new_gates(1, 1)
    gates.holders[0, 0] = gates.opened[0] = gates.taken[0] = int(held != 0)
    gates.halted[:] = halted
    rules = Rules(most, strict, 1, 60, 0, capital, -1, -1, -1, 0, 0)
    facts = Instruments(*(np.array([fact]) for fact in (lot, least, 0, SCALE)))
    units, opens = decide(signals, 0, 0, rules, facts, gates, state)
    return int(units), bool(opens)


# A SELL against a long and a BUY against a short are sized alike.
AGAINST = pytest.mark.parametrize(("buys", "side"), [(False, 1), (True, -1)])


@AGAINST
def test_the_whole_position_goes_whatever_the_lot_size(buys, side):
    # A position may be no multiple of the lot: the lot size may have changed since.
    assert decided(buys, held=side * 15, lot=10) == (15, False)
    assert decided(buys, held=side * 15, lot=10, hint=SCALE - 1) == (10, False)


@AGAINST
def test_a_part_that_rounds_to_nothing_is_below_the_least(buys, side):
    assert decided(buys, held=side * 15, lot=10, hint=SCALE // 2) == (-BELOW_MIN_QTY, False)
    assert decided(buys, held=side * 1, hint=SCALE // 2) == (-BELOW_MIN_QTY, False)


@AGAINST
def test_less_than_the_least_goes_only_where_it_is_all_that_is_left(buys, side):
    assert decided(buys, held=side * 15, least=20) == (15, False)
    assert decided(buys, held=side * 15, ordered=10, least=20) == (5, False)
    part = SCALE // 5 * 2  # 6 of 15
    assert decided(buys, held=side * 15, ordered=9, hint=part, least=20) == (6, False)
    assert decided(buys, held=side * 15, ordered=8, hint=part, least=20) == (-BELOW_MIN_QTY, False)
    assert decided(buys, held=side * 15, hint=part, least=6) == (6, False)
    assert decided(buys, held=side * 15, hint=part, least=7) == (-BELOW_MIN_QTY, False)


@pytest.mark.parametrize(
    ("buys", "side", "code"), [(False, 1, NO_OPEN_POSITION), (True, -1, BUDGET_EXCEEDED)]
)
def test_nothing_is_left_of_what_is_ordered_away(buys, side, code):
    assert decided(buys, held=side * 15, ordered=15) == (-code, False)
    assert decided(buys, held=side * 15, ordered=14) == (1, False)


def test_a_target_that_does_not_fit_is_refused_for_the_budget():
    most = LIMIT - 1
    assert decided(True, capital=most, weight=SCALE) == (most, True)
    assert decided(True, capital=most, weight=2 * SCALE) == (-BUDGET_EXCEEDED, True)


@pytest.mark.parametrize(
    "live",
    [{}, {"held": 2**50}, {"ordered": 2**50}, {"held": 2**50, "ordered": 2**49, "against": 2**48}],
    ids=["nothing", "held", "ordered", "all"],
)
def test_a_position_fits_in_whatever_order_live_orders_fill(live):
    # What closes counts too: it may fill after what opens the other way has.
    room = LIMIT - 1 - sum(live.values())
    assert decided(True, capital=LIMIT - 1, **live) == (room, True)


def test_no_room_in_a_position_is_refused_for_the_budget():
    assert decided(True, capital=LIMIT - 1, ordered=LIMIT - 2) == (1, True)
    assert decided(True, capital=LIMIT - 1, ordered=LIMIT - 1) == (-BUDGET_EXCEEDED, True)


def test_nothing_bought_is_below_the_least_even_of_nothing():
    assert decided(True, capital=9, lot=10) == (-BELOW_MIN_QTY, True)
    assert decided(True, capital=10, lot=10) == (10, True)
    assert decided(True, capital=10, lot=10, least=10) == (10, True)
    assert decided(True, capital=10, lot=10, least=11) == (-BELOW_MIN_QTY, True)


def test_what_is_refused_would_have_opened():
    assert decided(True, most=0) == (-OPEN_LIMIT_EXCEEDED, True)
    assert decided(False) == (-NO_OPEN_POSITION, True)


@pytest.mark.parametrize("why", [TRADING_HALTED, DAILY_LOSS_EXCEEDED])
def test_halted_what_opens_or_adds_is_refused_and_what_closes_goes_on(why):
    assert decided(True, halted=why) == (-why, True)
    assert decided(True, held=15, halted=why) == (-why, True)
    assert decided(True, most=0, halted=why) == (-why, True)
    assert decided(False, held=15, halted=why) == (15, False)
    assert decided(True, held=-15, halted=why) == (15, False)
    assert decided(False, held=-15, strict=0, halted=why) == (-why, True)
    assert decided(False, strict=0, halted=why) == (-NO_OPEN_POSITION, True)
    assert decided(False, halted=why) == (-NO_OPEN_POSITION, True)
