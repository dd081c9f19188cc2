"""Arrow: the schema of every table, and money that crosses to int64 and back unchanged."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.contracts import (
    ARROW_TYPES,
    PRICE_1M_HISTORY,
    TABLES,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    empty_table,
    money_array,
    money_values,
    time_array,
    time_values,
    validate,
)
from streaming.errors import MoneyError

LIMIT = 10**18
UNITS = st.lists(st.integers(1 - LIMIT, LIMIT - 1))
ALL = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@ALL
def test_a_schema_has_the_columns_in_order_with_their_types(table):
    schema = arrow_schema(table)
    assert schema.names == [column.name for column in table.columns]
    for column, field in zip(table.columns, schema, strict=True):
        assert (field.type, field.nullable) == (ARROW_TYPES[column.type], column.nullable)
    assert empty_table(table).schema.equals(schema)
    assert empty_table(table).num_rows == 0


def test_the_types_are_those_of_the_specification():
    schema = arrow_schema(TRADE_MATCH_HISTORY)
    assert schema.field("realizedPnl").type == pa.decimal128(18, 8)
    assert schema.field("matchTimestamp").type == pa.timestamp("us", tz="UTC")
    assert schema.field("matchId").type == pa.string()


@settings(max_examples=200, deadline=None)
@given(UNITS)
def test_money_becomes_the_decimals_it_stands_for(units):
    array = money_array(np.array(units, np.int64))
    array.validate(full=True)
    assert array.type == pa.decimal128(18, 8)
    assert array.to_pylist() == [Decimal(unit).scaleb(-8) for unit in units]
    assert money_values(array).tolist() == units


@settings(max_examples=100, deadline=None)
@given(UNITS, st.data())
def test_money_is_read_from_slices_chunks_and_past_nulls(units, data):
    null = np.array([data.draw(st.booleans()) for _ in units], np.bool_)
    array = money_array(np.array(units, np.int64), null)
    array.validate(full=True)
    expected = [-7 if gone else unit for unit, gone in zip(units, null, strict=True)]
    assert array.null_count == null.sum()
    assert money_values(array, null=-7).tolist() == expected
    start = data.draw(st.integers(0, len(units)))
    assert money_values(array.slice(start), null=-7).tolist() == expected[start:]
    chunks = pa.chunked_array([array.slice(start), array.slice(0, start)], array.type)
    assert money_values(chunks, null=-7).tolist() == expected[start:] + expected[:start]


def test_money_built_by_others_is_read_alike():
    decimals = [Decimal("-1.5"), None, Decimal("9999999999.99999999"), Decimal("0.00000001")]
    array = pa.array(decimals, pa.decimal128(18, 8))
    assert money_values(array, null=0).tolist() == [-150_000_000, 0, LIMIT - 1, 1]


def test_what_is_read_is_the_callers_own():
    array = money_array(np.array([1, 2, 3]))
    values = money_values(array)
    assert values.flags.writeable
    assert values.flags.c_contiguous
    values[:] = 0
    assert money_values(array).tolist() == [1, 2, 3]


def test_the_numbers_given_may_be_a_strided_view():
    pairs = np.arange(10).reshape(5, 2)
    assert money_values(money_array(pairs[:, 1])).tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("wrong", [LIMIT, -LIMIT, 2**63 - 1, -(2**63)])
def test_money_that_does_not_fit_is_an_error_that_names_its_place(wrong):
    with pytest.raises(MoneyError, match=rf"position 2: {wrong} x 1e-8 does not fit"):
        money_array(np.array([0, 1, wrong, 2], np.int64))
    nothing = money_array(np.array([0, wrong], np.int64), np.array([False, True]))
    assert nothing.to_pylist() == [Decimal(0), None]


def of_words(*amounts):
    """A decimal128(18, 8) array that holds whatever 128 bits do, as a damaged one may."""
    words = [word for one in amounts for word in (one & (2**64 - 1), one >> 64 & (2**64 - 1))]
    data = pa.py_buffer(np.array(words, np.uint64).tobytes())
    return pa.Array.from_buffers(pa.decimal128(18, 8), len(amounts), [None, data])


@pytest.mark.parametrize("wrong", [LIMIT, -LIMIT, 2**64 + 10**8, -(2**64) - 1, 2**63, 2**126])
def test_an_array_that_holds_more_than_its_type_is_never_read_as_less(wrong):
    with pytest.raises(MoneyError, match=rf"position 3: {wrong} x 1e-8 does not fit"):
        money_values(pa.chunked_array([of_words(1, 2), of_words(LIMIT - 1, wrong, wrong)]))
    assert money_values(of_words(1 - LIMIT, -1, LIMIT - 1)).tolist() == [1 - LIMIT, -1, LIMIT - 1]


@pytest.mark.parametrize("wrong", [LIMIT, 2**64 + 10**8, -(2**100)])
def test_such_an_amount_costs_its_row_alone(wrong):
    minutes = [dt.datetime(2024, 1, 2, 3, minute, tzinfo=dt.UTC) for minute in range(3)]
    prices = dict.fromkeys(("open", "high", "low", "price"), [Decimal(1)] * 3)
    rows = pa.table(
        {"symbol": ["A"] * 3, "ts": minutes, **prices, "volume": [1.0] * 3, "source": ["f"] * 3}
    ).cast(arrow_schema(PRICE_1M_HISTORY))
    place = rows.schema.get_field_index("high")
    high = of_words(*[int(Decimal(one).scaleb(8)) for one in rows["high"].to_pylist()[:2]], wrong)
    checked = validate(PRICE_1M_HISTORY, rows.set_column(place, "high", high), "f")
    assert checked.good.num_rows == 2
    assert checked.quarantine["rowNumber"].to_pylist() == [3]
    assert "DECIMAL(18,8)" in checked.quarantine["reason"].to_pylist()[0]


def test_missing_or_foreign_money_is_an_error():
    with pytest.raises(MoneyError, match="1 amounts are missing"):
        money_values(pa.array([None], pa.decimal128(18, 8)))
    with pytest.raises(MoneyError, match=r"got decimal128\(18, 6\)"):
        money_values(pa.array([Decimal(1)], pa.decimal128(18, 6)))


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_times_cross_unchanged(micros):
    array = time_array(np.array(micros, np.int64))
    assert array.type == pa.timestamp("us", tz="UTC")
    assert time_values(array).tolist() == micros
    assert time_values(pa.chunked_array([array, array])).tolist() == micros * 2


def test_missing_times_are_an_error_unless_they_are_told():
    array = time_array(np.array([5, 6]), np.array([False, True]))
    assert array.null_count == 1
    assert time_values(array, null=-1).tolist() == [5, -1]
    with pytest.raises(ValueError, match="1 times are missing"):
        time_values(array)
