"""The store's only writer: it holds the lease, and commits."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import apsw

from streaming.contracts import Table
from streaming.errors import FencedError, StoreError
from streaming.store import prune
from streaming.store.commit import Commit, Committed, Plan
from streaming.store.connection import (
    BUSY_MS,
    At,
    connect_writer,
    nothing,
    store_errors,
    transaction,
)
from streaming.store.lease import Clock, Lease, Process, beat, read_lease, take_lease
from streaming.store.prune import Pruned
from streaming.store.reader import StoreReader
from streaming.store.schema import check, create, is_empty

LEASE_SECONDS = 15.0
CHECKPOINT_PAGES = 2_000
"""Pages (4 KiB) in the write-ahead log from which on commits empty it into the file."""

_LONG = 8
_WAIT_MS = 50

LONG_LOG_BYTES = _LONG * CHECKPOINT_PAGES * 4096
"""Size of a write-ahead log that some reader must be holding up."""


def log_bytes(path: Path) -> int:
    """Give the size of a store's write-ahead log, in bytes."""
    # Asking for the size opens nothing, and so drops no lock.
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


class TableStore:
    """The tables, state and positions of one engine, written by one process at a time.

    May be used by several threads: one may send heartbeats while another computes. Not to be
    used after a fork. After an exception other than a `StoreFullError` or `ContractError` from
    `commit` (say a KeyboardInterrupt) the commit may or may not have been done: open the
    store anew and look at `reader().ticks()`.

    Parameters
    ----------
    path
        The store's file; it is made where it is not there, not so its folder.
    holder
        A name for the lease, for people.
    lease_seconds
        How long the lease holds from the last heartbeat or commit.
    checkpoint_pages
        Pages in the write-ahead log from which on commits empty it into the file.
    clock, process
        Where the time comes from, and who takes the lease: for tests.
    at
        Called with the name of every step before it is taken: for tests, which raise from it.

    Raises
    ------
    LeaseHeldError
        A living process holds the lease; the message says which, and for how long.
    StoreDamagedError
        The file is damaged or no store.
    StoreError
        The store is of another format or contract version, or cannot be opened.
    StoreFullError
        The disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        holder: str,
        lease_seconds: float = LEASE_SECONDS,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        clock: Clock | None = None,
        process: Process | None = None,
        at: At = nothing,
    ) -> None:
        self.path = path
        self._at = at
        self._clock = clock or Clock()
        self._process = process or Process.this()
        self._checkpoint_pages = checkpoint_pages
        self._checkpoint_due = checkpoint_pages
        self._wal_pages = 0
        self._lock = threading.RLock()
        self._pid = os.getpid()
        with store_errors(path):
            self._db = connect_writer(path)
            try:
                self._lease = self._open(holder, round(lease_seconds * 1e6))
            except BaseException:
                self._db.close()
                raise

    def _open(self, holder: str, ttl: int) -> Lease:
        db = self._db
        db.set_wal_hook(self._written)
        if is_empty(db):
            with transaction(db, self._at, "create"):
                create(db)
        check(db, str(self.path))
        with transaction(db, self._at, "open"):
            wanted = Lease(
                0, holder, self._process, self._clock.uptime(), self._clock.wall(), ttl, False
            )
            return take_lease(db, self.path, wanted, self._clock)

    @property
    def epoch(self) -> int:
        """The epoch of this writer's lease."""
        return self._lease.epoch

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log, in bytes."""
        return log_bytes(self.path)

    def reader(self) -> StoreReader:
        """Open a reader beside this writer."""
        return StoreReader(self.path)

    def commit(self, commit: Commit) -> Committed:
        """Make all of a commit true at once, or nothing of it; it is on the disk on return.

        Raises
        ------
        FencedError
            Another process has taken the lease: this one must end.
        ContractError
            Rows break their contract; the message names the table and the row.
        StoreFullError
            The disk is full. The store can be used again when there is room.
        StoreError
            The store cannot be written.
        """
        plan = Plan(commit)
        with self._writing("commit"):
            committed = plan.apply(self._db, self._at, self._clock.wall())
            self._at("commit: heartbeat")
            beat(self._db, self._clock)
        if self._wal_pages >= self._checkpoint_due:
            self.checkpoint()
        return committed

    def heartbeat(self) -> None:
        """Show that this process is alive, so that it keeps the lease.

        Raises
        ------
        FencedError
            Another process has taken the lease: this one must end.
        """
        with self._writing("heartbeat"):
            beat(self._db, self._clock)

    def release(self) -> None:
        """Give the lease back and close the file; anyone may open it at once."""
        with self._lock:
            try:
                with self._writing("release"):
                    self._db.execute("UPDATE store_lease SET released = 1")
            finally:
                self.close()

    def close(self) -> None:
        """Close the file and leave the lease as it is, as a process that ends does."""
        with self._lock, store_errors(self.path, self._db):
            self._db.close()

    def __enter__(self) -> "TableStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.release()
            return
        # What went wrong within is what matters; a lease that cannot be given back passes.
        with suppress(StoreError):
            self.release()

    def keep(self, consumer: str, table: Table, offset: int) -> None:
        """Say that a consumer has read a table up to before an offset: see `prune.keep`."""
        with self._writing("keep"):
            prune.keep(self._db, consumer, table, offset)

    def forget(self, consumer: str) -> None:
        """Wait no more for a consumer."""
        with self._writing("forget"):
            prune.forget(self._db, consumer)

    def prune(
        self,
        *,
        before: int | None = None,
        offsets: Mapping[str, int] | None = None,
        rows: int = prune.PIECE,
    ) -> Pruned:
        """Drop one piece of what is old: see `prune.prune_piece`."""
        with self._writing("prune"):
            pruned = prune.prune_piece(self._db, before, offsets or {}, rows, self._at)
            prune.give_back(self._db)
        return pruned

    def checkpoint(self) -> bool:
        """Empty the write-ahead log into the file, as far as readers allow.

        It waits for no reader, until the log has grown to eight times the usual: where readers
        come so thick that there is always one, it then gives them 50 ms to end. New readers
        are never held up. A full disk is no error here: what was committed is in the log.

        Returns
        -------
        bool
            Whether the log is empty now; otherwise a reader needs it still.
        """
        with self._lock, store_errors(self.path, self._db):
            self._at("checkpoint")
            done = self._checkpoint()
            self._at("checkpointed")
        # What a reader holds up is tried again when the log has grown by as much once more.
        self._wal_pages *= not done
        self._checkpoint_due = self._wal_pages + self._checkpoint_pages
        return done

    def _checkpoint(self) -> bool:
        long = self._wal_pages >= _LONG * self._checkpoint_pages
        self._db.set_busy_timeout(_WAIT_MS if long else 0)
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except (apsw.BusyError, apsw.FullError):
            return False
        finally:
            self._db.set_busy_timeout(BUSY_MS)
        return True

    def _written(self, db: apsw.Connection, name: str, pages: int) -> int:
        """Take note of how many pages the log has, after a commit."""
        if pages < self._wal_pages:
            self._checkpoint_due = self._checkpoint_pages  # it has begun anew
        self._wal_pages = pages
        return apsw.SQLITE_OK

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Hold a write transaction under this writer's epoch."""
        if os.getpid() != self._pid:
            raise StoreError(f"{self.path}: opened before a fork; the child must open it itself")
        with (
            self._lock,
            store_errors(self.path, self._db),
            transaction(self._db, self._at, what),
        ):
            self._at(f"{what}: fence")
            self._check_epoch()
            yield

    def _check_epoch(self) -> None:
        lease = read_lease(self._db)
        if lease.epoch != self._lease.epoch:
            raise FencedError(
                f"{self.path}: the lease of {self._lease} has gone to {lease}. Nothing was "
                "written; this process must end."
            )
        if lease.released:
            raise StoreError(f"{self.path}: {self._lease} has released the store")
