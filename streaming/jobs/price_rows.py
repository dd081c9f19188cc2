"""Bars of many symbols as arrays: sorted, merged, and freed of duplicates.

The first bar of a (symbol, ts) is kept: one that came later and is equal counts as a
duplicate, one that differs is a conflict, whichever file it came from. Only rows that are
said to replace take the place of those that were held before.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    PRICE_1M_HISTORY,
    arrow_schema,
    money_array,
    money_values,
    time_array,
    time_values,
)
from streaming.rules.bars import DAY_US, Bars

Int = NDArray[np.int64]
Float = NDArray[np.float64]

MONEY_COLUMNS = ("open", "high", "low", "price")
WRITTEN, DUPLICATE, CONFLICT = 0, 1, 2
_SCHEMA = arrow_schema(PRICE_1M_HISTORY)
_CODES = pa.dictionary(pa.int32(), pa.string())
_CODED_SCHEMA = pa.schema(
    field.with_type(_CODES) if field.name in ("symbol", "source") else field for field in _SCHEMA
)


class PriceRows(NamedTuple):
    """Rows of `price_1m_history`, struct of arrays, n rows.

    `symbol` and `source` are codes into `symbols` and `sources`; `ts` is the close in
    microseconds UTC; prices are int64 x 1e8; `volume` is NaN where there is none; `number`
    is the row's number in its source, 0 for rows that were in the lake before.
    """

    symbols: list[str]
    sources: list[str]
    symbol: Int
    ts: Int
    open: Int
    high: Int
    low: Int
    price: Int
    volume: Float
    source: Int
    number: Int

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "PriceRows":
        """Give some of the rows, in the order asked for."""
        columns: list[Any] = [column[rows] for column in self[2:]]
        return PriceRows(self.symbols, self.sources, *columns)


class Merged(NamedTuple):
    """Rows held before and new ones, made one.

    `rows` are sorted by (symbol, ts), each pair once, with codes in the order of the text.
    `fate` (int8, one for each new row) says what became of it: WRITTEN, DUPLICATE of a kept
    row, or CONFLICT. `conflicts` are the last, in order of arrival, each differing from the
    row at the same place of `kept`. `replaced` are held rows that made room for new ones.
    """

    rows: PriceRows
    fate: NDArray[np.int8]
    conflicts: PriceRows
    kept: PriceRows
    replaced: PriceRows

    @property
    def written(self) -> int:
        """How many new rows were kept."""
        return int(np.count_nonzero(self.fate == WRITTEN))

    @property
    def duplicates(self) -> int:
        """How many new rows equal a kept one."""
        return int(np.count_nonzero(self.fate == DUPLICATE))


def day_of(ts: Int) -> Int:
    """Give the UTC day that each bar belongs to, in days since 1970.

    A bar at midnight closes the day that ends: day D holds D 00:00 < ts <= D+1 00:00.
    """
    return (ts - 1) // DAY_US


def no_rows() -> PriceRows:
    """Give rows without a row."""
    none = np.empty(0, np.int64)
    nothing = np.empty(0, np.float64)
    return PriceRows([], [], none, none, none, none, none, none, nothing, none, none)


def rows_of_table(table: pa.Table, number: Int | None = None) -> PriceRows:
    """Turn a table that fits `price_1m_history` into arrays.

    Parameters
    ----------
    table
        Rows in the table's Arrow schema; text columns may be dictionaries.
    number
        The rows' numbers in their source, counted from 1; without it 0.
    """
    symbols, symbol = _coded(table.column("symbol"))
    sources, source = _coded(table.column("source"))
    ts = time_values(table.column("ts"))
    open_, high, low, price = (money_values(table.column(name)) for name in MONEY_COLUMNS)
    # Nulls become NaN.
    volume = table.column("volume").to_numpy()
    number = np.zeros(len(ts), np.int64) if number is None else number
    return PriceRows(symbols, sources, symbol, ts, open_, high, low, price, volume, source, number)


def rows_of_bars(bars: dict[str, Bars], source: str) -> PriceRows:
    """Turn bars by symbol into rows, numbered from 1 in the order given."""
    names = list(bars)
    counts = [len(one) for one in bars.values()]
    columns: list[Any] = [
        np.concatenate([one[field] for one in bars.values()])
        if names
        else np.empty(0, np.float64 if field == 5 else np.int64)
        for field in range(6)
    ]
    n = sum(counts)
    symbol = np.repeat(np.arange(len(names), dtype=np.int64), counts)
    number = np.arange(1, n + 1, dtype=np.int64)
    columns = [symbol, *columns, np.zeros(n, np.int64), number]
    return PriceRows(names, [source], *columns)


def table_of_rows(rows: PriceRows) -> pa.Table:
    """Turn rows into a table in the Arrow schema of `price_1m_history`.

    The text columns stay dictionaries (of the same text), which Parquet and compute
    functions take as they are; volume is null where it is NaN.
    """
    columns = {
        "symbol": _words(rows.symbol, rows.symbols),
        "ts": time_array(rows.ts),
        "open": money_array(rows.open),
        "high": money_array(rows.high),
        "low": money_array(rows.low),
        "price": money_array(rows.price),
        "volume": pa.array(rows.volume, from_pandas=True),
        "source": _words(rows.source, rows.sources),
    }
    return pa.Table.from_arrays([columns[name] for name in _SCHEMA.names], schema=_CODED_SCHEMA)


def stack(parts: list[PriceRows]) -> PriceRows:
    """Put rows after each other, coded alike and in the order of the text."""
    if not parts:
        return no_rows()
    symbols, symbol = _one_coding([(part.symbols, part.symbol) for part in parts])
    sources, source = _one_coding([(part.sources, part.source) for part in parts])
    number = np.concatenate([part.number for part in parts])
    columns: list[Any] = [
        np.concatenate(column) for column in zip(*(part[3:9] for part in parts), strict=True)
    ]
    return PriceRows(symbols, sources, *[symbol, *columns, source, number])


def by_day(rows: PriceRows) -> Iterator[tuple[int, PriceRows]]:
    """Cut rows into days, oldest day first, each in the order given."""
    days = day_of(rows.ts)
    order = np.argsort(days, kind="stable")
    present, begins = np.unique(days[order], return_index=True)
    ends = [*begins[1:].tolist(), len(rows)]
    for day, begin, end in zip(present.tolist(), begins.tolist(), ends, strict=True):
        yield day, rows.take(order[begin:end])


def merge(held: PriceRows, new: PriceRows, *, replace: bool = False) -> Merged:
    """Merge new rows, in order of arrival, into rows that were held before.

    Parameters
    ----------
    held
        Rows kept earlier: any order, each (symbol, ts) once.
    new
        Rows in the order of arrival, any number of times.
    replace
        Held rows make room for new ones that differ. Among the new ones the first is kept.

    Notes
    -----
    Merging A and then B gives the rows of merging A followed by B. Two volumes of NaN are
    equal; `source` is not compared.
    """
    if replace:
        first = merge(no_rows(), new).rows
        met = _meeting(first, held, equal=False)
        return merge(held.take(~met), new)._replace(replaced=held.take(met))
    both = stack([held, new])
    n = len(both)
    if n == 0:
        return Merged(both, np.empty(0, np.int8), both, both, no_rows())
    order, first_of, again, lead = _repeats(both)
    differs = _differ(both.take(again), both.take(lead))
    fate = np.full(n, WRITTEN, np.int8)
    fate[again] = np.where(differs, CONFLICT, DUPLICATE)
    arrived = np.argsort(again[differs])
    return Merged(
        both.take(order[first_of]),
        fate[len(held) :],
        both.take(again[differs][arrived]),
        both.take(lead[differs][arrived]),
        no_rows(),
    )


def among(held: PriceRows, rows: PriceRows) -> NDArray[np.bool_]:
    """Tell which held rows are among others, of the same source and with the same values.

    Parameters
    ----------
    held
        n rows, each (symbol, ts) once.
    rows
        Others, in the order of arrival; of a (symbol, ts) the first counts.

    Returns
    -------
    bool[n]
    """
    return _meeting(merge(no_rows(), rows).rows, held, equal=True)


def _meeting(first: PriceRows, second: PriceRows, *, equal: bool) -> NDArray[np.bool_]:
    """Tell which rows of the second meet one of the first that equals, or differs from, them.

    In each of both, a (symbol, ts) is there once. Those that equal are of one source, too.
    """
    met = np.zeros(len(second), np.bool_)
    both = stack([first, second])
    if len(both):
        _, _, again, lead = _repeats(both)
        differs = _differ(both.take(again), both.take(lead))
        chosen = ~differs & (both.source[again] == both.source[lead]) if equal else differs
        met[again[chosen] - len(first)] = True
    return met


def _repeats(both: PriceRows) -> tuple[Int, NDArray[np.bool_], Int, Int]:
    """Group n rows by (symbol, ts).

    Returns
    -------
    order : int64[n]
        Sorts them; rows of a group stay in the order given.
    first : bool[n]
        In that order: which begin a group.
    again, lead : int64
        Rows that begin none, and the one that begins theirs.
    """
    order = np.lexsort((both.ts, both.symbol))
    symbol, ts = both.symbol[order], both.ts[order]
    first = np.ones(len(both), np.bool_)
    first[1:] = (symbol[1:] != symbol[:-1]) | (ts[1:] != ts[:-1])
    lead = order[np.maximum.accumulate(np.where(first, np.arange(len(both)), 0))]
    return order, first, order[~first], lead[~first]


def _differ(a: PriceRows, b: PriceRows) -> NDArray[np.bool_]:
    differs = np.zeros(len(a), np.bool_)
    for name in MONEY_COLUMNS:
        differs |= getattr(a, name) != getattr(b, name)
    differs |= (a.volume != b.volume) & ~(np.isnan(a.volume) & np.isnan(b.volume))
    return differs


def _one_coding(parts: list[tuple[list[str], Int]]) -> tuple[list[str], Int]:
    """Code the parts' texts alike, in the order of the text, unused texts left out."""
    used = [(names, codes, np.unique(codes)) for names, codes in parts]
    texts = sorted({names[code] for names, _, present in used for code in present})
    place = {text: at for at, text in enumerate(texts)}
    coded = []
    for names, codes, present in used:
        to = np.zeros(len(names), np.int64)
        for code in present:
            to[code] = place[names[code]]
        coded.append(to[codes])
    return texts, np.concatenate(coded)


def _words(codes: Int, texts: list[str]) -> Any:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(texts, pa.string()))


def _coded(column: Any) -> tuple[list[str], Int]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no rows, no chunks
        return [], np.empty(0, np.int64)
    codes = whole.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return whole.dictionary.to_pylist(), codes
