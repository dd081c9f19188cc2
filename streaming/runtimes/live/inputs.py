"""The engine's input as rows of `watermark_history`: enough to play it once more."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from streaming.contracts import WATERMARK_HISTORY, arrow_schema
from streaming.runtimes.live.tick import Input


def input_rows(
    inputs: Sequence[Input], tick: int, next_offset: Mapping[str, int], now: int
) -> pa.Table:
    """Give what a tick was made of as rows of `watermark_history`.

    Parameters
    ----------
    tick
        Number of the commit.
    next_offset
        By table, the offset of the first row that the tick adds.
    now
        Microseconds UTC.
    """
    offsets = dict(next_offset)
    rows = []
    for source, table, count, complete_to in inputs:
        offsets[table.name] += count
        rows.append(
            {
                "source": source,
                # A source of which nothing is known yet is complete up to 1970.
                "completeTo": None if complete_to is None else max(complete_to, 0),
                "ts": now,
                "tick": tick,
                "tableName": table.name,
                "rows": count,
                "nextOffset": offsets[table.name],
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(WATERMARK_HISTORY))
