"""Rows that were refused, in the order in which that happened, until they are a table."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import QUARANTINE_HISTORY, Table, arrow_schema, time_array
from streaming.jobs.trading_engine.fills import Part


class _Refused(NamedTuple):
    moment: int
    part: Part
    place: int
    ts: int | None
    reason: str


class Refusals:
    """Collects refused rows; costs Python time for each.

    Parameters
    ----------
    table
        The table that the rows were meant for.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: list[_Refused] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, moment: int, part: Part, place: int, ts: int | None, reason: str) -> None:
        """Refuse a row of a part, for a reason.

        `moment` is the place of the arriving row at which that happened: refusals are listed
        by it, those of one moment as they were added. `ts` is the row's own time, where known.
        """
        self._rows.append(_Refused(moment, part, place, ts, reason))

    def table(self) -> pa.Table:
        """Give the rows in the schema of `quarantine_history`."""
        rows = sorted(self._rows, key=lambda row: row.moment)
        texts: dict[int, str] = {}
        for part in {id(row.part): row.part for row in rows}.values():
            mine = [at for at, row in enumerate(rows) if row.part is part]
            found = part.json([rows[at].place for at in mine])
            texts.update(zip(mine, found, strict=True))
        columns = {
            "tableName": pa.array([self._table.name] * len(rows), pa.string()),
            "source": pa.array([row.part.source for row in rows], pa.string()),
            "rowNumber": pa.array([int(row.part.number[row.place]) for row in rows], pa.int64()),
            "ts": time_array(
                np.array([row.ts or 0 for row in rows], np.int64),
                np.array([row.ts is None for row in rows], np.bool_),
            ),
            "reason": pa.array([row.reason for row in rows], pa.string()),
            "row": pa.array([texts[at] for at in range(len(rows))], pa.string()),
        }
        return pa.table(columns, schema=arrow_schema(QUARANTINE_HISTORY))
