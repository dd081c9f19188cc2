"""Fills in order of application against the state: repetitions dropped, the rest matched."""

from typing import NamedTuple

import numpy as np

from streaming.errors import MoneyError
from streaming.jobs.trading_engine.fills import Fills, Int
from streaming.jobs.trading_engine.state import EngineState
from streaming.rules.compile import Records
from streaming.rules.fifo import MATCH
from streaming.rules.ids import Words, fill_ids, fill_names
from streaming.rules.matching import match_fills
from streaming.rules.memory import ENTRY, FRESH, Verdicts
from streaming.rules.rollup import costs
from streaming.rules.units import LIMIT

# The sums are doubles; what they may be off by is far less than the part left over.
_SURELY = 0.99 * LIMIT


class Applied(NamedTuple):
    """What became of n fills.

    Attributes
    ----------
    verdicts : int8[n]
        `streaming.rules.memory` says which.
    earlier : ENTRY[n]
        The applied fill that one with a verdict other than FRESH repeats.
    refused : dict of int to str
        Fresh fills that were not applied, and why: words that follow "takes".
    places : int64[a]
        The fills that were applied, in order.
    matches : MATCH[m]
        In order of application.
    """

    verdicts: Verdicts
    earlier: Records
    refused: dict[int, str]
    places: Int
    matches: Records


def apply_fills(state: EngineState, fills: Fills) -> Applied:
    """Apply fills to the lots, totals and memory of a state.

    Parameters
    ----------
    state
        Changed in place.
    fills
        In order of application, with their strategies and position keys.

    Notes
    -----
    A fill is refused, and leaves no trace, if with it a position, or what a position key has
    realised, would not fit DECIMAL(18,8). Whether that may happen is asked of many fills at
    once, of the sums of their magnitudes; where it may, they are halved, down to single fills,
    which are tried. So the answers do not depend on the batch.
    """
    if not len(fills):
        none = np.empty(0, np.int64)
        return Applied(none.astype(np.int8), np.empty(0, ENTRY), {}, none, np.empty(0, MATCH))
    blocks = list(_apply(state, fills, 0))
    return Applied(
        np.concatenate([block.verdicts for block in blocks]),
        np.concatenate([block.earlier for block in blocks]),
        {at: why for block in blocks for at, why in block.refused.items()},
        np.concatenate([block.places for block in blocks]),
        np.concatenate([block.matches for block in blocks]),
    )


def unsettled(state: EngineState) -> Fills:
    """Give the fills that wait, each once; those that repeat an applied one are left out."""
    waiting = state.waiting
    names = fill_names(state.claims.pairs[waiting.claim], waiting.order_id, waiting.fill_id)
    _, first = np.unique(names, axis=0, return_index=True)
    fills = waiting.take(np.sort(first))
    verdicts, _ = _sift(state, fills, remember=False)
    return fills.take(np.flatnonzero(verdicts == FRESH))


def _apply(state: EngineState, fills: Fills, first: int) -> list[Applied]:
    """Apply a block of fills, the first of which is number `first` of all."""
    if _surely_fit(state, fills):
        verdicts, earlier = _sift(state, fills)
        fresh = np.flatnonzero(verdicts == FRESH)
        matches = _match(state, fills.take(fresh))
        return [Applied(verdicts, earlier, {}, fresh + first, matches)]
    if len(fills) == 1:
        return [_try(state, fills, first)]
    half = len(fills) // 2
    before, after = np.arange(half), np.arange(half, len(fills))
    return [
        *_apply(state, fills.take(before), first),
        *_apply(state, fills.take(after), first + half),
    ]


def _surely_fit(state: EngineState, fills: Fills) -> bool:
    """Tell whether no sum can exceed DECIMAL(18,8), whatever meets what.

    A unit is matched once, so what a batch realises is at most the cost of the lots before
    and the notionals of its fills together.
    """
    books, keys = state.lots.books, len(state.keys)

    def sums(amounts: Int) -> Int:
        return np.bincount(fills.key, np.abs(amounts).astype(np.float64), keys)

    return (
        float((np.abs(books["net"]) + sums(fills.quantity)).max()) < _SURELY
        and float((np.abs(state.realized) + costs(books) + sums(fills.notional)).max()) < _SURELY
        and float((state.fees_seen + sums(fills.fee)).max()) < _SURELY
    )


def _sift(state: EngineState, fills: Fills, *, remember: bool = True) -> tuple[Verdicts, Records]:
    return state.memory.sift(
        # Whose a fill is, is no part of its id: said otherwise, it is the same fill all the same.
        fill_names(state.claims.pairs[fills.claim], fills.order_id, fills.fill_id),
        fills.ts,
        fills.quantity,
        fills.price,
        fills.fee,
        state.claims.said[fills.claim],
        fills.strategy,
        fills.watermark - state.memory.ttl,
        remember=remember,
    )


def _ids(state: EngineState, fills: Fills) -> Words:
    """Give the ids of fills that are applied next."""
    names = fill_names(state.key_ids[fills.key], fills.order_id, fills.fill_id)
    # By then it is forgotten whether a fill of that name and time was applied.
    forgotten = fills.ts < fills.watermark - state.memory.ttl
    number = state.lots.next_ref + 1 + np.arange(len(fills))
    return fill_ids(names, fills.ts, np.where(forgotten, number, 0))


def _match(state: EngineState, fills: Fills) -> Records:
    first_ref = state.lots.next_ref
    ids = _ids(state, fills)
    matches = match_fills(state.lots, fills.key, fills.quantity, fills.price, fills.fee, ids)
    state.book(fills, matches, first_ref)
    return matches


def _try(state: EngineState, fill: Fills, place: int) -> Applied:
    """Apply one fill if everything fits with it."""
    verdicts, earlier = _sift(state, fill, remember=False)
    none = np.empty(0, np.int64)
    nothing = Applied(verdicts, earlier, {}, none, np.empty(0, MATCH))
    if verdicts[0] != FRESH:
        return nothing
    lots = state.lots
    kept = lots.books.copy(), lots.pools[0].copy(), lots.free[0].copy(), lots.next_ref
    try:
        ids = _ids(state, fill)
        matches = match_fills(lots, fill.key, fill.quantity, fill.price, fill.fee, ids)
        why = _overflow(state, fill, matches)
    except MoneyError:
        why = "its position"
    if why is not None:
        lots.books, lots.pools[0], lots.free[0], lots.next_ref = kept
        return nothing._replace(refused={place: why})
    state.book(fill, matches, kept[3])
    _sift(state, fill)
    return nothing._replace(places=np.array([place]), matches=matches)


def _overflow(state: EngineState, fill: Fills, matches: Records) -> str | None:
    """Say what no longer fits DECIMAL(18,8) with a fill's matches, if anything."""
    key = int(fill.key[0])
    # Python's integers: an int64 of the totals may wrap.
    if abs(sum(matches["pnl"].tolist(), int(state.realized[key]))) >= LIMIT:
        return "the realised PnL of its position key"
    if abs(sum(matches["fees"].tolist(), int(state.fees[key]))) >= LIMIT:
        return "the fees of its position key"
    return None
