"""Make DAGSTER_HOME in the data folder, and print where it is: `python -m trading_assets.home`."""

import shutil
import sys
from pathlib import Path

from streaming.errors import TradingError
from streaming.lake import atomic_file, sweep
from streaming.lake.atomic import disk_errors
from trading_assets.platform import Platform

INSTANCE_FILE = "dagster.yaml"
"""Dagster's settings, at the top of the project."""


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
    with disk_errors(platform.folders.root):
        platform.folders.inbox.mkdir(parents=True, exist_ok=True)
    sweep(home)
    with atomic_file(home / INSTANCE_FILE) as partial:
        shutil.copyfile(instance_file, partial)
    return home


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
