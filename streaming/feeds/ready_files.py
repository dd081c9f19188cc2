"""Which files of a folder are whole, told without reading any of them."""

import os
import stat
import time

SETTLE_SECONDS = 5.0
"""For how long a file must not have changed before it is taken for whole."""

_SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".jsonl",
    ".ndjson",
    ".json",
    ".parquet",
    ".pq",
    ".zip",
    ".gz",
    ".bz2",
    ".zst",
)
_HALF = (".part", ".partial", ".tmp", ".crdownload", ".filepart")


def why_not(name: str, info: os.stat_result, settle_seconds: float) -> str | None:
    """Say why a file of bars is not ready; None if it is."""
    if not name.isprintable():
        return "has a name with letters that cannot be shown; rename it"
    if stat.S_ISDIR(info.st_mode):
        return "is a folder; put its files into the inbox itself"
    if not stat.S_ISREG(info.st_mode):
        return "is a link or a device; put the file itself here"
    if not name.lower().endswith((*_SUFFIXES, *_HALF)):
        return f"is not named as a file of bars ({', '.join(_SUFFIXES)})"
    return unfinished(name, info, settle_seconds)


def unfinished(name: str, info: os.stat_result, settle_seconds: float) -> str | None:
    """Say why a file may still be written; None if it is whole.

    Parameters
    ----------
    name, info
        The file, as it is now.
    settle_seconds
        For how long a file must not have changed before it is taken for whole.
    """
    if name.lower().endswith(_HALF):
        return "is being written, by its name"
    # Whatever writes to a file sets its ctime, which no copying tool can set to another time.
    # A clock that was set back must not hold a file up for ever.
    if abs(time.time() - info.st_ctime) < settle_seconds:
        return f"changed less than {settle_seconds:g} s ago; waits until it is whole"
    return None
