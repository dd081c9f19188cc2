"""Move aged history from the store to the lake, and prune the store of it.

A table's days that have ended go to the lake whole; then the store is told how far the lake
has read, and only what is before that is pruned. Killed between any two steps, the next call
does the rest: a row that is in the lake already is not added again (`streaming.lake.history`),
and none leaves the store before it is there. The engine goes on meanwhile.

Bars go to `price_1m_history` beside those of every other source: of a bar that is there
already nothing is written, and one that differs goes to quarantine.
"""

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY, TABLES, Table, arrow_schema
from streaming.contracts.arrow import time_values
from streaming.jobs.price_rows import by_day, day_of, rows_of_table
from streaming.jobs.prices import conflict_rows
from streaming.lake import Lake
from streaming.lake.history import FOLDER, add_history
from streaming.rules.bars import DAY_US
from streaming.store import StorePruner, StoreReader
from streaming.store.connection import nothing

CONSUMER = "lake:"
"""Begins the name under which a store knows the lake; the rest tells one store from another."""

ROWS = 50_000
"""Rows read at a time: bounds the memory."""

_EPOCH = dt.date(1970, 1, 1)
_LOGS = [table for table in TABLES.values() if table.kind == "log"]


@dataclass
class Moved:
    """What became of a table's rows.

    Attributes
    ----------
    rows, added : int
        Rows that left the store, and those of them that the lake did not have.
    conflicts : int
        Bars that differ from the lake's; they are in quarantine.
    days : set of date
        UTC days of the lake that have changed.
    pruned : int
        Rows and changes that the store was rid of.
    """

    rows: int = 0
    added: int = 0
    conflicts: int = 0
    days: set[dt.date] = field(default_factory=set)
    pruned: int = 0


class _Piece(NamedTuple):
    rows: pa.Table
    offsets: NDArray[np.int64]
    days: NDArray[np.int64]
    end: int


def aged_before(complete_to: int, keep_days: int) -> int:
    """Give the event time before which rows are moved: whole UTC days, the newest ones kept.

    Parameters
    ----------
    complete_to
        Up to when everything is decided, microseconds UTC.
    keep_days
        Days that stay in the store beside the one in progress.
    """
    today = complete_to // DAY_US
    # A row of midnight belongs to the day that ends.
    return (today - keep_days) * DAY_US + 1


def is_due(store: Path, keep_days: int) -> bool:
    """Tell whether a store has history that is old enough to be moved; cheap.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be read.
    """
    with StoreReader(store) as reader:
        complete_to = reader.ticks().complete_to
        if complete_to is None:
            return False
        before = aged_before(complete_to, keep_days)
        # Rows go from the front.
        fronts = ((table, reader.rows(table, limit=1)) for table in _LOGS)
        return any(
            bool((known & (times < before)).any())
            for times, known in (_times(table, rows) for table, rows in fronts)
        )


def move_history(
    store: Path,
    lake: Lake,
    keep_days: int,
    *,
    rows: int = ROWS,
    at: Callable[[str], None] = nothing,
) -> dict[str, Moved]:
    """Move what is older than some days to the lake, and prune it.

    Parameters
    ----------
    store
        The store's file; its engine may be at work.
    keep_days
        See `aged_before`.
    rows
        How many are read at a time.
    at
        Called with the name of every step before it is taken: for tests, which end there.

    Returns
    -------
    dict
        By table, those of which something was moved or pruned.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be read or written.
    LakeError
        If the lake is damaged, full, or another process moves for too long.
    """
    moved: dict[str, Moved] = {}
    with lake.writing(FOLDER), StoreReader(store) as reader:
        complete_to = reader.ticks().complete_to
        if complete_to is None:
            return {}
        before = aged_before(complete_to, keep_days)
        pruner = StorePruner(store)
        try:
            name = _registered(reader, pruner, at)
            for table in _LOGS:
                start = reader.consumers()[name, table.name]
                for piece in _aged(reader, table, start, before, rows):
                    _add(lake, table, piece, name, moved.setdefault(table.name, Moved()), at)
                    at(f"keep {table.name}")
                    pruner.keep(name, table, piece.end)
            _prune(reader, pruner, name, before, moved, at)
        finally:
            pruner.close()
    return moved


