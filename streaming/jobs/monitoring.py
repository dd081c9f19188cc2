"""The Monitoring job: open positions at their symbols' last closes.

Reads rollup and prices, writes `unrealized_pnl_latest` where `monitoring.export` says so;
the gauges come from the same rows.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import OPEN_POSITIONS_ROLLUP, PRICE_1M_HISTORY, UNREALIZED_PNL_LATEST
from streaming.jobs.fifo_rows import rows_of_marks, unrealized
from streaming.jobs.trading_engine import EngineState
from streaming.jobs.trading_engine.tables import key_columns
from streaming.rules.intake import notionals

READS = (OPEN_POSITIONS_ROLLUP, PRICE_1M_HISTORY)
WRITES = (UNREALIZED_PNL_LATEST,)


Int = NDArray[np.int64]


class Marks(NamedTuple):
    """Open positions at their symbols' last closes, n of them.

    Attributes
    ----------
    key : int32[n]
        Places in the state's keys, ascending.
    price, ts : int64[n]
        The last close, x 1e8, and its bar's time (microseconds UTC).
    unrealized, exposure : int64[n]
        Unrealised PnL, and signed value, in currency x 1e8; OVERFLOW where it does not fit.
    """

    key: NDArray[np.int32]
    price: Int
    ts: Int
    unrealized: Int
    exposure: Int


def marks(state: EngineState, closes: Mapping[str, tuple[int, int]]) -> Marks:
    """Mark every open position.

    Parameters
    ----------
    closes
        By symbol, the last close (x 1e8) and its `ts` (microseconds UTC). A position whose
        symbol has none is left out.
    """
    open_ = np.flatnonzero(state.lots.books["net"]).astype(np.int32)
    symbols = state.key_names()["symbol"].take(pa.array(open_)).dictionary_encode()
    names, code = symbols.dictionary.to_pylist(), symbols.indices.to_numpy()
    known = np.array([name in closes for name in names], np.bool_)[code]
    last = np.array([closes.get(name, (0, 0)) for name in names], np.int64).reshape(-1, 2)
    key, (price, ts) = open_[known], last[code[known]].T
    books = state.lots.books[key]
    exposure = np.empty(len(key), np.int64)
    notionals(price, books["net"], books["point_value"], exposure)
    return Marks(key, price, ts, unrealized(books, price), exposure)


def mark(state: EngineState, closes: Mapping[str, tuple[int, int]]) -> pa.Table:
    """Mark every open position: rows of `unrealized_pnl_latest`, by position key; see `marks`."""
    found = marks(state, closes)
    columns = key_columns(state, found.key)
    return rows_of_marks(state.lots.books[found.key], columns, found.price, found.ts)
