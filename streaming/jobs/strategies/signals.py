"""Run strategies on aligned feature rows: signals as arrays, and as rows of their table."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import STRATEGY_SIGNAL_HISTORY, arrow_schema
from streaming.contracts.arrow import time_array
from streaming.jobs.features import AnchorRows
from streaming.jobs.strategies.actions import BUY
from streaming.jobs.strategies.base import Strategy
from streaming.rules.bars import Float, Int
from streaming.rules.indicators import Feature
from streaming.rules.money import SCALE
from streaming.rules.programs import run_program


class Signals(NamedTuple):
    """One strategy's k signals on one symbol, ascending in time, no time twice.

    `ts` int64[k]: the anchor row's `barTs`, in microseconds UTC; `action` int8[k]: BUY (1) or
    SELL (-1); `confidence` float64[k] in [0, 1]; `size_hint` int64[k], x 1e8, in (0, 1].
    """

    ts: Int
    action: NDArray[np.int8]
    confidence: Float
    size_hint: Int


def needs_of(strategies: Iterable[Strategy]) -> dict[str, set[Feature]]:
    """Give the features that some strategies need, by anchor timeframe."""
    needs: dict[str, set[Feature]] = {}
    for strategy in strategies:
        needs.setdefault(strategy.anchor, set()).update(strategy.features)
    return needs


def signals_of(strategy: Strategy, rows: AnchorRows) -> Signals:
    """Run a strategy over new rows of its anchor timeframe.

    It is silent where any feature that it needs is NaN, whatever it would make of that.
    """
    at, action, confidence, size_hint = run_program(strategy.program, rows.column, len(rows))
    return Signals(rows.ts[at], action, confidence, size_hint)


def signal_rows(strategy: Strategy, symbol: str, signals: Signals, run_id: str | None) -> pa.Table:
    """Give signals as rows of `strategy_signal_history`; `run_id` is None where live."""
    bought = pa.array(signals.action == BUY)
    why_buy, why_sell = strategy.reasons
    schema = arrow_schema(STRATEGY_SIGNAL_HISTORY)
    columns = {
        "strategyId": _same(strategy.id, signals),
        "symbol": _same(symbol, signals),
        "timeframe": _same(strategy.anchor, signals),
        "signalTs": time_array(signals.ts),
        "action": _either(bought, "BUY", "SELL"),
        "sizeHint": pa.array(signals.size_hint / SCALE),
        "confidence": pa.array(signals.confidence),
        "reason": _either(bought, why_buy, why_sell),
        "strategyVersion": _same(str(strategy.version), signals),
        "paramsHash": _same(strategy.params_hash, signals),
        "runId": _same(run_id, signals),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _same(value: str | None, signals: Signals) -> "pa.Array[Any]":
    return pa.repeat(pa.scalar(value, pa.string()), len(signals.ts))


def _either(bought: "pa.Array[Any]", buy: str, sell: str) -> "pa.Array[Any]":
    chosen: pa.Array[Any] = pc.if_else(bought, pa.scalar(buy), pa.scalar(sell))
    return chosen
