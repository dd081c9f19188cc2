"""The desk between the engine and a broker: orders out after their commit, reports in.

An order is in the store, as SENT, before it goes out. What has gone out, and what the broker
said of it, is the broker's to know: after a start, and after each time that it could not be
reached, it is asked, and orders that it does not have are sent again under their orderId, which
it takes once. Orders and positions that differ are alerted, and nothing is changed.

While trading is halted no order that opens or adds goes out: one that has not is cancelled here,
and of one that has the broker is asked to cancel what is not filled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.brokers.broker import Broker, BrokerOrder
from streaming.contracts import ORDER_EVENT_HISTORY, RISK_ALERTS_HISTORY, arrow_schema
from streaming.errors import BrokerError
from streaming.jobs.broker_reports import alert_rows
from streaming.jobs.trading_engine import ReportBatch
from streaming.rules.bars import Bars
from streaming.rules.brokered import END
from streaming.rules.brokered_account import BrokeredAccount
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
            self._withdraw(tick)
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
        """Send live orders that have not gone out, and ask to cancel those that are to end."""
        account = self._engine.book.brokered
        if account is None or not len(account.waiting):
            return
        live = account.waiting
        ids = id_text(id_words(live)).to_pylist()
        stopped = self._stopped(account)
        past = (live["placed"] == 0) & (live["expires"] < NEVER)
        columns = (live[name].tolist() for name in ("symbol", "ordered", "ts"))
        lines = zip(ids, *columns, past.tolist(), stopped.tolist(), strict=True)
        ending = self._ending(account)
        orders, over = [], []
        for order, symbol, ordered, ts, late, stop in lines:
            if order not in self._line.sent:
                if stop or order in ending:
                    continue
                orders.append(BrokerOrder(order, account.symbols[symbol], ordered, ts))
            if (late or stop) and order not in self._line.asked:
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

    def _stopped(self, account: BrokeredAccount) -> NDArray[np.bool_]:
        """Tell of each live order whether a halt ends it."""
        opens: NDArray[np.bool_] = account.waiting["opens"] != 0
        return opens & (self._engine.halts.why != 0)

    @staticmethod
    def _ending(account: BrokeredAccount) -> set[str]:
        """Give the orders whose end is known and does not count yet."""
        told = account.pending
        return set(id_text(id_words(told[told["kind"] == END])).to_pylist())

    def _withdraw(self, tick: Tick) -> None:
        """Cancel orders that a halt ends and that have not gone out."""
        account = self._engine.book.brokered
        if account is None or not self._stopped(account).any():
            return
        ids = id_text(id_words(account.waiting[self._stopped(account)])).to_pylist()
        rows = [
            {
                "accountId": account.name,
                "orderId": order,
                "event": "CANCELLED",
                "ts": self._engine.done_to,
                "reason": "trading is halted, and it had not gone out",
            }
            for order in ids
            if order not in self._line.sent
        ]
        schema = arrow_schema(ORDER_EVENT_HISTORY)
        events = pa.Table.from_pylist(rows, schema=schema)
        # Of one that was cancelled in the tick before, and still waits for its end, nothing comes.
        self._engine.reports.take_events(tick, self._key, events, self._owners)

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
