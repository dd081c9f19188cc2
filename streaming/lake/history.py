"""History that the live engine has had, as Parquet by table and UTC day.

`live/<table>/day=YYYY-MM-DD.parquet` holds rows of a history table in the order in which they
came, of D 00:00 < event time <= D+1 00:00 UTC; a row without a time stands with the one that
came after it. A file is whole or absent. Its footer says of which stores it has rows, and up
to which offset of each: what is added twice is there once.

Bars are not here but in `price_1m_history`, with those of every other source.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import Table, arrow_schema
from streaming.errors import LakeError
from streaming.lake.atomic import atomic_file, read_errors

FOLDER = "live"
_FOOTER = b"trading:live"
_VERSION = 1
_PIECE = 50_000
_WALL_CLOCK = "calcTs"


def day_file(root: Path, table: Table, day: dt.date) -> Path:
    """Name the file of a table's day in a lake, whether it is there or not."""
    return root / FOLDER / table.name / f"day={day.isoformat()}.parquet"


def history_days(root: Path, table: Table) -> list[dt.date]:
    """Give the days of which a lake has rows of a table, in order."""
    found = (root / FOLDER / table.name).glob("day=*.parquet")
    return sorted(dt.date.fromisoformat(path.stem.removeprefix("day=")) for path in found)


def read_history(root: Path, table: Table) -> pa.Table:
    """Read all rows of a table, by day, then in the order in which they came.

    Raises
    ------
    LakeError
        If a file is damaged.
    """
    parts = [arrow_schema(table).empty_table()]
    for day in history_days(root, table):
        with _open(day_file(root, table, day), table) as file:
            parts.append(file.read().cast(arrow_schema(table)))
    return pa.concat_tables(parts)


def add_history(
    root: Path, table: Table, day: dt.date, rows: pa.Table, offsets: list[int], store: str, end: int
) -> int:
    """Add rows to a day, in order; those that it has already are not added again.

    Of a store that the file knows, rows go by their offsets. Where the file has rows of
    another store (the live engine was begun anew, and has worked through the same input
    again), rows that it has already, by the table's unique columns or else as a whole, are
    left out.

    Parameters
    ----------
    root
        The lake's folder.
    rows
        In the contract's schema, all of this day.
    offsets
        Of the rows in their store, ascending.
    store
        What the store is known by.
    end
        All rows of the store of this day that are before this offset are in the file then.

    Returns
    -------
    int
        Rows added.

    Raises
    ------
    LakeError
        If the file that is there is damaged, or the disk is full or refuses.
    """
    path = day_file(root, table, day)
    if not path.exists():
        _write(path, table, iter([rows]), {store: end})
        return len(rows)
    with _open(path, table) as file:
        known = _known(path, file)
        done = known.get(store, 0)
        if end <= done:
            return 0
        fresh = rows.slice(sum(offset < done for offset in offsets))
        if known.keys() - {store}:
            fresh = _missing(table, fresh, file.read().cast(arrow_schema(table)))
        _write(path, table, _both(file, table, fresh), {**known, store: end})
    return len(fresh)


def _both(file: pq.ParquetFile, table: Table, fresh: pa.Table) -> Iterator[pa.Table]:
    for batch in file.iter_batches(_PIECE):
        yield pa.Table.from_batches([batch]).cast(arrow_schema(table))
    yield fresh


def _missing(table: Table, rows: pa.Table, held: pa.Table) -> pa.Table:
    """Give the rows that are not among others, each as often as it is missing."""
    names = table.unique or [name for name in table.names if name != _WALL_CLOCK]
    there = Counter(_keys(held, names))
    places = []
    for place, row in enumerate(_keys(rows, names)):
        if there[row]:
            there[row] -= 1
        else:
            places.append(place)
    return rows.take(pa.array(places, pa.int64()))


def _keys(rows: pa.Table, names: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows.column(name).to_pylist() for name in names), strict=True)


def _write(path: Path, table: Table, parts: Iterator[pa.Table], stores: Mapping[str, int]) -> None:
    with (
        atomic_file(path) as partial,
        pq.ParquetWriter(
            partial,
            arrow_schema(table),
            compression="zstd",
            store_schema=False,
            write_page_checksum=True,
        ) as writer,
    ):
        for part in parts:
            writer.write_table(part)
        footer = {"version": _VERSION, "stores": dict(sorted(stores.items()))}
        writer.add_key_value_metadata({_FOOTER.decode(): json.dumps(footer)})


def _known(path: Path, file: pq.ParquetFile) -> dict[str, int]:
    """Give up to which offset a file has the rows of each store."""
    try:
        footer = json.loads((file.metadata.metadata or {})[_FOOTER])
        if footer["version"] != _VERSION:
            raise ValueError(f"version {footer['version']}, this program knows {_VERSION}")
        return {str(name): int(end) for name, end in footer["stores"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LakeError(f"{path}: {_REMEDY.format(error)}") from error


_REMEDY = (
    "is damaged, or no file of live history ({}). It holds rows that the store may have no more: "
    "move it away, and bring it back from a copy of the lake."
)


@contextmanager
def _open(path: Path, table: Table) -> Iterator[pq.ParquetFile]:
    try:
        with read_errors(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise LakeError(f"{path}: {_REMEDY.format(error)}") from error
