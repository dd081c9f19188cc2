"""Recorded signals: a backtest from the gate on."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import QUARANTINE_HISTORY, STRATEGY_SIGNAL_HISTORY, arrow_schema
from streaming.contracts.arrow import time_values
from streaming.contracts.validation import validate
from streaming.errors import SourceError
from streaming.feeds.tabular import open_rows
from streaming.jobs.strategies.actions import BUY, SELL
from streaming.jobs.strategies.signals import Signals
from streaming.rules.money import SCALE

Found = dict[str, dict[str, Signals]]


class Recording(NamedTuple):
    """Signals of a file.

    Attributes
    ----------
    signals
        By strategy, then symbol; ascending in time, no time twice.
    quarantine
        Rows that were refused (quarantine_history).
    duplicates
        Rows that said again what an earlier one said.
    """

    signals: Found
    quarantine: pa.Table
    duplicates: int

    def between(self, start: int, end: int, symbols: list[str]) -> dict[str, list[Signals]]:
        """Give each strategy's signals with start < ts <= end, for each symbol in order."""
        return {
            strategy: [_between(by_symbol.get(symbol), start, end) for symbol in symbols]
            for strategy, by_symbol in self.signals.items()
        }


def read_recording(path: Path, first_ts: dict[str, int]) -> Recording:
    """Read recorded signals: CSV or Parquet with the columns of strategy_signal_history.

    Parameters
    ----------
    path
        The file.
    first_ts
        For each symbol that has prices, the time of its first bar: a signal before it has
        no price to be sized at.

    Raises
    ------
    SourceError
        If the file cannot be read or lacks columns.
    """
    good, refused = [], []
    with open_rows(path, header=lambda _: None) as members:
        for member in members:
            for batch in member.batches():
                if batch.refused:
                    first = batch.refused[0]
                    raise SourceError(f"{path}, row {first.number}: {first.reason}.")
                number = int(batch.number[0]) if len(batch.number) else 1
                rows = validate(
                    STRATEGY_SIGNAL_HISTORY, batch.rows, str(path), number, naive_is_utc=True
                )
                good.append(rows.good)
                refused.append(rows.quarantine)
    if not good:
        raise SourceError(f"{path}: has no rows.")
    table = pa.concat_tables(good)
    kept, outcast, duplicates = _split(table, str(path), first_ts)
    return Recording(_grouped(kept), pa.concat_tables([*refused, outcast]), duplicates)


def _split(
    table: pa.Table, source: str, first_ts: dict[str, int]
) -> tuple[pa.Table, pa.Table, int]:
    """Sort signals; set apart those without a price and those said twice."""
    keys = ["strategyId", "symbol", "signalTs"]
    table = table.append_column("_row", pa.array(np.arange(1, table.num_rows + 1)))
    table = table.sort_by([(key, "ascending") for key in [*keys, "_row"]])
    count = table.num_rows
    ts = time_values(table["signalTs"])
    symbols = table["symbol"].combine_chunks().dictionary_encode()
    first = np.array([first_ts.get(name, -1) for name in symbols.dictionary.to_pylist()], np.int64)
    first = first[symbols.indices.to_numpy()] if count else first[:0]
    again = np.zeros(count, np.bool_)
    if count > 1:
        same = [pc.equal(table[key][1:], table[key][:-1]).to_numpy() for key in keys]
        again[1:] = np.logical_and.reduce(same)
    # Of several for one time the first in the file counts; the others agree with it or not.
    leader = np.maximum.accumulate(np.where(again, 0, np.arange(count)))
    agrees = np.ones(count, np.bool_)
    for key in ("action", "sizeHint", "confidence"):
        agrees &= pc.equal(table[key], table[key].take(pa.array(leader))).to_numpy()
    reasons = np.full(count, "", object)
    reasons[again & ~agrees] = "another signal of this strategy and symbol at this time differs"
    reasons[ts < first] = "the symbol has no price yet at signalTs"
    reasons[first < 0] = "the lake has no prices of this symbol"
    bad = reasons != ""
    return (
        table.filter(pa.array(~bad & ~again)).drop_columns(["_row"]),
        _quarantined(table.filter(pa.array(bad)), reasons[bad], source),
        int((again & agrees & ~bad).sum()),
    )


def _quarantined(
    rows: pa.Table, reasons: "np.ndarray[tuple[int], np.dtype[np.object_]]", source: str
) -> pa.Table:
    import json

    plain = rows.drop_columns(["_row"])
    text = [json.dumps(row, default=str, sort_keys=True) for row in plain.to_pylist()]
    columns = {
        "tableName": pa.repeat(STRATEGY_SIGNAL_HISTORY.name, rows.num_rows),
        "source": pa.repeat(source, rows.num_rows),
        "rowNumber": rows["_row"],
        "ts": rows["signalTs"],
        "reason": pa.array(reasons.tolist(), pa.string()),
        "row": pa.array(text, pa.string()),
    }
    schema = arrow_schema(QUARANTINE_HISTORY)
    return pa.table(
        [columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema
    )


def _grouped(table: pa.Table) -> Found:
    found: Found = {}
    if table.num_rows == 0:
        return found
    strategies = table["strategyId"].to_numpy()
    symbols = table["symbol"].to_numpy()
    action = np.where(pc.equal(table["action"], "BUY").to_numpy(), BUY, SELL).astype(np.int8)
    every = Signals(
        time_values(table["signalTs"]),
        action,
        table["confidence"].to_numpy(),
        np.maximum(np.rint(table["sizeHint"].to_numpy() * SCALE).astype(np.int64), 1),
    )
    change = (strategies[1:] != strategies[:-1]) | (symbols[1:] != symbols[:-1])
    starts = [0, *(np.flatnonzero(change) + 1).tolist(), table.num_rows]
    for first, last in pairwise(starts):
        part = _rows(every, first, last)
        found.setdefault(str(strategies[first]), {})[str(symbols[first])] = part
    return found


def _between(signals: Signals | None, start: int, end: int) -> Signals:
    if signals is None:
        none = np.empty(0, np.int64)
        return Signals(none, np.empty(0, np.int8), np.empty(0, np.float64), none)
    first, last = np.searchsorted(signals.ts, [start, end], side="right")
    return _rows(signals, int(first), int(last))


def _rows(signals: Signals, first: int, last: int) -> Signals:
    ts, action, confidence, size_hint = signals
    return Signals(
        ts[first:last], action[first:last], confidence[first:last], size_hint[first:last]
    )
