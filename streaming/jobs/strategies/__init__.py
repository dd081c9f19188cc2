"""The strategies: one module for each family, one small class for each idea.

Adding a strategy is adding a class to its family's file. Importing this package fills
`STRATEGIES`.
"""

from streaming.jobs.strategies import (
    breakout,
    mean_reversion,
    momentum,
    multi_timeframe,
    trend,
    volatility,
)
from streaming.jobs.strategies.actions import BUY, SELL, Actions, actions
from streaming.jobs.strategies.base import Parameter, Rows, Strategy, param
from streaming.jobs.strategies.registry import FAMILIES, STRATEGIES, make, select, strategy
from streaming.jobs.strategies.signals import Signals, needs_of, signal_rows, signals_of

__all__ = [
    "BUY",
    "FAMILIES",
    "SELL",
    "STRATEGIES",
    "Actions",
    "Parameter",
    "Rows",
    "Signals",
    "Strategy",
    "actions",
    "breakout",
    "make",
    "mean_reversion",
    "momentum",
    "multi_timeframe",
    "needs_of",
    "param",
    "select",
    "signal_rows",
    "signals_of",
    "strategy",
    "trend",
    "volatility",
]
