"""Make DAGSTER_HOME in the data folder, and print where it is: `python -m trading_assets.home`."""

import errno
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import dagster as dg
import typer
from sqlalchemy.exc import DBAPIError

from streaming.errors import LakeError, SettingsError, TradingError
from streaming.lake import atomic_file, sweep, table_lock
from streaming.lake.atomic import disk_errors
from trading_assets.platform import Platform
from trading_assets.workers import settle

INSTANCE_FILE = "dagster.yaml"
"""Dagster's settings, at the top of the project."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def make_home(platform: Platform, instance_file: Path) -> Path:
    """Make the folder of Dagster's own data, with the instance file as it is now.

    Runs whose process is gone are marked as failed.

    Returns
    -------
    Path
        What DAGSTER_HOME must say.

    Raises
    ------
    LakeError
        If the data folder cannot be written.
    """
    home = platform.folders.dagster
    with disk_errors(platform.folders.root):
        platform.folders.inbox.mkdir(parents=True, exist_ok=True)
    # Two processes that make Dagster's databases at the same time (the webserver and the
    # daemon, say) leave them broken for good: they are made here, by one at a time.
    with storage_errors(home), table_lock(platform.folders.root, "dagster"):
        sweep(home)
        with atomic_file(home / INSTANCE_FILE) as partial:
            shutil.copyfile(instance_file, partial)
        with dg.DagsterInstance.from_config(str(home)) as opened:
            settle(opened)
    return home


@contextmanager
def storage_errors(home: Path) -> Iterator[None]:
    """Turn what the disk or SQLite refuse to Dagster into a `LakeError` that names its folder."""
    left = "What was done before is kept"
    try:
        with disk_errors(home, left):
            yield
    except (DBAPIError, sqlite3.Error) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        raise LakeError(
            f"{home}: Dagster cannot keep its runs there ({why}). {left}; free some space or allow "
            "writing there, and do the same again."
        ) from error


def check_port(port: str) -> None:
    """Make sure that a port of loopback can be listened on.

    Raises
    ------
    SettingsError
        If it is none, or somebody else has it.
    """
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise SettingsError(f"TRADING_UI_PORT: {port!r} is not a port (1 to 65535).")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
            probe.listen()
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error})"
            raise SettingsError(
                f"Port {port} of 127.0.0.1 {why}. Is the UI running already? "
                "TRADING_UI_PORT=3001 make ui takes another one."
            ) from error


@app.command()
def serve(
    port: Annotated[str, typer.Option(help="Port of loopback that must be free.")] = "",
) -> None:
    """Make the home, for a webserver and a daemon on a port if one is given, and print it."""
    if port:
        check_port(port)
    home = make_home(Platform(), Path(__file__).parents[1] / INSTANCE_FILE)
    print(home)


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong use."""
    try:
        app()
    except TradingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
