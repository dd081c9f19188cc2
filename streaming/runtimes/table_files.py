"""Tables as Parquet files in a folder, replaced together: of one run, or of a store.

All files are first written beside the folder's others, in a hidden subfolder, and flushed.
Then those of an earlier run move away, and the new ones move in. The file of the first table
is the first to go and the last to come: where it is there, all are there, and of one run. A
failure or a stop puts back what was there; after a kill in the middle of the moves (they take
a millisecond) some files are missing, but never are files of two runs mixed, and the same
command writes them all again. Other files in the folder are not touched.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import Table, Type, arrow_schema
from streaming.errors import LakeError
from streaming.lake import scratch_directory

_STAGING = "match"


def write_together(
    folder: Path, tables: Mapping[Table, pa.Table | Iterator[pa.Table]], known: Sequence[Table]
) -> None:
    """Write tables, each as `<name>.parquet`, in place of those of an earlier run.

    Parameters
    ----------
    folder
        Made if it is not there.
    tables
        What to write, whole or piece by piece; equal rows, in equal pieces, give equal bytes.
    known
        Every table that a run may write; files of those that are not in `tables` are removed.
        The first is the one whose file says that all are there.

    Raises
    ------
    LakeError
        If the folder is a file, or the disk is full or refuses; the files are as they were.
    """
    with _alone(folder):
        for left in folder.glob(f".{_STAGING}.*.partial"):
            # Under the lock, only a run that was killed can have left one.
            shutil.rmtree(left)
        with scratch_directory(folder, _STAGING) as staging:
            for table, rows in tables.items():
                _write(staging / _file(table), table, rows)
            _swap(staging, folder, [_file(table) for table in known])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make a folder and hold its lock, which the kernel frees if the process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError) as error:
        raise LakeError(f"{folder}: is a file, or lies in one. Name a folder.") from error
    except OSError as error:
        raise LakeError(f"{folder}: cannot be made ({error.strerror}). Name another.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _file(table: Table) -> str:
    return f"{table.name}.parquet"


def _write(path: Path, table: Table, rows: pa.Table | Iterator[pa.Table]) -> None:
    few = [column.name for column in table.columns if column.one_of or column.name in _FEW]
    options: dict[str, Any] = {
        "compression": "lz4",
        "use_dictionary": few,
        "write_statistics": [c.name for c in table.columns if c.type is not Type.TEXT],
        "store_decimal_as_integer": True,
        "store_schema": False,
        "write_page_checksum": True,
    }
    if isinstance(rows, pa.Table):
        pq.write_table(rows, path, **options)
    else:
        with pq.ParquetWriter(path, arrow_schema(table), **options) as writer:
            for piece in rows:
                writer.write_table(piece)
    _flush(path)


_FEW = ("accountId", "strategyId", "symbol", "runId", "code", "tableName", "source")
"""Columns of text with few distinct values."""


def _swap(staging: Path, folder: Path, names: Sequence[str]) -> None:
    """Move the files of a folder away and those of the staging folder in."""
    written = [name for name in names if (staging / name).exists()]
    before = staging / "before"
    before.mkdir()
    try:
        for name in names:
            if (folder / name).exists():
                (folder / name).replace(before / name)
        _flush(folder)
        for name in reversed(written):
            (staging / name).replace(folder / name)
        _flush(folder)
    except BaseException:
        for name in written:
            if not (staging / name).exists():
                (folder / name).unlink(missing_ok=True)
        for name in reversed(names):
            if (before / name).exists():
                (before / name).replace(folder / name)
        _flush(folder)
        raise


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