def _registered(reader: StoreReader, pruner: StorePruner, at: Callable[[str], None]) -> str:
    """Make the lake known to a store: nothing is pruned then that the lake does not have."""
    known = reader.consumers()
    named = sorted({name for name, _ in known if name.startswith(CONSUMER)})
    name = named[0] if named else CONSUMER + secrets.token_hex(8)
    offsets = reader.offsets()
    for table in _LOGS:
        if (name, table.name) not in known:
            at(f"register {table.name}")
            pruner.keep(name, table, offsets[table.name].first)
    return name


def _aged(
    reader: StoreReader, table: Table, start: int, before: int, rows: int
) -> Iterator[_Piece]:
    """Give the rows at the front of a log that are old, piece by piece."""
    while True:
        limit = rows
        while True:
            found = reader.changes(table, start, limit).rows
            times, known = _times(table, found)
            old = np.flatnonzero(known & (times < before))
            new = np.flatnonzero(known & (times >= before))
            # Rows without a time go with the next old one behind them.
            old = old[old < new[0]] if len(new) else old
            if len(old) or len(new) or found.num_rows < limit:
                break
            limit *= 2
        if not len(old):
            return
        count = int(old[-1]) + 1
        offsets = found.column("offset").to_numpy()[:count]
        owner = old[np.searchsorted(old, np.arange(count))]
        start = int(offsets[-1]) + 1
        whole = found.slice(0, count).select(table.names).cast(arrow_schema(table))
        yield _Piece(whole, offsets, day_of(times[owner]), start)


def _times(table: Table, rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if table.event_time is None:  # no contract has such a log
        return np.zeros(rows.num_rows, np.int64), np.zeros(rows.num_rows, np.bool_)
    column = rows.column(table.event_time)
    return time_values(column, null=0), np.asarray(column.is_valid())


def _add(
    lake: Lake, table: Table, piece: _Piece, store: str, moved: Moved, at: Callable[[str], None]
) -> None:
    moved.rows += len(piece.offsets)
    if table is PRICE_1M_HISTORY:
        _add_bars(lake, piece, store, moved, at)
        return
    for day in np.unique(piece.days).tolist():
        places = np.flatnonzero(piece.days == day)
        at(f"write {table.name}")
        date = _EPOCH + dt.timedelta(days=day)
        added = add_history(
            lake.root,
            table,
            date,
            piece.rows.take(pa.array(places)),
            piece.offsets[places].tolist(),
            store.removeprefix(CONSUMER),
            piece.end,
        )
        if added:
            moved.added += added
            moved.days.add(date)


def _add_bars(
    lake: Lake, piece: _Piece, store: str, moved: Moved, at: Callable[[str], None]
) -> None:
    """Merge bars into the lake's: the first of a symbol and minute is kept for good."""
    refused = []
    with lake.writing(PRICE_1M_HISTORY.name):
        for day, part in by_day(rows_of_table(piece.rows, piece.offsets)):
            at(f"write {PRICE_1M_HISTORY.name}")
            merged = lake.merge_day(day, part)
            moved.added += merged.written
            if merged.written:
                moved.days.add(_EPOCH + dt.timedelta(days=day))
            if len(merged.conflicts):
                refused.append(conflict_rows("live engine", merged.conflicts, merged.kept))
                moved.conflicts += len(merged.conflicts)
        if refused:
            # Done again after a kill it begins at the same offset, and replaces this file.
            at("write quarantine")
            key = f"live-{store.removeprefix(CONSUMER)}-{piece.offsets[0]}"
            lake.write_quarantine(PRICE_1M_HISTORY.name, key, refused)


def _prune(
    reader: StoreReader,
    pruner: StorePruner,
    name: str,
    before: int,
    moved: dict[str, Moved],
    at: Callable[[str], None],
) -> None:
    """Drop what the lake has, and changes of latest tables that are as old."""
    consumers = reader.consumers()
    offsets = {table.name: consumers[name, table.name] for table in _LOGS}
    while True:
        at("prune")
        pruned = pruner.prune(offsets=offsets, changes_before=before)
        for table, count in pruned.rows.items():
            moved.setdefault(table, Moved()).pruned += count
        if not pruned.more:
            return
