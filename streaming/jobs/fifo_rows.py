"""What FIFO gives as rows of its tables: matches, and the lots that stay open.

The backtest and the TradingEngine keep the fills behind them in arrays of their own; from
there on their rows are made alike, here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    TRADE_MATCH_HISTORY,
    UNREALIZED_PNL_LATEST,
    arrow_schema,
    money_array,
    time_array,
)
from streaming.contracts.arrow import Array, coded_texts, same_text
from streaming.rules.compile import Records
from streaming.rules.ids import id_text, id_words
from streaming.rules.intake import notionals
from streaming.rules.rollup import average_prices

Int = NDArray[np.int64]


class Side(NamedTuple):
    """The fills on one side of n matches: `order` and `fill` ids as text, `price` int64[n]."""

    order: Array
    fill: Array
    price: Int


def rows_of_matches(
    matches: Records,
    key: Mapping[str, Array],
    bought: Side,
    sold: Side,
    opened: Int,
    closed: Int,
    run_id: str | None,
) -> pa.Table:
    """Give `trade_match_history` rows.

    Parameters
    ----------
    matches : MATCH[n]
        In order of application.
    key
        The columns accountId, strategyId and symbol.
    bought, sold
        The fills that met.
    opened, closed : int64[n]
        Event times of the fill that opened and of the one that closed; a late one may be
        the earlier of the two.
    run_id
        What `runId` says; None: nothing.
    """
    columns = {
        "matchId": id_text(id_words(matches)),
        **key,
        "buyOrderId": bought.order,
        "sellOrderId": sold.order,
        "matchedQty": money_array(np.abs(matches["quantity"])),
        "buyPrice": money_array(bought.price),
        "sellPrice": money_array(sold.price),
        "realizedPnl": money_array(matches["pnl"]),
        "matchTimestamp": time_array(np.maximum(opened, closed)),
        "buyFillId": bought.fill,
        "sellFillId": sold.fill,
        "openTs": time_array(opened),
        "direction": directions(matches["quantity"] > 0),
        "fees": money_array(matches["fees"]),
        "runId": same_text(run_id, len(matches)),
    }
    return pa.table(columns, schema=arrow_schema(TRADE_MATCH_HISTORY))


def rows_of_lots(
    lots: Records,
    key: Mapping[str, Array],
    long: NDArray[np.bool_],
    quantity: Int,
    opened: Int,
    updated: Int,
) -> pa.Table:
    """Give `open_positions_lots` rows.

    Parameters
    ----------
    lots : LOT[n]
        Oldest first within a position key.
    key
        The columns accountId, strategyId and symbol.
    long : bool[n]
        Which lots are of a long position.
    quantity : int64[n]
        Units x 1e8 that each lot was opened with.
    opened, updated : int64[n]
        Event times of the fill that opened a lot, and of the latest that changed it.
    """
    columns = {
        **key,
        "lotId": id_text(id_words(lots)),
        "side": directions(long),
        "qtyOpen": money_array(quantity),
        "qtyRem": money_array(lots["remaining"]),
        "avgPrice": money_array(lots["price"]),
        "tsOpen": time_array(opened),
        "tsUpdated": time_array(updated),
    }
    return pa.table(columns, schema=arrow_schema(OPEN_POSITIONS_LOTS))


def rows_of_marks(books: Records, key: Mapping[str, Array], price: Int, ts: Int) -> pa.Table:
    """Give `unrealized_pnl_latest` rows of open positions at their symbols' last closes.

    Parameters
    ----------
    books : BOOK[n]
        None of them flat.
    key
        The columns accountId, strategyId and symbol.
    price, ts : int64[n]
        The last close, x 1e8, and its bar's time.
    """
    columns = {
        **key,
        "unrealizedPnl": money_array(unrealized(books, price)),
        "currentPrice": money_array(price),
        "avgPrice": money_array(average_prices(books)),
        "netQty": money_array(books["net"]),
        "ts": time_array(ts),
    }
    return pa.table(columns, schema=arrow_schema(UNREALIZED_PNL_LATEST))


def unrealized(books: Records, price: Int) -> Int:
    """Give the unrealised PnL (x 1e8) of open positions (BOOK[n]) at prices (x 1e8)."""
    pnl = np.empty(len(books), np.int64)
    notionals(price - average_prices(books), books["net"], books["point_value"], pnl)
    return pnl


def directions(long: NDArray[np.bool_]) -> Array:
    """Say LONG where it is, SHORT where it is not."""
    return coded_texts(["SHORT", "LONG"], long.astype(np.int8))
