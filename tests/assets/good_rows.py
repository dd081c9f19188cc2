"""Rows that keep a contract, and cells of them replaced, made from the definitions."""

from typing import Any

import numpy as np
import pyarrow as pa
from contracts.examples import NOW, as_texts, good_texts, micros

from streaming.contracts import Table, validate

ROWS = 6
NOW_US = micros(NOW)


def good_rows(table: Table, rows: int = ROWS) -> pa.Table:
    """Rows in order of time, all in one bucket, their keys apart."""
    texts = as_texts(table, [good_texts(table, seed) for seed in range(rows)])
    good, refused = validate(table, texts, "made up", now=NOW_US)
    assert refused.num_rows == 0
    if table.ordered_by:
        good = good.sort_by(table.ordered_by)
        # One bucket, so that the order of every two rows matters.
        for name in table.bucket_by:
            good = with_column(good, name, pa.repeat(good[name][0], rows))
    key = table.primary_key or table.unique
    assert good.select(list(key)).group_by(list(key)).aggregate([]).num_rows == rows or not key
    return good


def with_column(rows: pa.Table, name: str, cells: Any) -> pa.Table:
    at = rows.column_names.index(name)
    return rows.set_column(at, pa.field(name, cells.type), cells)


def with_cell(rows: pa.Table, name: str, row: int, cell: Any) -> pa.Table:
    """Replace a cell; `cell` is what Arrow takes, or an int for decimals (x 1e8) and times."""
    kind = rows.schema.field(name).type
    if isinstance(cell, int) and pa.types.is_decimal(kind):
        return with_column(rows, name, _with_amount(rows[name], row, cell))
    if isinstance(cell, int) and pa.types.is_timestamp(kind):
        one = pa.array([cell], pa.int64()).cast(kind)
    else:
        one = pa.array([cell], kind)
    cells = rows[name].combine_chunks()
    return with_column(rows, name, pa.concat_arrays([cells[:row], one, cells[row + 1 :]]))


def _with_amount(amounts: Any, row: int, units: int) -> Any:
    """Put any 128-bit integer x 1e-8 into a column, whatever its type allows, as a file may."""
    array = amounts.combine_chunks()
    known = np.asarray(array.is_valid())
    known[row] = True
    words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2).copy()
    words = words[array.offset : array.offset + len(array)]
    words[row] = np.frombuffer(units.to_bytes(16, "little", signed=True), np.int64)
    valid = pa.array(known).buffers()[1]
    return pa.Array.from_buffers(array.type, len(array), [valid, pa.py_buffer(words)])
