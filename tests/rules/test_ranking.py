"""The order of signals against Python's sort of the oracle's key."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from oracle.engine import signal_order
from oracle.gate import Signal
from oracle.money import SCALE

from streaming.rules.ranking import rank_signals

MINUTE = 60_000_000
TIMES = (
    st.integers(0, 5).map(lambda n: n * MINUTE)
    | st.integers(0, 3)
    | st.integers(0, 4_000_000_000_000_000)
)
ROWS = st.lists(
    st.tuples(
        TIMES,
        st.integers(0, 3).map(lambda n: n * SCALE // 2) | st.integers(0, 2 * SCALE),
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]) | st.floats(0, 1),
        st.integers(0, 12),
        st.integers(0, 12),
    ),
    max_size=30,
)


@given(ROWS)
@example([])
@example([(0, SCALE, 0.5, 0, 0), (0, SCALE // 2, 1.0, 0, 1)])  # equal products
@example([(5, SCALE, 0.5, 0, 0), (5, SCALE, 0.5, 0, 0)])
@example([(MINUTE, 0, 0.3, 0, 0), (0, SCALE, 0.3, 1, 0), (MINUTE, SCALE, 0.0, 0, 1)])
@example([(0, SCALE, 1e-300, 1, 0), (0, SCALE, 0.0, 0, 0)])
def test_signals_go_by_time_then_score_then_names(rows):
    columns = list(zip(*rows, strict=True)) or [()] * 5
    kinds = [np.int64, np.int64, np.float64, np.int32, np.int32]
    arrays = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    order = rank_signals(*arrays).tolist()

    def key(row):
        ts, weight, confidence, strategy, symbol = rows[row]
        # Codes stand for texts in the order of the texts.
        signal = Signal(ts, f"{strategy:02}", f"{symbol:02}", "BUY", SCALE, confidence, weight)
        return (ts, *signal_order(signal))

    assert order == sorted(range(len(rows)), key=key)
