"""Recorded signals: a backtest from the gate on.

A file may hold its signals in any order, and say one twice. So that memory does not grow
with the file, they wait on the disk, by day; what two of them say is compared within a day.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts.arrow import time_values
from streaming.errors import SourceError
from streaming.feeds.spool import DaySpool, QuarantineSpool
from streaming.jobs.price_rows import day_of
from streaming.jobs.strategies.actions import BUY, SELL
from streaming.jobs.strategies.signals import Signals
from streaming.lake import DayInfo, Lake, scratch_directory, sweep
from streaming.rules.bars import DAY_US
from streaming.rules.units import SCALE
from streaming.runtimes.backtest.definition import BacktestRequest
from streaming.runtimes.backtest.recorded_rows import TOO_SMALL, Batch, SignalFile, too_small
from streaming.runtimes.backtest.slices import day_end

Int = NDArray[np.int64]

# What is kept of a signal; sizes and confidences are doubles, to be compared to the last bit.
_STRATEGY, _SYMBOL, _TS, _ACTION, _SIZE, _CONFIDENCE, _NUMBER = range(7)


class Recording(NamedTuple):
    """Signals of a file.

    Attributes
    ----------
    rows
        All that may be used, by day.
    strategies, symbols
        The codes of names in `rows`.
    used
        How many signals of each strategy are used.
    duplicates
        Rows that said again what an earlier one said.
    refused
        Rows that were refused, in their order.
    """

    rows: DaySpool
    strategies: dict[str, int]
    symbols: dict[str, int]
    used: list[int]
    duplicates: int
    refused: QuarantineSpool

    def names(self) -> list[str]:
        """Give the strategies that have a signal that is used."""
        return [name for name, code in self.strategies.items() if self.used[code]]

    def counts(self) -> dict[str, int]:
        """Give how many of the file's rows are used, said again and refused."""
        return {
            "used": sum(self.used),
            "duplicate": self.duplicates,
            "quarantined": self.refused.count,
        }

    def between(self, start: int, end: int, symbols: Sequence[str]) -> dict[str, list[Signals]]:
        """Give each strategy's signals with start < ts <= end, for each symbol in order."""
        first, last = start // DAY_US, (end - 1) // DAY_US
        days = [day for day in self.rows.days() if first <= day <= last]
        none = np.empty((_NUMBER + 1, 0), np.int64)
        rows = np.concatenate([none, *(_judged(self.rows.rows(day)).used for day in days)], axis=1)
        inside = (rows[_TS] > start) & (rows[_TS] <= end)
        rows = np.compress(inside, rows, axis=1)
        # Days ascend, and times within each: they stay so.
        rows = np.take(rows, np.lexsort((rows[_SYMBOL], rows[_STRATEGY])), axis=1)
        place = rows[_STRATEGY] * len(self.symbols) + rows[_SYMBOL]
        every = Signals(
            rows[_TS],
            rows[_ACTION].astype(np.int8),
            rows[_CONFIDENCE].view(np.float64),
            np.rint(rows[_SIZE].view(np.float64) * SCALE).astype(np.int64),
        )

        def of(strategy: str, symbol: str) -> Signals:
            if symbol not in self.symbols:
                return _slice(every, 0, 0)
            at = self.strategies[strategy] * len(self.symbols) + self.symbols[symbol]
            begin, stop = np.searchsorted(place, [at, at + 1]).tolist()
            return _slice(every, begin, stop)

        return {name: [of(name, symbol) for symbol in symbols] for name in self.names()}


@contextmanager
def recording_of(
    lake: Lake, request: BacktestRequest, symbols: list[str], days: list[DayInfo]
) -> Iterator[Recording | None]:
    """Read the recorded signals that a request names, if it does; they are there meanwhile.

    Raises
    ------
    SourceError
        If the file cannot be read, lacks columns, or has no signal that can be used.
    """
    if request.signals is None:
        yield None
        return
    first: dict[str, int] = {}
    for info in days:
        new = [name for name in symbols if name in info.symbols and name not in first]
        if new:
            bars = lake.bars(new, day_end(info.day) - DAY_US, day_end(info.day))
            first |= {name: int(bars[name].ts[0]) for name in new}
    others = {name for info in days for name in info.symbols} - set(symbols)
    sweep(lake.staging)
    with scratch_directory(lake.staging, "signals") as folder:
        yield _read(SignalFile(request.signals, first, others, request.roster), folder)


