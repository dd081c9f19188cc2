"""What the SQL dialects share: quoting and the layout of a CREATE TABLE."""

from collections.abc import Sequence


def literal(text: str) -> str:
    """Quote a text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def backticks(name: str) -> str:
    """Quote a name for Flink SQL, where `row`, `final` and many others are reserved."""
    return "`" + name.replace("`", "``") + "`"


def double_quotes(name: str) -> str:
    """Quote a name for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def options(pairs: Sequence[tuple[str, str]]) -> str:
    """Lay out the options of a WITH clause, one a line."""
    return ",\n".join(f"  {literal(key)} = {literal(value)}" for key, value in pairs)
