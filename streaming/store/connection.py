"""Connections to a store's file, and what SQLite refuses in the project's own words.

One library per process: a file that a process has open here must never be opened there
through a second SQLite (the standard library's sqlite3, pandas on it, ADBC, DuckDB's sqlite
extension), nor read by `open()` or copied: closing any handle of a file drops all POSIX locks
that the process holds on it, and the locks of this library break in silence. DuckDB gets the
Arrow tables that a reader gives.

A connection belongs to the process that opened it: it must not be used after a fork.
"""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from streaming.errors import StoreDamagedError, StoreError, StoreFullError

At = Callable[[str], None]
"""Called with the name of each step of a transaction before it is taken."""

_OLDEST = (3, 51, 3)
BUSY_MS = 5_000
"""How long, in milliseconds, a writer waits for another one (a pruner) to end."""

_CACHE_KB = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 1 << 20

if tuple(map(int, apsw.sqlite_lib_version().split("."))) < _OLDEST:  # pragma: no cover
    # Before, a restart of the write-ahead log beside a checkpoint could lose a commit:
    # https://www.sqlite.org/wal.html#walreset
    raise ImportError(f"apsw has SQLite {apsw.sqlite_lib_version()}; 3.51.3 or newer is needed")


def connect_writer(path: Path) -> apsw.Connection:
    """Open a file for writing; it is made where it is not there."""
    db = apsw.Connection(str(path), statementcachesize=400)
    db.set_busy_timeout(BUSY_MS)
    # Pages of rows that were pruned are used again; what a flood of rows leaves over can be
    # given back piece by piece. Can be chosen only before the first table is made.
    db.pragma("auto_vacuum", "incremental")
    _write_ahead(db)
    db.pragma("synchronous", "full")
    db.pragma("cache_size", -_CACHE_KB)
    # Checkpoints are taken between commits, when the store says so.
    db.set_wal_hook(lambda *_: apsw.SQLITE_OK)
    _settle(db)
    return db


def connect_reader(path: Path, *, checks: bool = False) -> apsw.Connection:
    """Open a file for reading only.

    With `checks` SQLite knows the CHECKs of the tables, which it does not on a file that is
    opened as read-only; the user must then be allowed to write it.
    """
    flags = apsw.SQLITE_OPEN_READWRITE if checks else apsw.SQLITE_OPEN_READONLY
    db = apsw.Connection(str(path), flags, statementcachesize=100)
    db.set_busy_timeout(BUSY_MS)
    db.pragma("query_only", True)
    _settle(db)
    return db


def _write_ahead(db: apsw.Connection) -> None:
    """Turn the write-ahead log on, where processes that open a new file at once do the same.

    SQLite does not wait for them here: it refuses at once what could be a deadlock.
    """
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            db.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _settle(db: apsw.Connection) -> None:
    db.pragma("temp_store", "memory")
    db.pragma("trusted_schema", False)
    db.pragma("cell_size_check", True)
    db.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    db.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)


def nothing(step: str) -> None:
    """Do nothing at a step."""


@contextmanager
def transaction(db: apsw.Connection, at: At = nothing, what: str = "") -> Iterator[None]:
    """Hold the store's only write transaction: all that is done within becomes true, or nothing.

    Parameters
    ----------
    what
        Begins the names of the steps that `at` gets.
    """
    at(f"{what}: begin")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        at(f"{what}: commit")
        db.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if db.in_transaction:
            with suppress(apsw.Error):
                db.execute("ROLLBACK")
        raise
    at(f"{what}: committed")


@contextmanager
def store_errors(path: Path, db: apsw.Connection | None = None) -> Iterator[None]:
    """Turn what SQLite refuses into a `StoreError` that says what to do.

    Raises
    ------
    StoreFullError
        The disk, or the quota, is full.
    StoreDamagedError
        The file is no database, or damaged.
    StoreError
        It cannot be opened, read or written, or another process keeps it locked.
    """
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as error:
        raise damaged(path, str(error)) from error
    except apsw.FullError as error:
        raise _full(path) from error
    except (apsw.IOError, apsw.CantOpenError) as error:
        if _disk_is_full(path, db):
            raise _full(path) from error
        why = "there is no such file" if not path.exists() else str(error)
        raise StoreError(
            f"{path}: the store cannot be used ({why}). Nothing was changed; do the same again "
            "where the file is there and the disk allows it."
        ) from error
    except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError) as error:
        raise StoreError(f"{path}: the store may not be written ({error}).") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError(
            f"{path}: another process has kept the store locked for {BUSY_MS / 1000:g} s. "
            "Nothing was changed; do the same again."
        ) from error


def damaged(path: Path, what: str) -> StoreDamagedError:
    """Give the error of a damaged file: what is wrong with it, and what to do."""
    return StoreDamagedError(
        f"{path}: the store's file is damaged ({what}). Stop what uses it, and run `trading "
        f"rebuild`, or move it aside with {path.name}-wal and {path.name}-shm and start again: a "
        "new store is filled from the lake and the feeds."
    )


def _full(path: Path) -> StoreFullError:
    return StoreFullError(
        f"{path}: the disk is full. Nothing of it was written, and all that was committed is "
        "there; free some space and do the same again."
    )


def _disk_is_full(path: Path, db: apsw.Connection | None) -> bool:
    """Tell a full disk from a broken one: the index of the log cannot grow on either."""
    if db is not None and db.system_errno in _FULL:
        return True
    try:
        return shutil.disk_usage(path.parent).free < _LITTLE
    except OSError:
        return False
