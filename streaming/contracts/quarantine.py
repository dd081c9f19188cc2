"""Refused rows, kept whole: each as one JSON object in quarantine_history.

Cells keep what they were: text stays text, numbers stay numbers with every digit, what
JSON has no number for becomes text (decimals, times in ISO 8601 with all their places,
NaN, Infinity, bytes as hexadecimal digits).
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts.arrow import ArrayOrChunks, arrow_schema, time_array
from streaming.contracts.cells import plain
from streaming.contracts.operations import QUARANTINE_HISTORY
from streaming.contracts.table import Table

_SHOWN = 60
"""Characters of a cell that a reason shows."""


def quarantine_rows(
    table: Table,
    source: str,
    rows: pa.Table,
    numbers: Sequence[int] | NDArray[np.int64],
    reasons: Sequence[str],
    event_times: Sequence[int | None] | None = None,
) -> pa.Table:
    """Make quarantine_history rows of refused rows.

    Parameters
    ----------
    table : Table
        The table that the rows were meant for.
    source : str
        File or feed that they came from.
    rows : pyarrow.Table
        The refused rows as they came, with any columns.
    numbers, reasons : sequences, one for each row
        Their places in the source, and why each was refused.
    event_times : sequence of int or None, optional
        Their own event times, microseconds UTC; None where there is no valid one.

    Returns
    -------
    pyarrow.Table
        With the schema of quarantine_history, in the order given.
    """
    count = rows.num_rows
    moments = [None] * count if event_times is None else list(event_times)
    columns = {
        "tableName": pa.array([table.name] * count, pa.string()),
        "source": pa.array([source] * count, pa.string()),
        "rowNumber": pa.array(np.asarray(numbers, np.int64)),
        "ts": time_array(
            np.array([moment or 0 for moment in moments], np.int64),
            np.array([moment is None for moment in moments], np.bool_),
        ),
        "reason": pa.array(list(reasons), pa.string()),
        "row": pa.array(row_texts(rows), pa.string()),
    }
    return pa.table(columns, schema=arrow_schema(QUARANTINE_HISTORY))


def row_texts(rows: pa.Table) -> list[str]:
    """Give each row as a JSON object, its columns in order; a name met again gets `#2`."""
    names = _distinct(rows.column_names)
    columns = [json_cells(rows.column(i)) for i in range(rows.num_columns)]
    return [
        json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)
        for row in (zip(*columns, strict=True) if columns else [()] * rows.num_rows)
    ]


def _distinct(names: Sequence[str]) -> list[str]:
    met: Counter[str] = Counter()
    distinct = []
    for name in names:
        met[name] += 1
        distinct.append(name if met[name] == 1 else f"{name}#{met[name]}")
    return distinct


def json_cells(column: ArrayOrChunks) -> list[Any]:
    """Give the cells as values that JSON holds without loss."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    cells: list[Any] = []
    for chunk in chunks:
        array = plain(chunk)
        if pa.types.is_timestamp(array.type):
            # Not by way of datetime, which ends at microseconds and the year 9999.
            stamps = np.asarray(array.cast(pa.int64()).fill_null(0)).astype(
                f"datetime64[{array.type.unit}]"
            )
            zone = "Z" if array.type.tz is not None else ""
            texts = [text + zone for text in np.datetime_as_string(stamps).tolist()]
            known = array.is_valid().to_pylist()
            cells += [text if there else None for text, there in zip(texts, known, strict=True)]
        else:
            cells += [_json_cell(value) for value in array.to_pylist()]
    return cells


def _json_cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_json_cell(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _json_cell(item) for name, item in value.items()}
    return str(value)


def shown(cell: Any) -> str:
    """Give a cell as a reason shows it: bare, and short."""
    text = cell if isinstance(cell, str) else json.dumps(cell)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
