"""Recorded signals: a backtest from the gate on."""

from collections.abc import Set
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import (
    QUARANTINE_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    empty_table,
    quarantine_rows,
)
from streaming.contracts.arrow import time_values
from streaming.contracts.validation import validate
from streaming.errors import SourceError
from streaming.feeds.tabular import RawBatch, open_rows
from streaming.jobs.strategies.actions import BUY, SELL
from streaming.jobs.strategies.signals import Signals
from streaming.rules.money import SCALE

Found = dict[str, dict[str, Signals]]
Int = NDArray[np.int64]
Texts = NDArray[Any]

_KEYS = ("strategyId", "symbol", "signalTs")


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

    def counts(self) -> dict[str, int]:
        """Give how many of the file's rows are used, said again and refused."""
        used = (len(one.ts) for by_symbol in self.signals.values() for one in by_symbol.values())
        return {
            "used": sum(used),
            "duplicate": self.duplicates,
            "quarantined": self.quarantine.num_rows,
        }

    def between(self, start: int, end: int, symbols: list[str]) -> dict[str, list[Signals]]:
        """Give each strategy's signals with start < ts <= end, for each symbol in order."""
        return {
            strategy: [_between(by_symbol.get(symbol), start, end) for symbol in symbols]
            for strategy, by_symbol in self.signals.items()
        }


def read_recording(
    path: Path, first_ts: dict[str, int], left_out: Set[str], roster: Set[str] | None = None
) -> Recording:
    """Read recorded signals: CSV or Parquet with the columns of strategy_signal_history.

    Parameters
    ----------
    path
        The file.
    first_ts
        For each symbol that takes part, the time of its first bar: a signal before it has
        no price to be sized at.
    left_out
        Symbols that have prices, but do not take part.
    roster
        The strategies that take part, whether the file has signals of them or not; None: those
        that it has.

    Raises
    ------
    SourceError
        If the file cannot be read, lacks columns, or has no signal that can be used.
    """
    file = _File([], [], [], [])
    with open_rows(path, header=lambda _: None) as members:
        for member in members:
            before = file.last_number()
            for batch in member.batches():
                file.take(path.name, batch, before)
    table = pa.concat_tables([empty_table(STRATEGY_SIGNAL_HISTORY), *file.good])
    reasons, again = _judge(table, first_ts, left_out)
    if roster is not None:
        outside = pc.invert(pc.is_in(table["strategyId"], pa.array(sorted(roster), pa.string())))
        reasons[outside.to_numpy()] = "the strategy is not among those of this run"
    bad = reasons != ""
    set_apart = file.set_apart(path.name, table, reasons)
    quarantine = pa.concat_tables([empty_table(QUARANTINE_HISTORY), *file.refused, *set_apart])
    quarantine = quarantine.sort_by("rowNumber")
    if bad.all():
        first = quarantine.slice(0, 1).to_pylist()
        why = f" Row {first[0]['rowNumber']}: {first[0]['reason']}." if first else ""
        raise SourceError(f"{path}: has no signal that can be used.{why}")
    kept = table.filter(pa.array(~bad & ~again))
    kept = kept.sort_by([(key, "ascending") for key in _KEYS])
    return Recording(_grouped(kept), quarantine, int((again & ~bad).sum()))


