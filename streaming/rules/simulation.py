"""One account through a stretch of time: gate, sizing, simulated fills and FIFO, in one pass.

Events are taken in event time. At one time come first the fills (by orderId), then the
cancellations, then the signals in the order of `streaming.rules.ranking` (SPEC section 3).
Money is int64 x 1e8, time microseconds UTC.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, steady
from streaming.rules.decisions import Signals, decide, draw_up
from streaming.rules.executions import FILLS, execute, fits, note
from streaming.rules.fills import fill_fee, fill_price
from streaming.rules.gate import OK, Gates
from streaming.rules.holdings import Holdings, Instruments, Rules, claim
from streaming.rules.ids import SIMULATED_FILL_ID, text_id
from streaming.rules.money import value
from streaming.rules.orders import FILL, BarTable, drop_first, push, schedule
from streaming.rules.wide import U64

Int = NDArray[np.int64]


class Outputs(NamedTuple):
    """Buffers for what comes out, and how much is in them.

    `counts` holds the rows of fills, matches, breaches and cancelled, then the live orders
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


CANCELLED, HEAP, WAITING = range(3, 6)

_FILL_HIGH, _FILL_LOW = (U64(word) for word in text_id(SIMULATED_FILL_ID))


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
    fee = fill_fee(notional, rules.fee_rate)
    if not fits(price, notional, fee, held.books[key]["net"] + quantity):
        return False
    claim(order, key, -1, rules, gates, held)
    row = out.fills[out.counts[FILLS]]
    row["strategy"] = strategy
    row["symbol"] = symbol
    row["quantity"] = quantity
    row["price"] = price
    row["fee"] = fee
    row["ts"] = order["due"]
    row["id_high"] = order["id_high"]
    row["id_low"] = order["id_low"]
    return bool(execute(row, _FILL_HIGH, _FILL_LOW, rules, gates, held, first_ref, out))


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
                note(out.cancelled, counts, CANCELLED, order, order["due"])
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
        draw_up(spare, signals, row, key, units, opens, rules, instruments, held)
        claim(spare, key, 1, rules, gates, held)
        if schedule(spare, signals.next_bar[row], bars.start[symbol + 1], bars, complete_to):
            push(out.heap, counts[HEAP], spare)
            counts[HEAP] += 1
        else:
            out.waiting[counts[WAITING]] = spare
            counts[WAITING] += 1
    return -1
