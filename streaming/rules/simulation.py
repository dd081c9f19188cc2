"""One account through a stretch of time: gate, sizing, simulated fills and FIFO, in one pass.

Events are taken in event time. At one time come first the fills (by orderId), then the
cancellations, then the signals in the order of `streaming.rules.ranking`. An order fills
whole at the close of its symbol's next bar; a BUY that opens or adds is cancelled instead
where that bar comes later than the reservation's TTL (SPEC section 3, simulated brokers).

Money is int64 x 1e8, time microseconds UTC. Exposure, for the limits, is what positions
cost: |netQty| x avgPrice x point value; live opening orders count at their refPrice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined, steady
from streaming.rules.fifo import exposure, match_fill
from streaming.rules.fills import fill_fee, fill_price
from streaming.rules.gate import (
    BELOW_MIN_QTY,
    BUDGET_EXCEEDED,
    NO_OPEN_POSITION,
    OK,
    OPEN_LIMIT_EXCEEDED,
    Gates,
    admits_buy,
    count_holder,
    count_order,
)
from streaming.rules.ids import BUY_WORD, SELL_WORD, SIMULATED_FILL_ID, mix, text_id
from streaming.rules.money import LIMIT, OVERFLOW, SCALE, value
from streaming.rules.sizing import (
    clipped,
    fraction_of,
    target_notional,
    units_for,
    whole_lots,
)
from streaming.rules.wide import U64

Int = NDArray[np.int64]
Codes = NDArray[np.int32]
Words = NDArray[np.uint64]

NEVER = 2**63 - 1
FILL = 0
CANCEL = 1

ORDER = np.dtype(
    [
        ("due", "<i8"),  # when it fills or is cancelled; NEVER while its bar has not come
        ("kind", "<i8"),  # FILL or CANCEL
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("strategy", "<i8"),
        ("symbol", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("close", "<i8"),  # of the bar that fills it
        ("ts", "<i8"),  # of its signal
        ("expires", "<i8"),  # the last time at which it may fill
        ("opens", "<i8"),  # 1 if it opens or adds, 0 if it goes against a position
        ("reserved", "<i8"),  # notional that it holds against the limits
    ]
)
"""A live order."""

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


class BarTable(NamedTuple):
    """Bars of all symbols end to end: those of symbol y are rows start[y] to start[y + 1]."""

    start: Int
    ts: Int
    close: Int


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
    exposure, selling, covering : int64[strategies x symbols]
        Cost of the position; live SELLs against a long; live BUYs against a short.
    used : int64[symbols + 1]
        Exposure and reserved notional of each symbol, and of all of them in the last place.
    """

    books: Records
    lots: Records
    free: Int
    keys: Words
    exposure: Int
    selling: Int
    covering: Int
    used: Int


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


@inlined
def _earlier(a: Records, b: Records) -> bool:
    """Order of live orders: by time, fills before cancellations, then by orderId."""
    if a["due"] != b["due"]:
        return bool(a["due"] < b["due"])
    if a["kind"] != b["kind"]:
        return bool(a["kind"] < b["kind"])
    if a["id_high"] != b["id_high"]:
        return bool(a["id_high"] < b["id_high"])
    return bool(a["id_low"] < b["id_low"])


@steady
def _push(heap: Records, size: int, order: Records) -> None:
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if not _earlier(order, heap[parent]):
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = order


@steady
def _drop_first(heap: Records, size: int) -> None:
    """Take the first order out of a heap of `size`; the others keep their order."""
    last = heap[size - 1]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size - 1:
            break
        if child + 1 < size - 1 and _earlier(heap[child + 1], heap[child]):
            child += 1
        if not _earlier(heap[child], last):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = last


@inlined
def _schedule(order: Records, bar: int, end: int, bars: BarTable, complete_to: int) -> bool:
    """Settle when a live order fills or is cancelled; False while that is not known."""
    if bar < end and bars.ts[bar] <= order["expires"]:
        order["due"] = bars.ts[bar]
        order["kind"] = FILL
        order["close"] = bars.close[bar]
        return True
    if order["expires"] < NEVER and (bar < end or order["expires"] <= complete_to):
        order["due"] = order["expires"]
        order["kind"] = CANCEL
        return True
    order["due"] = NEVER
    return False


@inlined
def _gate_of(rules: Rules, strategy: int) -> int:
    return strategy if rules.gate_per_strategy else 0


