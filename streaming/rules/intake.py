"""How fills that arrive in any order are taken in: when each applies, and which came before.

The watermark of a source is the largest event time seen less the lateness. A fill whose time
is below it on arrival is late and applies at once. Any other waits until the watermark is past
its time (one on the watermark may still have equals to come), so that fills that arrive within
the lateness apply in one order, whatever the order of arrival.

A fill is a repetition of the newest applied fill of the same id if their times are at most the
TTL apart. The memory of applied fills reaches back to the watermark less the TTL, as it stood
when the fill arrived: only a late fill can come from before that, and it is applied.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Records, steady
from streaming.rules.ids import Words
from streaming.rules.money import value
from streaming.rules.wide import U64

Int = NDArray[np.int64]
Mask = NDArray[np.bool_]
Verdicts = NDArray[np.int8]

NO_TIME = -(2**60)
"""Before every event time: the watermark of a source of which nothing has been seen."""

ENTRY = np.dtype(
    [
        ("id_high", "<u8"),
        ("id_low", "<u8"),
        ("ts", "<i8"),
        ("quantity", "<i8"),  # signed units x 1e8
        ("price", "<i8"),
        ("fee", "<i8"),
    ]
)
"""What is remembered of an applied fill."""

FRESH, REPEATED, DIFFERENT = 0, 1, 2
"""Verdicts on a fill: not seen before; seen before, all the same; seen before, not the same."""

_EMPTY = -1
_FEWEST_SLOTS = 64


class Passage(NamedTuple):
    """When fills pass the watermark.

    Attributes
    ----------
    moment : int64[waiting + arriving]
        The place among the arriving fills of the one on whose arrival a fill applies: its own
        if it is late, that of the one that takes the watermark past it otherwise; the number
        of those arriving if it does not apply yet.
    late : bool[arriving]
    before : int64[arriving]
        The watermark as each arrived.
    watermark : int
        The watermark after all of them.
    """

    moment: Int
    late: Mask
    before: Int
    watermark: int


def pass_watermark(watermark: int, lateness: int, waiting: Int, arriving: Int) -> Passage:
    """Move the watermark fill by fill, and say when each fill applies.

    Parameters
    ----------
    watermark : int
        As it stands, microseconds UTC; `NO_TIME` at the start.
    lateness : int
        Microseconds, not negative.
    waiting : int64[w]
        Event times of fills that arrived before and have not been applied.
    arriving : int64[n]
        Event times in order of arrival, microseconds UTC.
    """
    count = len(arriving)
    after = np.maximum.accumulate(np.maximum(arriving - lateness, watermark))
    before = np.concatenate([[np.int64(watermark)], after])[:count]
    late = arriving < before
    moment = np.searchsorted(after, np.concatenate([waiting, arriving]), side="right")
    # A late fill does not move the watermark, so no other fill applies at its moment.
    moment[len(waiting) :][late] = np.flatnonzero(late)
    return Passage(moment, late, before, int(after[-1]) if count else watermark)


@steady
def notionals(price: Int, quantity: Int, point_value: Int, out: Int) -> None:
    """Give R(price x quantity x point value) of each row, or OVERFLOW; see `money.value`."""
    for i in range(price.shape[0]):
        out[i] = value(price[i], quantity[i], point_value[i])


@steady
def _index(entries: Records, first: int, count: int, slots: Int) -> None:
    """Enter entries from `first` on, each of another id than all others, into the slots."""
    if first == count:
        return
    mask = U64(slots.shape[0] - 1)
    for i in range(first, count):
        at = np.int64(entries[i]["id_low"] & mask)
        while slots[at] != _EMPTY:
            at = np.int64(U64(at + 1) & mask)
        slots[at] = i


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
    horizon: Int,
    ttl: int,
    remember: bool,
    verdicts: Verdicts,
    earlier: Records,
) -> int:
    """Judge fills in order of application: how many entries there are afterwards."""
    if ts.shape[0] == 0:
        return count
    mask = U64(slots.shape[0] - 1)
    for i in range(ts.shape[0]):
        high = ids[i, 0]
        low = ids[i, 1]
        at = np.int64(low & mask)
        place = slots[at]
        while place != _EMPTY:
            entry = entries[place]
            if entry["id_low"] == low and entry["id_high"] == high:
                break
            at = np.int64(U64(at + 1) & mask)
            place = slots[at]
        if place != _EMPTY:
            entry = entries[place]
            then = entry["ts"]
            if then >= horizon[i] and abs(ts[i] - then) <= ttl:
                same = (
                    then == ts[i]
                    and entry["quantity"] == quantity[i]
                    and entry["price"] == price[i]
                    and entry["fee"] == fee[i]
                )
                verdicts[i] = REPEATED if same else DIFFERENT
                earlier[i] = entry
                continue
        verdicts[i] = FRESH
        if remember:
            if place == _EMPTY:
                place = count
                slots[at] = place
                count += 1
            entry = entries[place]
            entry["id_high"] = high
            entry["id_low"] = low
            entry["ts"] = ts[i]
            entry["quantity"] = quantity[i]
            entry["price"] = price[i]
            entry["fee"] = fee[i]
    return count


class FillMemory:
    """The fills applied of late, by id: a hash table with open addressing.

    Parameters
    ----------
    ttl
        Microseconds for which the id of a fill stands for that fill.
    """

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self._entries: Records = np.empty(0, ENTRY)
        self._slots: Int = np.full(_FEWEST_SLOTS, _EMPTY, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def sift(
        self,
        ids: Words,
        ts: Int,
        quantity: Int,
        price: Int,
        fee: Int,
        horizon: Int,
        *,
        remember: bool = True,
    ) -> tuple[Verdicts, Records]:
        """Judge fills in order of application, and remember the fresh ones.

        Parameters
        ----------
        ids : uint64[n, 2]
            Fills' ids, which cover the position key, the order and the fill.
        ts, quantity, price, fee : int64[n]
            Microseconds UTC; signed units, currency and currency x 1e8.
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
            horizon,
            self.ttl,
            remember,
            verdicts,
            earlier,
        )
        return verdicts, earlier

    def forget(self, watermark: int) -> None:
        """Free what no fill that applies from now on can repeat, once it is half of all."""
        keep = self._entries["ts"][: self._count] >= watermark - self.ttl
        if 2 * int(np.count_nonzero(keep)) < self._count:
            self._take(self._entries[: self._count][keep])

    def arrays(self, watermark: int) -> dict[str, NDArray[Any]]:
        """Give what is remembered by name of the field, in the order of (ts, id)."""
        entries = self._entries[: self._count]
        entries = entries[entries["ts"] >= watermark - self.ttl]
        order = np.lexsort((entries["id_low"], entries["id_high"], entries["ts"]))
        return {name: entries[name][order] for name in ENTRY.names or ()}

    @classmethod
    def from_arrays(cls, ttl: int, arrays: Mapping[str, NDArray[Any]]) -> "FillMemory":
        """Restore what `arrays` gave."""
        entries = np.empty(len(arrays["ts"]), ENTRY)
        for name in ENTRY.names or ():
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
            grown = np.empty(max(room, 2 * self._count), ENTRY)
            grown[: self._count] = self._entries[: self._count]
            self._entries = grown
        if 2 * room > len(self._slots):
            slots = max(_FEWEST_SLOTS, 1 << (2 * room - 1).bit_length())
            self._slots = np.full(slots, _EMPTY, np.int64)
            _index(self._entries, 0, self._count, self._slots)
