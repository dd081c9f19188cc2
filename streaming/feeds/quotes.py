"""Lines of a CSV that leave a quote open, kept from swallowing the lines after them.

A cell in quotes may go on over the ends of lines, so to a reader of CSV one stray quote makes
a single cell of everything up to the next one. No table here has cells of several lines: a
quote that is open at the end of its line spoils this line and no other.
"""

import re
import secrets
from typing import Any

_LINE = re.compile(rb"[^\r\n]*+")


class ClosedQuotes:
    """A stream of CSV in which each line that leaves a quote open is one cell too long.

    The reader refuses such a line for its number of cells; `original` gives what it was.

    Parameters
    ----------
    stream
        Bytes, with `read`.
    delimiter
        What is between cells.
    columns
        How many cells a line should have.
    """

    closed = False

    def __init__(self, stream: Any, delimiter: str, columns: int) -> None:
        self._stream = stream
        # No file can hold it by chance.
        self._mark = f"open-quote-{secrets.token_hex(8)}-"
        self._tail = delimiter.encode() * columns
        self._sound = _sound_lines(delimiter)
        self._rest = b""
        self._ready = memoryview(b"")
        self._ended = False

    def read(self, size: int) -> bytes:
        """Give at most `size` bytes; none at the end."""
        while not self._ready and not self._ended:
            block = self._stream.read(size)
            self._ended = not block
            self._ready = memoryview(self._whole_lines(block, size))
        given, self._ready = self._ready[:size], self._ready[size:]
        return bytes(given)

    def original(self, line: str) -> str | None:
        """Give the line that stood where the reader saw this one; None: no quote was open."""
        if not line.startswith(self._mark):
            return None
        digits = line[len(self._mark) :][: -len(self._tail)]
        return bytes.fromhex(digits).decode(errors="backslashreplace")

    def _whole_lines(self, block: bytes, size: int) -> bytes:
        text = self._rest + block
        if self._ended:
            self._rest = b""
            return self._closed(text)
        upto = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if not upto and len(text) > size:
            # A line longer than the reader takes: for the reader to refuse.
            upto = len(text)
        self._rest = text[upto:]
        return self._closed(text[:upto])

    def _closed(self, text: bytes) -> bytes:
        if b'"' not in text:
            return text
        parts = []
        at = 0
        while True:
            sound = self._sound.match(text, at)
            upto = sound.end() if sound else at
            parts.append(text[at:upto])
            if upto == len(text):
                return b"".join(parts)
            line = _LINE.match(text, upto)
            at = line.end() if line else len(text)
            parts.append(self._mark.encode() + text[upto:at].hex().encode() + self._tail)


def _sound_lines(delimiter: str) -> re.Pattern[bytes]:
    """Give the pattern of lines, as many as there are, that leave no quote open.

    As the reader has it: a quote counts where a cell begins, two in it mean one, and what
    comes after the closing one is text. Nothing is tried twice, so that it is fast.
    """
    cut = re.escape(delimiter.encode())
    text = rb"[^%b\r\n]*+" % cut
    cell = rb'(?:"(?:[^"\r\n]++|"")*+"%b|(?!")%b)' % (text, text)
    return re.compile(rb"(?:%b(?:%b%b)*+(?:[\r\n]++|\Z))*+" % (cell, cut, cell))
