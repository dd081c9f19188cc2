"""Signals as rows of their table."""

import datetime as dt

import numpy as np
import pyarrow as pa

from streaming.contracts import STRATEGY_SIGNAL_HISTORY, arrow_schema, validate
from streaming.jobs.strategies import BUY, SELL, make
from streaming.jobs.strategies.signals import Signals, signal_rows
from streaming.rules import decisions

SIGNALS = Signals(
    ts=np.array([1_704_067_260_000_000, 1_704_067_320_000_000]),
    action=np.array([BUY, SELL], np.int8),
    confidence=np.array([0.1, 1.0]),
    size_hint=np.array([33_333_333, 100_000_000]),
)


def rows_of(one, signals, run_id):
    """Signals of one strategy on SPY, as rows."""
    code = np.zeros(len(signals.ts), np.int32)
    unused = np.zeros(len(signals.ts), np.int64)
    ranked = decisions.Signals(
        signals.ts, code, code, signals.action == BUY, signals.size_hint, unused, unused, unused
    )
    return signal_rows([one], ["SPY"], ranked, signals.confidence, run_id)


def test_rows_carry_the_strategy_and_its_reason():
    one = make("rsi_reversion", low=25)
    rows = rows_of(one, SIGNALS, "run1")
    assert rows.schema.equals(arrow_schema(STRATEGY_SIGNAL_HISTORY))
    assert rows.to_pylist() == [
        {
            "strategyId": "rsi_reversion",
            "symbol": "SPY",
            "timeframe": "M5",
            "signalTs": dt.datetime(2024, 1, 1, 0, minute, tzinfo=dt.UTC),
            "action": action,
            "sizeHint": size,
            "confidence": confidence,
            "reason": reason,
            "strategyVersion": "1",
            "paramsHash": one.params_hash,
            "runId": "run1",
        }
        for minute, action, size, confidence, reason in (
            (1, "BUY", 0.33333333, 0.1, "RSI falls through 25"),
            (2, "SELL", 1.0, 1.0, "RSI has come back through 55"),
        )
    ]


def test_rows_keep_their_contract():
    rows = rows_of(make("sma_cross"), SIGNALS, "run1")
    checked = validate(STRATEGY_SIGNAL_HISTORY, rows, "test")
    assert checked.good.equals(rows)
    assert not checked.quarantine.num_rows


def test_live_signals_have_no_run():
    rows = rows_of(make("sma_cross"), SIGNALS, None)
    assert rows["runId"].to_pylist() == [None, None]


def test_no_signals_are_no_rows_of_the_same_table():
    none = Signals(*(column[:0] for column in SIGNALS))
    rows = rows_of(make("sma_cross"), none, "run1")
    assert rows.num_rows == 0
    assert rows.schema.equals(arrow_schema(STRATEGY_SIGNAL_HISTORY))


def test_sizes_recorded_and_read_again_are_the_same():
    sizes = np.unique(np.random.default_rng(3).integers(1, 10**8 + 1, 10_000))
    many = Signals(
        ts=np.arange(len(sizes)),
        action=np.ones(len(sizes), np.int8),
        confidence=np.ones(len(sizes)),
        size_hint=sizes,
    )
    recorded = rows_of(make("sma_cross"), many, "run1")["sizeHint"]
    assert recorded.type == pa.float64()
    np.testing.assert_array_equal(np.rint(recorded.to_numpy() * 1e8).astype(np.int64), sizes)
