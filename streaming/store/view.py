"""What can be read in one transaction: all tables as of one commit, out as Arrow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pyarrow as pa

from streaming.contracts import Table, Type
from streaming.contracts.arrow import arrow_schema
from streaming.contracts.sql import double_quotes
from streaming.contracts.sqlite import OFFSET, OP
from streaming.errors import PrunedError, StoreDamagedError, StoreError
from streaming.store.cells import Row, arrow_of, arrow_table, columns_of
from streaming.store.lease import Lease, read_lease
from streaming.store.schema import column_list, log_name


class Changes(NamedTuple):
    """Changes of a table, in order.

    Attributes
    ----------
    rows : pyarrow.Table
        offset (int64), op ("+I", "-U", "+U", "-D") and the contract's columns.
    next : int
        Where to go on: the offset of the first change that is not among them.
    """

    rows: pa.Table
    next: int


class Offsets(NamedTuple):
    """The offsets that a table has: from `first` to before `next`."""

    first: int
    next: int


class Ticks(NamedTuple):
    """The last commit.

    Attributes
    ----------
    number : int
        How many commits there were.
    complete_to : int or None
        Event time up to which everything is done, in microseconds UTC.
    committed : int or None
        Wall clock of the last commit, in microseconds UTC; None before the first.
    """

    number: int
    complete_to: int | None
    committed: int | None


def changes_schema(table: Table) -> pa.Schema:
    """Give the Arrow schema of a table's changes."""
    head = [pa.field(OFFSET, pa.int64(), nullable=False), pa.field(OP, pa.string(), nullable=False)]
    return pa.schema([*head, *arrow_schema(table)])


def _changes(table: Table, start: int, found: Sequence[Row]) -> Changes:
    schema = changes_schema(table)
    if not found:
        return Changes(schema.empty_table(), start)
    offsets, ops, *columns = zip(*found, strict=True)
    arrays = [pa.array(offsets, pa.int64()), pa.array(ops, pa.string())]
    rows = pa.Table.from_arrays([*arrays, *arrow_of(table, columns)], schema=schema)
    return Changes(rows, offsets[-1] + 1)


