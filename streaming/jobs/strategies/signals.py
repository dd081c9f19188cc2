"""Run strategies on aligned feature rows: signals as arrays, and as rows of their table."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import STRATEGY_SIGNAL_HISTORY, arrow_schema
from streaming.contracts.arrow import coded_texts, same_text, time_array
from streaming.jobs.features import AnchorRows
from streaming.jobs.strategies.base import Strategy
from streaming.rules.bars import Float, Int
from streaming.rules.decisions import Signals as RankedSignals
from streaming.rules.indicators import Feature
from streaming.rules.program_loop import run_program
from streaming.rules.units import SCALE


class Signals(NamedTuple):
    """One strategy's k signals on one symbol, ascending in time, no time twice.

    `ts` int64[k]: the anchor row's `barTs`, in microseconds UTC; `action` int8[k]: BUY (1) or
    SELL (-1); `confidence` float64[k] in [0, 1]; `size_hint` int64[k], x 1e8, in (0, 1].
    """

    ts: Int
    action: NDArray[np.int8]
    confidence: Float
    size_hint: Int


def no_signals() -> Signals:
    """Give no signal."""
    none = np.empty(0, np.int64)
    return Signals(none, np.empty(0, np.int8), np.empty(0, np.float64), none)


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


def signal_rows(
    strategies: Sequence[Strategy],
    symbols: Sequence[str],
    signals: RankedSignals,
    confidence: Float,
    run_id: str | None,
) -> pa.Table:
    """Give signals as rows of `strategy_signal_history`.

    Parameters
    ----------
    strategies, symbols
        What the codes in `signals` stand for.
    signals
        n of them, of any strategies and symbols.
    confidence : float64[n]
    run_id
        What `runId` says; None where live.
    """
    by, buys = signals.strategy, signals.buys.astype(np.int64)
    # Reasons lie as (sell, buy) by strategy.
    reasons = [text for one in strategies for text in reversed(one.reasons)]
    columns = {
        "strategyId": coded_texts([one.id for one in strategies], by),
        "symbol": coded_texts(symbols, signals.symbol),
        "timeframe": coded_texts([one.anchor for one in strategies], by),
        "signalTs": time_array(signals.ts),
        "action": coded_texts(["SELL", "BUY"], buys),
        "sizeHint": pa.array(signals.size_hint / SCALE),
        "confidence": pa.array(confidence),
        "reason": coded_texts(reasons, by * 2 + buys),
        "strategyVersion": coded_texts([str(one.version) for one in strategies], by),
        "paramsHash": coded_texts([one.params_hash for one in strategies], by),
        "runId": same_text(run_id, len(buys)),
    }
    return pa.table(columns, schema=arrow_schema(STRATEGY_SIGNAL_HISTORY))
