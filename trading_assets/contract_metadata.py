"""What the UI shows of a table's contract: columns, types, rules, keys."""

from typing import Any

import dagster as dg

from streaming.contracts import Column, Table, Type

OWNERS = ["team:data"]
"""Of every asset, until a desk has teams to name."""

_TYPES = {
    Type.TEXT: "TEXT",
    Type.MONEY: "DECIMAL(18,8)",
    Type.DOUBLE: "DOUBLE",
    Type.TIME: "TIMESTAMP(6) UTC",
    Type.BOOL: "BOOLEAN",
    Type.INT: "BIGINT",
}


def column_schema(table: Table) -> dg.TableSchema:
    """Give a table's columns with their rules, and the rules of its rows and keys."""
    return dg.TableSchema(
        columns=[_column(table, column) for column in table.columns],
        constraints=dg.TableConstraints(other=[*_keys(table), *(r.words for r in table.rules)]),
    )


def schema_metadata(table: Table) -> dict[str, Any]:
    """Give the metadata of an asset that holds a table, for its definition."""
    return {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.name,
    }


def _column(table: Table, column: Column) -> dg.TableColumn:
    rules = [column.rule] if column.rule else []
    if column.unit:
        rules.append(f"in {column.unit}")
    alone = (column.name,)
    return dg.TableColumn(
        column.name,
        _TYPES[column.type],
        column.description,
        dg.TableColumnConstraints(
            nullable=column.nullable,
            unique=table.primary_key == alone or (table.unique == alone and not table.unique_where),
            other=rules,
        ),
    )


def _keys(table: Table) -> list[str]:
    words = []
    if table.primary_key:
        words.append(f"primary key ({', '.join(table.primary_key)})")
    if table.unique:
        where = f" where {table.unique_where}" if table.unique_where else ""
        words.append(f"unique ({', '.join(table.unique)}){where}")
    return words
