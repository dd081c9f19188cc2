"""A WebSocket server on loopback that sends what it is given, and misbehaves on demand."""

import json
import threading
import time

import pyarrow as pa
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from streaming.feeds.feed import Batch

from .files import HEADER

WAIT_SECONDS = 10.0


def json_message(lines, header=HEADER, **said):
    names = header.split(",")
    rows = [json.dumps(dict(zip(names, line.split(","), strict=True))) for line in lines]
    return "\n".join([json.dumps(said), *rows])


def arrow_message(lines, header=HEADER, **said):
    columns = zip(*(line.split(",") for line in lines), strict=True)
    rows = pa.table([pa.array(one) for one in columns], header.split(","))
    told = {key: str(value) for key, value in said.items()}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema.with_metadata(told)) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


class PriceServer:
    """Sends messages 1, 2, 3, ... of a list, from where each client says; more may be added.

    Attributes
    ----------
    messages : list
        What is sent: texts, bytes, or None where a number is left out.
    asked : list
        What clients said.
    overlap : int
        How many messages a client gets again.
    die_after : int or None
        A connection breaks off, without a word, after so many messages.
    finish : bool
        Close in good order at the end of the list.
    """

    def __init__(self, messages=(), **how):
        self.messages = list(messages)
        self.asked = []
        self.overlap = how.get("overlap", 0)
        self.die_after = how.get("die_after")
        self.finish = how.get("finish", False)
        self.pause = how.get("pause", 0.0)
        self.sent = 0
        self.port = how.get("port", 0)
        self.start()

    def start(self):
        self._ending = threading.Event()
        self._server = serve(self._serve, "127.0.0.1", self.port, compression=None)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._ending.set()
        self._server.shutdown()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.stop()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/prices"

    def _serve(self, client):
        try:
            asked = json.loads(client.recv())
            self.asked.append(asked)
            at = max((asked["after"] or 0) - self.overlap, 0)
            sent = 0
            while not self._ending.is_set():
                if at == len(self.messages):
                    if self.finish:
                        return
                    time.sleep(0.005)
                    continue
                if sent == self.die_after:
                    client.socket.close()
                    return
                time.sleep(self.pause)
                if self.messages[at] is not None:
                    client.send(self.messages[at])
                    self.sent += 1
                    sent += 1
                at += 1
        except ConnectionClosed:
            pass


def gathered(feed, position=None, *, until):
    """Read a feed until `until` says of its batches that it is enough."""
    running = feed.batches(position)
    batches = []
    ends = time.monotonic() + WAIT_SECONDS
    try:
        for batch in running:
            if isinstance(batch, Batch):
                batches.append(batch)
            else:
                time.sleep(0.005)
            if until(batches):
                return batches
            assert time.monotonic() < ends, (feed.trouble, batches)
    finally:
        running.close()
    return batches
