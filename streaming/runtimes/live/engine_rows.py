"""Rows that the live engine writes beside what its jobs give."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import Table, arrow_schema
from streaming.contracts.arrow import time_values
from streaming.jobs.broker_reports import alert_rows


def late_alerts(account: str, late: pa.Table) -> pa.Table:
    """Say of each late bar that nothing is computed again."""
    times = late.column("ts")
    words = pc.binary_join_element_wise(
        "bar of ",
        late.column("symbol").cast(pa.string()),
        " at ",
        pc.strftime(times, "%Y-%m-%dT%H:%MZ"),
        " came after the watermark; it is stored, and nothing is computed again",
        "",
    )
    return alert_rows(account, "LATE_BAR", words, time_values(times))


def by_time(rows: pa.Table, column: str = "ts") -> pa.Table:
    """Put rows in order of time; those of one time stay in the order in which they are."""
    times = time_values(rows.column(column))
    if bool((np.diff(times) >= 0).all()):
        return rows
    return rows.take(pa.array(np.argsort(times, kind="stable")))


def latest_rows(table: Table, rows: pa.Table) -> pa.Table:
    """Give the last row of each key, in the table's schema."""
    schema = arrow_schema(table)
    keys = [rows.column(name).combine_chunks() for name in table.primary_key]
    number = np.zeros(rows.num_rows, np.int64)
    for column in keys:
        codes = column.dictionary_encode().indices.to_numpy()
        number = number * (int(codes.max(initial=0)) + 1) + codes
    _, last = np.unique(number[::-1], return_index=True)
    places = np.sort(rows.num_rows - 1 - last)
    return rows.select(schema.names).take(pa.array(places)).cast(schema)
