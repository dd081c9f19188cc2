"""Bars in files: plain OHLCV in CSV, JSON lines or Parquet, and Binance klines.

Every row becomes a row for `price_1m_history`, unchecked: times turned into the close of
the bar in UTC, cells of text left as they are. What else a file has comes along under its
own name, for quarantine to keep.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import SourceError
from streaming.feeds.columns import Columns, find_columns
from streaming.feeds.raw_rows import RawBatch, Refused
from streaming.feeds.reading import Reading
from streaming.feeds.refusals import ReadingError, Setting
from streaming.feeds.tabular import Rows, open_rows
from streaming.feeds.times import utc_micros, zone
from streaming.rules.bars import MINUTE_US

_BINANCE = [
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
]
_BINANCE_NAME = re.compile(r"^([A-Za-z0-9_]+)-(\d+[smhdwM]o?)-\d{4}-\d{2}(-\d{2})?\.\w+")


class BarBatch(NamedTuple):
    """Rows as `price_1m_history` has them, unchecked, n rows.

    `rows` has its columns and after them what else the file has; `number` (int64[n]) is
    each row's number in its file; `problems` says for some rows (by position) why their
    time or symbol cannot be told, which is null then; `refused` are lines that are no rows
    at all; `done` is the part of the file that has been read.
    """

    rows: pa.Table
    number: NDArray[np.int64]
    problems: dict[int, str]
    refused: list[Refused]
    done: float


def read_bar_file(path: Path, reading: Reading, name: str | None = None) -> Iterator[BarBatch]:
    """Read a file's bars batch by batch; the members of a zip one after the other.

    Parameters
    ----------
    path
        The file.
    reading
        How to read it.
    name
        What the bars' source is called, and what tells of a symbol; the file's name unless
        given.

    Raises
    ------
    SourceError
        If the file, or what the reading says of it, makes no sense. Nothing that was given
        before should be kept then: a file is imported whole or not at all.
    """
    local = zone(reading.tz)
    known = name or path.name
    header = _binance_header if reading.source == "binance" else _named
    doubtful = reading.last_line == "doubtful"
    with open_rows(path, header=header, doubtful_end=doubtful) as sources:
        before = 0
        for at, source in enumerate(sources):
            own = source.name == path.name
            where = str(path) if own else f"{path}, {source.name}"
            reader = _Reader(where, known, known if own else source.name, source, reading, local)
            last = before
            for raw in source.batches():
                batch = reader.batch(raw)
                numbers = [*batch.number[-1:].tolist(), *(line.number for line in raw.refused)]
                last = max([last, *(before + number for number in numbers)])
                yield batch._replace(
                    number=batch.number + before,
                    refused=[line._replace(number=before + line.number) for line in raw.refused],
                    done=(at + raw.done) / len(sources),
                )
            before = last


def read_bars(source: Rows, name: str) -> Iterator[BarBatch]:
    """Read the bars of rows that lie in no file: usual names, closes as labels, UTC.

    Parameters
    ----------
    source
        The rows; its name is for errors.
    name
        What the bars' source is called.

    Raises
    ------
    SourceError
        If a column is missing, or holds no such values.
    """
    reader = _Reader(source.name, name, source.name, source, Reading(), zone("UTC"))
    for raw in source.batches():
        yield reader.batch(raw)


def _named(cells: list[str]) -> list[str] | None:
    return None


def _binance_header(cells: list[str]) -> list[str] | None:
    if not cells[0].strip().isdigit():
        return None
    # Another number of columns is refused by the reader, which knows the file's name.
    return _BINANCE if len(cells) == len(_BINANCE) else [f"column {at}" for at in range(len(cells))]


class _Reader:
    def __init__(
        self,
        where: str,
        file: str,
        member: str,
        source: Rows,
        reading: Reading,
        local: ZoneInfo,
    ) -> None:
        self._where = where
        self._file = file
        self._local = local
        self._symbol = reading.symbol
        mapping = reading.columns
        label = reading.label
        self._klines = reading.source == "binance"
        if self._klines:
            self._check_klines(source, member)
            self._symbol = self._symbol or self._symbol_of_name(member)
            mapping = {"ts": source.columns[0], "symbol": ""}
            label = "open"
        self._columns = find_columns(self._where, source.columns, mapping)
        if label is None:
            label = "open" if self._columns.says_open else "close"
        self._shift = MINUTE_US if label == "open" else 0
        self._begun = False
        if self._symbol is None and self._columns.symbol is None:
            raise ReadingError(
                f"{self._where}: has no symbol column. Say which symbol it is with ",
                Setting("symbol", "NAME"),
                ", or which column holds it with ",
                Setting("columns", "symbol=NAME"),
                ".",
            )

    def batch(self, raw: RawBatch) -> BarBatch:
        rows, names = raw.rows, self._columns
        times = self._times(rows, names)
        try:
            micros, problems = utc_micros(times, self._local)
        except SourceError as error:
            raise SourceError(f"{self._where}, column {names.ts[0]!r}: {error}") from error
        if self._klines and not self._begun:
            self._check_minutes(rows)
        self._begun = True
        unknown = np.zeros(len(micros), np.bool_)
        unknown[list(problems)] = True
        odd = raw.not_text.get(names.symbol, []) if names.symbol else []
        columns: dict[str, Any] = {
            "symbol": self._symbols(rows, names, odd),
            "ts": pa.array(micros + self._shift, mask=unknown).cast(pa.timestamp("us", tz="UTC")),
            "open": _exact(rows.column(names.open)),
            "high": _exact(rows.column(names.high)),
            "low": _exact(rows.column(names.low)),
            "price": _exact(rows.column(names.close)),
            "volume": rows.column(names.volume) if names.volume else pa.nulls(rows.num_rows),
            "source": pa.repeat(self._file, rows.num_rows),
        }
        taken = {names.open, names.high, names.low, names.close, names.volume, names.symbol}
        others = [at for at, name in enumerate(rows.column_names) if name not in taken]
        if odd:
            others.append(rows.column_names.index(str(names.symbol)))
            for at in odd:
                text = rows.column(names.symbol)[at].as_py()
                problems[at] = "; ".join(
                    [f"symbol '{text}' is not UTF-8", *([problems[at]] if at in problems else [])]
                )
        named = [rows.column_names[at] for at in others]
        own = set(PRICE_1M_HISTORY.names)
        table = pa.table(
            # By position, because a name that nobody needs may be there twice.
            [*columns.values(), *(rows.column(at) for at in others)],
            [*columns, *(f"{name} in file" if name in own else name for name in named)],
        )
        return BarBatch(table, raw.number, problems, raw.refused, raw.done)

    def _times(self, rows: pa.Table, names: Columns) -> Any:
        if len(names.ts) == 1:
            return _one_chunk(rows.column(names.ts[0]))
        parts: list[Any] = [rows.column(name).cast(pa.string()) for name in names.ts]
        return _one_chunk(pc.binary_join_element_wise(*parts, " "))

    def _symbols(self, rows: pa.Table, names: Columns, odd: list[int]) -> Any:
        if names.symbol is None:
            return pa.repeat(self._symbol or "", rows.num_rows)
        try:
            texts = pc.utf8_trim_whitespace(rows.column(names.symbol).cast(pa.string()))
        except pa.ArrowInvalid as error:
            # Bytes that the file does not even call text.
            raise ReadingError(
                f"{self._where}: column {names.symbol!r}, of type "
                f"{rows.column(names.symbol).type}, holds bytes that are not UTF-8. Say which "
                "symbol it is with ",
                Setting("symbol", "NAME"),
                " and ",
                Setting("columns", "symbol="),
                ", or write the column as text.",
            ) from error
        if odd:
            # Escaped bytes would be a symbol that nobody ever wrote.
            told = np.ones(rows.num_rows, np.bool_)
            told[odd] = False
            texts = pc.if_else(pa.array(told), texts, pa.scalar(None, pa.string()))
        if self._symbol is None:
            return texts
        for text in pc.unique(texts).to_pylist():
            if text and text != self._symbol:
                raise ReadingError(
                    f"{self._where}: its column {names.symbol!r} says {text!r}, ",
                    Setting("symbol"),
                    f" says {self._symbol!r}. Leave ",
                    Setting("symbol"),
                    " out, or say with ",
                    Setting("columns", "symbol="),
                    " that the column is not the symbol.",
                )
        own = pa.array([self._symbol] * rows.num_rows, pa.string())
        return pc.if_else(pa.array(told), own, texts) if odd else own

    def _check_klines(self, source: Rows, member: str) -> None:
        if len(source.columns) != len(_BINANCE):
            raise ReadingError(
                f"{self._where}: has {len(source.columns)} columns, Binance klines have "
                f"{len(_BINANCE)}. Use ",
                Setting("source", "ohlcv"),
                " with ",
                Setting("columns"),
                " for other files.",
            )
        named = _BINANCE_NAME.match(Path(member).name)
        if named and named[2] != "1m":
            raise SourceError(f"{self._where}: is named as bars of {named[2]}; fetch those of 1m.")

    def _symbol_of_name(self, name: str) -> str:
        named = _BINANCE_NAME.match(Path(name).name)
        if not named:
            raise ReadingError(
                f"{self._where}: its name does not begin with a symbol, as in "
                "BTCUSDT-1m-2024-01.csv. Say which symbol it is with ",
                Setting("symbol", "NAME"),
                ".",
            )
        return named[1]

    def _check_minutes(self, rows: pa.Table) -> None:
        """Refuse klines of another length: their labels would lie on minutes all the same."""
        begins, ends = (rows.column(at).slice(0, 1).to_pylist() for at in (0, 6))
        try:
            begin, end = int(str(begins[0])), int(str(ends[0]))
        except (ValueError, IndexError):
            return
        unit = 1 if begin < 10**11 else 1_000 if begin < 10**14 else 1_000_000
        length = end + 1 - begin
        if length != 60 * unit:
            raise SourceError(
                f"{self._where}: its first bar is {length / unit:g} s long, not 60; fetch the "
                "klines of 1m."
            )


def _exact(column: Any) -> Any:
    """Give single-precision prices as the shortest text that means them: 1.3872, not 1.38720000.

    As doubles they would carry the noise of their seventh digit into the eighth decimal.
    """
    if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
        return column.cast(pa.float32()).cast(pa.string())
    return column


def _one_chunk(column: Any) -> Any:
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
