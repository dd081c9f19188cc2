"""The order in which fills apply: by moment, then (ts, orderId, fillId), ids as text."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.jobs.trading_engine.fills import Fills, Int, Mask
from streaming.jobs.trading_engine.state import EngineState


def application_order(state: EngineState, fills: Fills, moment: Int) -> Int:
    """Give the places of fills in order of application.

    Parameters
    ----------
    state
        For the texts of claims.
    fills
        n fills, all of which apply.
    moment : int64[n]
        When each does (`streaming.rules.intake.Passage`).

    Notes
    -----
    Fills with all of (ts, orderId, fillId) equal go by side, BUY first, then quantity, price,
    fee and claim, so that the order of arrival never matters. Sorting texts is dear: it
    is done only among fills of one time, and only where these do not come in order.
    """
    order = np.arange(len(fills))
    if not _ascending(moment, fills.ts):
        order = np.lexsort((fills.ts, moment))
    tied = (np.diff(moment[order]) == 0) & (np.diff(fills.ts[order]) == 0)
    if tied.any() and not _texts_ascend(fills, order, tied):
        order = _break_ties(state, fills, order, tied)
    return order


def _ascending(moment: Int, ts: Int) -> bool:
    later = np.diff(moment)
    return bool(((later > 0) | ((later == 0) & (np.diff(ts) >= 0))).all())


def _texts_ascend(fills: Fills, order: Int, tied: Mask) -> bool:
    """Tell whether neighbours of one time have ascending ids."""
    first = pa.array(order[:-1][tied])
    second = pa.array(order[1:][tied])
    orders: Any = fills.order.take(first), fills.order.take(second)
    ids: Any = fills.fill.take(first), fills.fill.take(second)
    ascend = pc.or_(pc.less(*orders), pc.and_(pc.equal(*orders), pc.less(*ids)))
    return bool(pc.all(ascend).as_py())


def _break_ties(state: EngineState, fills: Fills, order: Int, tied: Mask) -> Int:
    """Put fills of one time in order by everything that tells them apart."""
    group = np.concatenate([[0], np.cumsum(~tied)])
    among = np.flatnonzero(np.concatenate([tied, [False]]) | np.concatenate([[False], tied]))
    rows = order[among]
    columns = {
        "group": pa.array(group[among]),
        "order": fills.order.take(pa.array(rows)),
        "fill": fills.fill.take(pa.array(rows)),
        "sold": pa.array(fills.quantity[rows] < 0),
        "size": pa.array(np.abs(fills.quantity[rows])),
        "price": pa.array(fills.price[rows]),
        "fee": pa.array(fills.fee[rows]),
        "claim": pa.array(state.claims.ranks()[fills.claim[rows]]),
    }
    keys = [(name, "ascending") for name in columns]
    ranked = pc.sort_indices(pa.table(columns), sort_keys=keys)
    order = order.copy()
    order[among] = rows[np.asarray(ranked, np.int64)]
    return order
