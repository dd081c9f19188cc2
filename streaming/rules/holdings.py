"""What an account holds, its settings, and the claims that live orders make on it.

Exposure, for the limits, is what positions cost: |netQty| x avgPrice x point value; live
opening orders count at their refPrice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined
from streaming.rules.gate import Gates, count_order

Int = NDArray[np.int64]
Words = NDArray[np.uint64]


class Rules(NamedTuple):
    """Settings of one account, as numbers.

    Amounts x 1e8; limits are `NO_LIMIT` where not set; rates x 1e8; `ttl` in microseconds;
    `gate_per_strategy` and the flags are 0 or 1.
    """

    max_open: int
    sell_requires_long: int
    reserve_on_open: int
    ttl: int
    gate_per_strategy: int
    capital: int
    order_limit: int
    symbol_limit: int
    gross_limit: int
    slippage: int
    fee_rate: int


class Instruments(NamedTuple):
    """Facts of each symbol, int64[symbols] x 1e8; `tick_size` 0 means none."""

    lot_size: Int
    min_quantity: Int
    tick_size: Int
    point_value: Int


class Holdings(NamedTuple):
    """What an account holds, in books and totals; changed in place.

    Attributes
    ----------
    books : BOOK[strategies x symbols]
        Row strategy x symbols + symbol.
    lots : LOT[pool], free : int64[2]
        See `streaming.rules.fifo.match_fill`.
    keys : uint64[strategies x symbols, 2]
        Ids of the position keys.
    exposure, selling, buying : int64[strategies x symbols]
        Cost of the position; units of live SELLs and of live BUYs.
    used : int64[symbols + 1]
        Exposure and reserved notional of each symbol, and of all of them in the last place.
    """

    books: Records
    lots: Records
    free: Int
    keys: Words
    exposure: Int
    selling: Int
    buying: Int
    used: Int


@inlined
def gate_of(rules: Rules, strategy: int) -> Number:
    """Give the gate of a strategy: its own, or the account's one."""
    return strategy if rules.gate_per_strategy else 0


@inlined
def claim(order: Records, key: int, sign: int, rules: Rules, gates: Gates, held: Holdings) -> None:
    """Count an order's claims on places, limits and units (sign 1), or end them (-1)."""
    claim_place(order, sign, rules, gates)
    claim_units(order, key, sign, held)


@inlined
def claim_place(order: Records, sign: int, rules: Rules, gates: Gates) -> None:
    """Count the place that a BUY order holds among the open symbols, or end its claim."""
    if order["quantity"] > 0:
        gate = gate_of(rules, order["strategy"])
        count_order(gates, gate, order["symbol"], sign, rules.reserve_on_open != 0)


@inlined
def claim_units(order: Records, key: int, sign: int, held: Holdings) -> None:
    """Count an order's claims on limits and units, or end them."""
    quantity = order["quantity"]
    held.used[order["symbol"]] += sign * order["reserved"]
    held.used[-1] += sign * order["reserved"]
    if quantity > 0:
        held.buying[key] += sign * quantity
    else:
        held.selling[key] -= sign * quantity