class View:
    """All tables as of one commit; valid as long as its transaction."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        self._db = db
        self.path = path

    @property
    def connection(self) -> apsw.Connection:
        """The connection that the transaction is on."""
        return self._db

    def changes(self, table: Table, start: int, limit: int = 10_000) -> Changes:
        """Read changes in order.

        A change is known by its table and offset, for ever and in every reader. A history
        table's rows are all "+I".

        Parameters
        ----------
        start
            Offset of the first change wanted: 0, or the `next` of the call before.
        limit
            How many at most.

        Raises
        ------
        PrunedError
            Changes from `start` on have been pruned; the message names the first that is there.
        StoreDamagedError
            `start` lies beyond the last change: the store has lost what this reader has seen.
        """
        return self.fetch_changes(table, start, limit)()

    def fetch_changes(self, table: Table, start: int, limit: int) -> Callable[[], Changes]:
        """Read changes, to be made into Arrow when the transaction is over: see `changes`."""
        have = self.offsets()[table.name]
        if start < have.first:
            raise PrunedError(
                f"{self.path}: table {table.name}: changes before offset {have.first} have been "
                f"pruned, offset {start} among them. Take the older ones from the lake, or "
                f"start anew from a snapshot and offset {have.next}.",
                have.first,
            )
        if start > have.next:
            raise StoreDamagedError(
                f"{self.path}: table {table.name} ends before offset {have.next}, but was read "
                f"up to {start}: this is another store, or it has lost its last commits. Start "
                "anew from a snapshot."
            )
        op = '"op"' if table.kind == "latest" else "'+I'"
        found = self._db.execute(
            f'SELECT "offset", {op}, {column_list(table)} '
            f'FROM {double_quotes(log_name(table))} WHERE "offset" >= ? ORDER BY "offset" LIMIT ?',
            (start, limit),
        ).fetchall()
        return lambda: _changes(table, start, found)

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
        """Read rows of a table: a history table in the order of its offsets, else by key.

        Parameters
        ----------
        equal
            Texts that columns must be equal to; quick where the columns begin the table's key.
        since, until
            Event time >= since and < until, in microseconds UTC.
        start
            Of a history table only the rows from this offset on.
        limit
            How many at most.

        Raises
        ------
        StoreError
            What is asked for cannot be asked of this table.
        """
        return self.fetch_rows(table, equal or {}, since, until, start, limit)()

    def fetch_rows(
        self,
        table: Table,
        equal: Mapping[str, str],
        since: int | None,
        until: int | None,
        start: int | None,
        limit: int | None,
    ) -> Callable[[], pa.Table]:
        """Read rows, to be made into Arrow when the transaction is over: see `rows`."""
        conditions, values = self._conditions(table, equal, since, until)
        if start is not None:
            if table.kind != "log":
                raise StoreError(f"table {table.name}: rows of a latest table have no offset")
            conditions.append('"offset" >= ?')
            values.append(start)
        order = (
            '"offset"' if table.kind == "log" else ", ".join(map(double_quotes, table.primary_key))
        )
        found = self._db.execute(
            f"SELECT {column_list(table)} FROM {double_quotes(table.name)} "
            f"{'WHERE ' if conditions else ''}{' AND '.join(conditions)} ORDER BY {order} LIMIT ?",
            (*values, -1 if limit is None else limit),
        ).fetchall()
        return lambda: arrow_table(table, found)

    def _conditions(
        self, table: Table, equal: Mapping[str, str], since: int | None, until: int | None
    ) -> tuple[list[str], list[Any]]:
        conditions: list[str] = []
        values: list[Any] = []
        for name, value in equal.items():
            if name not in table.names or table.column(name).type is not Type.TEXT:
                raise StoreError(f"table {table.name}: there is no column {name} of texts")
            conditions.append(f"{double_quotes(name)} = ?")
            values.append(value)
        for operator, bound in ((">=", since), ("<", until)):
            if bound is not None:
                if table.event_time is None:
                    raise StoreError(f"table {table.name}: its rows have no event time")
                conditions.append(f"{double_quotes(table.event_time)} {operator} ?")
                values.append(bound)
        return conditions, values

    def count(self, table: Table) -> int:
        """Count the rows that a table has."""
        if table.kind == "log":
            have = self.offsets()[table.name]
            return have.next - have.first
        found = self._db.execute(f"SELECT count(*) FROM {double_quotes(table.name)}").get
        return int(found)

    def batches(self, table: Table, rows: int = 50_000) -> Iterator[pa.Table]:
        """Read a whole table piece by piece, `rows` at a time: memory follows the piece.

        At least one piece comes, an empty one where the table has no row.
        """
        if table.kind == "latest":
            order = ", ".join(map(double_quotes, table.primary_key))
        else:
            order = '"offset"'
        cursor = self._db.cursor()
        cursor.execute(
            f"SELECT {column_list(table)} FROM {double_quotes(table.name)} ORDER BY {order}"
        )
        piece: list[Any] = []
        given = False
        for row in cursor:
            piece.append(row)
            if len(piece) == rows:
                yield arrow_table(table, piece)
                given, piece = True, []
        if piece or not given:
            yield arrow_table(table, piece)

    def lookup(self, table: Table, keys: pa.Table) -> pa.Table:
        """Look up rows of a latest table by key.

        Parameters
        ----------
        keys
            Has the key's columns.

        Returns
        -------
        pyarrow.Table
            The rows that are there, in the order of the keys.
        """
        if table.kind != "latest":
            raise StoreError(f"table {table.name}: a history table has no key to look up")
        where = " AND ".join(f"{double_quotes(name)} = ?" for name in table.primary_key)
        wanted = columns_of(table, keys, table.primary_key)
        found: Sequence[Any] = self._db.executemany(
            f"SELECT {column_list(table)} FROM {double_quotes(table.name)} WHERE {where}",
            zip(*wanted, strict=True),
        ).fetchall()
        return arrow_table(table, found)

    def offsets(self) -> dict[str, Offsets]:
        """Give the offsets that each table has, by name."""
        found = self._db.execute('SELECT "table", first, next FROM store_offsets')
        return {name: Offsets(first, after) for name, first, after in found}

    def positions(self) -> dict[str, str | bytes]:
        """Give how far each source is read."""
        return dict(self._db.execute("SELECT source, position FROM store_positions"))

    def state(self, name: str) -> bytes | None:
        """Give a job's state; None where there is none."""
        data: bytes | None = self._db.execute(
            "SELECT data FROM store_state WHERE name = ?", (name,)
        ).get
        return data

    def states(self) -> list[str]:
        """Name all states, in order."""
        found = self._db.execute("SELECT name FROM store_state ORDER BY name")
        return [name for (name,) in found]

    def lease(self) -> Lease:
        """Give the lease."""
        return read_lease(self._db)

    def ticks(self) -> Ticks:
        """Give number and times of the last commit."""
        found = self._db.execute("SELECT number, complete_to, committed FROM store_tick").get
        return Ticks(*found)

    def consumers(self) -> dict[tuple[str, str], int]:
        """Give what pruning waits for: the next offset of each (consumer, table)."""
        found = self._db.execute('SELECT consumer, "table", next FROM store_consumers')
        return {(consumer, table): after for consumer, table, after in found}
