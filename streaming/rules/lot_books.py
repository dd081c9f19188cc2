"""The open lots of many position keys: the state of FIFO matching, and batches of fills.

Keys are dealt to shards, each with a pool of lots of its own, so that threads can match
them side by side; rows come out in the order of the fills whatever the number of shards.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from streaming.errors import MoneyError
from streaming.rules.compile import Records, inlined, steady
from streaming.rules.fifo import BOOK, LOT, MATCH, NONE, Int, match_fill
from streaming.rules.ids import Words
from streaming.rules.money import LIMIT, SCALE, money_text, share
from streaming.rules.prefetch import prefetch
from streaming.rules.state import pack, unpack
from streaming.rules.wide import U64, add_wide, mul_wide

Keys = NDArray[np.int32]

_STATE_VERSION = 1
_STORED = [name for name in LOT.names or () if name not in ("next", "carried")]
_MOST_FEE = LIMIT // 2

# How many fills before its own a book, its oldest lot and the lot after that are asked for.
_BOOK_AHEAD, _LOT_AHEAD, _NEXT_AHEAD = 32, 16, 8


@inlined
def _look_ahead(books: Records, lots: Records, shard: int, mask: int, key: Keys, i: int) -> None:
    """Ask for what fills after the i-th will need; each step relies on an earlier one's."""
    far, near, next_ = key[i + _BOOK_AHEAD], key[i + _LOT_AHEAD], key[i + _NEXT_AHEAD]
    # Books of other shards point into other pools, and change meanwhile.
    if far & mask == shard:
        prefetch(books, far)
    if near & mask == shard:
        prefetch(lots, max(books[near]["oldest"], 0))
    if next_ & mask == shard:
        oldest = max(books[next_]["oldest"], 0)
        prefetch(lots, max(lots[oldest]["next"], 0))


@steady
def _match_shard(
    books: Records,
    lots: Records,
    free: Int,
    shard: int,
    shards: int,
    first_ref: int,
    key: Keys,
    quantity: Int,
    price: Int,
    fee: Int,
    ids: Words,
    out: Records,
) -> tuple[int, int]:
    """Apply one shard's fills in order: (matches written, fills looked at)."""
    written = 0
    mask = shards - 1
    for i in range(key.shape[0]):
        if i + _BOOK_AHEAD < key.shape[0]:
            _look_ahead(books, lots, shard, mask, key, i)
        if key[i] & mask != shard:
            continue
        net = books[key[i]]["net"] + quantity[i]
        if net >= LIMIT or net <= -LIMIT:
            return written, i
        written = match_fill(
            books,
            lots,
            free,
            key[i],
            quantity[i],
            price[i],
            fee[i],
            first_ref + i,
            ids[i, 0],
            ids[i, 1],
            out,
            written,
        )
    return written, key.shape[0]


@steady
def _count_rows(rows: Records, first_ref: int, counts: Int) -> None:
    """Count the matches of each fill that closed something."""
    for row in range(rows.shape[0]):
        counts[rows[row]["close_ref"] - first_ref] += 1


@steady
def _place_rows(rows: Records, first_ref: int, ends: Int, counts: Int, out: Records) -> None:
    """Copy a shard's matches to where the order of the fills puts them."""
    for row in range(rows.shape[0]):
        fill = rows[row]["close_ref"] - first_ref
        out[ends[fill] - counts[fill]] = rows[row]
        counts[fill] -= 1


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


def match_fills(
    state: LotBooks,
    key: Keys,
    quantity: Int,
    price: Int,
    fee: Int,
    ids: Words,
) -> Records:
    """Apply fills in order and give their matches, in order of application.

    Parameters
    ----------
    state
        Changed in place; fills take the sequence numbers from `state.next_ref` on.
    key : int32[n]
        Row of `state.books`.
    quantity : int64[n]
        Signed units x 1e8, never zero.
    price, fee : int64[n]
        Currency x 1e8; the notional of each fill fits DECIMAL(18,8), its fee half of that.
    ids : uint64[n, 2]
        The fills' ids (`streaming.rules.ids.fill_ids`).

    Returns
    -------
    MATCH[m]

    Raises
    ------
    MoneyError
        If a fee does not fit; or if a position would no longer: then, with one shard, the
        fills before it are applied, and it and those after it are not. With several shards
        the state is lost.
    """
    first_ref = state.next_ref
    parts = match_shards(state, key, quantity, price, fee, ids)
    return parts[0] if len(parts) == 1 else _in_order(parts, first_ref, len(key))


def match_shards(
    state: LotBooks, key: Keys, quantity: Int, price: Int, fee: Int, ids: Words
) -> list[Records]:
    """Apply fills as `match_fills` does; give each shard's matches, in order of application.

    For those who sort or add up matches anyway: it spares putting them in one order.
    """
    if len(fee) and (int(fee.max()) >= _MOST_FEE or int(fee.min()) <= -_MOST_FEE):
        at = int(np.flatnonzero((fee >= _MOST_FEE) | (fee <= -_MOST_FEE))[0])
        raise MoneyError(
            f"Fill {at} of the batch has a fee of {money_text(int(fee[at]))}: a match adds two "
            "fills' shares, which then would not fit DECIMAL(18,8)."
        )
    state.reserve(len(key))
    room = len(key) + state.open_count()
    outs = [np.empty(room, MATCH) for _ in range(state.shards)]

    def match(shard: int) -> tuple[int, int]:
        return _match_shard(
            state.books,
            state.pools[shard],
            state.free[shard],
            shard,
            state.shards,
            state.next_ref,
            key,
            quantity,
            price,
            fee,
            ids,
            outs[shard],
        )

    if state.shards == 1:
        ends = [match(0)]
    else:
        with ThreadPoolExecutor(state.shards) as pool:
            ends = list(pool.map(match, range(state.shards)))
    applied = min(applied for _, applied in ends)
    state.next_ref += applied
    if applied < len(key):
        raise MoneyError(
            f"Fill {applied} of the batch takes its position past what DECIMAL(18,8) holds."
        )
    return [out[:written] for out, (written, _) in zip(outs, ends, strict=True)]


def _in_order(parts: list[Records], first_ref: int, fills: int) -> Records:
    """Put the shards' matches in the order of the fills that closed them."""
    counts = np.zeros(fills, np.int64)
    for rows in parts:
        _count_rows(rows, first_ref, counts)
    ends = np.cumsum(counts)
    out = np.empty(int(ends[-1]) if fills else 0, MATCH)
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda rows: _place_rows(rows, first_ref, ends, counts, out), parts))
    return out
