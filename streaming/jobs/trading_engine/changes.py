"""What changed in the latest tables: rows to upsert and keys to delete, as a net effect."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import OPEN_POSITIONS_LOTS, OPEN_POSITIONS_ROLLUP, REALIZED_PNL_LATEST
from streaming.jobs.trading_engine.fills import Int
from streaming.jobs.trading_engine.tables import (
    key_columns,
    key_ranks,
    lot_rows,
    realized_table,
    rollup_table,
)
from streaming.rules.ids import Words, id_text, id_words
from streaming.rules.intake import NO_TIME
from streaming.rules.rollup import average_prices

if TYPE_CHECKING:
    from streaming.jobs.trading_engine.state import EngineState

Keys = NDArray[np.int32]


class Change(NamedTuple):
    """Changes of one latest table, by position key.

    `upserts` has the table's schema, `deletes` the columns of its primary key. No key is in
    both, so their order does not matter.
    """

    upserts: pa.Table
    deletes: pa.Table


class Latest(NamedTuple):
    """The latest tables as numbers.

    Of open lots, by sequence number: `ref`, `key`, `ids` uint64[n, 2], `remaining`.
    Of position keys: `net`, `average`, `last_fill`, `realized`, `fees`, `last_match`.
    """

    ref: Int
    key: Keys
    ids: Words
    remaining: Int
    net: Int
    average: Int
    last_fill: Int
    realized: Int
    fees: Int
    last_match: Int


def latest(state: "EngineState") -> Latest:
    """Give the latest tables as they stand."""
    key, lots, _ = state.open_lots()
    order = np.argsort(lots["ref"])
    lots = lots[order]
    return Latest(
        lots["ref"],
        key[order],
        id_words(lots),
        lots["remaining"],
        state.lots.books["net"].copy(),
        average_prices(state.lots.books),
        state.last_fill.copy(),
        state.realized.copy(),
        state.fees.copy(),
        state.last_match.copy(),
    )


def changes_between(state: "EngineState", then: Latest, now: Latest) -> dict[str, Change]:
    """Give the changes of each latest table, by its name.

    Parameters
    ----------
    state
        As of `now`.
    then
        As of the last changes; what was there then.
    """
    before = _on_keys(then, len(now.net))
    moved = (now.net != before.net) | (now.average != before.average)
    moved |= now.last_fill != before.last_fill
    booked = (now.realized != before.realized) | (now.fees != before.fees)
    booked |= now.last_match != before.last_match
    rank = key_ranks(state)

    def keys(chosen: NDArray[np.bool_]) -> Keys:
        found = np.flatnonzero(chosen).astype(np.int32)
        return found[np.argsort(rank[found])]

    flat = keys((now.net == 0) & (before.net != 0))
    nobody = pa.table(key_columns(state, keys(np.zeros(len(rank), np.bool_))))
    return {
        OPEN_POSITIONS_LOTS.name: _lot_changes(state, then, now, rank),
        OPEN_POSITIONS_ROLLUP.name: Change(
            rollup_table(state, keys(moved & (now.net != 0))),
            pa.table(key_columns(state, flat)),
        ),
        REALIZED_PNL_LATEST.name: Change(realized_table(state, keys(booked)), nobody),
    }


def _lot_changes(state: "EngineState", then: Latest, now: Latest, rank: Int) -> Change:
    gone = np.flatnonzero(~np.isin(then.ref, now.ref, assume_unique=True))
    place = np.searchsorted(then.ref, now.ref)
    known = np.isin(now.ref, then.ref, assume_unique=True)
    changed = ~known
    # Nothing else of a lot changes unless this does.
    changed[known] = now.remaining[known] != then.remaining[place[known]]
    gone = gone[np.argsort(rank[then.key[gone]], kind="stable")]
    deletes = key_columns(state, then.key[gone])
    deletes["lotId"] = id_text(then.ids[gone])
    key, lots, at = state.open_lots()
    wanted = np.flatnonzero(np.isin(lots["ref"], now.ref[changed]))
    wanted = wanted[np.argsort(rank[key[wanted]], kind="stable")]
    return Change(lot_rows(state, key[wanted], lots[wanted], at[wanted]), pa.table(deletes))


def _on_keys(then: Latest, keys: int) -> Latest:
    """Give what was then, flat and never traded for the keys that have come since."""
    more = keys - len(then.net)
    zeros, never = np.zeros(more, np.int64), np.full(more, NO_TIME, np.int64)
    return then._replace(
        net=np.concatenate([then.net, zeros]),
        average=np.concatenate([then.average, zeros]),
        last_fill=np.concatenate([then.last_fill, never]),
        realized=np.concatenate([then.realized, zeros]),
        fees=np.concatenate([then.fees, zeros]),
        last_match=np.concatenate([then.last_match, never]),
    )
