"""The strategies: one module for each family, one small class for each idea.

Adding a strategy is adding a class to its family's file. Importing this package fills
`STRATEGIES`; what runs them (`signals`) is compiled, and is imported by who runs them.
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

__all__ = [
    "BUY",
    "FAMILIES",
    "SELL",
    "STRATEGIES",
    "Actions",
    "Parameter",
    "Rows",
    "Strategy",
    "actions",
    "breakout",
    "make",
    "mean_reversion",
    "momentum",
    "multi_timeframe",
    "param",
    "select",
    "strategy",
    "trend",
    "volatility",
]
