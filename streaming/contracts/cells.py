"""Columns of any source as the values of a contract, cell by cell.

Whole columns go through Arrow and numpy; only a cell that cannot be read costs Python time,
and only its row. What a cell becomes never depends on its neighbours.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import words
from streaming.contracts.arrow import MONEY, TIME, Array, money_values
from streaming.contracts.columns import Column, Type
from streaming.contracts.parsing import PLAIN_DECIMAL, PLAIN_INTEGER, parse_texts
from streaming.contracts.scaled import scaled
from streaming.errors import ContractError, MoneyError
from streaming.rules.units import LIMIT, SCALE

_TICKS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_INT64_MAX = 2**63 - 1

# Arrow (seen with 26.0.1) reads outside its tables for a change of scale beyond 38 places.
_SAFE_RESCALE = 30


class Cells(NamedTuple):
    """One column, read.

    Attributes
    ----------
    values : pyarrow.Array or numpy array [n]
        TEXT: strings; MONEY, INT and TIME: int64 (x 1e8, plain, microseconds UTC); DOUBLE:
        float64; BOOL: bool. What stands at an empty or refused cell does not matter.
    null : bool[n]
        Where the source has nothing.
    refused : dict of int to str
        Cells that cannot be read, and why: words that follow the value.
    """

    values: Any
    null: NDArray[np.bool_]
    refused: dict[int, str]


def read_cells(column: Column, array: Array, *, naive_is_utc: bool) -> Cells:
    """Read a source's column as a contract's column.

    Parameters
    ----------
    column : Column
        What the cells should hold.
    array : pyarrow.Array
        TEXT takes text and whole numbers; the others their own type, text, and numbers of
        any kind where nothing is lost. Times take timestamps of any unit and zone. Doubles
        become money by rounding their exact value half-even to 1e-8.
    naive_is_utc : bool
        Times without a zone are UTC; otherwise they are refused.

    Raises
    ------
    ContractError
        The type as a whole cannot be what the column holds.
    """
    array = plain(array)
    null = np.asarray(array.is_null())
    if pa.types.is_null(array.type):
        return Cells(_nothing(column, len(array)), null, {})
    if column.type is Type.TIME:
        values, refused = _times(column, array, naive_is_utc)
    else:
        values, refused = _READERS[column.type](column, array)
    return Cells(values, null, refused)


def _nothing(column: Column, rows: int) -> Any:
    if column.type is Type.TEXT:
        return pa.nulls(rows, pa.string())
    kinds = {Type.DOUBLE: np.float64, Type.BOOL: np.bool_}
    return np.zeros(rows, kinds.get(column.type, np.int64))


def plain(array: Any) -> Any:
    """Undo dictionaries, run lengths, extensions and the rarer kinds of string."""
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if pa.types.is_dictionary(array.type):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.call_function("run_end_decode", [array]))
    if pa.types.is_large_string(array.type) or _is_string_view(array.type):
        return array.cast(pa.string())
    return array


def _is_string_view(kind: pa.DataType) -> bool:
    return str(kind) == "string_view"  # pyarrow 16 has no name for it


def _foreign(column: Column, array: Array) -> ContractError:
    return ContractError(
        f"column {column.name} is of type {array.type}, which cannot be read as {column.type}"
    )


def _refuse(refused: dict[int, str], where: NDArray[np.bool_], why: str) -> None:
    refused.update(dict.fromkeys(map(int, np.flatnonzero(where)), why))


def _known(array: Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid())


def _integers(array: Array) -> NDArray[Any]:
    """Give int64 or uint64 values, 0 where there is none."""
    wide = pa.uint64() if pa.types.is_uint64(array.type) else pa.int64()
    return np.asarray(array.cast(wide).fill_null(0))


def _doubles(array: Array) -> NDArray[np.float64]:
    """Give float64 values, NaN where there is none."""
    return np.asarray(array.cast(pa.float64()).fill_null(np.nan))


def _text(column: Column, array: Array) -> tuple[Any, dict[int, str]]:
    if not (pa.types.is_string(array.type) or pa.types.is_integer(array.type)):
        raise _foreign(column, array)
    return array.cast(pa.string()), {}


def _money(column: Column, array: Array) -> tuple[Any, dict[int, str]]:
    refused: dict[int, str] = {}
    kind = array.type
    if pa.types.is_decimal(kind):
        if abs(kind.scale - 8) <= _SAFE_RESCALE:
            try:
                return money_values(array.cast(MONEY), null=0), refused
            except (pa.ArrowInvalid, MoneyError):
                pass  # some do not fit: as text each is judged by itself
        array = array.cast(pa.string())
    if pa.types.is_decimal(kind) or pa.types.is_string(kind):
        read, refused = parse_texts(
            array, MONEY, lambda text: Decimal(words.units(text)).scaleb(-8), PLAIN_DECIMAL
        )
        return money_values(read, null=0), refused
    if pa.types.is_integer(kind):
        whole = _integers(array)
        fits = (whole < LIMIT // SCALE) & (whole > -(LIMIT // SCALE))
        _refuse(refused, _known(array) & ~fits, words.DOES_NOT_FIT)
        return np.where(fits, whole, 0).astype(np.int64) * SCALE, refused
    if pa.types.is_floating(kind):
        doubles, known = _doubles(array), _known(array)
        amounts, fits = scaled(doubles)
        finite = np.isfinite(doubles)
        _refuse(refused, known & ~finite, words.NOT_FINITE)
        _refuse(refused, known & finite & ~fits, words.DOES_NOT_FIT)
        return amounts, refused
    raise _foreign(column, array)


def _double(column: Column, array: Array) -> tuple[Any, dict[int, str]]:
    kind = array.type
    if pa.types.is_decimal(kind):
        # By way of text: Arrow's own cast of a decimal may be off in the last bit.
        array = array.cast(pa.string())
        kind = array.type
    if pa.types.is_string(kind):
        read, refused = parse_texts(array, pa.float64(), words.double)
        return _doubles(read), refused
    if pa.types.is_integer(kind):
        return _integers(array).astype(np.float64), {}
    if pa.types.is_floating(kind):
        return _doubles(array), {}
    raise _foreign(column, array)


def _flag(column: Column, array: Array) -> tuple[Any, dict[int, str]]:
    refused: dict[int, str] = {}
    if pa.types.is_boolean(array.type):
        return np.asarray(array.fill_null(False)), refused
    if pa.types.is_string(array.type):
        read, refused = parse_texts(array, pa.bool_(), words.flag)
        return np.asarray(read.fill_null(False)), refused
    if pa.types.is_integer(array.type):
        whole = _integers(array)
        _refuse(refused, (whole != 0) & (whole != 1), words.NOT_A_FLAG)
        return whole == 1, refused
    raise _foreign(column, array)


def _integer(column: Column, array: Array) -> tuple[Any, dict[int, str]]:
    refused: dict[int, str] = {}
    kind = array.type
    if pa.types.is_decimal(kind) or pa.types.is_string(kind):
        texts = array.cast(pa.string())
        read, refused = parse_texts(texts, pa.int64(), words.whole_number, PLAIN_INTEGER)
        return np.asarray(read.fill_null(0)), refused
    if pa.types.is_integer(kind):
        whole = _integers(array)
        _refuse(refused, whole > _INT64_MAX, words.NOT_WHOLE)
        return whole.astype(np.int64), refused
    if pa.types.is_floating(kind):
        doubles = _doubles(array)
        fits = (doubles == np.rint(doubles)) & (np.abs(doubles) < 2.0**63)
        _refuse(refused, _known(array) & ~fits, words.NOT_WHOLE)
        return np.where(fits, doubles, 0).astype(np.int64), refused
    raise _foreign(column, array)


def _times(
    column: Column, array: Array, naive_is_utc: bool
) -> tuple[NDArray[np.int64], dict[int, str]]:
    refused: dict[int, str] = {}
    kind = array.type
    if pa.types.is_string(kind):
        target = pa.timestamp("us") if naive_is_utc else TIME
        read, refused = parse_texts(
            array, target, lambda text: words.micros(text, naive_is_utc=naive_is_utc)
        )
        return np.asarray(read.cast(pa.int64()).fill_null(0)), refused
    if not pa.types.is_timestamp(kind):
        raise _foreign(column, array)
    if kind.tz is None and not naive_is_utc:
        raise ContractError(f"column {column.name} {words.NO_ZONE}; say which one it is in")
    ticks = np.asarray(array.cast(pa.int64()).fill_null(0))
    per_second = _TICKS_PER_SECOND[kind.unit]
    if per_second > 1_000_000:
        finer = per_second // 1_000_000
        _refuse(refused, ticks % finer != 0, words.TOO_FINE)
        return ticks // finer, refused
    coarser = 1_000_000 // per_second
    fits = np.abs(ticks) <= _INT64_MAX // coarser
    _refuse(refused, ~fits, words.NOT_A_TIME)
    return np.where(fits, ticks, 0) * coarser, refused


_READERS: dict[Type, Callable[[Column, Array], tuple[Any, dict[int, str]]]] = {
    Type.TEXT: _text,
    Type.MONEY: _money,
    Type.DOUBLE: _double,
    Type.BOOL: _flag,
    Type.INT: _integer,
}
