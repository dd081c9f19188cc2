"""The file of one day of `price_1m_history`.

`day=YYYY-MM-DD/bars.parquet` holds the bars with D 00:00 < ts <= D+1 00:00 UTC, sorted by
(symbol, ts). Prices are decimals on 64-bit integers in DELTA_BINARY_PACKED pages, volumes
are BYTE_STREAM_SPLIT, both under LZ4: of the encodings that Parquet has, this pair reads
nearly as fast as plain bytes at half the size or less (measured on 50 symbols x 1440 bars,
one thread, checksums verified: 35 to 40 M rows/s; ZSTD is 10 to 20 % smaller and takes
half as long again; dictionaries suit coarse ticks alone). Row groups hold whole symbols,
so that reading one symbol of many decodes a fraction of the file.

The footer lists the symbols with their numbers of rows and digests of content, and a
checksum of that list; every page has its own. Equal rows give equal bytes.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY, arrow_schema, money_values, time_values
from streaming.errors import LakeError
from streaming.jobs.price_rows import MONEY_COLUMNS, PriceRows, rows_of_table, table_of_rows
from streaming.lake.atomic import atomic_file, read_errors

FILE = "bars.parquet"
REMEDY = "Restore it from a copy; or delete it and import the files of that day again."
"""What mends a file that is not what an import wrote."""

_FOOTER = "trading:bars"
_VERSION = 1
_GROUP_ROWS = 16_384
_BAR_COLUMNS = ["ts", *MONEY_COLUMNS, "volume"]
_SCHEMA = arrow_schema(PRICE_1M_HISTORY)
_WRITING: dict[str, Any] = {
    "compression": "lz4",
    "use_dictionary": ["symbol", "source"],
    "column_encoding": {
        **dict.fromkeys(["ts", *MONEY_COLUMNS], "DELTA_BINARY_PACKED"),
        "volume": "BYTE_STREAM_SPLIT",
    },
    "write_statistics": ["symbol", "ts"],
    "sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(1)],
    "store_decimal_as_integer": True,
    "store_schema": False,
    "write_page_checksum": True,
}


class DayInfo(NamedTuple):
    """What the footer of one day's file says.

    `symbols` maps each symbol, in order, to its number of rows and the digest of its
    (ts, open, high, low, price, volume); `first_ts` and `last_ts` are over all symbols.
    """

    day: dt.date
    rows: int
    symbols: dict[str, tuple[int, str]]
    first_ts: int
    last_ts: int


def write_day(path: Path, day: dt.date, rows: PriceRows) -> None:
    """Write one day's file in the place of the one that is there.

    Parameters
    ----------
    path
        The file's name.
    day
        The UTC day.
    rows
        At least one row, sorted by (symbol, ts), coded in the order of the text.
    """
    counts = np.bincount(rows.symbol, minlength=len(rows.symbols))
    ends = np.cumsum(counts)
    listing = [
        [name, int(count), digest(rows, int(end - count), int(end))]
        for name, count, end in zip(rows.symbols, counts, ends, strict=True)
    ]
    footer = {
        "version": _VERSION,
        "day": day.isoformat(),
        "first_ts": int(rows.ts.min()),
        "last_ts": int(rows.ts.max()),
        "symbols": listing,
    }
    footer["checksum"] = _checksum(footer)
    table = table_of_rows(rows)
    text = json.dumps(footer, separators=(",", ":"))
    with (
        atomic_file(path) as partial,
        pq.ParquetWriter(partial, table.schema, **_WRITING) as writer,
    ):
        for start, stop in _groups(ends):
            part = table.slice(start, stop - start)
            writer.write_table(part, row_group_size=stop - start)
        writer.add_key_value_metadata({_FOOTER: text})


def read_info(path: Path) -> DayInfo:
    """Read the footer of one day's file.

    Raises
    ------
    LakeError
        If the file is damaged or not a file of bars.
    """
    with _open(path) as file:
        return _info(path, file)


def read_table(path: Path) -> tuple[DayInfo, pa.Table]:
    """Read one day's file: what its footer says, and all rows as they are."""
    with _open(path) as file:
        return _whole(path, file)


def read_rows(path: Path) -> PriceRows:
    """Read the rows of one day's file, all of them and all columns."""
    with _open(path) as file:
        return rows_of_table(_whole(path, file)[1])


def _whole(path: Path, file: pq.ParquetFile) -> tuple[DayInfo, pa.Table]:
    info = _info(path, file)
    table = file.read(use_threads=False)
    if table.num_rows != info.rows:
        raise LakeError(_damaged(path, "rows are missing"))
    return info, table


