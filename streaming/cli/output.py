"""How commands speak: tables on a terminal, JSON with --json, errors on stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


class Advance(Protocol):
    """Report progress: `done` of `total` units, with a word on what is at work."""

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Report that `done` of `total` are done."""
        ...


def print_json(value: Any) -> None:
    """Print one JSON document; values that are not finite have become null before."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, allow_nan=False) + "\n")


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    caption: str | None = None,
) -> None:
    """Print rows as a table; the columns in `right` are numbers, set flush right."""
    from rich.table import Table

    table = Table(
        title=title or None, title_justify="left", caption=caption, caption_justify="left"
    )
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    console().print(table)


def console() -> "Console":
    """Give what prints on stdout."""
    from rich.console import Console

    # A pipe has no width: let tables be as wide as their content asks.
    return Console() if sys.stdout.isatty() else Console(width=200)


def say(text: str) -> None:
    """Print a line for people on stderr, where it does not mix with the result."""
    sys.stderr.write(text + "\n")


def fail(text: str) -> None:
    """Print what went wrong on stderr."""
    sys.stderr.write(f"error: {text}\n")


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Show a progress bar with the time left on stderr while a long piece of work runs.

    Silent when `quiet` or when stderr is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, what="": None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=None, what="")

        def advance(done: float, total: float, what: str = "") -> None:
            bar.update(task, completed=done, total=total, what=what)

        yield advance