class _File(NamedTuple):
    """Rows of a file, batch by batch: as they came, with their numbers, and checked."""

    came: list[pa.Table]
    numbers: list[Int]
    good: list[pa.Table]
    refused: list[pa.Table]

    def last_number(self) -> int:
        """Give the number of the last row so far."""
        numbers = [int(part[-1]) for part in self.numbers if len(part)]
        numbers += [pc.max(part["rowNumber"]).as_py() or 0 for part in self.refused]
        return max(numbers, default=0)

    def take(self, source: str, batch: RawBatch, before: int) -> None:
        """Check a batch, whose rows are numbered on from those of the members before."""
        contract = STRATEGY_SIGNAL_HISTORY
        checked = validate(
            contract,
            batch.rows,
            source,
            first_row=0,
            naive_is_utc=True,
            not_text=batch.not_text,
        )
        bad = checked.quarantine["rowNumber"].to_numpy()
        numbers = batch.number + before
        place = checked.quarantine.schema.get_field_index("rowNumber")
        field = checked.quarantine.schema.field(place)
        renumbered = pa.array(numbers[bad], pa.int64())
        self.refused.append(checked.quarantine.set_column(place, field, renumbered))
        if batch.refused:
            lines = pa.table({"line": pa.array([one.line for one in batch.refused], pa.string())})
            at = [one.number + before for one in batch.refused]
            reasons = [one.reason for one in batch.refused]
            self.refused.append(quarantine_rows(contract, source, lines, at, reasons))
        kept = np.delete(np.arange(batch.rows.num_rows), bad)
        self.came.append(batch.rows.take(kept))
        self.numbers.append(numbers[kept])
        self.good.append(checked.good)

    def set_apart(self, source: str, table: pa.Table, reasons: Texts) -> list[pa.Table]:
        """Give quarantine rows of those checked rows that have a reason."""
        parts, start = [], 0
        times = time_values(table["signalTs"])
        for came, numbers in zip(self.came, self.numbers, strict=True):
            at = np.flatnonzero(reasons[start : start + len(numbers)] != "")
            why, when = reasons[start + at].tolist(), times[start + at].tolist()
            rows = came.take(at)
            contract = STRATEGY_SIGNAL_HISTORY
            parts.append(quarantine_rows(contract, source, rows, numbers[at], why, when))
            start += len(numbers)
        return parts


def _judge(
    table: pa.Table, first_ts: dict[str, int], left_out: Set[str]
) -> tuple[Texts, NDArray[np.bool_]]:
    """Tell why each signal cannot be used ("": it can), and whether an earlier row said it."""
    count = table.num_rows
    reasons = np.full(count, "", object)
    again = np.zeros(count, np.bool_)
    if count == 0:
        return reasons, again
    placed = table.append_column("_row", pa.array(np.arange(count)))
    order = [(key, "ascending") for key in [*_KEYS, "_row"]]
    place = placed.sort_by(order)["_row"].to_numpy()
    ordered = table.take(place)
    same = [pc.equal(ordered[key][1:], ordered[key][:-1]).to_numpy() for key in _KEYS]
    repeats = np.concatenate([[False], np.logical_and.reduce(same)])
    # Of several for one time the first in the file counts; the others agree with it or not.
    leader = pa.array(np.maximum.accumulate(np.where(repeats, 0, np.arange(count))))
    agrees = np.ones(count, np.bool_)
    for key in ("action", "sizeHint", "confidence"):
        agrees &= pc.equal(ordered[key], ordered[key].take(leader)).to_numpy()
    again[place] = repeats
    reasons[place[repeats & ~agrees]] = (
        "another signal of this strategy and symbol at this time differs, and came before"
    )
    symbols = table["symbol"].combine_chunks().dictionary_encode()
    names = symbols.dictionary.to_pylist()
    codes = symbols.indices.to_numpy()
    first = np.array([first_ts.get(name, 0) for name in names], np.int64)[codes]
    reasons[time_values(table["signalTs"]) < first] = "the symbol has no price yet at signalTs"
    small = np.rint(table["sizeHint"].to_numpy() * SCALE) < 1
    reasons[small] = "sizeHint is nothing once rounded to 1e-8"
    for code, name in enumerate(names):
        if name not in first_ts:
            known = name in left_out
            reasons[codes == code] = (
                "the symbol is not among those of this run"
                if known
                else "the lake has no prices of this symbol"
            )
    return reasons, again


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
        np.rint(table["sizeHint"].to_numpy() * SCALE).astype(np.int64),
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
