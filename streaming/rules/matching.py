"""Match batches of fills against the open lots of many keys.

Threads may match the keys' shards side by side; rows come out in the order of the fills
whatever the number of shards.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from streaming.errors import MoneyError
from streaming.rules.compile import Records, inlined, steady
from streaming.rules.fifo import MATCH, Int, match_fill
from streaming.rules.ids import Words
from streaming.rules.lot_books import Keys, LotBooks
from streaming.rules.prefetch import prefetch
from streaming.rules.units import LIMIT, MOST_FEE, money_text

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
    if len(fee) and (int(fee.max()) >= MOST_FEE or int(fee.min()) <= -MOST_FEE):
        at = int(np.flatnonzero((fee >= MOST_FEE) | (fee <= -MOST_FEE))[0])
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
        # This thread takes a shard, too: its processor is awake, and the data is near it.
        with ThreadPoolExecutor(state.shards - 1) as pool:
            others = pool.map(match, range(1, state.shards))
            ends = [match(0), *others]
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
