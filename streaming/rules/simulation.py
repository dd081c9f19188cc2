"""One account through a stretch of time: gate, sizing, simulated fills and FIFO, in one pass.

Events are taken in event time. At one time come first the fills (by orderId), then the
cancellations, then the signals in the order of `streaming.rules.ranking` (SPEC section 3).
Money is int64 x 1e8, time microseconds UTC.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined, steady
from streaming.rules.decisions import Signals, decide
from streaming.rules.fifo import exposure, match_fill
from streaming.rules.fills import fill_fee, fill_price
from streaming.rules.gate import OK, Gates, count_holder
from streaming.rules.holdings import Holdings, Instruments, Rules, claim, gate_of
from streaming.rules.ids import SIMULATED_FILL_ID, mix, order_id, text_id
from streaming.rules.money import value
from streaming.rules.orders import FILL, NEVER, BarTable, drop_first, push, schedule
from streaming.rules.units import LIMIT, MOST_FEE, OVERFLOW
from streaming.rules.wide import U64

Int = NDArray[np.int64]

FILLED = np.dtype(
    [
        ("strategy", "<i8"),
        ("symbol", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("price", "<i8"),
        ("fee", "<i8"),
        ("ts", "<i8"),
        ("id_high", "<u8"),  # of the order
        ("id_low", "<u8"),
    ]
)
"""An execution; its sequence number is its place in the account's history."""

ENDED = np.dtype(
    [("ts", "<i8"), ("id_high", "<u8"), ("id_low", "<u8"), ("strategy", "<i8"), ("symbol", "<i8")]
)
"""An order that was cancelled, or a fill that broke the limit on open symbols."""


class Outputs(NamedTuple):
    """Buffers for what comes out, and how much is in them.

    `counts` holds the rows of fills, matches, cancelled and breaches, then the live orders
    in `heap` and in `waiting`.
    """

    code: NDArray[np.int8]
    quantity: Int
    fills: Records
    matches: Records
    cancelled: Records
    breaches: Records
    heap: Records
    waiting: Records
    counts: Int


FILLS, MATCHES, CANCELLED, BREACHES, HEAP, WAITING = range(6)


@steady
def _fill(
    order: Records,
    rules: Rules,
    instruments: Instruments,
    gates: Gates,
    held: Holdings,
    first_ref: int,
    out: Outputs,
) -> bool:
    """Execute an order; False where an amount does not fit DECIMAL(18,8)."""
    symbol = order["symbol"]
    strategy = order["strategy"]
    quantity = order["quantity"]
    key = strategy * (held.used.shape[0] - 1) + symbol
    price = fill_price(order["close"], quantity > 0, rules.slippage, instruments.tick_size[symbol])
    notional = value(price, abs(quantity), instruments.point_value[symbol])
    net = held.books[key]["net"]
    if price >= LIMIT or notional == OVERFLOW or abs(net + quantity) >= LIMIT:
        return False
    fee = fill_fee(notional, rules.fee_rate)
    if fee >= MOST_FEE:
        return False
    claim(order, key, -1, rules, gates, held)
    number = out.counts[FILLS]
    row = out.fills[number]
    row["strategy"] = strategy
    row["symbol"] = symbol
    row["quantity"] = quantity
    row["price"] = price
    row["fee"] = fee
    row["ts"] = order["due"]
    row["id_high"] = order["id_high"]
    row["id_low"] = order["id_low"]
    out.counts[FILLS] = number + 1
    fill_high, fill_low = _fill_id(held.keys[key, 0], held.keys[key, 1], order)
    out.counts[MATCHES] = match_fill(
        held.books,
        held.lots,
        held.free,
        key,
        quantity,
        price,
        fee,
        first_ref + number,
        fill_high,
        fill_low,
        out.matches,
        out.counts[MATCHES],
    )
    after = held.books[key]["net"]
    if (net == 0) != (after == 0):
        gate = gate_of(rules, strategy)
        reserve = rules.reserve_on_open != 0
        opened = count_holder(gates, gate, symbol, 1 if net == 0 else -1, reserve)
        if opened and gates.opened[gate] > rules.max_open:
            _note(out.breaches, out.counts, BREACHES, order)
    cost = exposure(held.books[key])
    held.used[symbol] += cost - held.exposure[key]
    held.used[-1] += cost - held.exposure[key]
    held.exposure[key] = cost
    return bool(cost != OVERFLOW)


