"""The Monitoring job: open positions at their symbols' last closes.

Reads rollup and prices, writes `unrealized_pnl_latest` where `monitoring.export` says so;
the gauges come from the same rows.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from streaming.contracts import OPEN_POSITIONS_ROLLUP, PRICE_1M_HISTORY, UNREALIZED_PNL_LATEST
from streaming.jobs.fifo_rows import rows_of_marks
from streaming.jobs.trading_engine import EngineState
from streaming.jobs.trading_engine.tables import key_columns

READS = (OPEN_POSITIONS_ROLLUP, PRICE_1M_HISTORY)
WRITES = (UNREALIZED_PNL_LATEST,)


def mark(state: EngineState, closes: Mapping[str, tuple[int, int]]) -> pa.Table:
    """Mark every open position: rows of `unrealized_pnl_latest`, by position key.

    Parameters
    ----------
    closes
        By symbol, the last close (x 1e8) and its `ts` (microseconds UTC). A position whose
        symbol has none is left out.
    """
    open_ = np.flatnonzero(state.lots.books["net"]).tolist()
    key = np.array([at for at in open_ if state.keys[at][2] in closes], np.int32)
    last = np.array([closes[state.keys[at][2]] for at in key.tolist()], np.int64).reshape(-1, 2)
    return rows_of_marks(state.lots.books[key], key_columns(state, key), last[:, 0], last[:, 1])
