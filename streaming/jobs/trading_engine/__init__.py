"""The TradingEngine: exec reports in; matches, lots, rollup and realised PnL out."""

from streaming.jobs.trading_engine.applying import unsettled
from streaming.jobs.trading_engine.attribution import Orders
from streaming.jobs.trading_engine.changes import Change
from streaming.jobs.trading_engine.engine import Counts, Outcome, TradingEngine
from streaming.jobs.trading_engine.reports import REPORTS, ReportBatch, read_orders
from streaming.jobs.trading_engine.state import EngineState
from streaming.jobs.trading_engine.tables import lots_table, realized_table, rollup_table

__all__ = [
    "REPORTS",
    "Change",
    "Counts",
    "EngineState",
    "Orders",
    "Outcome",
    "ReportBatch",
    "TradingEngine",
    "lots_table",
    "read_orders",
    "realized_table",
    "rollup_table",
    "unsettled",
]
