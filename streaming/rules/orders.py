"""Live orders of the simulated broker: when each fills or is cancelled, and in what order.

An order fills at the close of its symbol's first bar after the signal; a BUY that opens or
adds is cancelled instead where that bar comes later than its reservation's TTL. Orders
that know their time wait in a heap; the others wait for their bar.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Records, inlined, steady

Int = NDArray[np.int64]

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


class BarTable(NamedTuple):
    """Bars of all symbols end to end: those of symbol y are rows start[y] to start[y + 1]."""

    start: Int
    ts: Int
    close: Int


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
def push(heap: Records, size: int, order: Records) -> None:
    """Put an order into a heap of `size`, which has room for one more."""
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if not _earlier(order, heap[parent]):
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = order


@steady
def drop_first(heap: Records, size: int) -> None:
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
def schedule(order: Records, bar: int, end: int, bars: BarTable, complete_to: int) -> bool:
    """Settle when a live order fills or is cancelled; False while that is not known."""
    if bar < end and bars.ts[bar] <= order["expires"]:
        order["due"] = bars.ts[bar]
        order["kind"] = FILL
        order["close"] = bars.close[bar]
        return True
    if order["expires"] < NEVER and (bar < end or order["expires"] <= complete_to):
        order["due"] = order["expires"]
        order["kind"] = CANCEL
        order["close"] = 0
        return True
    order["due"] = NEVER
    # Of equal orders that wait the saved bytes are equal too.
    order["kind"] = FILL
    order["close"] = 0
    return False
