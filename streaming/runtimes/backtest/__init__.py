"""The backtest runtime: bounded history, in slices, through the same rules as live."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streaming.runtimes.backtest.definition import BacktestRequest
    from streaming.runtimes.backtest.run import run_backtest

__all__ = ["BacktestRequest", "run_backtest"]

_MODULES = {"BacktestRequest": "definition", "run_backtest": "run"}


def __getattr__(name: str) -> Any:
    """Load what is asked for: who wants a digest alone need not wait for numba."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
