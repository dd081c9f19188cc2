"""Figures of a run, added up slice by slice so that nothing of the past is kept."""

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.days import daily_sums, day_bounds, day_of
from streaming.analytics.statistics import figures
from streaming.rules.account import Account
from streaming.rules.gate import CODES
from streaming.rules.units import money_text

if TYPE_CHECKING:
    from streaming.jobs.allocator import Taken

Int = NDArray[np.int64]

_NEVER = -1


class Tally:
    """Daily PnL and counts of each strategy of a run.

    Parameters
    ----------
    strategies
        Ids.
    start, end
        The run's window, microseconds UTC.
    tz
        Whose days count.
    keep_after
        Rows up to this time do not count; None: all do. What is counted of the time before
        the window falls on its first day.
    """

    def __init__(
        self, strategies: list[str], start: int, end: int, tz: str, keep_after: int | None
    ) -> None:
        self._first: date = day_of(start + 1, tz)
        self._bounds = day_bounds(self._first, day_of(end, tz), tz)
        days = len(self._bounds) - 1
        self._start = start
        self._after = start if keep_after is not None else _NEVER
        self._pnl = {name: np.zeros(days, np.int64) for name in strategies}
        self._counts = {
            name: {
                "matches": 0,
                "trades": 0,
                "fees": 0,
                "fills": 0,
                "cancelled": 0,
                "openLimitBreached": 0,
                "signals": dict.fromkeys(CODES, 0),
            }
            for name in strategies
        }

    @property
    def strategies(self) -> list[str]:
        """Ids of the strategies that are counted."""
        return list(self._pnl)

    def add(self, account: Account, taken: "Taken") -> None:
        """Add what a slice of time gave."""
        outcome = taken.outcome
        for code, name in enumerate(account.strategies):
            counts: dict[str, Any] = self._counts[name]
            mine = outcome.closed_by["strategy"] == code
            mine &= outcome.closed_by["ts"] > self._after
            matches, closers = outcome.matches[mine], outcome.closed_by[mine]
            net = matches["pnl"] - matches["fees"]
            times = np.maximum(closers["ts"], self._start + 1)
            self._pnl[name] += daily_sums(times, net, self._bounds)
            counts["matches"] += len(matches)
            counts["trades"] += len(np.unique(matches["close_ref"]))
            counts["fees"] += int(matches["fees"].sum())
            for key, rows in (
                ("fills", outcome.fills),
                ("cancelled", outcome.cancelled),
                ("openLimitBreached", outcome.breaches),
            ):
                at = rows["strategy"] == code
                counts[key] += int((at & (rows["ts"] > self._after)).sum())
            at = (taken.signals.strategy == code) & (taken.signals.ts > self._after)
            found = np.bincount(outcome.code[at], minlength=len(CODES))
            for decision, count in zip(CODES, found.tolist(), strict=True):
                counts["signals"][decision] += count

    def figures(self, capital: int, days_per_year: int) -> dict[str, Any]:
        """Give counts and realised figures of each strategy as JSON values."""
        found = {}
        for name, pnl in self._pnl.items():
            judged = figures(pnl, capital=capital, start=self._first, days_per_year=days_per_year)
            counts = self._counts[name]
            found[name] = {
                **counts,
                "fees": money_text(counts["fees"]),  # type: ignore[arg-type]  # an int
                "netPnl": money_text(judged.net_pnl),
                "return": judged.total_return,
                "sharpe": judged.sharpe,
                "volatility": judged.volatility,
                "maxDrawdown": judged.max_drawdown,
                "activeDays": judged.active_days,
                "days": judged.days,
            }
        return found