_FILL_HIGH, _FILL_LOW = (U64(word) for word in text_id(SIMULATED_FILL_ID))


@inlined
def _fill_id(key_high: Number, key_low: Number, order: Records) -> Number:
    """Give the id of a simulated order's one fill; see `streaming.rules.ids`."""
    high, low = mix(key_high, key_low, order["id_high"], order["id_low"])
    high, low = mix(high, low, _FILL_HIGH, _FILL_LOW)
    return mix(high, low, U64(order["due"]), U64(0))


@inlined
def _note(rows: Records, counts: Int, which: int, order: Records) -> None:
    row = rows[counts[which]]
    row["ts"] = order["due"]
    row["id_high"] = order["id_high"]
    row["id_low"] = order["id_low"]
    row["strategy"] = order["strategy"]
    row["symbol"] = order["symbol"]
    counts[which] += 1


@steady
def simulate(
    signals: Signals,
    bars: BarTable,
    complete_to: int,
    rules: Rules,
    instruments: Instruments,
    gates: Gates,
    held: Holdings,
    first_ref: int,
    out: Outputs,
) -> Number:
    """Take an account from where it is to `complete_to`.

    Parameters
    ----------
    signals, bars
        Those after the last `complete_to` and not after this one.
    rules, instruments
        Settings and facts; see there.
    gates, held
        State, changed in place. The pool of lots has room for every signal and live order.
    first_ref : int
        Sequence number of the account's next fill.
    out : Outputs
        Receives a code and quantity for each signal, the fills, matches, cancellations and
        breaches in order. `waiting` holds the orders that wait for a bar, before and after.

    Returns
    -------
    int
        -1; or, where an amount does not fit DECIMAL(18,8), how many fills came before the
        order that could not be filled, which stands first in `out.heap`.
    """
    counts = out.counts
    symbols = held.used.shape[0] - 1
    still = 0
    for i in range(counts[WAITING]):
        order = out.waiting[i]
        symbol = order["symbol"]
        if schedule(order, bars.start[symbol], bars.start[symbol + 1], bars, complete_to):
            push(out.heap, counts[HEAP], order)
            counts[HEAP] += 1
        else:
            out.waiting[still] = order
            still += 1
    counts[WAITING] = still
    spare = out.heap[out.heap.shape[0] - 1]
    for row in range(signals.ts.shape[0] + 1):
        last = row == signals.ts.shape[0]
        now = complete_to if last else signals.ts[row]
        while counts[HEAP] > 0 and out.heap[0]["due"] <= now:
            order = out.heap[0]
            if order["kind"] == FILL:
                if not _fill(order, rules, instruments, gates, held, first_ref, out):
                    return counts[FILLS]
            else:
                key = order["strategy"] * symbols + order["symbol"]
                claim(order, key, -1, rules, gates, held)
                _note(out.cancelled, counts, CANCELLED, order)
            drop_first(out.heap, counts[HEAP])
            counts[HEAP] -= 1
        if last:
            break
        symbol = signals.symbol[row]
        strategy = signals.strategy[row]
        key = strategy * symbols + symbol
        units, opens = decide(signals, row, key, rules, instruments, gates, held)
        if units <= 0:
            out.code[row] = -units
            out.quantity[row] = 0
            continue
        out.code[row] = OK
        out.quantity[row] = units
        buys = signals.buys[row]
        spare["id_high"], spare["id_low"] = order_id(
            held.keys[key, 0], held.keys[key, 1], now, buys
        )
        spare["strategy"] = strategy
        spare["symbol"] = symbol
        spare["quantity"] = units if buys else -units
        spare["ts"] = now
        spare["expires"] = now + rules.ttl if buys and opens else NEVER
        spare["opens"] = 1 if opens else 0
        spare["reserved"] = 0
        if opens:
            point_value = instruments.point_value[symbol]
            spare["reserved"] = value(signals.ref_price[row], units, point_value)
        claim(spare, key, 1, rules, gates, held)
        if schedule(spare, signals.next_bar[row], bars.start[symbol + 1], bars, complete_to):
            push(out.heap, counts[HEAP], spare)
            counts[HEAP] += 1
        else:
            out.waiting[counts[WAITING]] = spare
            counts[WAITING] += 1
    return -1
