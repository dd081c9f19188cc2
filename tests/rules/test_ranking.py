"""The order of signals against Python's sort of the oracle's key."""

import numpy as np
import pytest
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


# Minute, score x 4, strategy, symbol; all times whole minutes, so that the counting sort runs.
MINUTE_ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    max_size=40,
)


def ranked(rows, first=0):
    columns = list(zip(*rows, strict=True)) or [()] * 4
    minute, quarters, strategy, symbol = (np.array(column, np.int64) for column in columns)
    names = strategy.astype(np.int32), symbol.astype(np.int32)
    weight = np.full(len(rows), 25_000_000)
    order = rank_signals(first + minute * MINUTE, weight, quarters.astype(float), *names)
    return [rows[row] for row in order.tolist()]


@given(MINUTE_ROWS, st.sampled_from([0, 7, 1_700_000_000 * 1_000_000]))
@example([(0, 1, 1, 0), (0, 1, 0, 1)], 0)
@example([(0, 1, 1, 1), (0, 1, 1, 0)], 0)
def test_ties_within_a_minute_go_by_strategy_then_symbol(rows, first):
    assert ranked(rows, first) == sorted(rows, key=lambda row: (row[0], -row[1], *row[2:]))


@pytest.mark.parametrize("minutes", [1 << 22, 1 << 23])
def test_however_far_apart(minutes):
    rows = [(minutes, 1, 0, 0), (0, 1, 0, 0), (minutes, 2, 0, 0)]
    assert ranked(rows) == [rows[1], rows[2], rows[0]]


def test_a_time_off_the_minute_stays_behind_the_minute():
    ts = np.array([MINUTE + 1, MINUTE, 0])
    ones = np.ones(3, np.int64)
    names = np.zeros(3, np.int32)
    order = rank_signals(ts, np.array([9, 1, 1]), ones.astype(float), names, names)
    assert order.tolist() == [2, 1, 0]
