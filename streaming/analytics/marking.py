"""Mark positions to market at each day's end, exactly.

What is open at a day's end is known from the matches themselves: a segment is open from its
`openTs` until its `matchTimestamp` (at which it no longer counts), a lot that was never
closed from its `tsOpen` on. For each group and symbol the open quantity Q and its cost C
(the sum of price x quantity, in 128 bits) come from differences entered where segments
open and close, so the work grows with segments plus days, not with their product, and
the open PnL, R((close Q - C) x point value), does not depend on how lots were cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.matches import Grouped
from streaming.analytics.prices import NO_CLOSE, DayCloses
from streaming.errors import MoneyError
from streaming.rules.compile import kernel
from streaming.rules.money import average
from streaming.rules.units import OVERFLOW, SCALE
from streaming.rules.wide import U64, add_wide, magnitude, mul_wide, scale_wide, sub_wide

Int = NDArray[np.int64]
Words = NDArray[np.uint64]
Float = NDArray[np.float64]

_SIGN = U64(1 << 63)
_ZERO = U64(0)
_SQUARE = SCALE * SCALE
# Left free below 2**63, so that one more amount cannot wrap before it is noticed.
_FULL = 8 * 10**18


class Segments(NamedTuple):
    """Open stretches of positions as arrays of one length, in any order.

    `group` and `symbol` are codes; `opened` and `closed` are the first bounds at or after
    the opening and the closing (closed = number of bounds where it never closed);
    `quantity` is signed, x 1e8 (shorts negative); `price` is the opening price x 1e8.
    """

    group: Int
    symbol: Int
    opened: Int
    closed: Int
    quantity: Int
    price: Int


@dataclass(frozen=True, slots=True)
class Marks:
    """Open PnL of each group at each bound, and whose positions had no close to mark with.

    `open_pnl` is int64[groups, bounds], currency x 1e8. `unpriced[g, s]` tells that group g
    held symbol s at a bound before the symbol's first close; it counts at cost there.
    """

    open_pnl: Int
    unpriced: NDArray[np.bool_]


def segments_of(grouped: Grouped, bounds: Int) -> Segments:
    """Give what was open when, from matches and lots.

    Parameters
    ----------
    grouped
        Matches and lots.
    bounds : int64[days + 1]
        Microseconds UTC, ascending.
    """
    arrays, lots = grouped.matches.arrays, grouped.lots

    def joined(first: Int, second: Int) -> Int:
        return np.concatenate([first, second])

    return Segments(
        group=joined(grouped.group, grouped.lot_group),
        symbol=joined(grouped.symbol, grouped.lot_symbol),
        opened=np.searchsorted(bounds, joined(arrays.open_ts, lots.open_ts), "left"),
        closed=joined(
            np.searchsorted(bounds, arrays.ts, "left"),
            np.full(lots.open_ts.size, bounds.size, np.int64),
        ),
        quantity=joined(arrays.quantity, lots.quantity)
        * np.where(np.concatenate([arrays.is_long, lots.is_long]), 1, -1),
        price=joined(grouped.matches.open_price, lots.price),
    )


def mark(
    segments: Segments, closes: DayCloses, point_values: Int, groups: int, symbols: Sequence[str]
) -> Marks:
    """Mark each group's open positions at each bound.

    Parameters
    ----------
    segments
        What was open when.
    closes
        Of the symbols at the bounds.
    point_values : int64[symbols]
        Currency per point and unit, x 1e8.
    groups
        Number of groups.
    symbols
        Names by code, for errors.

    Raises
    ------
    MoneyError
        If a position or its open PnL does not fit; names the symbol.
    """
    bounds = closes.close.shape[1]
    across = np.flatnonzero(segments.opened < segments.closed)
    pair = segments.group[across] * len(symbols) + segments.symbol[across]
    across = across[np.argsort(pair, kind="stable")]
    kept = Segments(*(column[across] for column in segments))
    open_pnl = np.zeros((groups, bounds), np.int64)
    unpriced = np.zeros((groups, len(symbols)), np.bool_)
    failed = _mark(kept, closes.close, point_values, open_pnl, unpriced)
    if failed >= 0:
        raise MoneyError(
            f"marking {symbols[int(kept.symbol[failed])]} to market: the position or its open PnL "
            "does not fit DECIMAL(18,8). Check the quantities and prices of its matches."
        )
    return Marks(open_pnl, unpriced)


@kernel
def _mark(
    segments: Segments,
    closes: Int,
    point_values: Int,
    open_pnl: Int,
    unpriced: NDArray[np.bool_],
) -> int:
    """Add the open PnL of segments, sorted by (group, symbol), to `open_pnl`.

    Gives -1, or the first segment of the group and symbol that do not fit.
    """
    count = len(segments.group)
    bounds = closes.shape[1]
    quantity = np.zeros(bounds + 1, np.int64)
    size = np.zeros(bounds + 1, np.float64)
    cost_high = np.zeros(bounds + 1, np.uint64)
    cost_low = np.zeros(bounds + 1, np.uint64)
    first = 0
    while first < count:
        group = segments.group[first]
        symbol = segments.symbol[first]
        last = first
        quantity[:] = 0
        size[:] = 0.0
        cost_high[:] = _ZERO
        cost_low[:] = _ZERO
        while last < count and segments.group[last] == group and segments.symbol[last] == symbol:
            units = segments.quantity[last]
            opened = segments.opened[last]
            closed = segments.closed[last]
            high, low = mul_wide(magnitude(units), magnitude(segments.price[last]))
            plus, minus = opened, closed
            if units < 0:
                plus, minus = closed, opened
            cost_high[plus], cost_low[plus] = add_wide(cost_high[plus], cost_low[plus], high, low)
            cost_high[minus], cost_low[minus] = sub_wide(
                cost_high[minus], cost_low[minus], high, low
            )
            quantity[opened] += units
            quantity[closed] -= units
            size[opened] += abs(float(units))
            size[closed] -= abs(float(units))
            last += 1
        held = 0
        largest = 0.0
        total_high, total_low = _ZERO, _ZERO
        for bound in range(bounds):
            held += quantity[bound]
            largest += size[bound]
            total_high, total_low = add_wide(
                total_high, total_low, cost_high[bound], cost_low[bound]
            )
            if largest > _FULL:
                return first
            if held == 0 and total_high == _ZERO and total_low == _ZERO:
                continue
            close = closes[symbol, bound]
            if close == NO_CLOSE:
                unpriced[group, symbol] = True
                continue
            gain = _gain(held, close, total_high, total_low, point_values[symbol])
            if gain == OVERFLOW or abs(open_pnl[group, bound] + gain) > _FULL:
                return first
            open_pnl[group, bound] += gain
        first = last
    return -1


@kernel
def _gain(held: int, close: int, cost_high: int, cost_low: int, point_value: int) -> int:
    """Give R((close x held - cost) x point value), the cost in 128-bit two's complement."""
    high, low = mul_wide(magnitude(held), magnitude(close))
    if held < 0:
        high, low = sub_wide(_ZERO, _ZERO, high, low)
    high, low = sub_wide(high, low, cost_high, cost_low)
    negative = (high & _SIGN) != _ZERO
    if negative:
        high, low = sub_wide(_ZERO, _ZERO, high, low)
    divisor = SCALE
    if point_value != SCALE:
        fits, high, low = scale_wide(high, low, U64(point_value))
        if not fits:
            return OVERFLOW
        divisor = _SQUARE
    gain: int = average(high, low, divisor)
    return -gain if negative and gain != OVERFLOW else gain
