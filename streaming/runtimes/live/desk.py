"""The desk between the engine and a broker: orders out after their commit, reports in.

An order is in the store, as SENT, before it goes out. What has gone out, and what the broker
said of it, is the broker's to know: after a start, and after each time that it could not be
reached, it is asked, and orders that it does not have are sent again under their orderId, which
it takes once. Orders and positions that differ are alerted, and nothing is changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from streaming.brokers.broker import Broker, BrokerOrder
from streaming.contracts import RISK_ALERTS_HISTORY
from streaming.errors import BrokerError
from streaming.jobs.broker_reports import alert_rows
from streaming.jobs.trading_engine import ReportBatch
from streaming.rules.bars import Bars
from streaming.rules.ids import id_text, id_words
from streaming.rules.orders import NEVER
from streaming.runtimes.live.engine import LiveEngine
from streaming.runtimes.live.reconciling import (
    Difference,
    known_orders,
    order_differences,
    position_differences,
)
from streaming.runtimes.live.reports import broker_source
from streaming.runtimes.live.saving import owners_of
from streaming.runtimes.live.tick import Tick
from streaming.store import StoreReader


@dataclass
class _Line:
    """What is known of the connection: what has gone out over it, and what is to be told."""

    sent: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    checked: bool = False
    lost: str | None = None
    told: bool = False


class Desk:
    """A broker, and the engine whose orders it fills.

    Parameters
    ----------
    engine
        Restored.
    broker
        Its account is the one that trades.
    reader
        Of the engine's store.
    """

    def __init__(self, engine: LiveEngine, broker: Broker, reader: StoreReader) -> None:
        self._engine = engine
        self._broker = broker
        self._reader = reader
        self._line = _Line()
        position = reader.positions().get(self._key)
        self._position = position.decode() if isinstance(position, bytes) else position
        engine.meet = self.meet

    @property
    def _key(self) -> str:
        return broker_source(self._broker.name)

    def positions(self) -> dict[str, str]:
        """Give how far the broker's reports are read, to be committed with what came of them."""
        return {} if self._position is None else {self._key: self._position}

    def meet(self, tick: Tick, bars: Mapping[str, Bars], complete_to: int, now: int) -> None:
        """Take in what the broker has to say, before the signals of a time are decided."""
        ts = complete_to if complete_to > 0 else now
        try:
            first = not self._line.checked
            if first:
                self._ask()
            self._hand_out()
            self._broker.show(bars, complete_to)
            self._listen(tick, now)
            if first:
                self._compare(tick, ts)
            self._line.lost, self._line.told = None, False
        except BrokerError as error:
            self._lose(error)
        if self._line.lost is not None and not self._line.told:
            words = f"{self._line.lost} Bars go on; orders wait until it is back."
            self._alert(tick, [Difference("BROKER_AWAY", words)], ts)
            self._line.told = True

    def deliver(self) -> None:
        """Hand out what the last commit has made: new orders, and wishes to cancel old ones."""
        try:
            if self._line.checked:
                self._hand_out()
        except BrokerError as error:
            self._lose(error)

    def close(self) -> None:
        """Let go of the broker."""
        self._broker.close()

    def _lose(self, error: BrokerError) -> None:
        """Note that the broker cannot be reached: it is asked anew what it has."""
        self._line = _Line(lost=str(error), told=self._line.told)

    def _ask(self) -> None:
        """Find out which of our orders the broker has, or has said something of."""
        said = self._broker.reports(self._position)
        tables = (said.fills, said.events)
        heard = {order for rows in tables for order in rows.column("orderId").to_pylist()}
        self._line.sent = {*self._broker.open_orders(), *heard}
        self._line.checked = True

    def _hand_out(self) -> None:
        """Send live orders that have not gone out, and ask to cancel those whose time is over."""
        account = self._engine.book.brokered
        if account is None or not len(account.waiting):
            return
        live = account.waiting
        ids = id_text(id_words(live)).to_pylist()
        columns = (live[name].tolist() for name in ("symbol", "ordered", "ts", "placed", "expires"))
        orders, over = [], []
        for order, symbol, ordered, ts, placed, expires in zip(ids, *columns, strict=True):
            if order not in self._line.sent:
                orders.append(BrokerOrder(order, account.symbols[symbol], ordered, ts))
            if not placed and expires < NEVER and order not in self._line.asked:
                over.append(order)
        if orders:
            self._broker.submit(orders)
            self._line.sent |= {one.order_id for one in orders}
        if over:
            self._broker.cancel(over)
            self._line.asked |= set(over)
        # What is over need not be remembered.
        self._line.sent &= set(ids)
        self._line.asked &= set(ids)

    def _listen(self, tick: Tick, now: int) -> None:
        """Take in what the broker has said since."""
        said = self._broker.reports(self._position)
        reports = self._engine.reports
        batch = ReportBatch(said.fills, f"broker {self._broker.name}")
        reports.take(tick, self._key, batch, self._owners, max(now, self._engine.done_to))
        reports.take_events(tick, self._key, said.events, self._owners)
        if said.complete_to is not None:
            reports.declared(tick, self._key, said.complete_to)
        self._position = said.position

    def _compare(self, tick: Tick, ts: int) -> None:
        """Alert of every difference between the broker's books and ours."""
        account, state = self._engine.book.brokered, self._engine.reports.state
        if account is None:
            return
        ours = known_orders(account, state)
        theirs = self._broker.open_orders()
        found = order_differences(ours, theirs, lambda order: bool(self._owners([order])))
        found += position_differences(account.name, state, self._broker.positions())
        self._alert(tick, found, ts)

    def _alert(self, tick: Tick, found: list[Difference], ts: int) -> None:
        for code, words in found:
            account = self._engine.account
            rows = alert_rows(account, code, pa.array([words]), np.array([ts]))
            # Input: what the broker had, nobody but it can say once more.
            tick.take_in(self._key, RISK_ALERTS_HISTORY, rows, None)

    def _owners(self, orders: Iterable[str]) -> dict[str, str]:
        return owners_of(self._reader, orders)
