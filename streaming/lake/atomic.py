"""Write a file or folder so that it is whole or absent, whatever happens midway.

The work goes to a hidden sibling, is flushed to the disk, and takes its name in one rename.
A failure removes the sibling at once. A killed process cannot, so every sibling is held
under a kernel lock that dies with its process: `sweep` removes those that nobody holds.
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from streaming.errors import LakeError

_SUFFIX = ".partial"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (
    errno.EACCES,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    # A folder that cannot be made (/proc), or was removed meanwhile.
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Write a file through a hidden sibling that replaces it at the end.

    Parameters
    ----------
    final
        The file's name; folders above it are made. A file of that name is replaced.

    Yields
    ------
    Path
        An empty file to write to (open it by this name, any number of times).

    Raises
    ------
    LakeError
        If the disk is full or refuses; `final` is then as it was.
    """
    partial = _sibling(final)
    with ExitStack() as held:
        # A stop may come at any moment, so what removes the sibling is there before it is.
        held.callback(_remove, partial)
        with disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            held.callback(os.close, _held_file(partial))
            yield partial
            _flush(partial)
            partial.replace(final)
            _flush(final.parent)


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Write a folder through a hidden sibling that replaces it at the end.

    A folder that has the name already is moved aside before and removed after, so a kill
    between the two renames leaves neither (never a mixture of both); the same work then
    writes it again.

    Parameters
    ----------
    final
        The folder's name; folders above it are made.

    Yields
    ------
    Path
        An empty folder to fill.

    Raises
    ------
    LakeError
        If the disk is full or refuses; `final` is then as it was.
    """
    partial = _sibling(final)
    old = partial.with_name(f"{partial.name[: -len(_SUFFIX)]}.old{_SUFFIX}")
    with ExitStack() as held:
        held.callback(_settle, final, partial, old)
        with disk_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            held.callback(os.close, _held_folder(partial))
            yield partial
            for path in sorted(partial.rglob("*")):
                _flush(path)
            _flush(partial)
            if final.exists():
                final.replace(old)
            partial.replace(final)
            _flush(final.parent)


def _settle(final: Path, partial: Path, old: Path) -> None:
    """Leave the folder that has the name, or else the one that had it, and nothing beside it."""
    with suppress(OSError):  # most often there is no old one
        if not final.exists():
            old.replace(final)
    shutil.rmtree(partial, ignore_errors=True)
    with suppress(OSError):
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)


def _remove(partial: Path) -> None:
    with suppress(OSError):  # it may never have been there
        partial.unlink()


@contextmanager
def scratch_directory(parent: Path, name: str) -> Iterator[Path]:
    """Give a folder for intermediate files, removed at the end; `sweep` removes it too."""
    scratch = _sibling(parent / name)
    with ExitStack() as held:
        held.callback(shutil.rmtree, scratch, ignore_errors=True)
        with disk_errors(parent / name):
            parent.mkdir(parents=True, exist_ok=True)
            held.callback(os.close, _held_folder(scratch))
            yield scratch


def sweep(folder: Path) -> int:
    """Remove what killed processes left in a folder and the folders right below it.

    Returns
    -------
    int
        How many leftovers were removed.
    """
    if not folder.is_dir():
        return 0
    removed = 0
    below = [folder]
    with os.scandir(folder) as entries:
        below += [Path(e.path) for e in entries if e.is_dir() and not e.name.endswith(_SUFFIX)]
    for place in below:
        for path in place.glob(f".*{_SUFFIX}"):
            removed += _remove_if_dead(path)
    return removed


def _remove_if_dead(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _sibling(final: Path) -> Path:
    return final.with_name(f".{final.name}.{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}")


def _held_file(partial: Path) -> int:
    while True:
        with suppress(FileExistsError):  # by the hand of a sweeper that is about to remove it
            handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            if _hold(partial, handle):
                return handle


def _held_folder(partial: Path) -> int:
    while True:
        with suppress(FileExistsError):
            partial.mkdir()
        try:
            handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # a sweeper took it for dead before it could be held
        if _hold(partial, handle):
            return handle


def _hold(partial: Path, handle: int) -> bool:
    # A sweeper may take the sibling for dead between its creation and this lock: it is
    # ours only if it is locked and still there.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if partial.stat().st_ino == os.fstat(handle).st_ino:
            return True
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return False


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses on reading into a `LakeError`, or it would pass for writing.

    What Arrow says of a file's content has no number, and goes through.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        why = error.strerror or str(error)
        raise LakeError(
            f"{path}: cannot be read ({why}). Nothing was changed; do the same again where the "
            "file is there and may be read."
        ) from error


@contextmanager
def disk_errors(path: Path, left: str = "Nothing of it was changed") -> Iterator[None]:
    """Turn what the disk refuses into a `LakeError` that says what became of `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise LakeError(
                f"{path}: the disk is full. {left}; free some space and do the same again."
            ) from error
        if error.errno in _REFUSED:
            raise LakeError(
                f"{path}: cannot be written ({error}). {left}; do the same again where the disk "
                "allows it."
            ) from error
        raise
