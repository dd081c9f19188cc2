"""The file of a simulated exchange: its orders, what it has to say, and what it has said.

Each method that changes something is one transaction; several processes may hold it open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import numpy as np
import pyarrow as pa

from streaming.brokers.broker import BrokerOrder, Said
from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    arrow_schema,
    money_array,
    time_array,
)
from streaming.errors import BrokerError
from streaming.store.connection import connect_writer, transaction

FILL = "FILL"
"""The event of a report that is a fill; others are those of `order_event_history`."""

VENUE = "exchange"

_NEVER_SHOWN = -1
_TABLES = """
CREATE TABLE IF NOT EXISTS exchange (account TEXT NOT NULL, clock INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    orderId TEXT PRIMARY KEY, symbol TEXT NOT NULL, ordered INTEGER NOT NULL,
    quantity INTEGER NOT NULL, ts INTEGER NOT NULL, since INTEGER NOT NULL,
    fills INTEGER NOT NULL, cancelAt INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS live ON orders (since, orderId) WHERE quantity != 0;
CREATE TABLE IF NOT EXISTS reports (
    told INTEGER UNIQUE, tellAt INTEGER NOT NULL, ts INTEGER NOT NULL, orderId TEXT NOT NULL,
    event TEXT NOT NULL, fillId TEXT NOT NULL, again INTEGER NOT NULL, symbol TEXT NOT NULL,
    quantity INTEGER NOT NULL, price INTEGER NOT NULL, fees INTEGER NOT NULL, reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS of_order ON reports (orderId);
CREATE INDEX IF NOT EXISTS untold ON reports (tellAt) WHERE told IS NULL;
"""


class LiveOrder(NamedTuple):
    """An order: `ordered` and what is left of it (`quantity`) are signed units x 1e8.

    It came in at `since`, for a signal of `ts`; it has filled so many times, and is to be
    cancelled at `cancel_at`: all in microseconds UTC.
    """

    order_id: str
    symbol: str
    ordered: int
    quantity: int
    ts: int
    since: int
    fills: int
    cancel_at: int | None


class Report(NamedTuple):
    """Something to be said of an order at `tell_at`; `again` where it was said before."""

    tell_at: int
    ts: int
    order_id: str
    event: str
    fill_id: str
    again: int
    symbol: str
    quantity: int
    price: int
    fees: int
    reason: str | None


class ExchangeFile:
    """The file of an account at a simulated exchange.

    Parameters
    ----------
    path
        Made where it is not there, with its folder.
    account
        accountId of all reports.

    Raises
    ------
    BrokerError
        If it is another account's, or cannot be opened.
    """

    def __init__(self, path: Path, account: str) -> None:
        self._path = path
        self._account = account
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.reading():
            self._db = connect_writer(path)
            with transaction(self._db):
                self._db.execute(_TABLES)
                rows: list[Any] = self._db.execute("SELECT account FROM exchange").fetchall()
                if not rows:
                    first = (account, _NEVER_SHOWN)
                    self._db.execute("INSERT INTO exchange VALUES (?, ?)", first)
        if rows and rows[0][0] != account:
            self._db.close()
            raise BrokerError(f"{path}: is the exchange of account {rows[0][0]}, not of {account}.")

    @contextmanager
    def changing(self) -> Iterator[int]:
        """Hold a write transaction, and give the clock; what is due is told at its end."""
        with self.reading(), transaction(self._db):
            yield self.clock()
            self._tell()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what SQLite refuses into a `BrokerError`."""
        try:
            yield
        except apsw.Error as error:
            raise BrokerError(
                f"{self._path}: the simulated exchange cannot be reached ({error})."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def clock(self) -> int:
        """Give the time up to which it has seen the market, -1 at first."""
        ((clock,),) = self._rows("SELECT clock FROM exchange")
        return int(clock)

    def set_clock(self, clock: int) -> None:
        """Note that it has seen the market up to a time."""
        self._db.execute("UPDATE exchange SET clock = ?", (clock,))

    def add(self, order: LiveOrder) -> bool:
        """Take an order in; False where it has, or had, one of its orderId."""
        self._db.execute("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", order)
        return self._db.changes() > 0

    def update(self, order: LiveOrder) -> None:
        """Note what is left of an order, how often it has filled, and when it is cancelled."""
        self._db.execute(
            "UPDATE orders SET quantity = ?, fills = ?, cancelAt = ? WHERE orderId = ?",
            (order.quantity, order.fills, order.cancel_at, order.order_id),
        )

    def live(self) -> list[LiveOrder]:
        """Give the orders of which something is left, in the order in which they came in."""
        rows = self._rows("SELECT * FROM orders WHERE quantity != 0 ORDER BY since, orderId")
        return [LiveOrder(*row) for row in rows]

    def write(self, report: Report) -> None:
        """Keep something that is to be said."""
        marks = ", ".join("?" * len(report))
        self._db.execute(f"INSERT INTO reports VALUES (NULL, {marks})", report)  # noqa: S608

    def said(self, after: str | None, late: int) -> Said:
        """Give what was said after a position.

        Parameters
        ----------
        late
            Microseconds that a report takes at most.
        """
        told = int(after or 0)
        rows = self._rows(
            "SELECT orderId, event, fillId, symbol, quantity, price, fees, ts, reason, told "
            "FROM reports WHERE told > ? ORDER BY told",
            told,
        )
        clock = self.clock()
        return Said(
            _fill_rows(self._account, [row for row in rows if row[1] == FILL]),
            _event_rows(self._account, [row for row in rows if row[1] != FILL]),
            clock - late if clock > late else None,
            str(rows[-1][-1] if rows else told),
        )

    def open_orders(self) -> dict[str, BrokerOrder]:
        """Give the orders that may still fill, with what is left, by what was said of them."""
        rows = self._rows(
            "SELECT orderId, symbol, ordered - (SELECT coalesce(sum(quantity), 0) FROM reports "
            "WHERE orderId = o.orderId AND event = ? AND NOT again AND told IS NOT NULL), ts "
            "FROM orders AS o WHERE (quantity != 0 OR orderId IN "
            "(SELECT orderId FROM reports WHERE told IS NULL)) AND NOT EXISTS (SELECT 1 FROM "
            "reports WHERE orderId = o.orderId AND told IS NOT NULL AND event NOT IN (?, ?)) "
            "ORDER BY since, orderId",
            FILL,
            FILL,
            "ACKED",
        )
        return {row[0]: BrokerOrder(*row) for row in rows if row[2] != 0}

    def positions(self) -> dict[str, int]:
        """Give what the fills that were said come to, by symbol, flat ones left out."""
        return dict(
            self._rows(
                "SELECT symbol, sum(quantity) FROM reports WHERE event = ? AND NOT again "
                "AND told IS NOT NULL GROUP BY symbol HAVING sum(quantity) != 0 ORDER BY symbol",
                FILL,
            )
        )

    def _tell(self) -> None:
        """Give numbers to what is due: in order of when it is, of its own time, of the order."""
        self._db.execute(
            "UPDATE reports SET told = due.number FROM (SELECT rowid AS id, "
            "row_number() OVER (ORDER BY tellAt, ts, orderId, event, fillId, again) "
            "+ (SELECT coalesce(max(told), 0) FROM reports) AS number FROM reports "
            "WHERE told IS NULL AND tellAt <= (SELECT clock FROM exchange)) AS due "
            "WHERE reports.rowid = due.id"
        )

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._db.execute(query, values).fetchall()


def _fill_rows(account: str, rows: list[Any]) -> pa.Table:
    order, _, fill, symbol, quantity, price, fees, ts, *_ = _columns(rows, 10)
    signed = np.array(quantity, np.int64)
    count = len(rows)
    return pa.table(
        [
            pa.array([account] * count, pa.string()),
            pa.array(order, pa.string()),
            pa.array(fill, pa.string()),
            pa.array(symbol, pa.string()),
            pa.array(np.where(signed > 0, "BUY", "SELL").tolist(), pa.string()),
            money_array(np.abs(signed)),
            money_array(np.array(price, np.int64)),
            time_array(np.array(ts, np.int64)),
            money_array(np.array(fees, np.int64)),
            pa.array([VENUE] * count, pa.string()),
        ],
        schema=arrow_schema(EXEC_REPORT_HISTORY),
    )


def _event_rows(account: str, rows: list[Any]) -> pa.Table:
    order, event, *_, ts, reason, _ = _columns(rows, 10)
    return pa.table(
        [
            pa.array([account] * len(rows), pa.string()),
            pa.array(order, pa.string()),
            pa.array(event, pa.string()),
            time_array(np.array(ts, np.int64)),
            pa.array(reason, pa.string()),
        ],
        schema=arrow_schema(ORDER_EVENT_HISTORY),
    )


def _columns(rows: list[Any], width: int) -> list[Any]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
