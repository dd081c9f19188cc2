"""Drop what is old, piece by piece: old rows of history tables, old changes of latest tables.

Rows go from the front of a log only, so that the offsets that are left have no gap; a row
that came late behind newer ones goes when those go. What a consumer has not read stays: a
consumer says with `keep` how far it has read, for each table that it reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from streaming.contracts import TABLES, Table
from streaming.contracts.sql import double_quotes
from streaming.errors import PrunedError, StoreError
from streaming.store.connection import At, connect_writer, nothing, store_errors, transaction
from streaming.store.schema import check, log_name

PIECE = 2_000
"""Rows dropped in one transaction, for which a commit may have to wait."""

_SPARE = 0.25
"""Share of empty pages beyond which some are given back to the disk."""

_GIVEN_BACK = 256


@dataclass(frozen=True)
class Pruned:
    """What a piece of pruning has done.

    Attributes
    ----------
    rows : dict of str to int
        Rows dropped, by table.
    more : bool
        There is more to drop: call again.
    """

    rows: dict[str, int]
    more: bool


def keep(db: apsw.Connection, consumer: str, table: Table, offset: int) -> None:
    """Say that a consumer has read a table up to before an offset, in the caller's transaction.

    Raises
    ------
    PrunedError
        The offset has been pruned already.
    StoreError
        The offset lies beyond the last change.
    """
    first, after = _offsets(db, table)
    if offset < first:
        raise PrunedError(
            f"table {table.name}: {consumer} cannot keep offset {offset}: the first that is there "
            f"is {first}.",
            first,
        )
    if offset > after:
        raise StoreError(
            f"table {table.name}: {consumer} cannot have read up to offset {offset}: the table "
            f"ends before {after}."
        )
    db.execute(
        "INSERT OR REPLACE INTO store_consumers VALUES (?, ?, ?)", (consumer, table.name, offset)
    )


def forget(db: apsw.Connection, consumer: str) -> None:
    """Wait no more for a consumer."""
    db.execute("DELETE FROM store_consumers WHERE consumer = ?", (consumer,))


def prune_piece(
    db: apsw.Connection,
    before: int | None,
    offsets: Mapping[str, int],
    rows: int = PIECE,
    at: At = nothing,
    *,
    changes_before: int | None = None,
) -> Pruned:
    """Drop one piece of what is old, in the caller's transaction.

    Parameters
    ----------
    before
        Rows of history tables go whose event time is before this, in microseconds UTC.
    changes_before
        Changes of latest tables go whose row's event time is before this.
    offsets
        Changes of these tables (by name, history or latest) go that are before an offset.
    rows
        How many rows may go at most.
    """
    for name in offsets:
        if name not in TABLES:
            raise StoreError(f"there is no table {name} to prune")
    dropped: dict[str, int] = {}
    left = rows
    for table in TABLES.values():
        if left <= 0:
            break
        first, after = _offsets(db, table)
        end = min(offsets.get(table.name, 0), after, _unread(db, table, after))
        old = before if table.kind == "log" else changes_before
        if old is not None:
            end = max(end, min(_old(db, table, first, old, left), _unread(db, table, after)))
        end = min(end, first + left)
        if end > first:
            at(f"prune {table.name}")
            db.execute(
                f'DELETE FROM {double_quotes(log_name(table))} WHERE "offset" < ?',
                (end,),
            )
            db.execute('UPDATE store_offsets SET first = ? WHERE "table" = ?', (end, table.name))
            dropped[table.name] = end - first
            left -= end - first
    return Pruned(dropped, left <= 0)


def give_back(db: apsw.Connection) -> int:
    """Give some empty pages back to the disk where there are many, in the caller's transaction.

    Returns
    -------
    int
        How many.
    """
    empty, pages = db.pragma("freelist_count"), db.pragma("page_count")
    if empty < _GIVEN_BACK or empty < _SPARE * pages:
        return 0
    # One row, and one page, for each step.
    db.execute(f"PRAGMA incremental_vacuum({_GIVEN_BACK})").fetchall()
    return int(empty - db.pragma("freelist_count"))


def _offsets(db: apsw.Connection, table: Table) -> tuple[int, int]:
    first, after = db.execute(
        'SELECT first, next FROM store_offsets WHERE "table" = ?', (table.name,)
    ).get
    return first, after


def _unread(db: apsw.Connection, table: Table, after: int) -> int:
    """Give the first offset that some consumer has not read."""
    found: int | None = db.execute(
        'SELECT min(next) FROM store_consumers WHERE "table" = ?', (table.name,)
    ).get
    return after if found is None else found


def _old(db: apsw.Connection, table: Table, first: int, before: int, rows: int) -> int:
    """Give the end of the old rows at the front of a table's log; looks at `rows` rows.

    A row without a time goes with the next old one behind it.
    """
    if table.event_time is None:
        return first
    moment = double_quotes(table.event_time)
    found = db.execute(
        f'SELECT "offset", {moment} < ? FROM {double_quotes(log_name(table))} '
        f'WHERE "offset" >= ? AND {moment} IS NOT NULL ORDER BY "offset" LIMIT ?',
        (before, first, rows),
    )
    end = first
    offset: Any
    for offset, old in found.fetchall():
        if not old:
            break
        end = offset + 1
    return end


class StorePruner:
    """Keeps and prunes from a process that does not hold the lease.

    Every call is one short transaction, for which the writer waits; nothing that the writer
    relies on changes. May be open beside the writer, in any process.

    Parameters
    ----------
    path
        The store's file; it must be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise StoreError(f"{path}: there is no store")
        with store_errors(path):
            self._db = connect_writer(path)
            try:
                check(self._db, str(path))
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def keep(self, consumer: str, table: Table, offset: int) -> None:
        """Say that a consumer has read a table up to before an offset: see `keep`."""
        with store_errors(self.path, self._db), transaction(self._db):
            keep(self._db, consumer, table, offset)

    def forget(self, consumer: str) -> None:
        """Wait no more for a consumer."""
        with store_errors(self.path, self._db), transaction(self._db):
            forget(self._db, consumer)

    def prune(
        self,
        *,
        before: int | None = None,
        offsets: Mapping[str, int] | None = None,
        changes_before: int | None = None,
        rows: int = PIECE,
    ) -> Pruned:
        """Drop one piece of what is old: see `prune_piece`."""
        with store_errors(self.path, self._db), transaction(self._db):
            pruned = prune_piece(
                self._db, before, offsets or {}, rows, changes_before=changes_before
            )
            give_back(self._db)
        return pruned
