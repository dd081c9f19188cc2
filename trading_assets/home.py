"""Make DAGSTER_HOME in the data folder, and print where it is: `python -m trading_assets.home`."""

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import DBAPIError

from streaming.errors import LakeError, TradingError
from streaming.lake import atomic_file, sweep, table_lock
from streaming.lake.atomic import disk_errors
from trading_assets.platform import Platform
from trading_assets.workers import settle

INSTANCE_FILE = "dagster.yaml"
"""Dagster's settings, at the top of the project."""


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


def main() -> int:
    """Make it, and print it."""
    try:
        home = make_home(Platform(), Path(__file__).parents[1] / INSTANCE_FILE)
    except TradingError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