@inlined
def claim(order: Records, key: int, sign: int, rules: Rules, gates: Gates, held: Holdings) -> None:
    """Count an order's claims on places, limits and units (sign 1), or end them (-1)."""
    symbol = order["symbol"]
    quantity = order["quantity"]
    held.used[symbol] += sign * order["reserved"]
    held.used[-1] += sign * order["reserved"]
    if quantity > 0:
        gate = _gate_of(rules, order["strategy"])
        count_order(gates, gate, symbol, sign, rules.reserve_on_open != 0)
    if not order["opens"]:
        if quantity > 0:
            held.covering[key] += sign * quantity
        else:
            held.selling[key] -= sign * quantity


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
    if notional == OVERFLOW or abs(net + quantity) >= LIMIT:
        return False
    fee = fill_fee(notional, rules.fee_rate)
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
        gate = _gate_of(rules, strategy)
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
    return mix(high, low, _FILL_HIGH, _FILL_LOW)


@inlined
def _note(rows: Records, counts: Int, which: int, order: Records) -> None:
    row = rows[counts[which]]
    row["ts"] = order["due"]
    row["id_high"] = order["id_high"]
    row["id_low"] = order["id_low"]
    row["strategy"] = order["strategy"]
    row["symbol"] = order["symbol"]
    counts[which] += 1


@inlined
def _against(held_units: int, live: int, size_hint: int, lot: int, least: int, spent: int) -> int:
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
    signals: Signals, row: int, rules: Rules, instruments: Instruments, held: Holdings
) -> int:
    """Size an order that opens or adds: units, or a code negated."""
    symbol = signals.symbol[row]
    notional = target_notional(rules.capital, signals.weight[row], signals.size_hint[row])
    if notional == OVERFLOW:
        return -BUDGET_EXCEEDED
    notional = clipped(notional, rules.order_limit, 0)
    notional = clipped(notional, rules.symbol_limit, held.used[symbol])
    notional = clipped(notional, rules.gross_limit, held.used[-1])
    if notional <= 0:
        return -BUDGET_EXCEEDED
    units = units_for(notional, signals.ref_price[row], instruments.point_value[symbol])
    units = whole_lots(units, instruments.lot_size[symbol])
    if units == 0 or units < instruments.min_quantity[symbol]:
        return -BELOW_MIN_QTY
    return units


@inlined
def _decide(
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
    gate = _gate_of(rules, signals.strategy[row])
    net = held.books[key]["net"]
    hint = signals.size_hint[row]
    lot = instruments.lot_size[symbol]
    least = instruments.min_quantity[symbol]
    if signals.buys[row]:
        if net < 0:
            return _against(-net, held.covering[key], hint, lot, least, BUDGET_EXCEEDED), False
        if not admits_buy(gates, gate, symbol, rules.max_open):
            return -OPEN_LIMIT_EXCEEDED, True
        return _opening(signals, row, rules, instruments, held), True
    if net > 0:
        return _against(net, held.selling[key], hint, lot, least, NO_OPEN_POSITION), False
    if rules.sell_requires_long or gates.holders[gate, symbol] == 0:
        return -NO_OPEN_POSITION, True
    return _opening(signals, row, rules, instruments, held), True


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
) -> int:
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
        if _schedule(order, bars.start[symbol], bars.start[symbol + 1], bars, complete_to):
            _push(out.heap, counts[HEAP], order)
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
            _drop_first(out.heap, counts[HEAP])
            counts[HEAP] -= 1
        if last:
            break
        symbol = signals.symbol[row]
        strategy = signals.strategy[row]
        key = strategy * symbols + symbol
        units, opens = _decide(signals, row, key, rules, instruments, gates, held)
        if units <= 0:
            out.code[row] = -units
            out.quantity[row] = 0
            continue
        out.code[row] = OK
        out.quantity[row] = units
        buys = signals.buys[row]
        spare["id_high"], spare["id_low"] = mix(
            held.keys[key, 0], held.keys[key, 1], U64(now), BUY_WORD if buys else SELL_WORD
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
        if _schedule(spare, signals.next_bar[row], bars.start[symbol + 1], bars, complete_to):
            _push(out.heap, counts[HEAP], spare)
            counts[HEAP] += 1
        else:
            out.waiting[counts[WAITING]] = spare
            counts[WAITING] += 1
    return -1
