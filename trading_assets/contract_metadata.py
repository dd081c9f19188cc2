"""What Dagster shows of a table, from its one definition."""

from typing import Any

import dagster as dg

from streaming.contracts import Column, Table, arrow_schema

OWNERS = ["team:trading-platform"]


def schema_metadata(table: Table) -> dict[str, Any]:
    """Give a table's name, and its columns, keys and rules as Dagster's column schema."""
    return {
        "dagster/column_schema": column_schema(table),
        "dagster/table_name": table.name,
    }


def column_schema(table: Table) -> dg.TableSchema:
    """Give a table's columns with their rules, and the rules of its rows and keys."""
    types = {field.name: str(field.type) for field in arrow_schema(table)}
    return dg.TableSchema(
        columns=[_column(table, column, types[column.name]) for column in table.columns],
        constraints=dg.TableConstraints(
            other=[*_keys(table), *(rule.words for rule in table.rules)]
        ),
    )


def _column(table: Table, column: Column, kind: str) -> dg.TableColumn:
    rules = [column.rule] if column.rule else []
    if column.unit:
        rules.append(f"in {column.unit}")
    unique = table.primary_key or (() if table.unique_where else table.unique)
    return dg.TableColumn(
        name=column.name,
        type=kind,
        description=column.description,
        constraints=dg.TableColumnConstraints(
            nullable=column.nullable, unique=unique == (column.name,), other=rules
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
