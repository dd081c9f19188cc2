"""Read a store from any process, without ever holding up its writer.

Every method of `StoreReader` is one short read transaction; `snapshot` gives one that lasts,
in which all tables are as of one commit. Rows become Arrow when the transaction is over. While
a snapshot is open the write-ahead log cannot shrink, so it should be closed soon.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import apsw
import pyarrow as pa

from streaming.contracts import Table
from streaming.store.connection import connect_reader, store_errors
from streaming.store.lease import Lease
from streaming.store.schema import check
from streaming.store.verify import verify
from streaming.store.view import Changes, Offsets, Ticks, View

__all__ = ["Changes", "Offsets", "StoreReader", "Ticks", "View"]


class StoreReader:
    """A reader of a store; may be used by several threads.

    Parameters
    ----------
    path
        The store's file.

    Raises
    ------
    StoreError
        The file is not there, or of another format or contract version.
    StoreDamagedError
        It is damaged, or no store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with store_errors(path):
            self._db = self._connect()

    def _connect(self, *, checks: bool = False) -> apsw.Connection:
        db = connect_reader(self.path, checks=checks)
        try:
            check(db, str(self.path))
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> "StoreReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def snapshot(self, *, checks: bool = False) -> Iterator[View]:
        """Give one consistent view of all tables, as of the last commit before.

        It has a connection of its own, so that this reader goes on meanwhile. `checks` is for
        `verify`: see `connect_reader`.
        """
        with store_errors(self.path):
            db = self._connect(checks=checks)
        try:
            with _reading(db, self.path):
                yield View(db, self.path)
        finally:
            db.close()

    @contextmanager
    def _view(self) -> Iterator[View]:
        with self._lock, _reading(self._db, self.path):
            yield View(self._db, self.path)

    def changes(self, table: Table, start: int, limit: int = 10_000) -> Changes:
        """Read changes in order: see `View.changes`."""
        with self._view() as view:
            made = view.fetch_changes(table, start, limit)
        return made()

    def rows(
        self,
        table: Table,
        *,
        equal: Mapping[str, str] | None = None,
        since: int | None = None,
        until: int | None = None,
        start: int | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Read rows of a table: see `View.rows`."""
        with self._view() as view:
            made = view.fetch_rows(table, equal or {}, since, until, start, limit)
        return made()

    def latest(self, table: Table) -> pa.Table:
        """Read all rows of a latest table, in the order of its key."""
        return self.rows(table)

    def lookup(self, table: Table, keys: pa.Table) -> pa.Table:
        """Look up rows of a latest table by key: see `View.lookup`."""
        with self._view() as view:
            return view.lookup(table, keys)

    def offsets(self) -> dict[str, Offsets]:
        """Give the offsets that each table has, by name."""
        with self._view() as view:
            return view.offsets()

    def positions(self) -> dict[str, str | bytes]:
        """Give how far each source is read."""
        with self._view() as view:
            return view.positions()

    def state(self, name: str) -> bytes | None:
        """Give a job's state; None where there is none."""
        with self._view() as view:
            return view.state(name)

    def states(self) -> list[str]:
        """Name all states, in order."""
        with self._view() as view:
            return view.states()

    def lease(self) -> Lease:
        """Give the lease."""
        with self._view() as view:
            return view.lease()

    def ticks(self) -> Ticks:
        """Give number and times of the last commit."""
        with self._view() as view:
            return view.ticks()

    def consumers(self) -> dict[tuple[str, str], int]:
        """Give what pruning waits for: the next offset of each (consumer, table)."""
        with self._view() as view:
            return view.consumers()

    def verify(self, seconds: float | None = None) -> bool:
        """Check the whole file: see `verify`; the writer is not held up."""
        with self.snapshot(checks=True) as view:
            return verify(view, seconds)


@contextmanager
def _reading(db: apsw.Connection, path: Path) -> Iterator[None]:
    with store_errors(path, db):
        db.execute("BEGIN")
        # The transaction sees what is committed when it first reads, not when it begins.
        db.execute("SELECT number FROM store_tick").fetchall()
    try:
        with store_errors(path, db):
            yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
