"""A day's file that another program wrote anew is told by its file, row and rule."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.errors import LakeError
from streaming.jobs.price_rows import rows_of_bars
from streaming.lake import Lake
from streaming.lake.verifying import verify_day

from .samples import random_market, rows_of


@pytest.fixture
def path(tmp_path):
    lake = Lake(tmp_path)
    lake.write_prices(rows_of(random_market(5, 3, 900)))
    (info,) = lake.days()
    assert info.rows > 1000
    return lake.day_file(info.day)


def rewrite(path, change):
    """Write the file anew with other rows, as any tool would: the footer goes with them."""
    rows = pq.read_table(path, partitioning=None)
    changed = change(rows)
    table = pa.Table.from_arrays(changed.columns, schema=rows.schema)
    pq.write_table(table, path, store_decimal_as_integer=True)


def with_cell(column, row, change):
    def spoil(rows):
        cells = rows[column].to_pylist()
        cells[row] = change(cells[row])
        place = rows.schema.get_field_index(column)
        return rows.set_column(place, column, pa.array(cells, rows[column].type))

    return spoil


def test_what_an_import_wrote_is_good(path):
    verify_day(path)
    # Another encoding of the same rows is no fault.
    rewrite(path, lambda rows: rows)
    verify_day(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_cell("high", 40, lambda high: Decimal("0.01")), r"1 of .* rows .* row 41: high"),
        (with_cell("price", 7, lambda price: -price), r"row 8: .*price"),
        (with_cell("volume", 7, lambda volume: volume + 1), "not those that were imported"),
        (with_cell("symbol", 0, lambda name: "ZZZ"), "row 2 does not come after the one before"),
        (lambda rows: rows.take(pa.array([0, 0, *range(2, rows.num_rows)])), "row 2 does not come"),
        (lambda rows: rows.take(pa.array([1, 0, *range(2, rows.num_rows)])), "row 2 does not come"),
        (lambda rows: rows.slice(1), "rows are missing"),
    ],
    ids=["a high below its low", "a price below 0", "a volume within the contract", "a symbol",
         "a row twice", "two rows changed about", "a row lost"],
)  # fmt: skip
def test_each_kind_of_change_is_told(path, change, says):
    rewrite(path, change)
    with pytest.raises(LakeError, match=says) as told:
        verify_day(path)
    assert str(path) in str(told.value)
    assert "import the files of that day again" in str(told.value)


def test_symbols_in_another_order_are_told(path):
    rows = pq.read_table(path, partitioning=None)
    first = rows["symbol"].to_pylist().index(rows["symbol"].to_pylist()[-1])
    rewrite(path, lambda rows: pa.concat_tables([rows.slice(first), rows.slice(0, first)]))
    with pytest.raises(LakeError, match="does not come after the one before"):
        verify_day(path)


def test_every_day_that_an_import_can_write_is_good(tmp_path):
    lake = Lake(tmp_path / "other")
    lake.write_prices(rows_of_bars(random_market(9, 2, 4000), "test"))
    days = lake.days()
    assert len(days) > 1
    for info in days:
        verify_day(lake.day_file(info.day))
