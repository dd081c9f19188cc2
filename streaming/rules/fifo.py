"""FIFO lots: fills in, one match for each segment in which a buy and a sell meet.

The k-th unit bought meets the k-th unit sold of the same position key, whatever the sizes
of the fills, long or short, through zero and back; so a fill may be cut anywhere without
changing PnL. Lots of one key are chained, oldest first; freed ones are used again first, so
that what is open stays near the processor.
"""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined
from streaming.rules.ids import mix
from streaming.rules.money import average, share, value
from streaming.rules.wide import U64, add_wide, mul_wide, sub_wide

Int = NDArray[np.int64]

LOT = np.dtype(
    [
        ("remaining", "<i8"),  # units x 1e8 not yet matched
        ("price", "<i8"),
        ("fee", "<i8"),  # of the whole fill
        ("quantity", "<i8"),  # of the whole fill, unsigned
        ("ref", "<i8"),  # sequence number of the fill
        ("next", "<i8"),  # place of the next younger lot of the key, or of the next free one
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("carried", "<i8"),  # the share of the fee that the units matched so far have carried
    ]
)
"""An open lot: what is left of one fill."""

BOOK = np.dtype(
    [
        ("oldest", "<i8"),  # place of the oldest lot in the pool
        ("newest", "<i8"),
        ("count", "<i8"),
        ("net", "<i8"),  # signed units x 1e8
        ("point_value", "<i8"),
        ("cost_high", "<u8"),  # sum over lots of price x remaining, 128 bits
        ("cost_low", "<u8"),
    ]
)
"""The lots of one position key."""

MATCH = np.dtype(
    [
        ("open_ref", "<i8"),
        ("close_ref", "<i8"),
        ("quantity", "<i8"),  # units x 1e8 with the sign of the fill that opened: > 0 is LONG
        ("pnl", "<i8"),  # gross: R((sell - buy) x quantity x point value)
        ("fees", "<i8"),  # shares of both fills
        ("id_high", "<u8"),
        ("id_low", "<u8"),
    ]
)
"""One matched segment; refs are sequence numbers of fills."""

NONE = -1
"""No place in the pool."""


@inlined
def match_fill(
    books: Records,
    lots: Records,
    free: Int,
    key: int,
    quantity: int,
    price: int,
    fee: int,
    ref: int,
    id_high: Number,
    id_low: Number,
    out: Records,
    written: int,
) -> int:
    """Match one fill against its key's open lots, oldest first.

    Parameters
    ----------
    books : BOOK[keys]
        Changed in place.
    lots : LOT[pool], free : int64[2]
        The pool of lots, with room for one more, and where the next one goes: the first
        place of the list of used and freed ones (-1: none), then the first never used.
    key : int
        Row of `books`.
    quantity : int64
        Signed units x 1e8: buys positive, sells negative, not zero.
    price, fee : int64
        Currency x 1e8. R(price x quantity x point value) fits, so every PnL does too: a
        segment's PnL is less than the notional of the dearer of its fills.
    ref : int64
        Sequence number of the fill.
    id_high, id_low : uint64
        The fill's id.
    out : MATCH[n], written : int
        Receives one row for each lot touched, from row `written` on.

    Returns
    -------
    int
        The rows now in `out`.

    Notes
    -----
    Fee shares (SPEC section 3): units c0 to c1 of a fill of Q units with fee F carry
    R(F c1/Q) - R(F c0/Q), so the shares of a fill add up to F exactly.
    """
    book = books[key]
    net = book["net"]
    whole = quantity if quantity > 0 else -quantity
    left = whole
    carried = 0
    high = book["cost_high"]
    low = book["cost_low"]
    if net != 0 and (net > 0) != (quantity > 0):
        point_value = book["point_value"]
        long = net > 0
        direction = 1 if long else -1
        place = book["oldest"]
        while left > 0 and place != NONE:
            lot = lots[place]
            before = lot["remaining"]
            units = min(before, left)
            after = before - units
            left -= units
            lot_price = lot["price"]
            # A segment uses up the lot, or the fill, or both; what is used up has carried all
            # of its fee, so one division does. Which of the two it is, is as good as random:
            # chosen without a branch, because a wrong guess costs more than the division.
            lot_ends = after == 0
            lot_fee = lot["fee"]
            lot_units = lot["quantity"]
            part = share(
                fee if lot_ends else lot_fee,
                whole - left if lot_ends else lot_units - after,
                whole if lot_ends else lot_units,
            )
            fee_so_far = part if lot_ends else fee
            lot_fee_so_far = lot_fee if lot_ends else part
            row = out[written]
            row["open_ref"] = lot["ref"]
            row["close_ref"] = ref
            row["quantity"] = units * direction
            row["pnl"] = value((price - lot_price) * direction, units, point_value)
            row["fees"] = (fee_so_far - carried) + (lot_fee_so_far - lot["carried"])
            carried = fee_so_far
            lot_high = lot["id_high"]
            lot_low = lot["id_low"]
            row["id_high"], row["id_low"] = mix(
                lot_high if long else id_high,
                lot_low if long else id_low,
                id_high if long else lot_high,
                id_low if long else lot_low,
            )
            written += 1
            cost_high, cost_low = mul_wide(U64(lot_price), U64(units))
            high, low = sub_wide(high, low, cost_high, cost_low)
            lot["remaining"] = after
            lot["carried"] = lot_fee_so_far
            if lot_ends:
                younger = lot["next"]
                lot["next"] = free[0]
                free[0] = place
                place = younger
                book["count"] -= 1
        book["oldest"] = place
    if left > 0:
        place = free[0]
        if place == NONE:
            place = free[1]
            free[1] = place + 1
        else:
            free[0] = lots[place]["next"]
        lot = lots[place]
        lot["remaining"] = left
        lot["price"] = price
        lot["fee"] = fee
        lot["quantity"] = whole
        lot["ref"] = ref
        lot["next"] = NONE
        lot["id_high"] = id_high
        lot["id_low"] = id_low
        lot["carried"] = carried
        if book["count"] == 0:
            book["oldest"] = place
        else:
            lots[book["newest"]]["next"] = place
        book["newest"] = place
        book["count"] += 1
        cost_high, cost_low = mul_wide(U64(price), U64(left))
        high, low = add_wide(high, low, cost_high, cost_low)
    book["cost_high"] = high
    book["cost_low"] = low
    book["net"] = net + quantity
    return written


@inlined
def average_price(book: Records) -> Number:
    """Give R(sum(price x remaining) / sum(remaining)) of a book that is not flat."""
    net = book["net"]
    return average(book["cost_high"], book["cost_low"], net if net > 0 else -net)


@inlined
def exposure(book: Records) -> Number:
    """Give |netQty| x avgPrice x point value at cost, x 1e8; 0 when flat."""
    net = book["net"]
    if net == 0:
        return 0
    return value(average_price(book), net if net > 0 else -net, book["point_value"])
