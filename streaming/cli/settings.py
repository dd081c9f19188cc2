"""`trading settings`: every setting, its value, and where the value came from."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.output import JsonFlag, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settings")(settings)


def settings(
    file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="Settings file; else the one TRADING_SETTINGS names, else settings.toml.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every setting: its value here, its default, and where the value came from."""
    from streaming.settings import load_settings

    lines = load_settings(file).describe()
    if as_json:
        print_json([line._asdict() for line in lines])
        return
    print_table(
        "Settings",
        ["setting", "value", "default", "from", "meaning"],
        [
            [line.key, shown(line.value), shown(line.default), line.source, line.description]
            for line in lines
        ],
        caption="In the environment: TRADING__SECTION__NAME, in any case.",
    )


def shown(value: object) -> str:
    """Give a value as a settings file writes it; "" for none."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
