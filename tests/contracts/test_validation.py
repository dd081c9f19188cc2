"""Validation: no row is lost, none is wrongly let through, and each refusal says why."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.examples import NOW, as_texts, breakages, good_texts, micros, naive
from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    STRATEGY_PERF_LATEST,
    TABLES,
    arrow_schema,
    cells,
    validate,
    validation,
)
from streaming.contracts import words as cell_words
from streaming.errors import ContractError

ALL = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def prices(**changes):
    """One good bar, its cells typed, as a table; `changes` are columns or None to drop one."""
    columns = {
        "symbol": ["SPY"],
        "ts": pa.array([datetime(2013, 10, 7, 13, 31, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "open": [17.25],
        "high": [17.5],
        "low": [17.0],
        "price": [17.2],
        "volume": [100.0],
        "source": ["f"],
    } | changes
    return pa.table({name: cells for name, cells in columns.items() if cells is not None})


def only_reason(batch, table=PRICE_1M_HISTORY, **options):
    good, quarantine = validate(table, batch, "prices.csv", **options)
    assert (good.num_rows, quarantine.num_rows) == (0, 1)
    return quarantine["reason"][0].as_py()


@ALL
def test_good_rows_pass_whole(table):
    rows = [good_texts(table, seed) for seed in range(50)]
    good, quarantine = validate(table, as_texts(table, rows), "f", now=micros(NOW))
    assert quarantine.num_rows == 0
    assert good.schema.equals(arrow_schema(table))
    good.validate(full=True)
    assert good.to_pylist() == [naive(table, row)[0] for row in rows]


@ALL
def test_every_rule_of_every_table_is_checked_and_named(table):
    wrong = list(breakages(table))
    rows = [good_texts(table, seed) for seed in range(len(wrong))]
    for row, breakage in zip(rows, wrong, strict=True):
        breakage.apply(row)
    good, quarantine = validate(table, as_texts(table, rows), "f", now=micros(NOW))
    refused = quarantine.to_pylist()
    let_through = {one["rowNumber"] for one in refused} ^ set(range(1, len(wrong) + 1))
    assert [wrong[number - 1].label for number in let_through] == []
    assert good.num_rows == 0
    for one, row, breakage in zip(refused, rows, wrong, strict=True):
        assert re.search(breakage.words, one["reason"]), (breakage.label, one["reason"])
        assert json.loads(one["row"]) == row


@ALL
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_good_and_quarantined_rows_are_the_input_row_for_row(table, data):
    wrong = list(breakages(table))
    picks = data.draw(st.lists(st.one_of(st.none(), st.sampled_from(wrong)), max_size=12))
    rows = []
    for seed, breakage in enumerate(picks):
        row = good_texts(table, seed)
        if breakage:
            breakage.apply(row)
        rows.append(row)
    expected = [naive(table, row) for row in rows]
    first = data.draw(st.integers(0, 10**9))

    good, quarantine = validate(table, as_texts(table, rows), "a file", first, now=micros(NOW))

    assert good.schema.equals(arrow_schema(table))
    assert quarantine.schema.equals(arrow_schema(QUARANTINE_HISTORY))
    quarantine.validate(full=True)
    assert good.to_pylist() == [values for values, _ in expected if values is not None]
    refused = [i for i, (values, _) in enumerate(expected) if values is None]
    assert quarantine["rowNumber"].to_pylist() == [first + i for i in refused]
    assert [json.loads(row) for row in quarantine["row"].to_pylist()] == [rows[i] for i in refused]
    for i, reason in zip(refused, quarantine["reason"].to_pylist(), strict=True):
        assert reason.startswith(expected[i][1] + " "), (reason, rows[i])
    assert set(quarantine["tableName"].to_pylist()) <= {table.name}
    assert set(quarantine["source"].to_pylist()) <= {"a file"}


def test_blocks_do_not_show(monkeypatch):
    rows = [good_texts(PRICE_1M_HISTORY, seed) for seed in range(23)]
    for i in (0, 6, 7, 22):
        rows[i]["price"] = "-1"
    batch = as_texts(PRICE_1M_HISTORY, rows)
    whole = validate(PRICE_1M_HISTORY, batch, "f")
    monkeypatch.setattr(validation, "_BLOCK", 7)
    cut = validate(PRICE_1M_HISTORY, batch, "f")
    assert cut.good.equals(whole.good)
    assert cut.quarantine.equals(whole.quarantine)
    assert whole.quarantine["rowNumber"].to_pylist() == [1, 7, 8, 23]


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 20), max_size=4), data=st.data())
def test_how_the_input_is_chunked_does_not_show(cuts, data):
    wrong = list(breakages(EXEC_REPORT_HISTORY))
    rows = [good_texts(EXEC_REPORT_HISTORY, seed) for seed in range(20)]
    for row in rows:
        if data.draw(st.booleans()):
            data.draw(st.sampled_from(wrong)).apply(row)
    batch = as_texts(EXEC_REPORT_HISTORY, rows)
    edges = [0, *sorted(cuts), 20]
    parts = [batch.slice(a, b - a) for a, b in pairwise(edges)]
    whole = validate(EXEC_REPORT_HISTORY, batch, "f", now=micros(NOW))
    chunked = validate(EXEC_REPORT_HISTORY, pa.concat_tables(parts), "f", now=micros(NOW))
    apart = [
        validate(EXEC_REPORT_HISTORY, part, "f", 1 + edge, now=micros(NOW))
        for part, edge in zip(parts, edges, strict=False)
    ]
    assert chunked.good.equals(whole.good)
    assert chunked.quarantine.equals(whole.quarantine)
    assert pa.concat_tables([part.good for part in apart]).equals(whole.good)
    assert pa.concat_tables([part.quarantine for part in apart]).equals(whole.quarantine)


def test_good_rows_never_reach_the_slow_path(monkeypatch):
    for name in ("units", "double", "micros", "flag", "whole_number"):
        monkeypatch.setattr(cell_words, name, None)
    for table in TABLES.values():
        rows = [good_texts(table, seed) for seed in range(20)]
        assert validate(table, as_texts(table, rows), "f", now=micros(NOW)).good.num_rows == 20


def test_a_reason_reads_like_a_sentence():
    assert only_reason(prices(high=["17.20"], low=["17.40"], open=["17.30"])) == (
        "high 17.20 is below low 17.40"
    )
    assert only_reason(prices(price=[math.nan])) == "price NaN is not finite"
    assert only_reason(prices(price=[-1.5])) == "price -1.5 is not above 0"
    assert only_reason(prices(symbol=[None])) == "symbol is missing"
    assert only_reason(prices(symbol=pa.nulls(1))) == "symbol is missing"
    long = "x" * 500
    assert only_reason(prices(price=[long])) == f"price '{'x' * 57}...' is not a number"


@pytest.mark.parametrize("wrong", [0.0, -17.2, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", ["open", "high", "low", "price"])
def test_prices_that_are_not_positive_and_finite_are_refused(column, wrong):
    assert only_reason(prices(**{column: [wrong]})).startswith(f"{column} ")


def test_the_quarantined_row_is_whole_and_lossless():
    batch = prices(
        high=pa.array([Decimal("17.100000000000000000010")]),
        price=pa.array(["17.20"]),
        volume=pa.array([math.nan]),
        extra=pa.array([0.1 + 0.2]),
        big=pa.array([2**64 - 1], pa.uint64()),
        nested=pa.array([{"a": [1, None], "b": float("-inf")}]),
        raw=pa.array([b"\x00\xff"]),
        when=pa.array([1_381_152_660_000_000_001], pa.timestamp("ns")),
        far=pa.array([2**62], pa.timestamp("s", "Europe/Oslo")),
        nothing=pa.array([None]),
    )
    _, quarantine = validate(PRICE_1M_HISTORY, batch, "prices.csv", 1204)
    [row] = quarantine.to_pylist()
    assert row["rowNumber"] == 1204
    assert row["reason"] == "high 17.100000000000000000010 does not fit DECIMAL(18,8)"
    assert row["ts"] == datetime(2013, 10, 7, 13, 31, tzinfo=UTC)
    cells = json.loads(row["row"])
    assert list(cells) == batch.column_names
    assert cells == {
        "symbol": "SPY",
        "ts": "2013-10-07T13:31:00.000000Z",
        "open": 17.25,
        "high": "17.100000000000000000010",
        "low": 17.0,
        "price": "17.20",
        "volume": "NaN",
        "source": "f",
        "extra": 0.30000000000000004,
        "big": 2**64 - 1,
        "nested": {"a": [1, None], "b": "-Infinity"},
        "raw": "00ff",
        "when": "2013-10-07T13:31:00.000000001",
        "far": "146138514312-11-06T05:06:56Z",
        "nothing": None,
    } | {"far": cells["far"]}
    assert cells["far"].endswith("Z")


def test_doubled_other_columns_are_kept_apart():
    batch = pa.Table.from_arrays(
        [*prices(price=[-1.0]).columns, pa.chunked_array([["a"]]), pa.chunked_array([["b"]])],
        names=[*prices().column_names, "note", "note"],
    )
    _, quarantine = validate(PRICE_1M_HISTORY, batch, "f")
    row = json.loads(quarantine["row"][0].as_py())
    assert (row["note"], row["note#2"]) == ("a", "b")


def test_the_quarantine_bears_the_rows_own_time_where_it_is_valid():
    def moment(**changes):
        return validate(PRICE_1M_HISTORY, prices(**changes), "f", now=micros(NOW)).quarantine["ts"]

    assert moment(price=[-1.0])[0].as_py() == datetime(2013, 10, 7, 13, 31, tzinfo=UTC)
    assert moment(ts=["2013-10-07T13:31:30Z"])[0].as_py() == datetime(
        2013, 10, 7, 13, 31, 30, tzinfo=UTC
    )
    for unusable in ("no time", "1969-12-31T23:59:00Z", "2031-01-01T00:00:00Z", None):
        assert moment(ts=pa.array([unusable], pa.string()))[0].as_py() is None


def test_a_missing_column_is_an_error_that_names_the_nearest():
    with pytest.raises(ContractError) as error:
        validate(PRICE_1M_HISTORY, prices(price=None, prise=[17.2]), "prices.csv")
    assert str(error.value) == (
        "prices.csv: column price of price_1m_history is missing. Is it prise?"
    )
    with pytest.raises(ContractError, match=r"column price .* There is: symbol, ts, open"):
        validate(PRICE_1M_HISTORY, prices(price=None), "prices.csv")


def test_a_doubled_column_is_an_error():
    batch = pa.Table.from_arrays(
        [*prices().columns, pa.chunked_array([[1.0]])], names=[*prices().column_names, "volume"]
    )
    with pytest.raises(ContractError, match="column volume of price_1m_history is there 2 times"):
        validate(PRICE_1M_HISTORY, batch, "f")


def test_a_missing_nullable_column_becomes_null():
    good, quarantine = validate(PRICE_1M_HISTORY, prices(volume=None), "f")
    assert good["volume"].to_pylist() == [None]
    assert quarantine.num_rows == 0


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("symbol", pa.array([1.5])),
        ("symbol", pa.array([True])),
        ("price", pa.array([True])),
        ("volume", pa.array([datetime(2013, 10, 7, tzinfo=UTC)])),
        ("ts", pa.array([1_381_152_660])),
        ("ts", pa.array([datetime(2013, 10, 7, tzinfo=UTC).date()])),
        ("price", pa.array([[1.0]])),
    ],
)
def test_a_column_of_another_kind_is_an_error(column, cells):
    with pytest.raises(ContractError, match=rf"^f: column {column} is of type .* cannot be read"):
        validate(PRICE_1M_HISTORY, prices(**{column: cells}), "f")


def test_nan_in_a_nullable_double_means_no_value():
    good, _ = validate(PRICE_1M_HISTORY, prices(volume=[math.nan]), "f")
    assert good["volume"].null_count == 1
    assert only_reason(prices(volume=[math.inf])) == "volume Infinity is not finite"


def test_an_empty_batch_gives_empty_tables():
    for batch in (prices().slice(0, 0), prices().slice(0, 0).to_batches(), None):
        if batch is None:
            batch = arrow_schema(PRICE_1M_HISTORY).empty_table()
        elif not isinstance(batch, pa.Table):
            batch = pa.Table.from_batches(batch, prices().schema)
        good, quarantine = validate(PRICE_1M_HISTORY, batch, "f")
        assert (good.num_rows, quarantine.num_rows) == (0, 0)
        assert good.schema.equals(arrow_schema(PRICE_1M_HISTORY))
        assert quarantine.schema.equals(arrow_schema(QUARANTINE_HISTORY))


def test_what_validate_gives_it_takes():
    good, _ = validate(PRICE_1M_HISTORY, prices(), "f")
    again, quarantine = validate(PRICE_1M_HISTORY, good, "f")
    assert again.equals(good)
    assert quarantine.num_rows == 0


def test_a_record_batch_is_taken_too():
    batch = prices().to_batches()[0]
    assert validate(PRICE_1M_HISTORY, batch, "f").good.equals(
        validate(PRICE_1M_HISTORY, prices(), "f").good
    )


def test_the_clock_bounds_the_future():
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    later = soon + timedelta(minutes=30)
    assert validate(PRICE_1M_HISTORY, prices(ts=[soon]), "f").good.num_rows == 1
    assert only_reason(prices(ts=[later])).endswith("lies in the future")


def test_row_rules_do_not_apply_where_a_cell_is_empty():
    row = good_texts(STRATEGY_PERF_LATEST, 1) | {"openPnl": None, "sharpe": None}
    assert validate(STRATEGY_PERF_LATEST, as_texts(STRATEGY_PERF_LATEST, [row]), "f").good.num_rows


def test_cells_read_nothing_where_there_is_nothing():
    for table in TABLES.values():
        for column in table.columns:
            read = cells.read_cells(column, pa.nulls(3), naive_is_utc=False)
            assert read.null.tolist() == [True] * 3
            assert read.refused == {}
