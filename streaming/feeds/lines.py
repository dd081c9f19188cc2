"""Lines of a CSV that are not sound, kept from spoiling what is read of it.

A cell in quotes may go on over the ends of lines, so to a reader of CSV one stray quote makes
a single cell of everything up to the next one. No table here has cells of several lines: a
quote that is open at the end of its line spoils this line and no other.

A last line without a line end may have been cut short, and what is left of its last number is
a number too.
"""

import re
import secrets
from typing import Any

_LINE = re.compile(rb"[^\r\n]*+")


OPEN_QUOTE = "line ends within a quote"
NO_END = (
    "the file ends within this line, without a line end: it may have been cut short. If it is "
    "whole, put a line end behind it, or set last_line to whole"
)


class SoundLines:
    """A stream of CSV in which each line that is not sound is one cell too long.

    The reader refuses such a line for its number of cells; `original` gives what it was.

    Parameters
    ----------
    stream
        Bytes, with `read`.
    delimiter
        What is between cells.
    columns
        How many cells a line should have.
    doubtful_end
        Whether a last line that no line end follows is one of them.
    """

    closed = False

    def __init__(
        self, stream: Any, delimiter: str, columns: int, *, doubtful_end: bool = False
    ) -> None:
        self._stream = stream
        self._doubtful_end = doubtful_end
        # No file can hold them by chance.
        self._marks = {why: f"{secrets.token_hex(8)}-" for why in (OPEN_QUOTE, NO_END)}
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

    def original(self, line: str) -> tuple[str, str] | None:
        """Give the line that stood where the reader saw this one, and why it is not sound.

        None where it was this line itself.
        """
        for why, mark in self._marks.items():
            if line.startswith(mark):
                digits = line[len(mark) :][: -len(self._tail)]
                return bytes.fromhex(digits).decode(errors="backslashreplace"), why
        return None

    def _whole_lines(self, block: bytes, size: int) -> bytes:
        text = self._rest + block
        if self._ended:
            self._rest = b""
            doubtful = self._doubtful_end and text.strip()
            return self._marked(text, NO_END) if doubtful else self._closed(text)
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
            parts.append(self._marked(text[upto:at], OPEN_QUOTE))

    def _marked(self, line: bytes, why: str) -> bytes:
        return self._marks[why].encode() + line.hex().encode() + self._tail


def _sound_lines(delimiter: str) -> re.Pattern[bytes]:
    """Give the pattern of lines, as many as there are, that leave no quote open.

    As the reader has it: a quote counts where a cell begins, two in it mean one, and what
    comes after the closing one is text. Nothing is tried twice, so that it is fast.
    """
    cut = re.escape(delimiter.encode())
    text = rb"[^%b\r\n]*+" % cut
    cell = rb'(?:"(?:[^"\r\n]++|"")*+"%b|(?!")%b)' % (text, text)
    return re.compile(rb"(?:%b(?:%b%b)*+(?:[\r\n]++|\Z))*+" % (cell, cut, cell))
