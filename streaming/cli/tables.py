"""`trading tables`: every table, generated from its definition."""

from enum import StrEnum
from typing import Annotated

import typer

from streaming.cli.output import JsonFlag, print_json, print_table


class Format(StrEnum):
    """What a table's definition can be printed as."""

    MD = "md"
    ARROW = "arrow"
    SQLITE = "sqlite"
    FLUSS = "fluss"
    FLINK = "flink"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tables")(tables)


def tables(
    name: Annotated[str | None, typer.Argument(help="One table; without it all of them.")] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Print the docs page, the Arrow schema or DDL."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the tables, describe one, or print what is made from their definitions."""
    from streaming.contracts import TABLES, table_named

    chosen = list(TABLES.values()) if name is None else [table_named(name)]
    if form is not None:
        texts = {table.name: generated(table.name, form) for table in chosen}
        if as_json:
            print_json([{"name": key, "format": form, "text": text} for key, text in texts.items()])
        elif form is Format.MD and name is None:
            from streaming.contracts import tables_markdown

            typer.echo(tables_markdown(chosen), nl=False)
        else:
            typer.echo("\n".join(texts.values()), nl=False)
    elif as_json:
        print_json([described(table.name) for table in chosen])
    elif name is None:
        print_table(
            "Tables",
            ["table", "kind", "columns", "key", "holds"],
            [
                [
                    t.name,
                    t.kind,
                    len(t.columns),
                    ", ".join(t.primary_key or t.unique),
                    t.description,
                ]
                for t in chosen
            ],
            right=["columns"],
        )
    else:
        show(name)


def generated(name: str, form: Format) -> str:
    """Give what is made from a table's definition, ending in a newline."""
    from streaming.contracts import arrow_schema, flink_ddl, fluss_ddl, sqlite_ddl, table_named
    from streaming.contracts.docs import table_markdown

    table = table_named(name)
    if form is Format.ARROW:
        return f"{table.name}\n{arrow_schema(table).to_string()}\n"
    made = {
        Format.MD: table_markdown,
        Format.SQLITE: sqlite_ddl,
        Format.FLUSS: fluss_ddl,
        Format.FLINK: flink_ddl,
    }
    return made[form](table)


def described(name: str) -> dict[str, object]:
    """Give a table's definition as plain values."""
    from streaming.contracts import table_named

    table = table_named(name)
    return {
        "name": table.name,
        "kind": table.kind,
        "description": table.description,
        "primaryKey": table.primary_key,
        "unique": table.unique,
        "uniqueWhere": table.unique_where,
        "orderedBy": table.ordered_by,
        "bucketBy": table.bucket_by,
        "buckets": table.buckets,
        "ttlDays": table.ttl_days,
        "rules": [rule.words for rule in table.rules],
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "unit": column.unit,
                "rule": column.rule,
                "description": column.description,
            }
            for column in table.columns
        ],
    }


def show(name: str) -> None:
    """Print one table's columns."""
    from streaming.contracts import table_named

    table = table_named(name)
    rules = "; ".join(rule.words for rule in table.rules)
    print_table(
        f"{table.name} ({table.kind}): {table.description}",
        ["column", "type", "unit", "must be", "meaning"],
        [
            [
                column.name,
                column.type + (" or null" if column.nullable else ""),
                column.unit,
                column.rule,
                column.description,
            ]
            for column in table.columns
        ],
        caption=f"Rules: {rules}" if rules else None,
    )
