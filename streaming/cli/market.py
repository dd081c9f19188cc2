"""`trading market`: the seeded synthetic market, as the CSV files a vendor would ship."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.output import JsonFlag, print_json, say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("market")(market)


def market(
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    seed: Annotated[int, typer.Option(help="Another seed, another market.")] = 1,
    symbols: Annotated[int, typer.Option(min=1)] = 12,
    days: Annotated[int, typer.Option(min=1)] = 60,
    as_json: JsonFlag = False,
) -> None:
    """Write 1-minute bars of a synthetic market, with gaps and some broken rows."""
    from streaming.feeds.synthetic_files import write_market

    files = write_market(out, seed, symbols, days)
    if as_json:
        print_json([str(path) for path in files])
    else:
        say(f"{len(files)} files in {out}")
