"""Rows that replace win over held ones; rows that are taken out are these and no others."""

import datetime as dt

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streaming.jobs.price_rows import (
    WRITTEN,
    PriceRows,
    among,
    merge,
    no_rows,
    stack,
)
from streaming.lake import Lake

ROW = st.tuples(st.sampled_from("AB"), st.integers(1, 4), st.integers(1, 2))


def rows_of(cells, source="a"):
    """Rows of (symbol, minute, price)."""
    if not cells:
        return no_rows()
    names = sorted({name for name, _, _ in cells})
    symbol = np.array([names.index(name) for name, _, _ in cells], np.int64)
    ts = np.array([minute for _, minute, _ in cells], np.int64) * 60_000_000
    price = np.array([price for _, _, price in cells], np.int64) * 10**8
    volume = np.full(len(cells), np.nan)
    zeros = np.zeros(len(cells), np.int64)
    return PriceRows(
        names, [source], symbol, ts, price, price, price, price, volume, zeros, zeros + 1
    )


def cells_of(rows):
    return [
        (rows.symbols[code], int(ts) // 60_000_000, int(price) // 10**8)
        for code, ts, price in zip(rows.symbol, rows.ts, rows.price, strict=True)
    ]


def first_of(cells):
    kept = {}
    for name, minute, price in cells:
        kept.setdefault((name, minute), price)
    return kept


@given(held=st.lists(ROW), new=st.lists(ROW))
def test_the_first_new_row_wins_over_the_held_one(held, new):
    before, wanted = first_of(held), first_of(new)
    merged = merge(merge(no_rows(), rows_of(held)).rows, rows_of(new, "b"), replace=True)
    assert cells_of(merged.rows) == sorted((*key, one) for key, one in (before | wanted).items())
    gone = [(*key, one) for key, one in before.items() if wanted.get(key, one) != one]
    assert sorted(cells_of(merged.replaced)) == sorted(gone)
    written = {key for key, one in wanted.items() if before.get(key) != one}
    assert np.count_nonzero(merged.fate == WRITTEN) == len(written)


@given(held=st.lists(ROW), other=st.lists(ROW), rows=st.lists(ROW))
def test_among_are_those_of_the_same_values_and_source(held, other, rows):
    both = merge(merge(no_rows(), rows_of(held, "a")).rows, rows_of(other, "b")).rows
    found = among(both, rows_of(rows, "a"))
    wanted = first_of(rows)
    sources = [both.sources[code] for code in both.source]
    assert found.tolist() == [
        source == "a" and wanted.get((name, minute)) == price
        for (name, minute, price), source in zip(cells_of(both), sources, strict=True)
    ]


def test_a_day_that_has_no_bars_left_has_no_file(tmp_path):
    lake = Lake(tmp_path)
    rows = rows_of([("A", 1, 1), ("B", 1, 1), ("B", 2, 1)])
    lake.write_prices(stack([rows]))
    day = dt.date(1970, 1, 1)
    with lake.writing("price_1m_history"):
        assert lake.take_out(0, lambda held: held.symbol == 5) == 0
        assert lake.take_out(0, lambda held: held.symbol == 1) == 2
    assert list(lake.days()[0].symbols) == ["A"]
    with lake.writing("price_1m_history"):
        assert lake.take_out(0, lambda held: held.symbol == 0) == 1
        assert lake.take_out(0, lambda held: held.symbol == 0) == 0
    assert lake.days() == []
    assert not lake.day_file(day).exists()
