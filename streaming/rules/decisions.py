"""What becomes of a signal: the gate first, then its size within the limits, then its order."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined
from streaming.rules.gate import (
    BELOW_MIN_QTY,
    BUDGET_EXCEEDED,
    NO_OPEN_POSITION,
    OPEN_LIMIT_EXCEEDED,
    Gates,
    admits_buy,
)
from streaming.rules.holdings import Holdings, Instruments, Rules, gate_of
from streaming.rules.ids import order_id
from streaming.rules.money import value
from streaming.rules.orders import NEVER
from streaming.rules.sizing import clipped, fraction_of, target_notional, units_for, whole_lots
from streaming.rules.units import LIMIT, OVERFLOW, SCALE

Int = NDArray[np.int64]
Codes = NDArray[np.int32]


class Signals(NamedTuple):
    """Signals in the order in which they are taken.

    `next_bar` is the row of the `BarTable` of the symbol's first bar after the signal (the
    end of its stretch where there is none yet), `ref_price` its last close at the signal.
    """

    ts: Int
    strategy: Codes
    symbol: Codes
    buys: NDArray[np.bool_]
    size_hint: Int
    weight: Int
    next_bar: Int
    ref_price: Int


@inlined
def _against(
    held_units: int, live: int, size_hint: int, lot: int, least: int, spent: int
) -> Number:
    """Size an order against a position: units, or a code negated.

    `held_units` are held, `live` of them already ordered away; `spent` is the code where
    nothing is left.
    """
    left = held_units - live
    if left <= 0:
        return -spent
    want = held_units if size_hint == SCALE else whole_lots(fraction_of(held_units, size_hint), lot)
    units = min(want, left)
    if units == 0 or (units < least and units < left):
        return -BELOW_MIN_QTY
    return units


@inlined
def _opening(
    signals: Signals, row: int, key: int, rules: Rules, instruments: Instruments, held: Holdings
) -> Number:
    """Size an order that opens or adds: units, or a code negated."""
    symbol = signals.symbol[row]
    notional = target_notional(rules.capital, signals.weight[row], signals.size_hint[row])
    if notional == OVERFLOW:
        return -BUDGET_EXCEEDED
    notional = clipped(notional, rules.order_limit, 0)
    notional = clipped(notional, rules.symbol_limit, held.used[symbol])
    notional = clipped(notional, rules.gross_limit, held.used[-1])
    # A position must fit DECIMAL(18,8) in whatever order the live orders of its key fill.
    room = LIMIT - 1 - abs(held.books[key]["net"])
    room -= held.buying[key] + held.selling[key]
    if notional <= 0 or room <= 0:
        return -BUDGET_EXCEEDED
    units = units_for(notional, signals.ref_price[row], instruments.point_value[symbol])
    units = min(units, room)
    units = whole_lots(units, instruments.lot_size[symbol])
    if units == 0 or units < instruments.min_quantity[symbol]:
        return -BELOW_MIN_QTY
    return units


@inlined
def decide(
    signals: Signals,
    row: int,
    key: int,
    rules: Rules,
    instruments: Instruments,
    gates: Gates,
    held: Holdings,
) -> Number:
    """Gate and size one signal: (units, or a code negated; whether it opens or adds)."""
    symbol = signals.symbol[row]
    gate = gate_of(rules, signals.strategy[row])
    net = held.books[key]["net"]
    hint = signals.size_hint[row]
    lot = instruments.lot_size[symbol]
    least = instruments.min_quantity[symbol]
    if signals.buys[row]:
        if net < 0:
            return _against(-net, held.buying[key], hint, lot, least, BUDGET_EXCEEDED), False
        if gates.halted[gate] != 0:
            return -gates.halted[gate], True
        if not admits_buy(gates, gate, symbol, rules.max_open):
            return -OPEN_LIMIT_EXCEEDED, True
        return _opening(signals, row, key, rules, instruments, held), True
    if net > 0:
        return _against(net, held.selling[key], hint, lot, least, NO_OPEN_POSITION), False
    if rules.sell_requires_long or gates.holders[gate, symbol] == 0:
        return -NO_OPEN_POSITION, True
    if gates.halted[gate] != 0:
        return -gates.halted[gate], True
    return _opening(signals, row, key, rules, instruments, held), True


@inlined
def draw_up(
    order: Records,
    signals: Signals,
    row: int,
    key: int,
    units: int,
    opens: bool,
    rules: Rules,
    instruments: Instruments,
    held: Holdings,
) -> None:
    """Write the order of a signal that was admitted with so many units, and what it claims."""
    now = signals.ts[row]
    symbol = signals.symbol[row]
    buys = signals.buys[row]
    order["id_high"], order["id_low"] = order_id(held.keys[key, 0], held.keys[key, 1], now, buys)
    order["strategy"] = signals.strategy[row]
    order["symbol"] = symbol
    order["quantity"] = units if buys else -units
    order["ts"] = now
    order["expires"] = now + rules.ttl if buys and opens else NEVER
    order["opens"] = 1 if opens else 0
    order["reserved"] = 0
    if opens:
        order["reserved"] = value(signals.ref_price[row], units, instruments.point_value[symbol])
