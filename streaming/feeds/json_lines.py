"""JSON lines: one object a line, its keys the columns.

A cell is what was written: text as it is, a number as its digits (so that no price goes by
way of a double), what is nested as JSON. A key that a line lacks is null there. A line that
is no object, or names a key twice, is refused alone.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from streaming.errors import SourceError
from streaming.feeds.raw_rows import RawBatch, Refused

BLOCK_BYTES = 1 << 22
"""Bytes of lines that are read at a time; no line may be longer."""


class Stream(Protocol):
    """Bytes of a text, and how far its file has been read: 0 to 1."""

    @property
    def bytes(self) -> Any:
        """What can be read from."""

    @property
    def done(self) -> Callable[[], float]:
        """Say how far it has been read."""


class JsonRows:
    """A file of JSON lines, or a member of a zip.

    It is read once for its keys, which any line may bring, and then for its rows.

    Parameters
    ----------
    where
        The file, for errors.
    name
        What the source is called.
    opened
        Opens it from its beginning, any number of times.

    Raises
    ------
    SourceError
        If no line is an object.
    """

    def __init__(
        self, where: str, name: str, opened: Callable[[], AbstractContextManager[Stream]]
    ) -> None:
        self.name = name
        self._where = where
        self._open = opened
        with opened() as stream:
            self._keys = keys_of(chain.from_iterable(_blocks(where, stream.bytes)))
        if not self._keys:
            raise SourceError(f"{where}: has no line that is a JSON object with keys.")
        self.columns = [text_of(key)[0] for key in self._keys]

    def batches(self) -> Iterator[RawBatch]:
        """Give the rows in order, a block of lines at a time."""
        done = 0
        with self._open() as stream:
            for lines in _blocks(self._where, stream.bytes):
                batch = batch_of(lines, self._keys, done)
                done += batch.rows.num_rows + len(batch.refused)
                yield batch._replace(done=stream.done())


def keys_of(lines: Iterable[bytes]) -> list[str]:
    """Give every key that a line has, in the order in which they come."""
    keys: dict[str, None] = {}
    for line in lines:
        try:
            keys.update(dict.fromkeys(_cells(line)))
        except ValueError:
            continue
    return list(keys)


def batch_of(lines: Iterable[bytes], keys: list[str], done: int = 0) -> RawBatch:
    """Give lines (none of them empty) as rows with these keys; `done` rows came before."""
    rows: list[dict[str, str | None]] = []
    number: list[int] = []
    refused = []
    for at, line in enumerate(lines, done + 1):
        try:
            rows.append(_cells(line))
            number.append(at)
        except ValueError as error:
            refused.append(Refused(at, line.decode(errors="backslashreplace"), str(error)))
    columns, names, odd = [], [], {}
    for key in keys:
        column, places = _column([row.get(key) for row in rows])
        name = text_of(key)[0]
        columns.append(column)
        names.append(name)
        if places:
            odd[name] = places
    table = pa.table(columns, names) if names else pa.table({})
    return RawBatch(table, np.array(number, np.int64), refused, 1.0, odd)


def _cells(line: bytes) -> dict[str, str | None]:
    """Read a line as an object of cells.

    Raises
    ------
    ValueError
        If it is none, with words that follow "line".
    """
    try:
        # Bytes that are no UTF-8 stand in the cells, and are told there.
        found = _DECODER.decode(line.decode(errors="surrogateescape"))
    except RecursionError:
        raise ValueError("line is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line is no JSON ({error.msg}, character {error.pos + 1})") from None
    if not isinstance(found, _Pairs):
        raise ValueError("line is no JSON object: write it as {...}")
    cells = {key: _cell(value) for key, value in found}
    if len(cells) < len(found):
        names = [key for key, _ in found]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"line has the key {text_of(twice)[0]!r} twice")
    return cells


class _Pairs(list[tuple[str, Any]]):
    """An object's keys and values as they stand there."""


class _Digits(str):
    """A number as it was written."""


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=_Digits, parse_int=_Digits, parse_constant=_Digits
)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _written(value)


def _written(value: Any) -> str:
    """Write a value as JSON again, numbers as they were."""
    if isinstance(value, _Digits):
        return str(value)
    if isinstance(value, _Pairs):
        inner = (f"{json.dumps(key)}: {_written(one)}" for key, one in value)
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value)


def _column(cells: list[str | None]) -> tuple[Any, list[int]]:
    """Give cells as text, and the places of those that hold bytes that are none."""
    try:
        return pa.array(cells, pa.string()), []
    except UnicodeEncodeError:
        read = [(None, False) if cell is None else text_of(cell) for cell in cells]
        places = [at for at, (_, odd) in enumerate(read) if odd]
        return pa.array([text for text, _ in read], pa.string()), places


def text_of(cell: str) -> tuple[str, bool]:
    r"""Give a cell as text, odd bytes and halves of letters as escapes (`\xff`); and if so."""
    try:
        cell.encode()
    except UnicodeEncodeError:
        try:
            raw = cell.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raw = cell.encode(errors="surrogatepass")
        return raw.decode(errors="backslashreplace"), True
    return cell, False


def _blocks(where: str, stream: Any) -> Iterator[list[bytes]]:
    """Give the lines that are not empty, a block of bytes at a time."""
    rest = b""
    begun = False
    while block := stream.read(BLOCK_BYTES):
        text = rest + (block if begun else block.removeprefix(b"\xef\xbb\xbf"))
        begun = True
        upto = text.rfind(b"\n") + 1
        rest = text[upto:]
        if len(rest) > BLOCK_BYTES:
            raise SourceError(f"{where}: has a line of more than {BLOCK_BYTES} bytes.")
        if upto:
            yield lines_of(text[:upto])
    if rest.strip():
        yield lines_of(rest)


def lines_of(text: bytes) -> list[bytes]:
    """Cut a text into its lines, without those that are empty."""
    # At line feeds alone: other ends of lines may stand within a cell.
    return [line for line in (one.strip() for one in text.split(b"\n")) if line]