def digest(rows: PriceRows, start: int, stop: int) -> str:
    """Give the digest of the bars of one symbol: rows from `start` to before `stop`."""
    held = hashlib.blake2b(digest_size=16)
    for column in (rows.ts, rows.open, rows.high, rows.low, rows.price):
        held.update(column[start:stop].astype("<i8").tobytes())
    volume = rows.volume[start:stop]
    # One NaN of the many, and one zero of the two, so that equal values give equal digests.
    volume = np.where(np.isnan(volume), np.nan, volume) + 0.0
    held.update(volume.astype("<f8").tobytes())
    return held.hexdigest()


def read_bars(path: Path, info: DayInfo, into: dict[str, int], columns: list[NDArray[Any]]) -> None:
    """Copy the bars of some symbols of one day into arrays.

    Parameters
    ----------
    path
        The file's name.
    info
        What its footer says.
    into
        For each symbol wanted, the place of its next row in `columns`; moved on.
    columns
        ts, open, high, low, price as int64 and volume as float64.
    """
    with _open(path) as file:
        if _info(path, file) != info:
            # Replaced since its footer was read: the caller's places would not fit.
            raise LakeError(
                f"{path}: was replaced by an import while it was being read. Run again."
            )
        begin = 0
        listing = iter([(name, count) for name, (count, _) in info.symbols.items()])
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            inside = _symbols_of(listing, rows)
            if inside is None:
                raise LakeError(_damaged(path, "row groups cut a symbol in two"))
            begin += rows
            if any(name in into for name, _ in inside):
                table = file.read_row_group(group, columns=_BAR_COLUMNS, use_threads=False)
                if table.num_rows != rows:
                    raise LakeError(_damaged(path, "rows are missing"))
                _scatter(table, inside, into, columns)
        if begin != info.rows:
            raise LakeError(_damaged(path, "rows are missing"))


def _symbols_of(listing: Iterator[tuple[str, int]], rows: int) -> list[tuple[str, int]] | None:
    inside = []
    while rows > 0:
        name, count = next(listing, ("", rows + 1))
        rows -= count
        inside.append((name, count))
    return inside if rows == 0 else None


def _scatter(
    table: pa.Table,
    inside: list[tuple[str, int]],
    into: dict[str, int],
    columns: list[NDArray[Any]],
) -> None:
    arrays = [_numbers(table.column(name)) for name in _BAR_COLUMNS]
    at = 0
    for name, count in inside:
        place = into.get(name)
        if place is not None:
            for target, array in zip(columns, arrays, strict=True):
                target[place : place + count] = array[at : at + count]
            into[name] = place + count
        at += count


def _numbers(column: Any) -> NDArray[Any]:
    if pa.types.is_decimal(column.type):
        return money_values(column, checked=False)
    if pa.types.is_timestamp(column.type):
        return time_values(column)
    # Nulls become NaN.
    volumes: NDArray[np.float64] = column.to_numpy()
    return volumes


def _groups(ends: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut rows into groups of whole symbols, each as soon as it has enough rows."""
    start = 0
    for end in ends.tolist():
        if end - start >= _GROUP_ROWS or end == ends[-1]:
            if end > start:
                yield start, end
            start = end


def _checksum(footer: dict[str, object]) -> str:
    text = json.dumps({k: v for k, v in footer.items() if k != "checksum"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _info(path: Path, file: pq.ParquetFile) -> DayInfo:
    metadata = file.metadata
    text = (metadata.metadata or {}).get(_FOOTER.encode())
    if text is None:
        raise LakeError(
            f"{path}: is no file of bars that this program wrote. Move it out of the lake "
            "and import it."
        )
    footer = json.loads(text)
    if footer.get("version") != _VERSION:
        raise LakeError(
            f"{path}: was written by another version (layout {footer.get('version')}, this "
            f"one reads {_VERSION}). Import its sources into a new lake."
        )
    if footer["checksum"] != _checksum(footer) or not file.schema_arrow.equals(_SCHEMA):
        raise LakeError(_damaged(path, "the footer does not fit its checksum or schema"))
    symbols = {name: (rows, digest) for name, rows, digest in footer["symbols"]}
    rows = sum(count for count, _ in symbols.values())
    if rows != metadata.num_rows:
        raise LakeError(_damaged(path, "rows are missing"))
    day = dt.date.fromisoformat(footer["day"])
    return DayInfo(day, rows, symbols, footer["first_ts"], footer["last_ts"])


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file for reading; whatever its bytes make the reader say names the file."""
    try:
        with (
            read_errors(path),
            pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file,
        ):
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise LakeError(
            _damaged(path, str(error).splitlines()[0] if str(error) else "?")
        ) from error


def _damaged(path: Path, why: str) -> str:
    return f"{path}: is damaged ({why}). {REMEDY}"
