"""The made-up market, put into the inbox like anybody's files."""

from pathlib import Path

from streaming.lake import scratch_directory, sweep
from streaming.lake.atomic import disk_errors
from trading_assets.platform import Folders


def put_demo_market(folders: Folders, seed: int, symbols: int, days: int) -> list[str]:
    """Write the files of a market into the inbox, each under a name that says what is in it.

    Parameters
    ----------
    folders
        The data folder.
    seed, symbols, days
        See `streaming.feeds.synthetic.make_market`.

    Returns
    -------
    list of str
        Names of the files. The same market again gives the same files, which are then not
        imported twice.

    Raises
    ------
    LakeError
        If the disk is full or refuses.
    """
    # It brings numba: only where a market is made.
    from streaming.feeds.synthetic_files import write_market

    # Beside the inbox, so that no half of a file is ever seen in it.
    staging = folders.root / ".demo"
    sweep(staging)
    names = []
    with scratch_directory(staging, "market") as scratch:
        for path in write_market(scratch, seed, symbols, days):
            place = folders.inbox / f"demo-{seed}-{symbols}x{days}-{path.name}"
            _put(path, place)
            names.append(place.name)
    return names


def _put(path: Path, place: Path) -> None:
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and place.read_bytes() == path.read_bytes():
            return
        path.replace(place)
