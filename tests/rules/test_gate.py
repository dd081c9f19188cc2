"""The gate's counts against sets of symbols, after any sequence of orders and positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.gate import (
    BELOW_MIN_QTY,
    BUDGET_EXCEEDED,
    NO_OPEN_POSITION,
    OK,
    OPEN_LIMIT_EXCEEDED,
)

from streaming.contracts import REJECTIONS
from streaming.rules import gate

GATES, SYMBOLS, STRATEGIES = 2, 4, 3

# (what, gate, symbol, strategy): a strategy's position opens or closes, an order comes or goes.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["position", "order"]),
        st.integers(0, GATES - 1),
        st.integers(0, SYMBOLS - 1),
        st.integers(0, STRATEGIES - 1),
    ),
    max_size=30,
)


@given(STEPS, st.booleans(), st.integers(0, 4))
def test_counts_are_those_of_sets(steps, reserve, max_open):
    gates = gate.new_gates(GATES, SYMBOLS)
    held: set[tuple] = set()
    live: set[tuple] = set()
    for what, one, symbol, strategy in steps:
        place = (one, symbol, strategy)
        if what == "position":
            before = {s for g, s, _ in held if g == one}
            change = -1 if place in held else 1
            held ^= {place}
            opened = gate.count_holder(gates, one, symbol, change, reserve)
            assert bool(opened) == (change == 1 and symbol not in before)
        else:
            change = -1 if place in live else 1
            live ^= {place}
            gate.count_order(gates, one, symbol, change, reserve)
        for g in range(GATES):
            is_open = {s for h, s, _ in held if h == g}
            taken = is_open | ({s for h, s, _ in live if h == g} if reserve else set())
            assert (gates.opened[g], gates.taken[g]) == (len(is_open), len(taken))
            for s in range(SYMBOLS):
                allowed = s in is_open or len(taken) < max_open
                assert bool(gate.admits_buy(gates, g, s, max_open)) == allowed


def test_new_gates_are_empty():
    gates = gate.new_gates(2, 3)
    assert gates.holders.shape == gates.live_buys.shape == (2, 3)
    assert gates.opened.tolist() == gates.taken.tolist() == [0, 0]
    assert not gate.admits_buy(gates, 0, 0, 0)
    assert gate.admits_buy(gates, 0, 0, 1)


@pytest.mark.parametrize(
    "code", [OK, OPEN_LIMIT_EXCEEDED, NO_OPEN_POSITION, BUDGET_EXCEEDED, BELOW_MIN_QTY]
)
def test_codes_have_the_names_of_the_specification(code):
    assert gate.CODES[getattr(gate, code)] == code
    assert len(gate.CODES) == 5


def test_halts_are_numbered_on_and_have_the_names_of_the_contract():
    names = (*gate.CODES, *gate.HALTS)
    for code in (gate.TRADING_HALTED, gate.DAILY_LOSS_EXCEEDED):
        assert getattr(gate, names[code]) == code
    assert names[1:] == REJECTIONS
    assert gate.new_gates(2, 3).halted.tolist() == [0, 0]
