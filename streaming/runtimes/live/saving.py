"""What the engine saves with each commit, and how it comes back after a stop.

Accounts are small and are saved every time. The state of a symbol's series, and that of the
TradingEngine with all the fills it remembers, are not: each is saved now and then, and comes
back by working once more through the bars and fills that the store has had since. Results do
not depend on how the input is cut, so what comes back is what was lost.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    PRICE_1M_HISTORY,
)
from streaming.errors import StateError
from streaming.jobs.price_intake import bars_by_symbol
from streaming.jobs.price_rows import PriceRows, rows_of_table
from streaming.jobs.trading_engine import EngineState, Orders, ReportBatch, TradingEngine
from streaming.rules.bars import MINUTE_US, no_bars
from streaming.rules.intake import NO_TIME
from streaming.rules.state import pack, unpack
from streaming.runtimes.live.clock import SourceClock
from streaming.runtimes.live.engine import LiveEngine, Tick
from streaming.runtimes.live.facts import KIND, NAME, VERSION, saved_facts
from streaming.store import StoreReader, View

EVERY_MINUTES = 15
"""How much event time at most has to be worked through again."""

_FILLS, _REPORTS, _EXTERNAL = "fills", "reports", "external reports"
_ACCOUNT, _SYMBOL = "account:", "symbol:"


class Saver:
    """Says what is to be saved with each commit.

    Attributes
    ----------
    late : list
        (symbol, ts) of late bars since the oldest state saved: they were never worked on.
    written : list of str or None
        The tables of positions that were written, as restored; None: nothing was.
    """

    def __init__(self) -> None:
        self._saved_to: dict[str, int] = {}
        self._fills_to = NO_TIME
        self.late: list[tuple[str, int]] = []
        self.written: list[str] | None = None

    def states(
        self,
        engine: LiveEngine,
        tick: Tick,
        next_fill: int,
        clock: SourceClock,
        published: Mapping[str, int],
    ) -> dict[str, bytes]:
        """Give the states to save with a tick, by name.

        Parameters
        ----------
        next_fill
            The offset that the next row of `exec_report_history` gets after this commit.
        published
            By table that others publish, the offset up to before which its changes were taken in.
        """
        self.late += tick.late_bars
        done = engine.done_to
        names = [name for name in engine.series.symbols if self._due(name, done)]
        states = {_SYMBOL + name: one for name, one in engine.series.to_bytes(names).items()}
        self._saved_to |= dict.fromkeys(names, done)
        if self._aged(self._fills_to, done):
            self._fills_to = done
            data = np.frombuffer(engine.fills.to_bytes(), np.uint8)
            states[_FILLS] = pack(KIND, VERSION, {"fills": data}, next=next_fill)
        for name, reports in ((_REPORTS, engine.reports), (_EXTERNAL, engine.external)):
            if reports.changed:
                states[name] = reports.state.to_bytes()
                reports.changed = False
        states |= {_ACCOUNT + name: one for name, one in engine.book.to_bytes().items()}
        states[NAME] = self._facts(engine, clock, published)
        return states

    def _due(self, name: str, done: int) -> bool:
        saved = self._saved_to.get(name)
        if saved is None or self._aged(saved, done):
            return True
        # Each at a minute of its own, or all would be saved at once.
        turn = sum(name.encode()) % EVERY_MINUTES
        return saved < done and done // MINUTE_US % EVERY_MINUTES == turn

    @staticmethod
    def _aged(saved: int, done: int) -> bool:
        return done - saved >= EVERY_MINUTES * MINUTE_US

    def _facts(self, engine: LiveEngine, clock: SourceClock, published: Mapping[str, int]) -> bytes:
        oldest = min(self._saved_to.values(), default=NO_TIME)
        self.late = [one for one in self.late if one[1] > oldest]
        return pack(
            KIND,
            VERSION,
            {},
            definition=engine.definition,
            done=engine.done_to,
            watermarks=dict(sorted(engine.prices.sources.items())),
            marking=engine.marking.facts(),
            clock=clock.facts(),
            weights=engine.weights.facts(),
            halts=engine.halts.facts(),
            published=dict(published),
            reported=engine.reports.state.watermark,
            symbols=engine.book.symbols,
            closes={name: list(one) for name, one in sorted(engine.closes.items())},
            late=self.late,
            saved=dict(sorted(self._saved_to.items())),
            written=engine.written,
        )

    def restore(self, engine: LiveEngine, view: View, trading: TradingEngine, now: int) -> bool:
        """Bring an engine to where the store is; False where the store has no state yet.

        Parameters
        ----------
        engine
            Fresh.
        trading
            Applies the fills since the TradingEngine's state was saved.
        now
            The wall clock, microseconds UTC.

        Raises
        ------
        StateError
            If the store was written by another definition (account, strategies, parameters).
        """
        facts = saved_facts(view)
        if facts is None:
            return False
        _check_definition(engine.definition, facts["definition"])
        engine.done_to = facts["done"]
        engine.closes = last_closes(view)
        engine.prices.pass_by(engine.done_to)
        engine.prices.sources = facts["watermarks"]
        engine.marking.restore(facts["marking"])
        engine.weights.restore(facts["weights"])
        engine.halts.restore(facts["halts"])
        self.late = [(name, ts) for name, ts in facts["late"]]
        self._saved_to = facts["saved"]
        self.written = facts["written"]
        engine.book.restore(facts["symbols"], _states(view, _ACCOUNT))
        engine.series.restore(_states(view, _SYMBOL))
        oldest = min(self._saved_to.values(), default=engine.done_to)
        rows = rows_of_table(view.rows(PRICE_1M_HISTORY, since=min(oldest, engine.done_to) + 1))
        rows = rows.take(~self._were_late(rows))
        engine.prices.waiting = rows.take(rows.ts > engine.done_to)
        bars = bars_by_symbol(rows.take(rows.ts <= engine.done_to))
        for name, saved in self._saved_to.items():
            missed = bars.get(name, no_bars())
            missed = missed.rows(int(np.searchsorted(missed.ts, saved, side="right")), len(missed))
            engine.series.warm_up(name, missed, engine.done_to)
        engine.reports.restore(view.state(_REPORTS), facts["reported"], engine.fill_settings)
        # Nothing but rows and advances that are saved with them moves its watermark.
        engine.external.restore(view.state(_EXTERNAL), NO_TIME, engine.fill_settings)
        self._restore_fills(engine, view, trading, now)
        return True

    def _were_late(self, rows: PriceRows) -> Any:
        late = set(self.late)
        return np.array(
            [
                (rows.symbols[symbol], ts) in late
                for symbol, ts in zip(rows.symbol.tolist(), rows.ts.tolist(), strict=True)
            ],
            np.bool_,
        )

    def _restore_fills(
        self, engine: LiveEngine, view: View, trading: TradingEngine, now: int
    ) -> None:
        """Restore the TradingEngine's state, and apply what came after it was saved."""
        data = view.state(_FILLS)
        if data is None:
            return
        arrays, facts = unpack(KIND, VERSION, data)
        engine.fills = EngineState.from_bytes(arrays["fills"].tobytes(), *engine.fill_settings)
        self._fills_to = engine.fills.watermark - 1
        simulated = [account.name for account in engine.book.accounts]
        reports = view.rows(EXEC_REPORT_HISTORY, start=facts["next"])
        # What brokers reported is in a state of its own, saved as it changes.
        reports = reports.filter(pc.is_in(reports.column("accountId"), pa.array(simulated)))
        if reports.num_rows:
            owners = [owner_of(view, order) for order in reports.column("orderId").to_pylist()]
            reports = reports.append_column("strategyId", pa.array(owners, pa.string()))
            batch = ReportBatch(reports.sort_by("ts"), "store")
            # They were of the past once, whatever the clock says now.
            trading.step(engine.fills, batch, Orders(), now=max(now, engine.done_to))
        trading.complete(engine.fills, engine.done_to)
        # What changed has been committed.
        trading.changes(engine.fills)


