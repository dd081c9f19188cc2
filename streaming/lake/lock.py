"""One writer at a time for each table of a lake, over all processes."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streaming.errors import LakeError

# An import of years takes minutes; who waits longer than this waits for something stuck.
WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.05


@contextmanager
def table_lock(root: Path, table: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of one table while changing it; the kernel frees it if the process dies.

    Parameters
    ----------
    root
        The lake's folder.
    table
        The table's name.
    wait_seconds
        How long to wait for another writer.

    Raises
    ------
    LakeError
        If another process or thread holds the lock for longer than that.
    """
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table}.lock"
    # The file stays for good: removing a lock file lets two writers hold two files.
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(handle, path, table, wait_seconds)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path, table: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 64, 0).decode(errors="replace") or "another process"
                raise LakeError(
                    f"{table}: {holder} has been writing it for more than {wait_seconds:g} s "
                    f"({path}). Wait until it is done, or stop it, and do the same again."
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
