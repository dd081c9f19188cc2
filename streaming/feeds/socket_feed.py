"""A WebSocket server as a feed of bars and exec reports; see `messages` for what it sends.

The engine never waits for it: a connection that breaks is made again beside it, and goes on
after the last message it had (`socket_connection`). A message that cannot be read, or holds no
rows of its table, is quarantined with an alert; a bad row is quarantined alone. Messages that
are there together are one batch, as far as none says that it is complete up to a time which a
later one goes back behind.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import PRICE_1M_HISTORY, quarantine_rows
from streaming.errors import ContractError, SourceError
from streaming.feeds.feed import Arrival, Batch, Feed, FeedAlert
from streaming.feeds.messages import read_message
from streaming.feeds.raw_rows import line_rows
from streaming.feeds.socket_connection import Connection, Received
from streaming.jobs.trading_engine import ReportBatch

ROWS = 50_000
"""Rows from which on a batch takes no further message."""

REFUSED_MESSAGE = "FEED_MESSAGE_REFUSED"
"""Code of the alert."""

_QUIET_SECONDS = 10.0


class _Place(NamedTuple):
    """The last message that is done with, and the time up to which the stream was complete."""

    stream: str | None = None
    position: int | None = None
    complete_to: int | None = None

    @classmethod
    def read(cls, text: str | None) -> "_Place":
        if text is None:
            return cls()
        try:
            found = json.loads(text)
            return cls(found["stream"], found["position"], found["completeTo"])
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"The store's position {text!r} is none of a socket. Go on with the feed that it "
                "was begun with, or begin a new store."
            ) from error

    def __str__(self) -> str:
        names = ("stream", "position", "completeTo")
        return json.dumps(dict(zip(names, self, strict=True)))


class _Message(NamedTuple):
    """A message as a batch, its number of rows, and the earliest time in it."""

    batch: Batch
    rows: int
    earliest: int


class SocketFeed(Feed):
    """The messages of a WebSocket server.

    Parameters
    ----------
    url
        ws:// or wss://.
    follow
        Wait for more, also while the server cannot be reached. Otherwise end where the server
        closes in good order, or nothing has come for ten seconds.
    backoff
        Seconds after which a connection is tried again: at first, and at most.
    clock
        For tests: microseconds UTC.

    Attributes
    ----------
    trouble : str
        Why it is not connected; "" while it is.
    duplicates : int
        Messages that had come before, and were dropped.
    """

    name = "socket"

    def __init__(
        self,
        url: str,
        *,
        follow: bool = True,
        backoff: tuple[float, float] = (0.5, 30.0),
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._url = url
        self._follow = follow
        self._backoff = backoff
        self._clock = clock
        self.connected = False
        self.trouble = ""
        self.duplicates = 0

    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give what comes after a position: a message's stream and number.

        Raises
        ------
        SourceError
            If the position is of another feed, or the server cannot be reached by a feed that
            does not wait for it.
        """
        place = _Place.read(position)
        connection = Connection(self._url, place.stream, place.position, backoff=self._backoff)
        try:
            held: _Message | None = None
            heard = time.monotonic()
            while True:
                batch, held, place = self._gather(connection, held, place)
                self.connected = connection.connected
                self.trouble = "" if connection.connected else connection.trouble
                self.duplicates = connection.duplicates
                if batch is not None:
                    heard = time.monotonic()
                elif not self._follow and self._over(connection, heard):
                    return
                yield batch
        finally:
            self.connected = False
            connection.close()

    def _over(self, connection: Connection, heard: float) -> bool:
        """Tell whether nothing more will come."""
        if connection.ended and not connection.connected:
            return connection.empty
        quiet = time.monotonic() - heard > _QUIET_SECONDS
        if quiet and not connection.connected:
            raise SourceError(f"{self._url}: cannot be reached ({connection.trouble}).")
        return quiet

    def _gather(
        self, connection: Connection, held: _Message | None, place: _Place
    ) -> tuple[Batch | None, _Message | None, _Place]:
        """Give a batch of what has come, a message that is to be in the next, and the place."""
        parts: list[_Message] = []
        complete: int | None = None
        while sum(part.rows for part in parts) < ROWS:
            if held is None:
                received = connection.next()
                if received is None:
                    break
                held, place = self._read(received, place)
            if complete is not None and held.earliest <= complete:
                break
            parts.append(held)
            if held.batch.complete_to is not None:
                complete = max(held.batch.complete_to, complete or 0)
            held = None
        if not parts:
            return None, held, place
        batches = [part.batch for part in parts]
        together = Batch(
            [one for batch in batches for one in batch.arrivals],
            complete,
            batches[-1].position,
            [one for batch in batches for one in batch.reports],
            [one for batch in batches for one in batch.quarantine],
            [one for batch in batches for one in batch.alerts],
        )
        return together, held, place

    def _read(self, received: Received, place: _Place) -> tuple[_Message, _Place]:
        """Read a message; give it, and the place after it."""
        header, number = received.header, received.position
        name = self.name if number is None else f"{self.name} message {number}"
        # What the stream had said: reading it again gives the same alerts.
        ts = self._clock() if place.complete_to is None else place.complete_to
        alerts = []
        if received.alert is not None:
            code, words = received.alert
            alerts.append(FeedAlert(code, f"{self.name}: {words}", ts))
        said = None if header is None else header.complete_to
        known = [one for one in (said, place.complete_to) if one is not None]
        after = _Place(received.stream, number, max(known, default=None))
        piece = None
        why = received.why and f"{name}: {received.why}"
        if header is not None:
            try:
                piece = read_message(received.data, header, name, self.name)
            except (ContractError, SourceError) as error:
                why = str(error)
        quarantine = []
        if why:
            table = PRICE_1M_HISTORY if header is None else header.table
            text = received.data.decode(errors="backslashreplace")
            row = pa.table({"message": [text]})
            quarantine.append(quarantine_rows(table, name, row, [0], [why]))
            alerts.append(FeedAlert(REFUSED_MESSAGE, f"{why} Nothing of it was used.", ts))
        elif piece is not None and header is not None and piece.refused:
            quarantine.append(line_rows(header.table, name, piece.refused))
        rows = None if piece is None else piece.rows
        batch = Batch(
            [rows] if isinstance(rows, Arrival) else [],
            said,
            str(after),
            [rows] if isinstance(rows, ReportBatch) else [],
            quarantine,
            alerts,
        )
        return _Message(batch, 1 if piece is None else piece.size, _earliest(rows)), after


def _earliest(rows: Arrival | ReportBatch | None) -> int:
    """Give the earliest time of rows, microseconds UTC; where there is none, one after all."""
    if rows is None:
        return int(np.iinfo(np.int64).max)
    times = rows.rows.column("ts")
    if not pa.types.is_timestamp(times.type):
        return 0
    first = pc.min(times.cast(pa.timestamp("us", tz="UTC"), safe=False)).cast(pa.int64()).as_py()
    return int(np.iinfo(np.int64).max) if first is None else int(first)