def definition_of(view: View) -> dict[str, Any] | None:
    """Give what a store is written by, as `LiveEngine.definition` has it; None: by nobody yet."""
    facts = saved_facts(view)
    return None if facts is None else dict(facts["definition"])


def check_plan(definition: dict[str, Any], view: View) -> None:
    """Refuse to go on with a store that was written by another definition.

    Raises
    ------
    StateError
        If it was; the message names what differs.
    """
    stored = definition_of(view)
    if stored is not None:
        _check_definition(definition, stored)


def restore_clock(clock: SourceClock, view: View, uptime: int) -> dict[str, int]:
    """Let a clock go on with what the process before has seen.

    Gives the offsets up to before which what others publish was taken in, too, by table.
    """
    facts = saved_facts(view)
    if facts is None:
        return {}
    clock.restore(facts["clock"], uptime)
    return dict(facts["published"])


def last_closes(view: View) -> dict[str, tuple[int, int]]:
    """Give each symbol's last close (x 1e8) and its time (microseconds UTC), as saved."""
    facts = saved_facts(view)
    if facts is None:
        return {}
    return {name: (close, ts) for name, (close, ts) in facts["closes"].items()}


def owner_of(reader: View | StoreReader, order: str) -> str | None:
    """Give the strategy of an order; None where the store does not know it."""
    rows = reader.rows(ACCEPTED_TRADE_SIGNAL_HISTORY, equal={"orderId": order}, limit=1)
    found: list[str] = rows.column("strategyId").to_pylist()
    return found[0] if found else None


def owners_of(reader: View | StoreReader, orders: Iterable[str]) -> dict[str, str]:
    """Give the strategies of those orders that were ever sent, by orderId."""
    found = {order: owner_of(reader, order) for order in orders}
    return {order: owner for order, owner in found.items() if owner is not None}


def _states(view: View, prefix: str) -> dict[str, bytes]:
    found = {name: view.state(name) for name in view.states() if name.startswith(prefix)}
    return {name.removeprefix(prefix): data for name, data in found.items() if data is not None}


def _check_definition(mine: dict[str, Any], stored: dict[str, Any]) -> None:
    for name in sorted({*mine, *stored}):
        value = mine.get(name)
        if stored.get(name) != value:
            raise StateError(
                f"The store was written with {name} = {stored.get(name)}, and this engine has "
                f"{value}. Run it with what it was begun with, or begin a new store."
            )
