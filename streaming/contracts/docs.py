"""Tables as a Markdown page."""

from collections.abc import Iterable

from streaming.contracts.columns import Column
from streaming.contracts.table import Table

_HEAD = """# Tables
Made from the definitions in `streaming/contracts` by `trading tables --format md`; edit those.

Types: text; money is DECIMAL(18,8); double is a 64-bit float, never NaN or infinite; time is
UTC in microseconds, not before 1970 and not in the future; flag is true or false; integer has
64 bits. A cell may be empty only where its type is followed by "or null"; a text that may not
be null is not empty either. A log is only appended to; a latest table holds one row for each
key, replaced and deleted as things change.
"""


def tables_markdown(tables: Iterable[Table]) -> str:
    """Give the docs page of several tables: an index, then each table."""
    tables = list(tables)
    index = [
        f"| [{table.name}](#{table.name}) | {table.kind} | {_cell(table.description)} |"
        for table in tables
    ]
    return "\n".join(
        [_HEAD, "| table | kind | holds |", "|---|---|---|", *index, ""]
        + [table_markdown(table) for table in tables]
    )


def table_markdown(table: Table) -> str:
    """Give the section of one table."""
    facts = [
        ("primary key", ", ".join(table.primary_key)),
        ("unique", _unique(table)),
        ("ordered by", table.ordered_by or ""),
        ("bucket key", f"{', '.join(table.bucket_by)} ({table.buckets} buckets)"),
        ("kept in Fluss", _kept(table)),
        ("rules", "; ".join(rule.words for rule in table.rules)),
    ]
    lines = [
        f"## {table.name}",
        table.description,
        "",
        *(f"- {name}: {_cell(words)}" for name, words in facts if words),
        "",
        "| column | type | unit | must be | meaning |",
        "|---|---|---|---|---|",
        *(_row(column) for column in table.columns),
        "",
    ]
    return "\n".join(lines)


def _unique(table: Table) -> str:
    where = f" where {table.unique_where}" if table.unique_where else ""
    return ", ".join(table.unique) + where


def _kept(table: Table) -> str:
    return f"{table.ttl_days} days" + (" of changes" if table.kind == "latest" else "")


def _row(column: Column) -> str:
    cells = [
        f"`{column.name}`",
        column.type.value + (" or null" if column.nullable else ""),
        column.unit or "",
        column.rule,
        column.description,
    ]
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "&lt;")
