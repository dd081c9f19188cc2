"""Rows between Arrow and SQLite: whole columns, without a Python loop where there is one faster.

Money is int64 x 1e8, times are int64 microseconds UTC, flags 0 and 1, no value is NULL. A NaN
is no value, and -0.0 is 0.0: so equal rows are equal as tuples, and as bytes in the file.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streaming.contracts import ARROW_TYPES, Column, Table, Type
from streaming.contracts.arrow import (
    Array,
    ArrayOrChunks,
    arrow_schema,
    money_array,
    money_values,
    time_array,
    time_values,
)
from streaming.errors import ContractError, MoneyError

Row = tuple[Any, ...]


def columns_of(table: Table, rows: pa.Table, names: Sequence[str]) -> list[list[Any]]:
    """Give columns of an Arrow table as lists of what SQLite stores.

    Parameters
    ----------
    table
        The contract.
    rows
        Has the columns named, of the contract's types; may have others.
    names
        Which columns, in order.

    Raises
    ------
    ContractError
        A column is missing, of another type, or holds an infinite number or an amount that
        does not fit; the message names the table, column and row.
    """
    lists = []
    for name in names:
        column = table.column(name)
        places = rows.schema.get_all_field_indices(name)
        if len(places) != 1:
            raise ContractError(
                f"table {table.name}: column {name} is {'there twice' if places else 'missing'}"
            )
        cells = rows.column(places[0])
        if cells.type != ARROW_TYPES[column.type]:
            raise ContractError(
                f"table {table.name}: column {name} is {cells.type}, the contract has "
                f"{ARROW_TYPES[column.type]}"
            )
        try:
            lists.append(_stored(column, cells))
        except (MoneyError, ContractError) as error:
            raise ContractError(f"table {table.name}: column {name}: {error}") from error
    return lists


def rows_of(table: Table, rows: pa.Table) -> list[list[Any]]:
    """Give all columns of the contract as lists; other columns are refused (ContractError)."""
    for name in rows.column_names:
        if name not in table.names:
            raise ContractError(f"table {table.name}: there is no column {name} in the contract")
    return columns_of(table, rows, table.names)


def _stored(column: Column, cells: ArrayOrChunks) -> list[Any]:
    null = np.asarray(cells.is_null()) if cells.null_count else None
    values: Any
    if column.type is Type.TEXT:
        texts: list[Any] = _numpy(cells).tolist()
        return texts
    if column.type is Type.MONEY:
        values = money_values(cells, null=0)
    elif column.type is Type.TIME:
        values = time_values(cells, null=0)
    elif column.type is Type.DOUBLE:
        # Adding nothing makes 0.0 of -0.0, as SQLite would on its way to the file.
        values = _numpy(cells) + 0.0
        finite = np.isfinite(values)
        if not finite.all():
            null = np.isnan(values)
            infinite = ~(finite | null)
            if infinite.any():
                raise ContractError(f"row {int(np.flatnonzero(infinite)[0])} is not finite")
    else:
        values = np.asarray(cells.cast(pa.int64()).fill_null(0))
    stored: list[Any] = values.tolist()
    if null is not None:
        for place in np.flatnonzero(null).tolist():
            stored[place] = None
    return stored


def _numpy(cells: ArrayOrChunks) -> Any:
    """Give texts as objects, doubles with NaN for no value."""
    if isinstance(cells, pa.ChunkedArray):
        if cells.num_chunks != 1:
            return cells.to_numpy()
        cells = cells.chunk(0)
    return cells.to_numpy(zero_copy_only=False)


def arrow_of(table: Table, columns: Sequence[Sequence[Any]]) -> list[Array]:
    """Give the Arrow columns of the contract from columns as SQLite stores them."""
    return [_array(column, cells) for column, cells in zip(table.columns, columns, strict=True)]


def arrow_table(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Give rows of SQLite as an Arrow table in the contract's schema."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
    return pa.Table.from_arrays(arrow_of(table, columns), schema=arrow_schema(table))


def _array(column: Column, cells: Sequence[Any]) -> Array:
    if column.type is Type.TEXT:
        return pa.array(cells, pa.string())
    if column.type is Type.DOUBLE:
        return pa.array(cells, pa.float64())
    if column.type is Type.BOOL:
        return pa.array(cells, pa.int64()).cast(pa.bool_())
    whole = pa.array(cells, pa.int64())
    if column.type is Type.INT:
        return whole
    null = np.asarray(whole.is_null()) if whole.null_count else None
    values = np.asarray(whole.fill_null(0))
    return money_array(values, null) if column.type is Type.MONEY else time_array(values, null)
