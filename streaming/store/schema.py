"""What a store's file holds: the contracts' tables, their changelogs and the store's own tables.

| table | holds |
|---|---|
| a history table | its rows, by offset: 0, 1, 2 ... without a gap, never used twice |
| a latest table | its rows, by primary key |
| `<latest table>_changes` | its changes, by offset: `+I`, `-U` (the row as it was), `+U`, `-D` |
| `store_offsets` | for each of these logs the first offset that is there and the next to be given |
| `store_positions`, `store_state` | how far each source is read; the jobs' state |
| `store_tick` | number, event time and wall time of the last commit |
| `store_lease` | who may write, and since when |
| `store_consumers` | what readers outside have read, which pruning waits for |
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import zip_longest

import apsw

from streaming.contracts import TABLES, Table, sqlite_ddl
from streaming.contracts.sql import double_quotes
from streaming.contracts.sqlite import changes_name, sqlite_changes_ddl
from streaming.errors import StoreDamagedError, StoreError

APPLICATION_ID = 0x74726453
"""What SQLite's header says of the file: "trdS"."""

FORMAT = 2
"""Version of the store's own tables (SQLite's user_version)."""

_OWN = """
CREATE TABLE IF NOT EXISTS store_offsets (
  "table" TEXT PRIMARY KEY,
  first INTEGER NOT NULL CHECK (first >= 0),
  next INTEGER NOT NULL CHECK (next >= first)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store_positions (
  source TEXT PRIMARY KEY,
  position ANY NOT NULL CHECK (typeof(position) IN ('text', 'blob'))
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store_state (name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS store_tick (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL,
  complete_to INTEGER,
  committed INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS store_lease (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  holder TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started INTEGER NOT NULL,
  boot TEXT NOT NULL,
  space TEXT NOT NULL,
  heartbeat INTEGER NOT NULL,
  wall INTEGER NOT NULL,
  ttl INTEGER NOT NULL,
  released INTEGER NOT NULL CHECK (released IN (0, 1)),
  taken INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS store_consumers (
  consumer TEXT NOT NULL,
  "table" TEXT NOT NULL,
  next INTEGER NOT NULL CHECK (next >= 0),
  PRIMARY KEY (consumer, "table")
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO store_tick VALUES (1, 0, NULL, NULL);
INSERT OR IGNORE INTO store_lease VALUES (1, 0, '', 0, 0, '', '', 0, 0, 0, 1, 0);
"""


def log_name(table: Table) -> str:
    """Name the table in which a table's changes stand by offset: itself, or its changelog."""
    return changes_name(table) if table.kind == "latest" else table.name


def column_list(table: Table) -> str:
    """Give the quoted columns of a table, in order."""
    return ", ".join(map(double_quotes, table.names))


def create(db: apsw.Connection) -> None:
    """Make whatever table is not there yet; the caller holds the transaction."""
    for table in TABLES.values():
        db.execute(sqlite_ddl(table, offsets=True))
        if table.kind == "latest":
            db.execute(sqlite_changes_ddl(table))
    db.execute(_OWN)
    db.executemany(
        "INSERT OR IGNORE INTO store_offsets VALUES (?, 0, 0)", [(name,) for name in TABLES]
    )
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}")


def is_empty(db: apsw.Connection) -> bool:
    """Tell whether the file is new: no table in it, and nobody's mark."""
    tables = db.execute("SELECT count(*) FROM sqlite_schema").get
    return bool(tables == 0) and db.pragma("application_id") == 0


def check(db: apsw.Connection, path: str) -> None:
    """Check that the file is a store of this format and of these contracts.

    Raises
    ------
    StoreDamagedError
        It is another program's file, or one of the store's own tables is missing.
    StoreError
        It is still being made, or of another format or contract version; the message names the
        table and the column.
    """
    if is_empty(db):
        raise StoreError(
            f"{path}: the store is empty: its engine has not made its tables yet. Do the same "
            "again when it has started."
        )
    if db.pragma("application_id") != APPLICATION_ID:
        raise StoreDamagedError(
            f"{path}: this is a SQLite file, but no table store. Name another file."
        )
    version = db.pragma("user_version")
    if version != FORMAT:
        raise StoreError(
            f"{path}: the store has format {version}, this code reads format {FORMAT}. {_START_NEW}"
        )
    found = _definitions(db)
    for name, wanted in _wanted().items():
        if name not in found:
            raise StoreDamagedError(f"{path}: table {name} is missing from the store. {_START_NEW}")
        if found[name] != wanted:
            raise StoreError(f"{path}: {_difference(name, found[name], wanted)} {_START_NEW}")
    for name in found:
        if name not in _wanted():
            raise StoreError(
                f"{path}: the store has a table {name} that this code does not know. {_START_NEW}"
            )


_START_NEW = (
    "Export it with the version that wrote it, move it aside, and start again with a new store."
)


@cache
def _wanted() -> Mapping[str, str]:
    db = apsw.Connection(":memory:")
    create(db)
    wanted = _definitions(db)
    db.close()
    return wanted


def _definitions(db: apsw.Connection) -> dict[str, str]:
    """Give the definition of every table and index by name, without comments."""
    listed = db.execute(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
    )
    return {str(name): re.sub(r" -- .*", "", str(sql)) for name, sql in listed}


def _difference(name: str, found: str, wanted: str) -> str:
    """Say in which column two definitions of a table begin to differ."""
    for one, other in zip_longest(found.splitlines(), wanted.splitlines(), fillvalue=""):
        if one != other:
            break
    there, here = one.strip(" ,"), other.strip(" ,")
    column = re.match(r'"(\w+)"', here or there)
    what = f"column {column[1]}" if column else "a rule"
    return (
        f"table {name}: {what} differs from the contract: the store has {there or 'nothing'}, "
        f"the contract {here or 'nothing'}."
    )
