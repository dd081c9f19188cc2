"""The engine's arrays as rows of the contract's tables."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    arrow_schema,
    money_array,
    time_array,
)
from streaming.jobs.fifo_rows import Side, directions, rows_of_lots, rows_of_matches
from streaming.jobs.trading_engine.fills import Int
from streaming.rules.compile import Records
from streaming.rules.intake import NO_TIME
from streaming.rules.rollup import average_prices

if TYPE_CHECKING:
    from streaming.jobs.trading_engine.state import EngineState, Openings


def match_table(
    state: "EngineState",
    matches: Records,
    openings: "Openings",
    opened: Int,
    closed: Int,
    run_id: str | None,
) -> pa.Table:
    """Give `trade_match_history` rows.

    Parameters
    ----------
    matches : MATCH[m]
        In order of application.
    openings
        The fills that matches are of.
    opened, closed : int64[m]
        Places in `openings` of the fill that opened and of the one that closed.
    run_id
        What `runId` says; null unless given.
    """
    long = matches["quantity"] > 0

    def side(places: Int) -> Side:
        where = pa.array(places)
        return Side(openings.order.take(where), openings.fill.take(where), openings.price[places])

    return rows_of_matches(
        matches,
        key_columns(state, openings.key[closed]),
        side(np.where(long, opened, closed)),
        side(np.where(long, closed, opened)),
        openings.ts[opened],
        openings.ts[closed],
        run_id,
    )


def lots_table(state: "EngineState") -> pa.Table:
    """Give `open_positions_lots` as it stands, by position key and oldest first."""
    key, lots, at = state.open_lots()
    order = np.argsort(key_ranks(state)[key], kind="stable")
    return lot_rows(state, key[order], lots[order], at[order])


def lot_rows(state: "EngineState", key: NDArray[np.int32], lots: Records, at: Int) -> pa.Table:
    """Give `open_positions_lots` rows of lots, LOT[n], with their places in `openings`."""
    openings = state.openings
    return rows_of_lots(
        lots,
        key_columns(state, key),
        state.lots.books["net"][key] > 0,
        openings.opened[at],
        openings.ts[at],
        openings.updated[at],
    )


def rollup_table(state: "EngineState", key: NDArray[np.int32] | None = None) -> pa.Table:
    """Give `open_positions_rollup` as it stands, by position key; of some keys only if given."""
    if key is None:
        key = _by_rank(state, state.lots.books["net"] != 0)
    books = state.lots.books[key]
    columns = {
        **key_columns(state, key),
        "side": directions(books["net"] > 0),
        "netQty": money_array(books["net"]),
        "avgPrice": money_array(average_prices(books)),
        "lastUpdated": time_array(state.last_fill[key]),
    }
    return pa.table(columns, schema=arrow_schema(OPEN_POSITIONS_ROLLUP))


def realized_table(state: "EngineState", key: NDArray[np.int32] | None = None) -> pa.Table:
    """Give `realized_pnl_latest` as it stands, by position key; of some keys only if given."""
    if key is None:
        key = _by_rank(state, state.last_match != NO_TIME)
    columns = {
        **key_columns(state, key),
        "realizedPnl": money_array(state.realized[key]),
        "fees": money_array(state.fees[key]),
        "ts": time_array(state.last_match[key]),
    }
    return pa.table(columns, schema=arrow_schema(REALIZED_PNL_LATEST))


def key_columns(state: "EngineState", key: NDArray[np.int32]) -> dict[str, Any]:
    """Give the columns accountId, strategyId and symbol of position keys."""
    where = pa.array(key)
    return {name: texts.take(where) for name, texts in state.key_names().items()}


def key_ranks(state: "EngineState") -> Int:
    """Give each position key's place in the order of the text."""
    ranks = np.empty(len(state.keys), np.int64)
    ranks[sorted(range(len(ranks)), key=state.keys.__getitem__)] = np.arange(len(ranks))
    return ranks


def _by_rank(state: "EngineState", chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
    key = np.flatnonzero(chosen).astype(np.int32)
    return key[np.argsort(key_ranks(state)[key])]
