"""Make DAGSTER_HOME in the data folder, and print where it is: `python -m trading_assets.home`."""

import errno
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Annotated

import dagster as dg
import typer

from streaming.errors import SettingsError, TradingError
from streaming.lake import atomic_file
from trading_assets.abandoned_runs import close_abandoned_runs
from trading_assets.platform import Platform

INSTANCE_FILE = "dagster.yaml"
"""Dagster's settings, at the top of the project."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def make_home(platform: Platform, instance_file: Path) -> Path:
    """Make the folder of Dagster's own data, with the instance file as it is now.

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
    platform.folders.inbox.mkdir(parents=True, exist_ok=True)
    with atomic_file(home / INSTANCE_FILE) as partial:
        shutil.copyfile(instance_file, partial)
    return home


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
    port: Annotated[str, typer.Option(help="Port of loopback that must be free.")],
) -> None:
    """Make the home for a webserver and a daemon that start now, and print it."""
    check_port(port)
    home = make_home(Platform(), Path(__file__).parents[1] / INSTANCE_FILE)
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        for run in close_abandoned_runs(instance):
            print(f"run {run.run_id} had lost its process, and is failed now", file=sys.stderr)
    print(home)


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong use."""
    try:
        app()
    except TradingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
