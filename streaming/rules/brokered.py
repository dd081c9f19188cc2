"""One account through a stretch of time, where a broker fills its orders and says so.

Events are taken in event time. A report counts at its own time or, where everything up to then
is decided already, at once. At one time come first the fills (as they were told), then the
reservations that run out, then the orders that ended, then the signals in the order of
`streaming.rules.ranking` (SPEC section 3). Money is int64 x 1e8, time microseconds UTC.

A reservation ends with its order, or when its time is over: then its place is free, and the
broker is to be asked to cancel the order. What the order claims of limits and units it keeps
until the broker says that it has ended, because until then it may fill.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined, steady
from streaming.rules.decisions import Signals, decide, draw_up
from streaming.rules.executions import FILLS, execute, fits, note
from streaming.rules.gate import OK, Gates
from streaming.rules.holdings import Holdings, Instruments, Rules, claim_place, claim_units
from streaming.rules.memory import EMPTY, enter, find_slot
from streaming.rules.money import value
from streaming.rules.orders import FILL, NEVER, drop_first, push

Int = NDArray[np.int64]

END = 1
"""Kind of a report beside FILL: the order was cancelled, rejected or expired."""

REPORT = np.dtype(
    [
        ("ts", "<i8"),
        ("kind", "<i8"),  # FILL or END, of which only the order's id matters
        ("id_high", "<u8"),  # of the order
        ("id_low", "<u8"),
        ("fill_high", "<u8"),  # of the fillId
        ("fill_low", "<u8"),
        ("strategy", "<i8"),
        ("symbol", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("price", "<i8"),
        ("fee", "<i8"),
    ]
)
"""What a broker said of an order."""

LIVE_ORDER = np.dtype(
    [
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("strategy", "<i8"),
        ("symbol", "<i8"),
        ("ordered", "<i8"),  # signed units x 1e8
        ("quantity", "<i8"),  # what is left of them; 0 once it is over
        ("ts", "<i8"),  # of its signal
        ("expires", "<i8"),  # when its reservation is over
        ("placed", "<i8"),  # 1 until then
        ("opens", "<i8"),  # 1 if it opens or adds, 0 if it goes against a position
        ("reserved", "<i8"),  # notional that it holds against the limits
        ("ref_price", "<i8"),
        ("acked", "<i8"),  # 1 once the broker has said that it has it
    ]
)
"""An order at the broker, or on its way there."""

EXPIRY = np.dtype(
    [("due", "<i8"), ("kind", "<i8"), ("id_high", "<u8"), ("id_low", "<u8"), ("place", "<i8")]
)
"""When a reservation is over, in a heap as `streaming.rules.orders` keeps it."""


class Followed(NamedTuple):
    """Buffers for what comes out, and how much is in them.

    `counts` holds the rows of fills, matches, breaches, asked, ended, strays and excess, then
    the orders in `live` and the reservations in `heap`. `slots` finds orders by id: `EMPTY`
    throughout, a power of two, more than twice as many as there is room for orders.
    """

    code: NDArray[np.int8]
    quantity: Int
    fills: Records
    matches: Records
    breaches: Records
    asked: Records
    ended: Records
    strays: Records
    excess: Records
    live: Records
    heap: Records
    slots: Int
    counts: Int


ASKED, ENDS, STRAYS, EXCESS, LIVE, EXPIRIES = range(3, 9)


@inlined
def _reserve(place: int, out: Followed) -> None:
    """Note when an order's reservation is over."""
    order = out.live[place]
    if order["placed"] == 0 or order["expires"] == NEVER:
        return
    spare = out.heap[out.heap.shape[0] - 1]
    spare["due"] = order["expires"]
    spare["kind"] = END
    spare["id_high"] = order["id_high"]
    spare["id_low"] = order["id_low"]
    spare["place"] = place
    push(out.heap, out.counts[EXPIRIES], spare)
    out.counts[EXPIRIES] += 1


@inlined
def _run_out(rules: Rules, gates: Gates, out: Followed) -> None:
    """Give up the place of the first reservation in the heap, and ask for a cancellation."""
    due = out.heap[0]["due"]
    order = out.live[out.heap[0]["place"]]
    drop_first(out.heap, out.counts[EXPIRIES])
    out.counts[EXPIRIES] -= 1
    if order["quantity"] != 0:
        claim_place(order, -1, rules, gates)
        order["placed"] = 0
        note(out.asked, out.counts, ASKED, order, due)


@inlined
def claim_live(
    order: Records, symbols: int, sign: int, rules: Rules, gates: Gates, held: Holdings
) -> None:
    """Count all that a live order claims still (sign 1), or end it (-1)."""
    if order["placed"]:
        claim_place(order, sign, rules, gates)
    claim_units(order, order["strategy"] * symbols + order["symbol"], sign, held)


