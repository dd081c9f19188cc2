"""The engine's input as rows of `watermark_history`: enough to play it once more."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa

from streaming.contracts import TABLES, WATERMARK_HISTORY, arrow_schema, time_values
from streaming.runtimes.live.tick import Input


class Recorded(NamedTuple):
    """What a tick was made of: each input with the offset of its first row.

    `tick` is the number of its commit, `now` when that was, microseconds UTC.
    """

    tick: int
    now: int
    inputs: list[tuple[Input, int]]


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
    for one in inputs:
        name = one.table.name
        if one.before is not None:
            offsets[name] = next_offset[name] + one.before
        offsets[name] += one.rows
        rows.append(
            {
                "source": one.source,
                # A source of which nothing is known yet is complete up to 1970.
                "completeTo": None if one.complete_to is None else max(one.complete_to, 0),
                "ts": now,
                "tick": tick,
                "tableName": name,
                "rows": one.rows,
                "nextOffset": offsets[name],
                "strategyId": one.strategy,
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(WATERMARK_HISTORY))


def recorded_inputs(rows: pa.Table) -> Iterator[Recorded]:
    """Give rows of `watermark_history`, whole ticks of them, as what they were made from."""
    names = ("tick", "source", "tableName", "rows", "nextOffset", "strategyId")
    columns = [rows.column(name).to_pylist() for name in names]
    known = rows.column("completeTo").cast(pa.int64()).to_pylist()
    every = zip(*columns, known, time_values(rows.column("ts")).tolist(), strict=True)
    for tick, found in groupby(every, key=lambda row: row[0]):
        inputs, now = [], 0
        for _, source, table, count, after, strategy, complete_to, now in found:  # noqa: B007
            one = Input(source, TABLES[table], count, complete_to, strategy=strategy)
            inputs.append((one, after - count))
        yield Recorded(tick, now, inputs)
