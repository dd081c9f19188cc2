"""What brokers report: through the TradingEngine, and on to the account whose orders they fill."""

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    RISK_ALERTS_HISTORY,
    time_values,
)
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
from streaming.runtimes.live.tick import Tick

Owners = Callable[[Iterable[str]], Mapping[str, str]]
"""Gives the strategies of orders (ids) that were ever sent, by orderId."""

Meet = Callable[[Tick, Mapping[str, Bars], int, int], None]
"""Takes in what a broker has to say: tick, new bars, the time they reach to, the wall clock."""


class Reports:
    """Exec reports and order events of brokers.

    Parameters
    ----------
    trading, state
        The TradingEngine, and its state of the accounts that brokers fill: these have a
        watermark of their own.
    book
        Told of the fills that are its account's, as they are applied.

    Attributes
    ----------
    changed : bool
        Whether there is more to save than a watermark; set to False by who has saved it.
    """

    def __init__(self, trading: TradingEngine, state: EngineState, book: AccountBook) -> None:
        self._trading = trading
        self._book = book
        self.state = state
        self.changed = False

    @property
    def reported_to(self) -> int:
        """The time up to which all fills are applied, microseconds UTC."""
        return self.state.watermark - 1

    def take(self, tick: Tick, batch: ReportBatch, owners: Owners, now: int) -> int:
        """Take exec reports in, in order of arrival: give how many rows were written.

        Parameters
        ----------
        now
            The wall clock, microseconds UTC: a fill of the future is refused.
        """
        if not batch.rows.num_rows:
            return 0
        asked = pc.unique(batch.rows.column("orderId").cast(pa.string())).to_pylist()
        known = owners([one for one in asked if one is not None])
        outcome = self._trading.step(self.state, batch, Orders(known), now=now)
        tick.append(EXEC_REPORT_HISTORY, outcome.taken)
        self.changed = True
        self._pass_on(tick, outcome)
        written: int = outcome.taken.num_rows
        return written

    def take_events(self, tick: Tick, rows: pa.Table, owners: Owners) -> int:
        """Take what a broker says of orders, fills apart: give how many rows were written."""
        account = self._book.brokered
        if account is None or not rows.num_rows:
            return 0
        events = order_events(account, rows, owners(pc.unique(rows.column("orderId")).to_pylist()))
        tick.append(ORDER_EVENT_HISTORY, events.rows)
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
        written: int = events.rows.num_rows
        return written

    def complete(self, tick: Tick, up_to: int) -> None:
        """Take it that no fill with ts <= `up_to` (microseconds UTC) will come any more."""
        if up_to > self.reported_to:
            self._pass_on(tick, self._trading.complete(self.state, up_to))

    def restore(self, data: bytes | None, watermark: int, settings: tuple[int, int]) -> None:
        """Take over saved bytes of the TradingEngine's state, and its watermark of since then."""
        if data is not None:
            self.state = EngineState.from_bytes(data, *settings)
        self.state.watermark = max(self.state.watermark, watermark)
        self.changed = False

    def _pass_on(self, tick: Tick, outcome: Outcome) -> None:
        write_outcome(tick, outcome)
        if not len(outcome.fills) or self._book.brokered is None:
            return
        self.changed = True
        name = self._book.brokered.name
        self._book.include(fill_symbols(self.state, outcome.fills, name))
        self._book.brokered.tell(fill_reports(self._book.brokered, self.state, outcome.fills))
