"""Daily net returns of strategies from a file, and previous weights from another.

Weights follow from what stands here, so nothing is left out in silence: a row that cannot be
meant refuses the file, with its place. A return that is not finite is kept: its strategy then
has no score, and says so.
"""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streaming.errors import ContractError, SourceError

RETURN_COLUMNS = ("date", "strategyId", "netReturn")
WEIGHT_COLUMNS = ("strategyId", "weight")


class DailyReturns(NamedTuple):
    """Returns of n strategies over a window of calendar days.

    Attributes
    ----------
    strategies : tuple of str
        Ids, sorted.
    start, end : date
        First and last day of the window.
    returns : float64[n, days]
        Daily net PnL / notional; days without a row are 0.
    first : int64[n]
        The day in the window from which each strategy counts; `days` where it has none.
    """

    strategies: tuple[str, ...]
    start: date
    end: date
    returns: NDArray[np.float64]
    first: NDArray[np.int64]


def read_returns(path: Path, window_days: int, as_of: date | None = None) -> DailyReturns:
    """Read a table of (date, strategyId, netReturn), CSV or Parquet.

    Parameters
    ----------
    window_days
        Days of the window, which ends with `as_of`.
    as_of
        The last day; None: the last that the file has. Later rows are not looked at.

    Raises
    ------
    SourceError
        If the file is missing, unreadable, or has no row up to `as_of`.
    ContractError
        If a column is missing or doubled, or a row is no date, strategy and number, or says
        another return for a day than an earlier row.
    """
    rows: dict[str, dict[date, float]] = {}
    for number, (day_text, name, value_text) in _rows(path, RETURN_COLUMNS):
        where = f"{path}, row {number}"
        day, value = _date(day_text, where), _number(value_text, "netReturn", where)
        known = rows.setdefault(_name(name, where), {})
        before = known.setdefault(day, value)
        if before != value and not (math.isnan(before) and math.isnan(value)):
            raise ContractError(
                f"{where}: strategy {name} has netReturn {value:g} on {day}, and {before:g} in an "
                "earlier row. Keep one."
            )
    last = as_of or max((day for days in rows.values() for day in days), default=None)
    if last is None or not any(day <= last for days in rows.values() for day in days):
        raise SourceError(f"{path}: has no return" + (f" up to {as_of}." if as_of else "."))
    begun = {name: min(days) for name, days in rows.items() if min(days) <= last}
    start = last - timedelta(days=window_days - 1)
    strategies = tuple(sorted(begun))
    returns = np.zeros((len(strategies), window_days), np.float64)
    for at, name in enumerate(strategies):
        for day, value in rows[name].items():
            if start <= day <= last:
                returns[at, (day - start).days] = value
    first = np.array([max((begun[name] - start).days, 0) for name in strategies], np.int64)
    return DailyReturns(strategies, start, last, returns, first)


def read_weights(path: Path) -> dict[str, float]:
    """Read a table of (strategyId, weight), CSV or Parquet.

    Raises
    ------
    SourceError, ContractError
        As for `read_returns`; also if a weight is not within 0 to 1, or a strategy has two.
    """
    weights: dict[str, float] = {}
    for number, (name, value_text) in _rows(path, WEIGHT_COLUMNS):
        where = f"{path}, row {number}"
        value = _number(value_text, "weight", where)
        if not 0.0 <= value <= 1.0:
            raise ContractError(f"{where}: weight {value:g} is not within 0 to 1.")
        if weights.setdefault(_name(name, where), value) != value:
            raise ContractError(f"{where}: strategy {name} has another weight in an earlier row.")
    if not weights:
        raise SourceError(f"{path}: has no weight.")
    return weights


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give the cells of columns row by row, with the row's number: the first is 1."""
    table = _table(path)
    for name in columns:
        count = table.column_names.count(name)
        if count != 1:
            problem = "is missing" if count == 0 else "is there twice"
            raise ContractError(f"{path}: column {name} {problem}; it needs {', '.join(columns)}.")
    cells = [table.column(name).to_pylist() for name in columns]
    yield from enumerate(zip(*cells, strict=True), 1)


def _table(path: Path) -> pa.Table:
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file.")
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path)
        head = path.open(encoding="utf-8-sig").readline()
        names = [name.strip().strip('"') for name in head.split(",")]
        # As text: a strategy may be called 1e5.
        kinds = dict.fromkeys(names, pa.string())
        return pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=kinds))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read as CSV or Parquet: {error}") from error


def _date(value: object, where: str) -> date:
    if isinstance(value, date):
        # A datetime is a date too; only its day counts.
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ContractError(f"{where}: date {value!r} is no day such as 2013-10-07.") from error


def _number(value: object, column: str, where: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise ContractError(f"{where}: {column} {value!r} is no number.") from error


def _name(value: object, where: str) -> str:
    if value is None or not str(value).strip():
        raise ContractError(f"{where}: strategyId is empty.")
    return str(value)
