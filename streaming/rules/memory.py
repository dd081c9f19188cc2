"""What is remembered of applied fills, and of whose orders are: both by id, both for the TTL.

A fill is a repetition of the latest fill of the same id, of those applied, if their times are
at most the TTL apart. Where signals do not know an order, the first of its rows that names a
strategy says whose it is, until the TTL has passed since the order's latest fill.

Both memories reach back to the watermark less the TTL, as it stood when a fill arrived: only a
late fill can come from before that, and to it the past is unknown. Fills are told to a memory
in order of application, so that any order of arrival within the lateness gives the same.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, Records, inlined, steady
from streaming.rules.ids import Words
from streaming.rules.wide import U64

Int = NDArray[np.int64]
Verdicts = NDArray[np.int8]

ENTRY = np.dtype(
    [
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("ts", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("price", "<i8"),
        ("fee", "<i8"),
        ("named", "<i8"),  # the strategy that the row named, or else the one that got the fill
    ]
)
"""What is remembered of an applied fill."""

ORDER = np.dtype([("id_high", "<u8"), ("id_low", "<u8"), ("ts", "<i8"), ("strategy", "<i8")])
"""What is remembered of an order: whose it is, and the time of its latest fill."""

NOBODY = 0
"""The code of no strategy; those of strategies are above it."""

UNATTRIBUTED = "UNATTRIBUTED"
"""The strategy of fills whose order nobody knows."""

FRESH, REPEATED, DIFFERENT = 0, 1, 2
"""Verdicts on a fill: not seen before; seen before, all the same; seen before, not the same."""

EMPTY = -1
_FEWEST_SLOTS = 64


@inlined
def find_slot(entries: Records, slots: Int, high: Number, low: Number) -> Number:
    """Give the slot of an id, or the empty one where it would go."""
    mask = U64(slots.shape[0] - 1)
    at: Number = np.int64(low & mask)
    while slots[at] != EMPTY:
        entry = entries[slots[at]]
        if entry["id_low"] == low and entry["id_high"] == high:
            break
        at = np.int64(U64(at + 1) & mask)
    return at


@steady
def enter(entries: Records, count: int, slots: Int) -> None:
    """Enter entries, each of another id, into empty slots."""
    for i in range(count):
        slots[find_slot(entries, slots, entries[i]["id_high"], entries[i]["id_low"])] = i


@steady
def _sift(
    entries: Records,
    slots: Int,
    count: int,
    ids: Words,
    ts: Int,
    quantity: Int,
    price: Int,
    fee: Int,
    said: Int,
    strategy: Int,
    horizon: Int,
    ttl: int,
    remember: bool,
    verdicts: Verdicts,
    earlier: Records,
) -> int:
    """Judge fills in order of application: how many entries there are afterwards."""
    for i in range(ts.shape[0]):
        at: int = find_slot(entries, slots, ids[i, 0], ids[i, 1])
        place = slots[at]
        if place != EMPTY:
            entry = entries[place]
            then = entry["ts"]
            if then >= horizon[i] and abs(ts[i] - then) <= ttl:
                same = (
                    then == ts[i]
                    and entry["quantity"] == quantity[i]
                    and entry["price"] == price[i]
                    and entry["fee"] == fee[i]
                    and (said[i] == NOBODY or said[i] == entry["named"])
                )
                verdicts[i] = REPEATED if same else DIFFERENT
                earlier[i] = entry
                continue
        verdicts[i] = FRESH
        # A fill from before what is remembered is forgotten at once; it must not displace that.
        if remember and (place == EMPTY or entries[place]["ts"] <= ts[i]):
            if place == EMPTY:
                place = count
                slots[at] = place
                count += 1
            entry = entries[place]
            entry["id_high"] = ids[i, 0]
            entry["id_low"] = ids[i, 1]
            entry["ts"] = ts[i]
            entry["quantity"] = quantity[i]
            entry["price"] = price[i]
            entry["fee"] = fee[i]
            entry["named"] = strategy[i] if said[i] == NOBODY else said[i]
    return count


@steady
def _attribute(
    entries: Records,
    slots: Int,
    count: int,
    ids: Words,
    ts: Int,
    said: Int,
    known: Int,
    horizon: Int,
    ttl: int,
    strategy: Int,
) -> int:
    """Say whose fills are in order of application: how many entries there are afterwards."""
    for i in range(ts.shape[0]):
        if known[i] != NOBODY:
            strategy[i] = known[i]
            continue
        at: int = find_slot(entries, slots, ids[i, 0], ids[i, 1])
        place = slots[at]
        if place != EMPTY:
            entry = entries[place]
            if entry["ts"] >= horizon[i] and ts[i] - entry["ts"] <= ttl:
                strategy[i] = entry["strategy"]
                entry["ts"] = max(entry["ts"], ts[i])
                continue
        strategy[i] = said[i]
        if said[i] == NOBODY:
            continue
        if place == EMPTY:
            place = count
            slots[at] = place
            count += 1
        entry = entries[place]
        entry["id_high"] = ids[i, 0]
        entry["id_low"] = ids[i, 1]
        entry["ts"] = ts[i]
        entry["strategy"] = said[i]
    return count


class Memory:
    """Entries of the last TTL, by id: a hash table with open addressing.

    Parameters
    ----------
    ttl
        Microseconds for which an entry stands.
    """

    entry: ClassVar[np.dtype[Any]]
    """Type of an entry, with the fields id_high, id_low and ts among others."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self._entries: Records = np.empty(0, self.entry)
        self._slots: Int = np.full(_FEWEST_SLOTS, EMPTY, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def forget(self, watermark: int) -> None:
        """Free what means nothing to fills that apply from now on, once it is half of all."""
        keep = self._entries["ts"][: self._count] >= watermark - self.ttl
        if 2 * int(np.count_nonzero(keep)) < self._count:
            self._take(self._entries[: self._count][keep])

    def arrays(self, watermark: int) -> dict[str, NDArray[Any]]:
        """Give what is remembered by name of the field, in the order of (ts, id)."""
        entries = self._entries[: self._count]
        entries = entries[entries["ts"] >= watermark - self.ttl]
        order = np.lexsort((entries["id_low"], entries["id_high"], entries["ts"]))
        return {name: entries[name][order] for name in self.entry.names or ()}

    @classmethod
    def from_arrays(cls, ttl: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore what `arrays` gave."""
        entries = np.empty(len(arrays["ts"]), cls.entry)
        for name in cls.entry.names or ():
            entries[name] = arrays[name]
        memory = cls(ttl)
        memory._take(entries)
        return memory

    def _take(self, entries: Records) -> None:
        self._entries = entries
        self._count = len(entries)
        self._slots = np.empty(0, np.int64)
        self._reserve(0)

    def _reserve(self, more: int) -> None:
        """Make room for more entries; at most half of the slots are ever taken."""
        room = self._count + more
        if room > len(self._entries):
            grown = np.empty(max(room, 2 * self._count), self.entry)
            grown[: self._count] = self._entries[: self._count]
            self._entries = grown
        if len(self._slots) < max(2 * room, 1):
            slots = max(_FEWEST_SLOTS, 1 << (2 * room - 1).bit_length())
            self._slots = np.full(slots, EMPTY, np.int64)
            enter(self._entries, self._count, self._slots)


class FillMemory(Memory):
    """The fills applied of late."""

    entry = ENTRY

    def sift(
        self,
        ids: Words,
        ts: Int,
        quantity: Int,
        price: Int,
        fee: Int,
        said: Int,
        strategy: Int,
        horizon: Int,
        *,
        remember: bool = True,
    ) -> tuple[Verdicts, Records]:
        """Judge fills in order of application, and remember the fresh ones.

        Parameters
        ----------
        ids : uint64[n, 2]
            Fills' ids, which cover the account, the symbol, the order and the fill.
        ts, quantity, price, fee : int64[n]
            Microseconds UTC; signed units, currency and currency x 1e8.
        said, strategy : int64[n]
            The strategy that each row names, which is part of what it says, and the one whose
            the fill is; NOBODY where there is none.
        horizon : int64[n]
            What was applied with an earlier time than that is forgotten.
        remember : bool
            False only looks: the fills, of which no two share an id, are not applied yet.

        Returns
        -------
        verdicts : int8[n]
            FRESH, REPEATED or DIFFERENT.
        earlier : ENTRY[n]
            The applied fill of the same id where the verdict is not FRESH; anything elsewhere.
        """
        self._reserve(len(ts))
        verdicts = np.empty(len(ts), np.int8)
        earlier = np.empty(len(ts), ENTRY)
        self._count = _sift(
            self._entries,
            self._slots,
            self._count,
            ids,
            ts,
            quantity,
            price,
            fee,
            said,
            strategy,
            horizon,
            self.ttl,
            remember,
            verdicts,
            earlier,
        )
        return verdicts, earlier


class OrderMemory(Memory):
    """Whose the orders are of which a row said it, and no signal."""

    entry = ORDER

    def attribute(self, ids: Words, ts: Int, said: Int, known: Int, horizon: Int) -> Int:
        """Give the strategies whose fills are, and remember what rows say of their orders.

        Parameters
        ----------
        ids : uint64[n, 2]
            Orders' ids, which cover the account.
        ts : int64[n]
            Microseconds UTC, in order of application.
        said, known : int64[n]
            The strategy that each row names, and the one that signals give its order; NOBODY
            where there is none.
        horizon : int64[n]
            An order whose latest fill has an earlier time than that is forgotten.

        Returns
        -------
        int64[n]
            NOBODY where neither signals nor rows have said it.
        """
        self._reserve(int(np.count_nonzero((known == NOBODY) & (said != NOBODY))))
        strategy = np.empty(len(ts), np.int64)
        self._count = _attribute(
            self._entries,
            self._slots,
            self._count,
            ids,
            ts,
            said,
            known,
            horizon,
            self.ttl,
            strategy,
        )
        return strategy
