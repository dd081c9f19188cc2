"""The backtest runtime: bounded history, in slices, through the same rules as live."""

from streaming.runtimes.backtest.definition import BacktestRequest
from streaming.runtimes.backtest.run import run_backtest

__all__ = ["BacktestRequest", "run_backtest"]
