"""One commit: what is to be changed, and the statements that change it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import length_hint
from typing import Any, Literal

import apsw
import pyarrow as pa

from streaming.contracts import Table
from streaming.contracts.sql import double_quotes
from streaming.errors import ContractError
from streaming.store.cells import Row, columns_of, rows_of
from streaming.store.connection import At
from streaming.store.schema import column_list, log_name

Edit = tuple[str, list[Row]]
"""("upsert", whole rows) or ("delete", keys)."""


@dataclass(frozen=True)
class Change:
    """Rows for one table.

    Attributes
    ----------
    kind : str
        "append" to a history table; "upsert" or "delete" in a latest table.
    table : Table
        The contract.
    rows : pyarrow.Table
        In the contract's schema; for a delete its key columns are enough.
    """

    kind: Literal["append", "upsert", "delete"]
    table: Table
    rows: pa.Table

    def __post_init__(self) -> None:
        if (self.kind == "append") != (self.table.kind == "log"):
            raise ContractError(
                f"table {self.table.name}: a {self.table.kind} table takes no {self.kind}"
            )


def append(table: Table, rows: pa.Table) -> Change:
    """Add rows to the end of a history table."""
    return Change("append", table, rows)


def upsert(table: Table, rows: pa.Table) -> Change:
    """Put rows into a latest table, each in the place of the one of its key."""
    return Change("upsert", table, rows)


def delete(table: Table, keys: pa.Table) -> Change:
    """Delete the rows of these keys from a latest table; those that are not there are no change."""
    return Change("delete", table, keys)


@dataclass(frozen=True)
class Commit:
    """All that becomes true at once.

    Attributes
    ----------
    changes : sequence of Change
        Done in order; several may name one table.
    state : mapping of str to bytes or None
        Job state by name; None removes it. Names that are not given keep theirs.
    positions : mapping of str to str, bytes or None
        How far each source is read, in the source's own terms; None removes it.
    complete_to : int or None
        Event time, in microseconds UTC, up to which everything is done; None: as before.
    """

    changes: Sequence[Change] = ()
    state: Mapping[str, bytes | None] = field(default_factory=dict)
    positions: Mapping[str, str | bytes | None] = field(default_factory=dict)
    complete_to: int | None = None


@dataclass(frozen=True)
class Committed:
    """What a commit has done.

    Attributes
    ----------
    number : int
        Of the commit: 1 for a store's first.
    next_offsets : dict of str to int
        For each table of the commit, the offset that its next change will get.
    """

    number: int
    next_offsets: dict[str, int]


class Plan:
    """A commit made ready: all that can be done before the store is locked."""

    def __init__(self, commit: Commit) -> None:
        self.state = dict(commit.state)
        self.positions = dict(commit.positions)
        self.complete_to = commit.complete_to
        self.appends: list[tuple[Table, list[list[Any]]]] = []
        self.edits: dict[str, tuple[Table, list[Edit]]] = {}
        for change in commit.changes:
            table = change.table
            if change.kind == "append":
                self.appends.append((table, rows_of(table, change.rows)))
                continue
            if change.kind == "upsert":
                columns = rows_of(table, change.rows)
            else:
                columns = columns_of(table, change.rows, table.primary_key)
            rows = list(zip(*columns, strict=True))
            self.edits.setdefault(table.name, (table, []))[1].append((change.kind, rows))

    def apply(self, db: apsw.Connection, at: At, wall: int) -> Committed:
        """Run the statements, in the caller's transaction.

        Parameters
        ----------
        wall
            The wall clock, in microseconds UTC.

        Raises
        ------
        ContractError
            A row breaks its contract; the message names the table and the row.
        """
        touched = self.write_tables(db, at)
        at("write state")
        _put(db, "store_state", "name", self.state)
        self.write_positions(db, at)
        at("write tick")
        number = db.execute(
            "UPDATE store_tick SET number = number + 1, committed = ?, "
            "complete_to = coalesce(?, complete_to) RETURNING number",
            (wall, self.complete_to),
        ).get
        return Committed(number, touched)

    def write_positions(self, db: apsw.Connection, at: At) -> None:
        """Note how far sources are read."""
        at("write positions")
        _put(db, "store_positions", "source", self.positions)

    def write_tables(self, db: apsw.Connection, at: At) -> dict[str, int]:
        """Change the tables; give the next offset of each that the commit names."""
        at("read offsets")
        offsets = dict(db.execute('SELECT "table", next FROM store_offsets'))
        first = dict(offsets)
        for table, columns in self.appends:
            at(f"append {table.name}")
            offsets[table.name] += _insert(db, table, table.name, offsets[table.name], columns)
        for table, edits in self.edits.values():
            offsets[table.name] += _edit(db, at, table, edits, offsets[table.name])
        at("write offsets")
        db.executemany(
            'UPDATE store_offsets SET next = ? WHERE "table" = ?',
            [(end, name) for name, end in offsets.items() if end != first[name]],
        )
        touched = [*(table.name for table, _ in self.appends), *self.edits]
        return {name: offsets[name] for name in touched}


def _put(db: apsw.Connection, table: str, key: str, values: Mapping[str, Any]) -> None:
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",
        [item for item in values.items() if item[1] is not None],
    )
    gone = [(name,) for name, value in values.items() if value is None]
    db.executemany(f"DELETE FROM {table} WHERE {key} = ?", gone)


def _insert(
    db: apsw.Connection, table: Table, into: str, first: int, columns: Sequence[Sequence[Any]]
) -> int:
    """Insert columns under offsets from `first` on; give how many rows that were."""
    rows = len(columns[0])
    holes = ", ?" * len(columns)
    names = ", ".join(['"offset"', *['"op"'] * (len(columns) - len(table.columns))])
    offsets = iter(range(first, first + rows))
    _execute_many(
        db,
        table,
        f"INSERT INTO {double_quotes(into)} ({names}, {column_list(table)}) VALUES (?{holes})",
        zip(offsets, *columns, strict=True),
        lambda: f"row {rows - length_hint(offsets) - 1}",
    )
    return rows


def _execute_many(
    db: apsw.Connection, table: Table, statement: str, rows: Any, place: Callable[[], str]
) -> None:
    """Run a statement for every row; `place` names the row that was tried last."""
    try:
        db.executemany(statement, rows)
    except apsw.ConstraintError as error:
        raise ContractError(
            f"table {table.name}: {place()} breaks the contract: {error}. Nothing of the "
            "commit was written."
        ) from error


def _edit(db: apsw.Connection, at: At, table: Table, edits: list[Edit], first: int) -> int:
    """Change a latest table and write its changelog; give how many changes that were."""
    width = len(table.primary_key)
    name, where = double_quotes(table.name), _where(table)
    keys = {row[:width]: None for _, rows in edits for row in rows}
    at(f"read {table.name}")
    before: dict[Row, Row] = {}
    found = db.executemany(
        f"SELECT {column_list(table)} FROM {name} WHERE {where}",
        keys,
    )
    for row in found:
        before[row[:width]] = row
    ops, changed, after = changes_of(width, before, edits)
    if not ops:
        return 0
    # Also a row that does not outlast the commit is put into the table, whose CHECKs it must pass.
    new = [row for op, row in zip(ops, changed, strict=True) if op in ("+I", "+U")]
    if new:
        at(f"upsert {table.name}")
        holes = ", ".join("?" * len(table.columns))
        tried = iter(new)
        _execute_many(
            db,
            table,
            f"INSERT OR REPLACE INTO {name} ({column_list(table)}) VALUES ({holes})",
            tried,
            lambda: f"the row of key {new[len(new) - length_hint(tried) - 1][:width]}",
        )
    gone = [key for key in keys if key not in after]
    if gone:
        at(f"delete {table.name}")
        db.executemany(f"DELETE FROM {name} WHERE {where}", gone)
    at(f"write {log_name(table)}")
    _insert(db, table, log_name(table), first, [ops, *zip(*changed, strict=True)])
    return len(ops)


def _where(table: Table) -> str:
    return " AND ".join(f"{double_quotes(name)} = ?" for name in table.primary_key)


def changes_of(
    width: int, before: Mapping[Row, Row], edits: Sequence[tuple[str, Sequence[Row]]]
) -> tuple[list[str], list[Row], dict[Row, Row]]:
    """Play upserts and deletes over rows, in order.

    Parameters
    ----------
    width
        How many columns the key has; they come first.
    before
        Rows by key, as they are; at least those of the keys that are touched.
    edits
        ("upsert", whole rows) and ("delete", keys).

    Returns
    -------
    ops : list of str
        "+I", "-U", "+U" or "-D" of each change; an upsert that changes nothing has none.
    rows : list of tuple
        The row of each change: for "-U" and "-D" as it was.
    after : dict
        Rows by key, as they are now.
    """
    after = dict(before)
    ops: list[str] = []
    changed: list[Row] = []
    for kind, rows in edits:
        for row in rows:
            old = after.get(row[:width])
            if kind == "delete":
                if old is not None:
                    del after[row]
                    ops.append("-D")
                    changed.append(old)
            elif old != row:
                after[row[:width]] = row
                if old is None:
                    ops.append("+I")
                else:
                    ops += ("-U", "+U")
                    changed.append(old)
                changed.append(row)
    return ops, changed, after
