"""Which rows a run's writer keeps, and in which month's file."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.contracts import TABLES, arrow_schema
from streaming.runtimes.backtest.store import RunWriter

from .composed import micros
from .markets import us

TABLE = "order_event_history"
BORDER = us("2024-02-01")


def rows_at(*times: int) -> pa.Table:
    schema = arrow_schema(TABLES[TABLE])
    column = TABLES[TABLE].ordered_by
    columns = [
        pa.array(times, pa.int64()).cast(field.type)
        if field.name == column
        else pa.array(["1"] * len(times)).cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def kept(folder) -> dict[str, list[int]]:
    column = TABLES[TABLE].ordered_by
    return {
        path.parent.name: [micros(ts) for ts in pq.read_table(path)[column].to_pylist()]
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 2, 3)])
def test_rows_up_to_the_border_belong_to_the_earlier_run(tmp_path, cuts):
    times = [BORDER - 1, BORDER, BORDER + 1, BORDER + 2]
    writer = RunWriter(tmp_path, BORDER)
    for start, stop in zip((0, *cuts), (*cuts, None), strict=True):
        writer.append(TABLE, "s", rows_at(*times[start:stop]))
    writer.close()
    assert kept(tmp_path) == {"month=2024-02": [BORDER + 1, BORDER + 2]}
    assert writer.rows == {TABLE: 2}


def test_midnight_ends_its_month(tmp_path):
    writer = RunWriter(tmp_path, None)
    writer.append(TABLE, "s", rows_at(BORDER - 1, BORDER, BORDER + 1))
    writer.close()
    assert kept(tmp_path) == {"month=2024-01": [BORDER - 1, BORDER], "month=2024-02": [BORDER + 1]}
