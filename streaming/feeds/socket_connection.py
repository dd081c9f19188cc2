"""A connection to a WebSocket server that comes back by itself, and what came over it.

A thread of its own receives, so that nobody waits for the network, into a queue of few messages:
while that is full it receives nothing, and the server has to wait. After each opening it says
where to go on, in JSON: ``{"stream": "a1", "after": 17}``, null for what it does not know.

Messages that came before (their number is not past the last one's) are dropped. Where numbers
are missing it asks again from the last one it has; where they are missing then, too, that is
told and it goes on. A message whose header cannot be read takes the number that is due.
"""

import json
import queue
import threading
from contextlib import suppress
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from streaming.errors import SourceError
from streaming.feeds.messages import Header, read_header

MESSAGES = 64
"""That wait in the queue at most."""

MESSAGE_BYTES = 1 << 22
"""Of a message at most."""

GAP = "FEED_GAP"
RESTARTED = "FEED_RESTARTED"
"""Codes of alerts."""

_OPEN_SECONDS = 5.0
_LOOK_SECONDS = 0.2


class Received(NamedTuple):
    """A message, and where its stream is after it.

    `header` None: `why` it cannot be used. `alert` is a code and words, where numbers are wrong.
    """

    data: bytes
    header: Header | None
    stream: str | None
    position: int | None
    why: str = ""
    alert: tuple[str, str] | None = None


class _MissingError(Exception):
    """Numbers are missing: ask again."""


class Connection:
    """Receives from a server until it is closed.

    Parameters
    ----------
    url
        ws:// or wss://.
    stream, position
        Of the last message that is done with.
    backoff
        Seconds to wait before it tries again: at first, and at most; doubled each time until
        a message comes.

    Attributes
    ----------
    connected : bool
    trouble : str
        Why it is not connected.
    ended : bool
        Whether the server has closed the connection in good order and has nothing more.
    duplicates : int
        Messages that were dropped.
    """

    def __init__(
        self,
        url: str,
        stream: str | None,
        position: int | None,
        *,
        backoff: tuple[float, float],
    ) -> None:
        self._url = url
        self._stream = stream
        self._position = position
        self._backoff = backoff
        self._queue: queue.Queue[Received] = queue.Queue(MESSAGES)
        self._closing = threading.Event()
        self._asked = False
        self._fresh = False
        # The number of what comes next, and the last number before it was only supposed.
        self._due: int | None = None
        self._sure: int | None = None
        self.connected = False
        self.trouble = "not yet connected"
        self.ended = False
        self.duplicates = 0
        self._thread = threading.Thread(target=self._run, name="socket feed", daemon=True)
        self._thread.start()

    def next(self) -> Received | None:
        """Give the next message; None: there is none for now."""
        with suppress(queue.Empty):
            return self._queue.get_nowait()
        return None

    @property
    def empty(self) -> bool:
        """Whether nothing that has come is still to be given."""
        return self._queue.empty()

    def close(self) -> None:
        """End the connection and its thread."""
        self._closing.set()
        self._thread.join(2 * _OPEN_SECONDS)

    def _run(self) -> None:
        wait, longest = self._backoff
        while not self._closing.is_set():
            self._fresh = False
            try:
                self._listen()
            except _MissingError:
                continue
            except ConnectionClosed as closed:
                self._closed(closed)
            except (OSError, WebSocketException) as error:
                self.trouble = f"{type(error).__name__}: {error}"
            finally:
                self.connected = False
            if self._fresh:
                wait = self._backoff[0]
            self._closing.wait(wait)
            wait = min(2 * wait, longest)

    def _listen(self) -> None:
        with connect(
            self._url,
            open_timeout=_OPEN_SECONDS,
            close_timeout=1.0,
            max_size=MESSAGE_BYTES,
            compression=None,
            proxy=None,
        ) as server:
            server.send(json.dumps({"stream": self._stream, "after": self._position}))
            # What comes first is the answer to that.
            self._asked = True
            self._due = None if self._position is None else self._position + 1
            self._sure = self._position
            self.connected, self.ended = True, False
            while not self._closing.is_set():
                data = self._receive(server)
                if data is not None:
                    self._take(data)
                    self._fresh = True

    @staticmethod
    def _receive(server: ClientConnection) -> bytes | None:
        with suppress(TimeoutError):
            # Not decoded: text that is no UTF-8 is a bad message, not the end of the connection.
            return server.recv(_LOOK_SECONDS, decode=False)
        return None

    def _closed(self, closed: ConnectionClosed) -> None:
        self.trouble = str(closed)
        if closed.sent is not None and closed.sent.code == CloseCode.MESSAGE_TOO_BIG:
            self._fresh = self._due is not None
            self._refuse(b"", f"is longer than {MESSAGE_BYTES} bytes. Cut it.")
        self.ended = closed.rcvd is not None and closed.rcvd.code == CloseCode.NORMAL_CLOSURE

    def _take(self, data: bytes) -> None:
        try:
            header = read_header(data)
        except SourceError as error:
            self._refuse(data, str(error))
            return
        if header.stream != self._stream and self._stream is not None:
            words = f"stream {header.stream!r} came in place of {self._stream!r}, which ended at"
            words += f" message {self._position}; what followed it there may be lost."
            self._hand_on(data, header, (RESTARTED, words))
        elif header.position is None or self._position is None:
            self._hand_on(data, header, None)
        else:
            self._take_numbered(data, header, header.position)

    def _take_numbered(self, data: bytes, header: Header, number: int) -> None:
        if self._sure is not None and number <= max(self._position or 0, self._sure):
            # The server began further back: what it sent before was not what was supposed.
            self._position = self._sure
        self._sure = None
        last = self._position or 0
        self._due = number + 1
        if number <= last:
            self.duplicates += 1
            return
        alert = None
        if number > last + 1:
            if not self._asked:
                raise _MissingError
            words = f"messages {last + 1} to {number - 1} did not come"
            alert = (GAP, f"{words}, not even when the server was asked again.")
        self._hand_on(data, header, alert)

    def _refuse(self, data: bytes, why: str) -> None:
        """Hand on a message whose number nobody can read: it is the one that is due."""
        number, self._due = self._due, None if self._due is None else self._due + 1
        if number is not None and self._position is not None and number <= self._position:
            self.duplicates += 1
            return
        self._position = number
        self._asked = False
        self._put(Received(data, None, self._stream, number, why))

    def _hand_on(self, data: bytes, header: Header, alert: tuple[str, str] | None) -> None:
        self._stream = header.stream
        self._position = header.position
        self._due = None if header.position is None else header.position + 1
        self._sure = None
        self._asked = False
        self._put(Received(data, header, self._stream, self._position, "", alert))

    def _put(self, one: Received) -> None:
        """Give a message to the queue, as soon as there is room for it."""
        while not self._closing.is_set():
            with suppress(queue.Full):
                self._queue.put(one, timeout=_LOOK_SECONDS)
                return
