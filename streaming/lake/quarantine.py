"""Refused rows, one file for each table and source, so that a repeated import doubles none.

`quarantine_history/table=<name>/<key>.parquet` holds the rows that one source had refused
for one table; importing that source again replaces its file.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import QUARANTINE_HISTORY, arrow_schema, time_values
from streaming.errors import LakeError
from streaming.jobs.price_rows import day_of
from streaming.lake.atomic import atomic_file

_SCHEMA = arrow_schema(QUARANTINE_HISTORY)


def folder_of(root: Path, table: str) -> Path:
    """Give the folder of one table's refused rows."""
    return root / QUARANTINE_HISTORY.name / f"table={table}"


def write_quarantine(root: Path, table: str, key: str, parts: Iterable[pa.Table]) -> int:
    """Replace the refused rows of one source by others; without rows there is no file.

    Parameters
    ----------
    root
        The lake's folder.
    table
        The table that the rows were meant for.
    key
        What stands for the source: a digest of its name and content.
    parts
        Rows in the schema of `quarantine_history`, in order; written part by part.

    Returns
    -------
    int
        Rows written.
    """
    final = folder_of(root, table) / f"{key}.parquet"
    rows = 0
    parts = (part for part in parts if part.num_rows)
    first = next(parts, None)
    if first is None:
        final.unlink(missing_ok=True)
        return 0
    with (
        atomic_file(final) as partial,
        pq.ParquetWriter(
            partial, _SCHEMA, compression="zstd", store_schema=False, write_page_checksum=True
        ) as writer,
    ):
        part: pa.Table | None = first
        while part is not None:
            writer.write_table(part)
            rows += part.num_rows
            part = next(parts, None)
    return rows


def read_quarantine(root: Path, table: str | None = None) -> pa.Table:
    """Read refused rows, sorted by source and row number.

    Parameters
    ----------
    root
        The lake's folder.
    table
        Only rows that were meant for this table.

    Raises
    ------
    LakeError
        If a file is damaged.
    """
    base = root / QUARANTINE_HISTORY.name
    parts = [_read(path) for path in sorted(base.glob(f"table={table or '*'}/*.parquet"))]
    return pa.concat_tables([_SCHEMA.empty_table(), *parts]).sort_by(
        [(name, "ascending") for name in ("tableName", "source", "rowNumber")]
    )


def quarantined_by_day(root: Path, table: str) -> dict[dt.date, int]:
    """Count the refused rows of a table by UTC day; those whose time is not known are of none.

    Raises
    ------
    LakeError
        If a file is damaged.
    """
    counts: Counter[int] = Counter()
    for path in sorted(folder_of(root, table).glob("*.parquet")):
        ts = time_values(_read(path, ["ts"]).column("ts").drop_null())
        days, rows = np.unique(day_of(ts), return_counts=True)
        counts.update(dict(zip(days.tolist(), rows.tolist(), strict=True)))
    epoch = dt.date(1970, 1, 1)
    return {epoch + dt.timedelta(days=day): rows for day, rows in counts.items()}


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    schema = _SCHEMA if columns is None else pa.schema([_SCHEMA.field(name) for name in columns])
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns).cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LakeError(
            f"{path}: is damaged ({error}). Delete it and import its source again."
        ) from error
