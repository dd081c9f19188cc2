"""Tables as Flink SQL: the Fluss table, and the event time that a streaming job reads by.

Run under a Fluss catalog (`CREATE CATALOG ... WITH ('type' = 'fluss', 'bootstrap.servers'
= ...)`), which stores the computed column and the watermark with the table.
"""

from streaming.contracts.fluss import create_table
from streaming.contracts.sql import backticks
from streaming.contracts.table import Table

EVENT_TIME = "eventTime"
"""The computed column that bears the watermark."""


def flink_ddl(table: Table, lateness_sec: int = 5) -> str:
    """Give the statement that creates a table for streaming jobs.

    A log that is ordered by a time gets a watermark on it, `lateness_sec` behind the
    largest time seen. Flink keeps watermarks in milliseconds and takes none on a time of
    more than three places, so the watermark stands on a computed column, cut down to
    milliseconds: it is never ahead of the row's own microseconds.
    """
    if table.ordered_by is None:
        return create_table(table, ())
    moment = backticks(EVENT_TIME)
    return create_table(
        table,
        (
            f"{moment} AS CAST({backticks(table.ordered_by)} AS TIMESTAMP_LTZ(3))",
            f"WATERMARK FOR {moment} AS {moment} - INTERVAL '{lateness_sec}' SECOND",
        ),
    )