@steady
def _fill(
    report: Records,
    place: int,
    rules: Rules,
    instruments: Instruments,
    gates: Gates,
    held: Holdings,
    first_ref: int,
    out: Followed,
) -> bool:
    """Take a fill of the order in `place`, if any; False where an amount does not fit."""
    symbols = held.used.shape[0] - 1
    symbol = report["symbol"]
    strategy = report["strategy"]
    quantity = report["quantity"]
    price = report["price"]
    point_value = instruments.point_value[symbol]
    net = held.books[strategy * symbols + symbol]["net"]
    if not fits(price, value(price, abs(quantity), point_value), report["fee"], net + quantity):
        return False
    known = place != EMPTY
    if known:
        order = out.live[place]
        left = order["quantity"]
        known = (
            left != 0
            and (left > 0) == (quantity > 0)
            and order["strategy"] == strategy
            and order["symbol"] == symbol
        )
    if known:
        claim_live(order, symbols, -1, rules, gates, held)
        if abs(quantity) > abs(left):
            note(out.excess, out.counts, EXCESS, report, report["ts"])
        left = 0 if abs(quantity) >= abs(left) else left - quantity
        order["quantity"] = left
        if order["opens"]:
            order["reserved"] = value(order["ref_price"], abs(left), point_value)
        if left != 0:
            claim_live(order, symbols, 1, rules, gates, held)
    else:
        note(out.strays, out.counts, STRAYS, report, report["ts"])
    row = out.fills[out.counts[FILLS]]
    row["strategy"] = strategy
    row["symbol"] = symbol
    row["quantity"] = quantity
    row["price"] = price
    row["fee"] = report["fee"]
    row["ts"] = report["ts"]
    row["id_high"] = report["id_high"]
    row["id_low"] = report["id_low"]
    return bool(
        execute(row, report["fill_high"], report["fill_low"], rules, gates, held, first_ref, out)
    )


@steady
def follow(
    signals: Signals,
    reports: Records,
    at: Int,
    complete_to: int,
    rules: Rules,
    instruments: Instruments,
    gates: Gates,
    held: Holdings,
    first_ref: int,
    out: Followed,
) -> Number:
    """Take an account from where it is to `complete_to`.

    Parameters
    ----------
    signals
        Those after the last `complete_to` and not after this one.
    reports : REPORT[n], at : int64[n]
        Those that count now, and when: ascending, and fills before ends at one time. A
        fill is of a strategy and symbol that the account has.
    rules, instruments
        Settings and facts; see there.
    gates, held
        State, changed in place. The pool of lots has room for every fill.
    first_ref : int
        Sequence number of the account's next fill.
    out
        Receives a code and quantity for each signal, the fills, matches and breaches, the
        orders that are to be cancelled, those that ended, the fills of no live order and those
        of more than was left, in order. `live` holds the orders, before and after; those that
        are over have quantity 0.

    Returns
    -------
    int
        -1; or the place of the fill with which an amount does not fit DECIMAL(18,8).
    """
    counts = out.counts
    live = out.live
    symbols = held.used.shape[0] - 1
    enter(live, counts[LIVE], out.slots)
    for known in range(counts[LIVE]):
        _reserve(known, out)
    done = 0
    for row in range(signals.ts.shape[0] + 1):
        last = row == signals.ts.shape[0]
        now = complete_to if last else signals.ts[row]
        while True:
            told = at[done] if done < at.shape[0] else NEVER
            over = out.heap[0]["due"] if counts[EXPIRIES] > 0 else NEVER
            if min(told, over) > now:
                break
            if over < told or (over == told and reports[done]["kind"] == END):
                _run_out(rules, gates, out)
                continue
            report = reports[done]
            slot = find_slot(live, out.slots, report["id_high"], report["id_low"])
            place: Number = out.slots[slot]
            if report["kind"] == FILL:
                if not _fill(report, place, rules, instruments, gates, held, first_ref, out):
                    return done
            elif place != EMPTY and live[place]["quantity"] != 0:
                claim_live(live[place], symbols, -1, rules, gates, held)
                live[place]["quantity"] = 0
                note(out.ended, counts, ENDS, live[place], told)
            done += 1
        if last:
            break
        key = signals.strategy[row] * symbols + signals.symbol[row]
        units, opens = decide(signals, row, key, rules, instruments, gates, held)
        if units <= 0:
            out.code[row] = -units
            out.quantity[row] = 0
            continue
        out.code[row] = OK
        out.quantity[row] = units
        place = counts[LIVE]
        order = live[place]
        draw_up(order, signals, row, key, units, opens, rules, instruments, held)
        order["ordered"] = order["quantity"]
        order["ref_price"] = signals.ref_price[row]
        order["placed"] = 1
        out.slots[find_slot(live, out.slots, order["id_high"], order["id_low"])] = place
        counts[LIVE] = place + 1
        claim_live(order, symbols, 1, rules, gates, held)
        _reserve(place, out)
    return -1
