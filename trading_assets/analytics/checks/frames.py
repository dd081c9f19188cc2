"""Arrow tables as the data frames that a contract's rules are asked of.

Nothing is rounded on the way: amounts are int64 x 1e8, times int64 microseconds UTC. What
cannot be a number is held so that its rule finds it: an amount too large for DECIMAL(18,8)
stands at the first one of its sign that does not fit, a NaN where a number must be is
infinite. Rules that Great Expectations has no expectation for are checked by the contract's
own code; a column of the rule's name says for each row whether it is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import ARROW_TYPES, Column, Table, Type
from streaming.contracts.cells import plain
from streaming.contracts.validation import text_faults, text_findings
from streaming.feeds.utf8 import text_of_parquet
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import LIMIT
from trading_assets.analytics.checks.rules import AGE, KEY, STEP, fault_rule, fits_rule, minute_rule

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
Int = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).max
"""The age of what is not there."""


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Give the type of what a column holds, whatever way it is packed (dictionary, runs)."""
    found: pa.DataType = plain(pa.nulls(0, kind)).type
    return found


def readable(table: Table, rows: pa.Table) -> list[Column]:
    """Give the table's columns that are there once and of their type."""
    names = rows.column_names
    return [
        column
        for column in table.columns
        if names.count(column.name) == 1
        and plain_type(rows.schema.field(column.name).type) == ARROW_TYPES[column.type]
    ]


def schema_frame(rows: pa.Table) -> "pd.DataFrame":
    """Give one row that holds the Arrow type of each column, under its name."""
    import pandas as pd

    kinds = [str(plain_type(field.type)) for field in rows.schema]
    return pd.DataFrame([kinds], columns=rows.column_names)


class Cells(NamedTuple):
    """One readable column of a block: `values` as `frames` says, and where nothing stands."""

    values: Any
    null: Mask
    odd: Sequence[int] = ()
    """Places of texts that are not UTF-8."""


def read(column: Column, chunks: "pa.ChunkedArray[Any]") -> Cells:
    """Read a readable column."""
    array: Any = plain(chunks.combine_chunks())
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    null = np.asarray(array.is_null())
    match column.type:
        case Type.TEXT:
            texts, odd = text_of_parquet(array)
            return Cells(texts, null, odd)
        case Type.MONEY:
            return Cells(_amounts(array), null)
        case Type.DOUBLE:
            values = np.asarray(array.fill_null(np.nan))
            if not column.nullable:
                values = np.where(np.isnan(values) & ~null, np.inf, values)
            return Cells(values, null)
        case Type.TIME:
            return Cells(np.asarray(array.cast(pa.int64()).fill_null(0)), null)
        case Type.BOOL:
            return Cells(np.asarray(array.fill_null(False)), null)
        case Type.INT:
            return Cells(np.asarray(array.fill_null(0)), null)


def _amounts(array: Any) -> Int:
    buffer = array.buffers()[1]
    if not len(array) or buffer is None:
        return np.zeros(len(array), np.int64)
    words = np.frombuffer(buffer, np.int64, 2 * len(array), 16 * array.offset)
    low, high = words[::2], words[1::2]
    # A file may hold more than its type allows, in up to 128 bits.
    units = np.where(high == low >> 63, low, np.where(high < 0, -LIMIT, LIMIT))
    units = np.clip(units, -LIMIT, LIMIT)
    units[np.asarray(array.is_null())] = 0
    return units


def rows_frame(table: Table, columns: Sequence[Column], block: pa.Table) -> "pd.DataFrame":
    """Give the rows of a block: the columns that can be read, and the rules checked on them."""
    import pandas as pd

    cells = {column.name: read(column, block.column(column.name)) for column in columns}
    series = {column.name: _series(column, cells[column.name]) for column in columns}
    for column in columns:
        series |= _kept(column, cells[column.name])
    for rule in table.rules:
        if cells.keys() >= set(rule.columns):
            sides = [cells[name] for name in rule.columns]
            values = {
                name: np.asarray(side.values)
                for name, side in zip(rule.columns, sides, strict=True)
            }
            unknown = np.logical_or.reduce([side.null for side in sides])
            series[rule.words] = unknown | rule.holds(values)
    return pd.DataFrame(series)


def _series(column: Column, cells: Cells) -> Any:
    import pandas as pd

    if column.type is Type.TEXT:
        return cells.values.to_pandas()
    if column.type is Type.DOUBLE or not cells.null.any():
        return cells.values
    kind = "boolean" if column.type is Type.BOOL else "Int64"
    return pd.Series(cells.values).astype(kind).mask(cells.null)


