"""Recorded signals as files, and what a run made of them."""

from pathlib import Path

import pyarrow as pa

from .markets import single

STRATEGIES = "ema_cross,roc_momentum,donchian_breakout"
FROM_THE_GATE_ON = (
    "accepted_trade_signal_history",
    "rejected_trade_signal_history",
    "order_event_history",
    "exec_report_history",
    "trade_match_history",
)
HEADER = (
    "strategyId,symbol,timeframe,signalTs,action,sizeHint,confidence,strategyVersion,paramsHash"
)


def signals_of(found) -> pa.Table:
    """All signals that a traced run kept."""
    return found.table("strategy_signal_history")


def csv(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "signals.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def row(
    ts: str = "2024-01-22T06:00:00Z",
    action: str = "BUY",
    *,
    strategy: str = "s",
    symbol: str = "ANT",
    size: str = "0.5",
    confidence: str = "1",
) -> str:
    return f"{strategy},{symbol},M1,{ts},{action},{size},{confidence},1,0"


def quarantined(found) -> list[tuple[int, str]]:
    """(row number, reason) of what a run refused."""
    return [(one["rowNumber"], one["reason"]) for one in single(found, "quarantine_history")]
