"""What Dagster shows of a table, from its one definition."""

from typing import Any

import dagster as dg

from streaming.contracts import Table, arrow_schema

OWNERS = ["team:trading-platform"]


def schema_metadata(table: Table) -> dict[str, Any]:
    """Give a table's columns as Dagster's column schema, and its keys."""
    types = {field.name: str(field.type) for field in arrow_schema(table)}
    unique = set(table.primary_key or table.unique)
    columns = [
        dg.TableColumn(
            name=column.name,
            type=types[column.name],
            description=column.description,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable, unique=unique == {column.name}
            ),
        )
        for column in table.columns
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}
