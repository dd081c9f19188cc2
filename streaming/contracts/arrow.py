"""Tables as Arrow: schemas, and columns from numbers without a Python loop."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts.columns import Type
from streaming.contracts.table import Table
from streaming.errors import MoneyError
from streaming.rules.units import LIMIT

# Texts, because pyarrow's types take parameters only in its stubs.
Array: TypeAlias = "pa.Array[Any]"
ArrayOrChunks: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"

MONEY = pa.decimal128(18, 8)
TIME = pa.timestamp("us", tz="UTC")

ARROW_TYPES: dict[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.MONEY: MONEY,
    Type.DOUBLE: pa.float64(),
    Type.TIME: TIME,
    Type.BOOL: pa.bool_(),
    Type.INT: pa.int64(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """Give the Arrow schema of a table: its columns in order, with their nullability."""
    return pa.schema(
        [
            pa.field(column.name, ARROW_TYPES[column.type], nullable=column.nullable)
            for column in table.columns
        ]
    )


def empty_table(table: Table) -> pa.Table:
    """Give a table without a row."""
    return arrow_schema(table).empty_table()


def coded_texts(texts: Sequence[str], codes: NDArray[Any]) -> Array:
    """Give the text of each code, which is its place in `texts`."""
    return pa.array(texts, pa.string()).take(pa.array(codes))


def same_text(text: str | None, rows: int) -> Array:
    """Give one text, or none, for all rows."""
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def money_array(units: NDArray[np.int64], null: NDArray[np.bool_] | None = None) -> Array:
    """Turn int64 amounts x 1e8 into decimals.

    Parameters
    ----------
    units : int64[n]
        Amounts x 1e8.
    null : bool[n], optional
        Where there is no amount; what `units` holds there does not matter.

    Returns
    -------
    pyarrow.Array
        decimal128(18, 8)[n].

    Raises
    ------
    MoneyError
        An amount does not fit DECIMAL(18,8); the message names its position.
    """
    low = np.where(null, 0, units) if null is not None else np.asarray(units)
    if len(low) and not (int(low.min()) > -LIMIT and int(low.max()) < LIMIT):
        at = int(np.flatnonzero((low <= -LIMIT) | (low >= LIMIT))[0])
        raise MoneyError(f"position {at}: {int(low[at])} x 1e-8 does not fit DECIMAL(18,8)")
    # A decimal128 is a little-endian 128-bit integer: the amount and its sign, extended.
    words = np.empty((len(low), 2), np.int64)
    words[:, 0] = low
    words[:, 1] = low >> 63
    valid = None if null is None else pa.array(~null).buffers()[1]
    return pa.Array.from_buffers(MONEY, len(low), [valid, pa.py_buffer(words.data)])


def money_values(
    amounts: ArrayOrChunks, *, null: int | None = None, checked: bool = True
) -> NDArray[np.int64]:
    """Turn decimals into int64 amounts x 1e8.

    Parameters
    ----------
    amounts : pyarrow.Array or ChunkedArray
        decimal128(18, 8)[n].
    null : int, optional
        What an empty cell becomes; without it empty cells are refused.
    checked : bool
        False for files of our own, whose amounts lie on 64 bits under checksums: Arrow itself
        lets an array hold more digits than its type has.

    Returns
    -------
    int64[n]
        Contiguous, own memory.

    Raises
    ------
    MoneyError
        The type is another one, an amount does not fit it, or a cell is empty and `null` is
        not given.
    """
    if amounts.type != MONEY:
        raise MoneyError(f"expected {MONEY}, got {amounts.type}")
    if null is None and amounts.null_count:
        raise MoneyError(f"{amounts.null_count} amounts are missing")
    chunks = amounts.chunks if isinstance(amounts, pa.ChunkedArray) else [amounts]
    units = np.empty(len(amounts), np.int64)
    done = 0
    for chunk in chunks:
        part = units[done : done + len(chunk)]
        done += len(chunk)
        if len(chunk):
            buffer: Any = chunk.buffers()[1]
            words = np.frombuffer(buffer, np.int64, 2 * len(chunk), 16 * chunk.offset)
            part[:] = words[::2]
            if checked:
                _check_fit(part, words[1::2], chunk, done - len(chunk))
            if chunk.null_count and null is not None:
                part[np.asarray(chunk.is_null())] = null
    return units


def _check_fit(low: NDArray[np.int64], high: NDArray[np.int64], chunk: Any, first: int) -> None:
    """Refuse amounts of more digits than DECIMAL(18,8) has."""
    wrong = (high != low >> 63) | (low >= LIMIT) | (low <= -LIMIT)
    if wrong.any() and chunk.null_count:
        wrong &= np.asarray(chunk.is_valid())
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        whole = int(high[at]) * 2**64 + (int(low[at]) & (2**64 - 1))
        raise MoneyError(f"position {first + at}: {whole} x 1e-8 does not fit DECIMAL(18,8)")


def time_array(micros: NDArray[np.int64], null: NDArray[np.bool_] | None = None) -> Array:
    """Turn int64 microseconds UTC into timestamps; `null` says where there is none."""
    return pa.array(micros, pa.int64(), mask=null).view(TIME)


def time_values(times: ArrayOrChunks, *, null: int | None = None) -> NDArray[np.int64]:
    """Turn timestamps (us, UTC) into int64 microseconds; `null` is what an empty cell becomes.

    Raises
    ------
    ValueError
        A cell is empty and `null` is not given.
    """
    if times.null_count:
        if null is None:
            raise ValueError(f"{times.null_count} times are missing")
        times = times.fill_null(pa.scalar(null, pa.int64()).cast(TIME))
    micros: NDArray[np.int64] = times.cast(TIME).cast(pa.int64()).to_numpy()
    return micros
