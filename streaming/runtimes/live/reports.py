"""What is reported of fills: through the TradingEngine, and on to the account that they are of.

What was reported is input, and recorded as such: the rows taken in, run by run of the strategy
that they name, each advance of the watermark, and the rows refused, whole. So it can be played
again from the store alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    empty_table,
    time_values,
)
from streaming.contracts.keys import STRATEGY
from streaming.jobs.broker_reports import (
    alert_rows,
    fill_reports,
    fill_symbols,
    order_events,
)
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    Outcome,
    ReportBatch,
    TradingEngine,
)
from streaming.rules.bars import Bars
from streaming.runtimes.live.book import AccountBook
from streaming.runtimes.live.outputs import write_outcome
from streaming.runtimes.live.tick import Input, Tick

Owners = Callable[[Iterable[str]], Mapping[str, str]]
"""Gives the strategies of orders (ids) that were ever sent, by orderId."""

Meet = Callable[[Tick, Mapping[str, Bars], int, int], None]
"""Takes in what a broker has to say: tick, new bars, the time they reach to, the wall clock."""


def broker_source(broker: str) -> str:
    """Give the name under which what a broker says is recorded, and how far it is read kept."""
    return f"broker:{broker}"


class Reports:
    """Exec reports and order events of accounts that do not fill inside the rules.

    Parameters
    ----------
    trading, state
        The TradingEngine, and its state of these accounts: they have a watermark of their own.
    book
        Told of the fills that are its account's, as they are applied; None: no account of it is
        among these.

    Attributes
    ----------
    changed : bool
        Whether there is more to save than a watermark; set to False by who has saved it.
    unwritten : bool
        Whether positions may have changed; set to False by who has written them.
    played : bool
        Whether a record is played: the rows refused then are in it.
    """

    def __init__(
        self, trading: TradingEngine, state: EngineState, book: AccountBook | None
    ) -> None:
        self._trading = trading
        self._book = book
        self.state = state
        self.changed = False
        self.unwritten = False
        self.played = False

    @property
    def reported_to(self) -> int:
        """The time up to which all fills are applied, microseconds UTC."""
        return self.state.watermark - 1

    def take(self, tick: Tick, source: str, batch: ReportBatch, owners: Owners, now: int) -> None:
        """Take exec reports in, in order of arrival.

        Parameters
        ----------
        source
            Who brings them.
        now
            The wall clock, microseconds UTC: a fill of the future is refused.
        """
        if not batch.rows.num_rows:
            return
        asked = {str(one) for one in batch.rows.column("orderId").to_pylist() if one is not None}
        before = self.state.watermark
        outcome = self._trading.step(self.state, batch, Orders(owners(sorted(asked))), now=now)
        tick.inputs += self._inputs(source, outcome.taken, before, tick)
        tick.append(EXEC_REPORT_HISTORY, outcome.taken.drop([STRATEGY.name]))
        self.changed = self.unwritten = True
        self._pass_on(tick, source, outcome)

    def take_events(self, tick: Tick, source: str, rows: pa.Table, owners: Owners) -> None:
        """Take what a broker says of orders, fills apart."""
        account = None if self._book is None else self._book.brokered
        if account is None or not rows.num_rows:
            return
        events = order_events(account, rows, owners(pc.unique(rows.column("orderId")).to_pylist()))
        tick.take_in(source, ORDER_EVENT_HISTORY, events.rows, self.reported_to)
        account.tell(events.ends)
        odd = events.rows.take(pa.array(events.unknown, pa.int64()))
        if odd.num_rows:
            words = pc.binary_join_element_wise(
                odd.column("event").cast(pa.string()),
                " of order ",
                odd.column("orderId").cast(pa.string()),
                ", which is not known",
                "",
            )
            times = time_values(odd.column("ts"))
            tick.append(
                RISK_ALERTS_HISTORY, alert_rows(account.name, "UNKNOWN_ORDER", words, times)
            )

    def complete(self, tick: Tick, source: str, up_to: int) -> None:
        """Take it that no fill with ts <= `up_to` (microseconds UTC) will come any more."""
        if up_to > self.reported_to:
            waiting = len(self.state.waiting)
            outcome = self._trading.complete(self.state, up_to)
            if len(self.state.waiting) < waiting:
                self.changed = self.unwritten = True
            self._pass_on(tick, source, outcome)

    def declared(self, tick: Tick, source: str, up_to: int) -> None:
        """Take the same by the word of a source, or by the clock: that is input."""
        if up_to > self.reported_to:
            tick.inputs.append(
                Input(source, EXEC_REPORT_HISTORY, 0, up_to, tick.appended(EXEC_REPORT_HISTORY))
            )
            self.complete(tick, source, up_to)

    def again(self, tick: Tick, one: Input, rows: pa.Table, owners: Owners) -> None:
        """Take in what was taken in before, as a store has recorded it."""
        if one.rows:
            said = pa.array([one.strategy] * one.rows, pa.string())
            batch = ReportBatch(rows.append_column(STRATEGY.name, said), one.source)
            # No row was of the future, or it would not have been taken.
            now = int(time_values(rows.column("ts")).max())
            self.take(tick, one.source, batch, owners, now)
        elif one.complete_to is not None:
            self.declared(tick, one.source, one.complete_to)

    def restore(self, data: bytes | None, watermark: int, settings: tuple[int, int]) -> None:
        """Take over saved bytes of the TradingEngine's state, and its watermark of since then."""
        if data is not None:
            self.state = EngineState.from_bytes(data, *settings)
        self.state.watermark = max(self.state.watermark, watermark)
        self.changed = False

    def _inputs(self, source: str, taken: pa.Table, watermark: int, tick: Tick) -> Iterator[Input]:
        """Give rows that were taken in as inputs: one for each run that names one strategy."""
        if not taken.num_rows:
            return
        said = taken.column(STRATEGY.name).combine_chunks().dictionary_encode()
        code = said.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        after = np.maximum.accumulate(time_values(taken.column("ts")) - self.state.lateness)
        after = np.maximum(after, watermark) - 1
        ends = [*(np.flatnonzero(np.diff(code)) + 1).tolist(), len(code)]
        start = tick.appended(EXEC_REPORT_HISTORY)
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            # An empty cell names no strategy, either.
            strategy = said[begin].as_py() or None
            yield Input(
                *(source, EXEC_REPORT_HISTORY, end - begin, int(after[end - 1])),
                before=start + begin,
                strategy=strategy,
            )

    def _pass_on(self, tick: Tick, source: str, outcome: Outcome) -> None:
        if not self.played:
            tick.take_in(source, QUARANTINE_HISTORY, outcome.quarantine, self.reported_to)
            tick.quarantined += outcome.quarantine.num_rows
        write_outcome(tick, outcome._replace(quarantine=empty_table(QUARANTINE_HISTORY)))
        if not len(outcome.fills) or self._book is None or self._book.brokered is None:
            return
        name = self._book.brokered.name
        self._book.include(fill_symbols(self.state, outcome.fills, name))
        self._book.brokered.tell(fill_reports(self._book.brokered, self.state, outcome.fills))
