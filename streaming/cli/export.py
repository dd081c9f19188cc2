"""`trading export`: every table of a store as Parquet."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.output import JsonFlag, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export")(export)


def export(
    store: Annotated[Path, typer.Option(help="File of the table store.")],
    out: Annotated[Path, typer.Option(help="Folder; tables of an earlier export are replaced.")],
    as_json: JsonFlag = False,
) -> None:
    """Write every table of a store, all as of one commit, one Parquet file each.

    A running engine is not held up.
    """
    from streaming.contracts import TABLES
    from streaming.runtimes.table_files import write_together
    from streaming.store import StoreReader

    with StoreReader(store) as reader, reader.snapshot() as view:
        tables = {table: view.batches(table) for table in TABLES.values()}
        write_together(out, tables, list(TABLES.values()))
        offsets = view.offsets()
        rows = {name: offsets[name].next - offsets[name].first for name in TABLES}
        for table in TABLES.values():
            if table.kind == "latest":
                rows[table.name] = view.rows(table).num_rows
    if as_json:
        print_json({"folder": str(out), "rows": rows})
    else:
        lines = [[name, f"{count:,}"] for name, count in rows.items()]
        print_table(f"Tables in {out}", ["table", "rows"], lines, right=["rows"])
