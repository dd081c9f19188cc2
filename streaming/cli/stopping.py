"""Stop as a word: commands that end no other way end in good order at the first signal."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""By hand, by a service manager, by a terminal that closes."""


class Stop:
    """Whether somebody has said to stop, and how.

    Attributes
    ----------
    signal : int or None
        The signal that said so.
    """

    def __init__(self, before: dict[int, Any]) -> None:
        self.signal: int | None = None
        self._before = before
        self._said = threading.Event()

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self._said.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until the word comes; tell whether to stop."""
        return self._said.wait(seconds)

    def as_usual(self) -> None:
        """Do what the signal does to every other command, where there was one."""
        if self.signal is not None:
            self._before[self.signal](self.signal, None)

    def _say(self, number: int) -> None:
        self.signal = number
        self._said.set()


@contextmanager
def told_to_stop(answer: str = "") -> Iterator[Stop]:
    """Take the first signal as a word; a second one does what signals always do.

    Parameters
    ----------
    answer
        What to say to the first, on stderr.
    """
    before: dict[int, Any] = {number: signal.getsignal(number) for number in STOPS}
    stop = Stop(before)

    def handle(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if stop() and callable(handler):
            handler(number, frame)
            return
        stop._say(number)
        # Not through sys.stderr: the signal may have come amid a write to it.
        with suppress(OSError):
            os.write(2, answer.encode())

    handled = [number for number, handler in before.items() if callable(handler)]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number in handled:
            signal.signal(number, before[number])
