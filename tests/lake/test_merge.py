"""The first bar of a minute stays; the others are counted or given back."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.contracts import PRICE_1M_HISTORY, arrow_schema
from streaming.jobs.price_rows import (
    CONFLICT,
    PriceRows,
    by_day,
    day_of,
    merge,
    no_rows,
    rows_of_table,
    stack,
    table_of_rows,
)

from .samples import MONDAY, random_market, rows_of

_ROW = st.tuples(
    st.sampled_from("CAB"),
    st.integers(1, 4),
    st.integers(1, 2),
    st.sampled_from([float("nan"), 0.0, 1.5]),
    st.sampled_from(["x.csv", "a.csv"]),
)


def _rows(listed, first=1) -> PriceRows:
    symbols, sources = ["B", "C", "A", "unused"], ["x.csv", "a.csv"]
    columns = list(zip(*listed, strict=True)) if listed else [[]] * 5
    price = np.array(columns[2], np.int64)
    return PriceRows(
        symbols,
        sources,
        np.array([symbols.index(s) for s in columns[0]], np.int64),
        np.array(columns[1], np.int64),
        price,
        price,
        price,
        price,
        np.array(columns[3], np.float64),
        np.array([sources.index(s) for s in columns[4]], np.int64),
        np.arange(first, first + len(listed), dtype=np.int64),
    )


def _plain(rows: PriceRows):
    """Rows as tuples, NaN as None, without their numbers."""
    return [
        (
            rows.symbols[rows.symbol[i]],
            int(rows.ts[i]),
            int(rows.price[i]),
            None if np.isnan(rows.volume[i]) else float(rows.volume[i]),
            rows.sources[rows.source[i]],
        )
        for i in range(len(rows))
    ]


def _naive(held, new):
    kept = {row[:2]: row for row in held}
    written = duplicates = 0
    conflicts = []
    for row in new:
        first = kept.setdefault(row[:2], row)
        if first is row:
            written += 1
        elif first[2:4] == row[2:4]:
            duplicates += 1
        else:
            conflicts.append((row, first))
    return sorted(kept.values(), key=lambda r: r[:2]), written, duplicates, conflicts


def _none(row):
    return (*row[:3], None if np.isnan(row[3]) else row[3], row[4])


@settings(max_examples=300)
@given(a=st.lists(_ROW, max_size=12), b=st.lists(_ROW, max_size=12))
def test_merging_equals_a_dictionary(a, b):
    held = merge(no_rows(), _rows(a)).rows
    merged = merge(held, _rows(b))
    want, written, duplicates, conflicts = _naive(_plain(held), [_none(row) for row in b])
    assert _plain(merged.rows) == want
    assert (merged.written, merged.duplicates) == (written, duplicates)
    got = list(zip(_plain(merged.conflicts), _plain(merged.kept), strict=True))
    assert got == conflicts
    assert merged.written + merged.duplicates + len(merged.conflicts) == len(b)
    assert list(merged.conflicts.number) == sorted(merged.conflicts.number)
    assert np.flatnonzero(merged.fate == CONFLICT).tolist() == [
        n - 1 for n in merged.conflicts.number
    ]


@settings(max_examples=200)
@given(listed=st.lists(_ROW, max_size=20), cut=st.integers(0, 20))
def test_merging_does_not_depend_on_the_cut(listed, cut):
    whole = merge(no_rows(), _rows(listed))
    first = merge(no_rows(), _rows(listed[:cut]))
    second = merge(first.rows, _rows(listed[cut:], first=cut + 1))
    assert _plain(second.rows) == _plain(whole.rows)
    assert first.written + second.written == whole.written
    assert first.duplicates + second.duplicates == whole.duplicates


def test_codes_follow_the_order_of_the_text_and_unused_texts_go():
    merged = merge(no_rows(), _rows([("C", 1, 1, 0.0, "x.csv"), ("A", 1, 1, 0.0, "x.csv")]))
    assert merged.rows.symbols == ["A", "C"]
    assert merged.rows.sources == ["x.csv"]


def test_a_bar_at_midnight_closes_the_day_that_ends():
    day = 86_400_000_000
    assert day_of(np.array([1, day, day + 1])).tolist() == [0, 0, 1]


def test_rows_become_a_table_of_the_contract_and_come_back():
    rows = rows_of(random_market(1, 3, 50))
    table = table_of_rows(rows)
    assert table.cast(arrow_schema(PRICE_1M_HISTORY)).num_rows == len(rows)
    assert table.column("volume").null_count == int(np.isnan(rows.volume).sum()) > 0
    for back in (rows_of_table(table), rows_of_table(_in_chunks(table))):
        for name in rows._fields[2:-1]:
            np.testing.assert_array_equal(getattr(back, name), getattr(rows, name))
        assert (back.symbols, back.sources) == (rows.symbols, rows.sources)


def _in_chunks(table: pa.Table) -> pa.Table:
    plain = table.cast(arrow_schema(PRICE_1M_HISTORY))
    return pa.concat_tables([plain.slice(0, 7), plain.slice(7, 0), plain.slice(7)])


def test_nothing_merges_into_nothing():
    merged = merge(no_rows(), no_rows())
    assert (len(merged.rows), merged.written, merged.duplicates) == (0, 0, 0)
    assert len(stack([])) == 0
    assert len(rows_of_table(arrow_schema(PRICE_1M_HISTORY).empty_table())) == 0


def test_days_come_in_order_with_their_rows_as_given():
    ts = MONDAY + np.array([2, -1, 0, 1, -2]) * 1_000_000
    rows = _rows([("A", int(t), i, 0.0, "x.csv") for i, t in enumerate(ts, start=1)])
    parts = [(day, part.price.tolist()) for day, part in by_day(rows)]
    monday = MONDAY // 86_400_000_000
    assert parts == [(monday - 1, [2, 3, 5]), (monday, [1, 4])]
