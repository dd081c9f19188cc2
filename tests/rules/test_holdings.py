"""What one order claims while it lives, counted by hand."""

import numpy as np
import pytest

from streaming.rules.fifo import BOOK, LOT
from streaming.rules.gate import new_gates
from streaming.rules.holdings import Holdings, Rules, claim, gate_of
from streaming.rules.orders import ORDER

STRATEGIES, SYMBOLS = 2, 3
KEY = 1 * SYMBOLS + 2  # strategy 1, symbol 2


def rules(per_strategy=0, reserve=1):
    return Rules(9, 0, reserve, 0, per_strategy, 0, -1, -1, -1, 0, 0)


def holdings():
    keys = STRATEGIES * SYMBOLS
    counts = [np.zeros(keys, np.int64) for _ in range(3)]
    return Holdings(
        np.zeros(keys, BOOK),
        np.zeros(0, LOT),
        np.array([-1, 0]),
        np.zeros((keys, 2), np.uint64),
        *counts,
        np.zeros(SYMBOLS + 1, np.int64),
    )


def order(quantity, opens, reserved=0):
    row = np.zeros(1, ORDER)[0]
    row["strategy"], row["symbol"] = 1, 2
    row["quantity"], row["opens"], row["reserved"] = quantity, opens, reserved
    return row


def totals(gates, held):
    """Give (live BUYs, places taken, selling, buying, used of the symbol, used of all)."""
    return (
        gates.live_buys.sum(),
        gates.taken.sum(),
        held.selling[KEY],
        held.buying[KEY],
        held.used[2],
        held.used[-1],
    )


@pytest.mark.parametrize("size", [1, 500])
@pytest.mark.parametrize(
    ("side", "opens", "first", "both"),
    [
        # A BUY takes one place and its units, however many there are, whatever it is for.
        (1, 1, (1, 1, 0, 1, 70, 70), (2, 1, 0, 2, 140, 140)),
        (1, 0, (1, 1, 0, 1, 70, 70), (2, 1, 0, 2, 140, 140)),
        # A SELL takes no place, but units too.
        (-1, 1, (0, 0, 1, 0, 70, 70), (0, 0, 2, 0, 140, 140)),
        (-1, 0, (0, 0, 1, 0, 70, 70), (0, 0, 2, 0, 140, 140)),
    ],
)
def test_claims_add_up_and_end(side, opens, first, both, size):
    def sized(row):
        return (*row[:2], row[2] * size, row[3] * size, *row[4:])

    gates, held = new_gates(1, SYMBOLS), holdings()
    live = order(side * size, opens, reserved=70)
    claim(live, KEY, 1, rules(), gates, held)
    assert totals(gates, held) == sized(first)
    claim(live, KEY, 1, rules(), gates, held)
    assert totals(gates, held) == sized(both)
    claim(live, KEY, -1, rules(), gates, held)
    assert totals(gates, held) == sized(first)
    claim(live, KEY, -1, rules(), gates, held)
    assert totals(gates, held) == (0, 0, 0, 0, 0, 0)
    # Nothing else was touched.
    assert held.used.tolist() == [0, 0, 0, 0]
    assert (held.selling.any(), held.buying.any()) == (False, False)


def test_no_place_is_taken_where_none_is_reserved():
    gates, held = new_gates(1, SYMBOLS), holdings()
    claim(order(5, 1), KEY, 1, rules(reserve=0), gates, held)
    assert (gates.live_buys.sum(), gates.taken.sum()) == (1, 0)


@pytest.mark.parametrize(("per_strategy", "gate"), [(0, 0), (1, 1)])
def test_a_gate_counts_its_own_strategies(per_strategy, gate):
    setting = rules(per_strategy)
    assert [gate_of(setting, strategy) for strategy in (0, 1)] == [0, gate]
    gates = new_gates(2, SYMBOLS)
    claim(order(5, 1), KEY, 1, setting, gates, holdings())
    assert gates.live_buys[gate].tolist() == [0, 0, 1]
    assert gates.taken.tolist() == [int(gate == 0), int(gate == 1)]
