"""The engine's arrays as rows of the contract's tables."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    money_array,
    time_array,
)
from streaming.jobs.trading_engine.fills import Int
from streaming.rules.compile import Records
from streaming.rules.ids import id_text
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
    bought, sold = np.where(long, opened, closed), np.where(long, closed, opened)
    columns = {
        "matchId": id_text(_ids(matches)),
        **key_columns(state, openings.key[closed]),
        "buyOrderId": openings.order.take(pa.array(bought)),
        "sellOrderId": openings.order.take(pa.array(sold)),
        "matchedQty": money_array(np.abs(matches["quantity"])),
        "buyPrice": money_array(openings.price[bought]),
        "sellPrice": money_array(openings.price[sold]),
        "realizedPnl": money_array(matches["pnl"]),
        "matchTimestamp": time_array(np.maximum(openings.ts[opened], openings.ts[closed])),
        "buyFillId": openings.fill.take(pa.array(bought)),
        "sellFillId": openings.fill.take(pa.array(sold)),
        "openTs": time_array(openings.ts[opened]),
        "direction": _chosen(long, "LONG", "SHORT"),
        "fees": money_array(matches["fees"]),
        "runId": pa.array([run_id], pa.string()).take(pa.array(np.zeros(len(long), np.int64))),
    }
    return pa.table(columns, schema=arrow_schema(TRADE_MATCH_HISTORY))


def lots_table(state: "EngineState") -> pa.Table:
    """Give `open_positions_lots` as it stands, by position key and oldest first."""
    key, lots, at = state.open_lots()
    order = np.argsort(key_ranks(state)[key], kind="stable")
    return lot_rows(state, key[order], lots[order], at[order])


def lot_rows(state: "EngineState", key: NDArray[np.int32], lots: Records, at: Int) -> pa.Table:
    """Give `open_positions_lots` rows of lots, LOT[n], with their places in `openings`."""
    openings = state.openings
    columns = {
        **key_columns(state, key),
        "lotId": id_text(_ids(lots)),
        "side": _chosen(state.lots.books["net"][key] > 0, "LONG", "SHORT"),
        "qtyOpen": money_array(openings.opened[at]),
        "qtyRem": money_array(lots["remaining"]),
        "avgPrice": money_array(lots["price"]),
        "tsOpen": time_array(openings.ts[at]),
        "tsUpdated": time_array(openings.updated[at]),
    }
    return pa.table(columns, schema=arrow_schema(OPEN_POSITIONS_LOTS))


def rollup_table(state: "EngineState", key: NDArray[np.int32] | None = None) -> pa.Table:
    """Give `open_positions_rollup` as it stands, by position key; of some keys only if given."""
    if key is None:
        key = _by_rank(state, state.lots.books["net"] != 0)
    books = state.lots.books[key]
    columns = {
        **key_columns(state, key),
        "side": _chosen(books["net"] > 0, "LONG", "SHORT"),
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


def _ids(rows: Records) -> NDArray[np.uint64]:
    return np.stack([rows["id_high"], rows["id_low"]], axis=1)


def _chosen(where: NDArray[np.bool_], then: str, otherwise: str) -> Any:
    return pa.array([otherwise, then], pa.string()).take(pa.array(where.astype(np.int8)))
