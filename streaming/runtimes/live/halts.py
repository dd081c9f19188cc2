"""Whether the account that trades may open anything: by a person's word, and by its loss.

Halted, what would open or add is rejected, with a code that says why; what closes goes on. Orders
that would open or add and are not filled yet are cancelled: those of the simulated broker at the
time of the halt; a broker is asked to, and gets none that has not gone out (`live.desk`). What
fills all the same is a position. The paper account is what strategies are scored on: no halt
touches it.

A person's word is a change of `trading_halts_latest`. It holds for all signals that are not
decided when the engine reads it, and is recorded as input. A resume lifts what the day's loss has
stopped, too, and the account may then lose as much once more; so does the first bar of a new day.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from streaming.analytics.days import day_bounds, day_of
from streaming.contracts import (
    ORDER_EVENT_HISTORY,
    RISK_ALERTS_HISTORY,
    arrow_schema,
    time_values,
)
from streaming.jobs.allocator import Market, Step
from streaming.jobs.allocator_rows import ended_rows
from streaming.jobs.broker_reports import alert_rows
from streaming.jobs.daily_loss import DailyLoss, moments, nothing_at, open_pnl
from streaming.rules.account import Account
from streaming.rules.account_state import AccountState
from streaming.rules.decisions import Signals
from streaming.rules.gate import CODES, DAILY_LOSS_EXCEEDED, HALTS, TRADING_HALTED
from streaming.rules.units import money_text
from streaming.runtimes.backtest.definition import time_text, to_units
from streaming.runtimes.live.tick import Tick
from streaming.settings import Settings

_NAMES = dict(enumerate(HALTS, len(CODES)))
HALTED, RESUMED = _NAMES[TRADING_HALTED], "TRADING_RESUMED"
"""Codes of what people say, in alerts and in `trading status`."""


class Halts:
    """Why the account that trades may open nothing, if so.

    Parameters
    ----------
    account
        Its accountId.
    settings
        `live.dailyLossLimit`, and the time zone of its days.

    Attributes
    ----------
    said : tuple of (int, str) or None
        When (wall clock, microseconds UTC) and why a person has halted it.
    loss : DailyLoss or None
        None: there is no limit.
    """

    def __init__(self, account: str, settings: Settings) -> None:
        self._account = account
        limit, zone = settings.live.daily_loss_limit, settings.metrics.timezone
        self.said: tuple[int, str] | None = None
        self.loss: DailyLoss | None = None
        if limit is not None:
            self.loss = DailyLoss(to_units(limit), lambda ts: _midnight(ts, zone))
        self._since = 0
        self._alerts: list[tuple[int, str, str]] = []
        self._ended: list[pa.Table] = []

    @property
    def why(self) -> int:
        """What is said of it, as numbered by `HALTS` of the gate; 0 where it may open."""
        if self.said is not None:
            return TRADING_HALTED
        return DAILY_LOSS_EXCEEDED if self.loss is not None and self.loss.over else 0

    def take(self, tick: Tick, changes: pa.Table, account: AccountState, done_to: int) -> None:
        """Take in what people have said: changes of `trading_halts_latest`, in order.

        Parameters
        ----------
        tick
            Receives an alert for each, and the orders that are cancelled.
        account
            The one that trades.
        done_to
            Microseconds UTC: all signals up to it are decided.
        """
        names = ("op", "accountId", "halted", "reason")
        columns = [changes.column(name).to_pylist() for name in names]
        times = time_values(changes.column("ts")).tolist()
        for op, name, halted, reason, ts in zip(*columns, times, strict=True):
            if op == "-U":
                continue
            now = done_to if done_to > 0 else ts
            words = reason or "no reason was given"
            if name != self._account:
                words = f"halt or resume of account {name}, which does not trade here: {words}"
                self._alerts.append((now, "UNKNOWN_ACCOUNT", words))
            elif halted and op != "-D":
                self._halt(account, now, (ts, words))
            else:
                self._resume(now, words)
        self.write(tick)
        tick.append(ORDER_EVENT_HISTORY, self.ended())

    def _halt(self, account: AccountState, now: int, said: tuple[int, str]) -> None:
        self.said = said
        self._alerts.append((now, HALTED, said[1]))
        self._cancel(account, now, "trading is halted")

    def _resume(self, now: int, words: str) -> None:
        self.said = None
        if self.loss is not None:
            self.loss.lift()
        self._alerts.append((now, RESUMED, words))

    def lead(self, account: AccountState, market: Market, signals: Signals, step: Step) -> Any:
        """Lead the account that trades through a slice: see `streaming.jobs.allocator.Lead`.

        Where there is a limit it goes from one time to the next at which something came.
        """
        account.halt(self.why)
        if self.loss is None:
            return step(signals, market.table, market.complete_to)
        no_bars, no_signals = nothing_at(market, signals)
        closes = market.last_close.copy()
        parts = []
        for now, bars, mine in moments(market, signals):
            parts.append(step(no_signals, bars, now))
            self.loss.book(parts[-1].matches)
            closes[np.flatnonzero(np.diff(bars.start))] = bars.close
            if self.loss.look(now, open_pnl(account, closes)):
                self._lose(account, now, self.loss)
            account.halt(self.why)
            if len(mine.ts):
                parts.append(step(mine, no_bars, now))
        parts.append(step(no_signals, no_bars, market.complete_to))
        self.loss.book(parts[-1].matches)
        return type(parts[0])(*map(np.concatenate, zip(*parts, strict=True)))

    def _lose(self, account: AccountState, now: int, loss: DailyLoss) -> None:
        self._since = now
        words = (
            f"the day's PnL is {money_text(loss.pnl)}: nothing is opened until a bar after "
            f"{time_text(loss.ends)}, or `trading resume`"
        )
        self._alerts.append((now, _NAMES[DAILY_LOSS_EXCEEDED], words))
        self._cancel(account, now, "the limit on a day's loss is reached")

    def _cancel(self, account: AccountState, now: int, reason: str) -> None:
        """Cancel what waits for its bar at the simulated broker."""
        if isinstance(account, Account):
            self._ended.append(ended_rows(account, account.cancel_openings(now), reason))

    def write(self, tick: Tick) -> None:
        """Write the alerts of what has happened since this was called last."""
        for ts, code, words in self._alerts:
            rows = alert_rows(self._account, code, pa.array([words]), np.array([ts], np.int64))
            tick.append(RISK_ALERTS_HISTORY, rows)
        self._alerts = []

    def ended(self) -> pa.Table:
        """Give `order_event_history` of what was cancelled since this was called last."""
        rows = pa.concat_tables([arrow_schema(ORDER_EVENT_HISTORY).empty_table(), *self._ended])
        self._ended = []
        return rows

    def facts(self) -> dict[str, Any]:
        """Give all as JSON values; see `standing`, too."""
        return {
            "said": self.said,
            "since": self._since,
            "loss": None if self.loss is None else self.loss.facts(),
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Take over what `facts` gave."""
        self.said = None if facts["said"] is None else (facts["said"][0], facts["said"][1])
        self._since = facts["since"]
        if self.loss is not None and facts["loss"] is not None:
            self.loss.restore(facts["loss"])


def standing(facts: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Say from `Halts.facts` what holds: (code, since in microseconds UTC, why)."""
    found = []
    if facts["said"] is not None:
        found.append((HALTED, *facts["said"]))
    if facts["loss"] is not None and facts["loss"]["over"]:
        words = f"until a bar after {time_text(facts['loss']['ends'])}, or `trading resume`"
        found.append((_NAMES[DAILY_LOSS_EXCEEDED], facts["since"], words))
    return found


def _midnight(ts: int, zone: str) -> int:
    """Give the end of the day that an instant belongs to."""
    day = day_of(ts, zone)
    return int(day_bounds(day, day, zone)[-1])
