"""Messages of a socket: what they say of themselves, and the rows in them.

A message is either text, JSON lines, whose first line is the header::

    {"stream": "a1", "position": 17, "table": "price_1m_history", "completeTo": "2024-03-04T12:31Z"}
    {"symbol": "SPY", "ts": "2024-03-04T12:31Z", "open": 10, "high": 12, "low": 9, "close": 11}

or an Arrow IPC stream whose schema has the header's keys as metadata. `position` numbers the
messages of a stream, one by one; `stream` is another where the numbers begin anew. `table` is
price_1m_history unless given, or exec_report_history. `completeTo` says that no bar at or before
it will come any more. All of them may be left out. A time without a zone is UTC; bars are labelled
by their close.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import EXEC_REPORT_HISTORY, PRICE_1M_HISTORY, Table, validate
from streaming.errors import SourceError
from streaming.feeds.bar_files import read_bars
from streaming.feeds.feed import Arrival
from streaming.feeds.json_lines import batch_of, keys_of, lines_of
from streaming.feeds.pieces import Piece
from streaming.feeds.raw_rows import RawBatch
from streaming.feeds.report_files import report_batch, with_times
from streaming.feeds.times import utc_micros, zone
from streaming.jobs.trading_engine import REPORTS

_TABLES = {table.name: table for table in (PRICE_1M_HISTORY, EXEC_REPORT_HISTORY)}
_KEYS = ("stream", "position", "table", "completeTo")
_LONGEST = 200
"""Letters of a stream's name: it is kept with every commit."""


class Header(NamedTuple):
    """What a message says of itself; `complete_to` in microseconds UTC, None where it does not."""

    stream: str | None
    position: int | None
    table: Table
    complete_to: int | None


@dataclass
class Body:
    """The rows of a message, where it has any."""

    name: str
    columns: list[str]
    raw: RawBatch

    def batches(self) -> Iterator[RawBatch]:
        """Give the rows, all at once."""
        yield self.raw


def read_header(data: bytes) -> Header:
    """Read what a message says of itself.

    Raises
    ------
    SourceError
        If that is no header; the words follow the message's name.
    """
    if data.lstrip()[:1] == b"{":
        return _header(_json_header(data))
    try:
        found = _open(data).schema.metadata or {}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SourceError(f"is neither JSON lines nor an Arrow IPC stream ({error}).") from error
    texts = {
        key.decode(errors="replace"): value.decode(errors="replace") for key, value in found.items()
    }
    return _header({key: text for key, text in texts.items() if key in _KEYS})


def read_message(data: bytes, header: Header, name: str, feed: str) -> Piece | None:
    """Read the rows of a message; None where it has none.

    Parameters
    ----------
    name
        What the message is called, for errors and quarantine.
    feed
        What the source of its bars is called.

    Raises
    ------
    ContractError, SourceError
        If they are no rows of its table.
    """
    body = _body(data, name)
    raw = body.raw
    if raw.rows.num_rows + len(raw.refused) == 0:
        return None
    if header.table is EXEC_REPORT_HISTORY:
        try:
            reports = with_times(report_batch(raw, name))
        except SourceError as error:
            raise SourceError(f"{name}, {error}") from error
        validate(REPORTS, reports.rows.slice(0, 1), name)
        return Piece(reports, raw.refused)
    (bars,) = read_bars(body, feed)
    validate(PRICE_1M_HISTORY, bars.rows.slice(0, 1), name)
    return Piece(Arrival(bars.rows, name, bars.number, bars.problems), bars.refused)


def _header(said: Mapping[str, Any]) -> Header:
    odd = [key for key in said if key not in _KEYS]
    if odd:
        raise SourceError(
            f"begins with a header of unknown keys ({', '.join(map(repr, odd))}); a header has "
            f"{', '.join(_KEYS)}, and rows come after it."
        )
    table = _TABLES.get(str(said.get("table", PRICE_1M_HISTORY.name)))
    if table is None:
        raise SourceError(f"is for table {said['table']!r}; one of {', '.join(_TABLES)} comes in.")
    stream = said.get("stream")
    if stream is not None and (not isinstance(stream, str) or len(stream) > _LONGEST):
        raise SourceError(f"has a stream that is no text of up to {_LONGEST} letters.")
    return Header(stream, _position(said.get("position")), table, _time(said.get("completeTo")))


def _position(said: Any) -> int | None:
    text = str(said)
    if said is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise SourceError(f"has position {text[:40]!r}, which is no whole number from 0 on.")
    return int(text)


def _time(said: Any) -> int | None:
    if said is None:
        return None
    micros, problems = utc_micros(pa.array([str(said)]), zone("UTC"))
    if problems:
        raise SourceError(f"has a completeTo that is none: {problems[0]}.")
    return int(micros[0])


def _json_header(data: bytes) -> dict[str, Any]:
    line = data.lstrip().partition(b"\n")[0]
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"begins with a header that is no JSON ({error}).") from error
    return dict(found)


def _body(data: bytes, name: str) -> Body:
    if data.lstrip()[:1] == b"{":
        lines = lines_of(data)[1:]
        keys = keys_of(lines)
        return Body(name, keys, batch_of(lines, keys))
    try:
        rows = _open(data).read_all()
        rows.validate(full=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SourceError(f"{name}: is damaged or cut short ({error}).") from error
    number = np.arange(1, rows.num_rows + 1, dtype=np.int64)
    return Body(name, rows.column_names, RawBatch(rows, number, [], 1.0))


def _open(data: bytes) -> Any:
    return pa.ipc.open_stream(pa.BufferReader(data))