def _read(file: SignalFile, folder: Path) -> Recording:
    """Read a file to its end, into an empty folder."""
    rows, refused = DaySpool(folder, _NUMBER + 1), QuarantineSpool(folder)
    strategies: dict[str, int] = {}
    symbols: dict[str, int] = {}
    for batch in file.batches(np.empty(0, np.int64)):
        refused.add(batch.quarantine)
        columns = _columns(batch, strategies, symbols)
        rows.add(day_of(columns[_TS]), columns)
    used = np.zeros(len(strategies), np.int64)
    duplicates, differing = 0, []
    for day in rows.days():
        judged = _judged(rows.rows(day))
        used += np.bincount(judged.used[_STRATEGY], minlength=len(used))
        duplicates += judged.duplicates
        differing.append(judged.differing)
    if sum(map(len, differing)):
        # Only now it is known that they are refused, and the rows as they came are in the file.
        refused = QuarantineSpool(folder)
        for batch in file.batches(np.concatenate(differing)):
            refused.add(batch.quarantine)
    if not used.any():
        part = next(refused.parts(), None)
        first = [] if part is None else part.slice(0, 1).to_pylist()
        why = f" Row {first[0]['rowNumber']}: {first[0]['reason']}." if first else ""
        raise SourceError(f"{file.path}: has no signal that can be used.{why}")
    return Recording(rows, strategies, symbols, used.tolist(), duplicates, refused)


def _columns(batch: Batch, strategies: dict[str, int], symbols: dict[str, int]) -> list[Int]:
    """Give the rows of a batch that others must agree with as numbers, new names coded."""
    # One that is too small is refused, and yet the first for its time.
    kept = np.flatnonzero((batch.reason == "") | (batch.reason == TOO_SMALL))
    rows = batch.rows.take(kept)
    if not len(kept):
        return [np.empty(0, np.int64)] * (_NUMBER + 1)
    buys = pc.equal(rows["action"], "BUY").to_numpy()
    return [
        _coded(rows["strategyId"], strategies),
        _coded(rows["symbol"], symbols),
        time_values(rows["signalTs"]),
        np.where(buys, BUY, SELL).astype(np.int64),
        rows["sizeHint"].to_numpy().view(np.int64),
        rows["confidence"].to_numpy().view(np.int64),
        batch.number[kept],
    ]


def _coded(names: Any, known: dict[str, int]) -> Int:
    texts = names.combine_chunks().dictionary_encode()
    codes = [known.setdefault(name, len(known)) for name in texts.dictionary.to_pylist()]
    coded: Int = np.array(codes, np.int64)[texts.indices.to_numpy()]
    return coded


def _slice(signals: Signals, first: int, last: int) -> Signals:
    ts, action, confidence, size_hint = signals
    at = slice(first, last)
    return Signals(ts[at], action[at], confidence[at], size_hint[at])


class _Judged(NamedTuple):
    """A day's rows: those used, by strategy, symbol and time; the numbers of differing ones."""

    used: Int
    duplicates: int
    differing: Int


def _judged(rows: Int) -> _Judged:
    """Compare the rows of a day: of several for one time the first in the file counts."""
    order = np.lexsort((rows[_TS], rows[_SYMBOL], rows[_STRATEGY]))
    rows = np.take(rows, order, axis=1)
    count = rows.shape[1]
    same = (rows[: _TS + 1, 1:] == rows[: _TS + 1, :-1]).all(axis=0)
    repeats = np.concatenate([np.zeros(min(count, 1), np.bool_), same])
    leader = np.maximum.accumulate(np.where(repeats, 0, np.arange(count)))
    size, confidence = rows[_SIZE].view(np.float64), rows[_CONFIDENCE].view(np.float64)
    agrees = np.ones(count, np.bool_)
    for column in (rows[_ACTION], size, confidence):
        agrees &= column == column[leader]
    fit = ~too_small(size)
    return _Judged(
        np.compress(fit & ~repeats, rows, axis=1),
        int((fit & repeats & agrees).sum()),
        rows[_NUMBER, fit & repeats & ~agrees],
    )