def _kept(column: Column, cells: Cells) -> dict[str, Mask]:
    """Check the rules of a column that only the contract's own code knows."""
    kept: dict[str, Mask] = {}
    every = np.ones(len(cells.null), np.bool_)
    if column.type is Type.TEXT:
        utf8 = kept[f"{column.name} is UTF-8"] = every.copy()
        utf8[list(cells.odd)] = False
        if not column.one_of:
            # A fault that no row has is not always told.
            kept |= {fault_rule(column.name, fault): every for fault in text_faults(column)}
            for mask, fault in text_findings(column, cells.values):
                kept[fault_rule(column.name, fault)] = ~mask | cells.null
    if column.type is Type.MONEY:
        # Bounds of an expectation become doubles, which cannot tell amounts of 18 digits apart.
        kept[fits_rule(column.name)] = np.abs(cells.values) < LIMIT
    if column.minute:
        kept[minute_rule(column.name)] = (cells.values % MINUTE_US == 0) | cells.null
    return kept


def whole_frame(
    table: Table,
    rows: pa.Table,
    files: Int,
    bad: Mapping[str, Int],
    wanted: Collection[str],
    *,
    snapshots: bool = False,
) -> "pd.DataFrame":
    """Give each row's key as a number, and its step in time from the row before.

    Parameters
    ----------
    table, rows
        All rows, the key's and time's columns readable.
    files : int64[n]
        Number of the file that each row is from: order is asked for within files.
    bad : mapping
        By column, the rows whose cell breaks a rule of its own. They are left out, or one
        bad cell would be told twice.
    wanted : collection of str
        Which of KEY and STEP to give.
    snapshots
        Whether each file has keys of its own.
    """
    import pandas as pd

    series: dict[str, Int] = {}
    key = table.primary_key or table.unique
    if KEY in wanted:
        keep = ~_unfit(rows, key, bad)
        if table.unique_where:
            keep &= np.asarray(rows.column(table.unique_where).fill_null(False))
        # Rows that need not be unique get a number that no other row has.
        numbers = _numbered(table, rows, key)
        numbers = _joined(numbers, files) if snapshots else numbers
        series[KEY] = np.where(keep, numbers, -1 - np.arange(rows.num_rows))
    if STEP in wanted and table.ordered_by:
        keep = ~_unfit(rows, (table.ordered_by, *table.bucket_by), bad)
        at = np.flatnonzero(keep)
        times = read(table.column(table.ordered_by), rows.column(table.ordered_by)).values[at]
        group = _joined(_numbered(table, rows, table.bucket_by)[at], files[at])
        order = np.argsort(group, kind="stable")
        same = np.diff(group[order]) == 0
        steps = np.zeros(rows.num_rows, np.int64)
        steps[at[order[1:]]] = np.where(same, np.diff(times[order]), 0)
        series[STEP] = steps
    return pd.DataFrame(series, index=range(rows.num_rows))


def _unfit(rows: pa.Table, columns: Sequence[str], bad: Mapping[str, Int]) -> Mask:
    unfit = np.zeros(rows.num_rows, np.bool_)
    for name in columns:
        unfit |= np.asarray(rows.column(name).is_null())
        unfit[bad.get(name, [])] = True
    return unfit


def _numbered(table: Table, rows: pa.Table, columns: Sequence[str]) -> Int:
    """Give each row a number, from 0, that rows with the same cells share."""
    numbers = np.zeros(rows.num_rows, np.int64)
    for name in columns:
        cells = read(table.column(name), rows.column(name)).values
        if table.column(name).type is Type.TEXT:
            cells = np.asarray(cells.dictionary_encode().indices.fill_null(-1), np.int64)
        numbers = _joined(numbers, cells)
    return numbers


def _joined(first: Int, second: Any) -> Int:
    import pandas as pd

    left, _ = pd.factorize(first)
    right, kinds = pd.factorize(second)
    joined, _ = pd.factorize(left.astype(np.int64) * max(len(kinds), 1) + right)
    numbers: Int = joined.astype(np.int64)
    return numbers


def newest_frame(table: Table, rows: pa.Table, now: int) -> tuple["pd.DataFrame", Int]:
    """Give the age of the newest row in microseconds, and that row's place; none: very old."""
    import pandas as pd

    assert table.event_time is not None  # noqa: S101  # rules_of asks only where there is one
    cells = read(table.column(table.event_time), rows.column(table.event_time))
    known = np.flatnonzero(~cells.null)
    if not len(known):
        return pd.DataFrame({AGE: [_NEVER]}), np.empty(0, np.int64)
    newest = known[[np.argmax(cells.values[known])]]
    return pd.DataFrame({AGE: now - cells.values[newest]}), newest
