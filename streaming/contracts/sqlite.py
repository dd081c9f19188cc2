"""Tables as SQLite DDL, for the embedded store.

STRICT tables, whose CHECKs hold the contract's bounds and row rules. What Arrow and SQLite
hold differently:

| contract | SQLite |
|---|---|
| MONEY | INTEGER x 1e8: exact, and sums stay exact |
| TIME | INTEGER microseconds UTC |
| DOUBLE | REAL; SQLite has no NaN: it is NULL |
| BOOL | INTEGER 0 or 1 |

A history table keeps SQLite's own rowid (the order of appending) and a unique index where
the contract promises uniqueness; a latest table is stored by its primary key. Where changes
are read in order, the row of a history table begins with its offset, and a latest table has
its changelog beside it.
"""

from streaming.contracts.columns import Column, Type
from streaming.contracts.sql import double_quotes, literal
from streaming.contracts.table import Table
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import LIMIT, SCALE

_TYPES = {
    Type.TEXT: "TEXT",
    Type.MONEY: "INTEGER",
    Type.DOUBLE: "REAL",
    Type.TIME: "INTEGER",
    Type.BOOL: "INTEGER",
    Type.INT: "INTEGER",
}


OFFSET = "offset"
OP = "op"
OPS = ("+I", "-U", "+U", "-D")
"""What a change does: inserts, takes the old row away, puts the new one there, deletes."""


def sqlite_ddl(table: Table, *, offsets: bool = False) -> str:
    """Give the statements that create a table and its index where they are not there yet.

    With `offsets` a history table has its offset as first column: a rowid with a name, which
    no VACUUM changes.
    """
    lines = [(_OFFSET, "place in the log")] if offsets and not table.primary_key else []
    lines += [(_column(column), column.description) for column in table.columns]
    if table.primary_key:
        lines.append((f"PRIMARY KEY ({_list(table.primary_key)})", ""))
    lines += [(f"CHECK ({rule.sql(double_quotes)})", "") for rule in table.rules]
    how = "STRICT, WITHOUT ROWID" if table.primary_key else "STRICT"
    statement = _create(table.name, lines, how)
    if table.unique:
        index = double_quotes(f"{table.name}_unique")
        where = f" WHERE {double_quotes(table.unique_where)}" if table.unique_where else ""
        statement += (
            f"CREATE UNIQUE INDEX IF NOT EXISTS {index}\n"
            f"  ON {double_quotes(table.name)} ({_list(table.unique)}){where};\n"
        )
    return statement


def changes_name(table: Table) -> str:
    """Name the changelog of a latest table."""
    return f"{table.name}_changes"


def sqlite_changes_ddl(table: Table) -> str:
    """Give the statement that creates a latest table's changelog: offset, op, whole rows.

    Its rows were rows of the latest table, whose CHECKs they have passed: to check them once
    more would double the cost of writing them.
    """
    ops = ", ".join(map(literal, OPS))
    lines = [
        (_OFFSET, "place in the changelog"),
        (f"{double_quotes(OP)} TEXT NOT NULL CHECK ({double_quotes(OP)} IN ({ops}))", "change"),
    ]
    lines += [(_column(column, checked=False), column.description) for column in table.columns]
    return _create(changes_name(table), lines, "STRICT")


_OFFSET = f"{double_quotes(OFFSET)} INTEGER PRIMARY KEY"


def _create(name: str, lines: list[tuple[str, str]], how: str) -> str:
    """Write a CREATE TABLE from (definition, note) lines."""
    last = len(lines) - 1
    body = "\n".join(
        f"  {line}{'' if i == last else ','}" + (f" -- {note}" if note else "")
        for i, (line, note) in enumerate(lines)
    )
    return f"CREATE TABLE IF NOT EXISTS {double_quotes(name)} (\n{body}\n) {how};\n"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(map(double_quotes, names))


def _column(column: Column, *, checked: bool = True) -> str:
    name = double_quotes(column.name)
    checks = _checks(column, name) if checked else []
    parts = [name, _TYPES[column.type]]
    if not column.nullable:
        parts.append("NOT NULL")
    if checks:
        parts.append(f"CHECK ({' AND '.join(checks)})")
    return " ".join(parts)


def _checks(column: Column, name: str) -> list[str]:
    """Give the conditions on one column; a NULL passes a CHECK, NOT NULL refuses it."""
    scale = SCALE if column.type is Type.MONEY else 1
    checks = [f"{name} {operator} {bound * scale}" for operator, bound in column.bounds]
    if column.type is Type.MONEY:
        checks.append(f"{name} BETWEEN {1 - LIMIT} AND {LIMIT - 1}")
    if column.type is Type.BOOL:
        checks.append(f"{name} IN (0, 1)")
    if column.type is Type.TIME:
        checks.append(f"{name} >= 0")
        if column.minute:
            checks.append(f"{name} % {MINUTE_US} = 0")
    if column.one_of:
        checks.append(f"{name} IN ({', '.join(map(literal, column.one_of))})")
    elif column.type is Type.TEXT and not column.nullable:
        checks.append(f"{name} <> ''")
    return checks
