"""The open lots of many position keys: the state of FIFO matching.

Keys are dealt to shards, each with a pool of lots of its own, so that threads can match
them side by side (`streaming.rules.matching`).
"""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Records, steady
from streaming.rules.fifo import BOOK, LOT, NONE, Int
from streaming.rules.money import share
from streaming.rules.state import pack, unpack
from streaming.rules.units import SCALE
from streaming.rules.wide import U64, add_wide, mul_wide

Keys = NDArray[np.int32]

_STATE_VERSION = 1
_STORED = [name for name in LOT.names or () if name not in ("next", "carried")]


@steady
def _list_lots(books: Records, lots: Records, key: Keys, at: Int, out: Records) -> None:
    """Copy the open lots of keys, oldest first, each key's from `out[at[key]]` on."""
    for k in key:
        place = books[k]["oldest"]
        for i in range(books[k]["count"]):
            row = at[k] + i
            out[row] = lots[place]
            out[row]["next"] = NONE
            place = lots[place]["next"]


@steady
def _chain_lots(books: Records, lots: Records, key: Keys, long: NDArray[np.bool_]) -> None:
    """Chain lots that lie by key and oldest first, and sum up their books."""
    for i in range(key.shape[0]):
        book = books[key[i]]
        lot = lots[i]
        if book["count"] == 0:
            book["oldest"] = i
        else:
            lots[i - 1]["next"] = i
        lot["next"] = NONE
        lot["carried"] = share(lot["fee"], lot["quantity"] - lot["remaining"], lot["quantity"])
        book["newest"] = i
        book["count"] += 1
        cost_high, cost_low = mul_wide(U64(lot["price"]), U64(lot["remaining"]))
        high, low = add_wide(book["cost_high"], book["cost_low"], cost_high, cost_low)
        book["cost_high"] = high
        book["cost_low"] = low
        book["net"] += lot["remaining"] if long[i] else -lot["remaining"]


class LotBooks:
    """The open lots of many position keys.

    Parameters
    ----------
    keys
        How many position keys there are; rows of `books` are numbered from 0.
    point_values
        int64 x 1e8 per key; 1 where not given.
    shards
        How many threads may match side by side: a power of two. Results do not depend on it.

    Attributes
    ----------
    books : BOOK[keys]
    pools : list of LOT[...], free : list of int64[2]
        Per shard; key k belongs to shard k % shards. See `match_fill`.
    next_ref : int
        The sequence number that the next fill gets.
    """

    def __init__(self, keys: int, point_values: Int | None = None, *, shards: int = 1) -> None:
        if shards < 1 or shards & (shards - 1):
            raise ValueError(f"shards = {shards}: must be a power of two")
        self.books: Records = np.zeros(0, BOOK)
        self.pools: list[Records] = [np.empty(0, LOT) for _ in range(shards)]
        self.free: list[Int] = [np.array([NONE, 0], np.int64) for _ in range(shards)]
        self.next_ref = 0
        self.grow(keys, point_values)

    @property
    def shards(self) -> int:
        """Give the number of shards."""
        return len(self.pools)

    def grow(self, keys: int, point_values: Int | None = None) -> None:
        """Make it `keys` keys; those beyond the present ones start flat."""
        more = np.zeros(keys - len(self.books), BOOK)
        more["point_value"] = SCALE if point_values is None else point_values
        more["oldest"] = more["newest"] = NONE
        self.books = np.concatenate([self.books, more])

    def open_count(self) -> int:
        """Give the number of open lots."""
        return int(self.books["count"].sum())

    def reserve(self, fills: int) -> None:
        """Make room in each pool for the lots that this many fills may open."""
        for shard, pool in enumerate(self.pools):
            taken = int(self.free[shard][1])
            if taken + fills > len(pool):
                # Pages of the new pool that no lot reaches are never touched: they cost nothing.
                grown = np.empty(max(taken + fills, 2 * taken), LOT)
                grown[:taken] = pool[:taken]
                self.pools[shard] = grown

    def open_lots(self) -> tuple[Keys, Records]:
        """Give all open lots, by key and oldest first: (key int32[n], LOT[n])."""
        count = self.books["count"]
        key = np.repeat(np.arange(len(count), dtype=np.int32), count)
        lots = np.empty(len(key), LOT)
        at = np.cumsum(count) - count
        for shard, pool in enumerate(self.pools):
            mine = np.arange(shard, len(count), self.shards, dtype=np.int32)
            _list_lots(self.books, pool, mine, at, lots)
        return key, lots

    def to_bytes(self) -> bytes:
        """Give the state as bytes: equal lots give equal bytes, however they came about."""
        key, lots = self.open_lots()
        arrays = {"point_value": self.books["point_value"], "key": key}
        # The side is a fact of the key: all of its lots are on one side.
        arrays["long"] = self.books["net"][key] > 0
        arrays |= {name: lots[name] for name in _STORED}
        return pack("lot books", _STATE_VERSION, arrays, next_ref=self.next_ref)

    @classmethod
    def from_bytes(cls, data: bytes, *, shards: int = 1) -> "LotBooks":
        """Restore what `to_bytes` gave, into any number of shards."""
        arrays, facts = unpack("lot books", _STATE_VERSION, data)
        state = cls(len(arrays["point_value"]), arrays["point_value"], shards=shards)
        lots = np.empty(len(arrays["key"]), LOT)
        for name in _STORED:
            lots[name] = arrays[name]
        state.place(arrays["key"], lots, arrays["long"], facts["next_ref"])
        return state

    def place(self, key: Keys, lots: Records, long: NDArray[np.bool_], next_ref: int) -> None:
        """Put open lots into books that are flat.

        Parameters
        ----------
        key : int32[n], ascending
        lots : LOT[n]
            Oldest first within a key; `next` and `carried` are worked out here.
        long : bool[n]
            The side of each.
        next_ref : int
            Greater than every lot's.
        """
        self.next_ref = next_ref
        for shard in range(self.shards):
            mine = key % self.shards == shard
            self.pools[shard] = lots[mine]
            self.free[shard][1] = mine.sum()
            _chain_lots(self.books, self.pools[shard], key[mine].astype(np.int32), long[mine])
