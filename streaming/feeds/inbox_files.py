"""The folders of the live engine's inbox, and the order in which its files were taken.

A file that is whole is moved to `taken`, under the next number and the digest of its content:
`000000012-bars-<digest>-name.csv`. That one rename decides, for good, when the file arrived. So
the same files give the same rows in the same order to every engine that starts from the
beginning, and where one has got to is a number. Several may share an inbox.
"""

import os
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from streaming.errors import SourceError
from streaming.feeds.reading_rules import FILE
from streaming.feeds.ready_files import unfinished
from streaming.feeds.tabular import digest_of
from streaming.lake import table_lock
from streaming.lake.atomic import disk_errors

Kind = Literal["reports", "bars"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Sub-folders for what comes, in the order in which they are looked at."""

_TAKEN, _REFUSED, _REPEATED = "taken", "refused", "repeated"
_LAST = ".last"
_NAME = re.compile(r"(\d{9,})-(bars|reports)-([0-9a-f]{32})-(.*)", re.DOTALL)
_NAME_BYTES = 200
_WAIT_SECONDS = 60.0


class TakenFile(NamedTuple):
    """A file that has its number: where it lies, and what it was called."""

    number: int
    kind: Kind
    digest: str
    name: str
    path: Path


class InboxFiles:
    """The folders of an inbox.

    Parameters
    ----------
    root
        The inbox; it and its folders are made where they are not there.
    after
        The number of the last file that is done with.
    settle_seconds
        For how long a file must not have changed before it is taken for whole.

    Raises
    ------
    LakeError
        If the folders cannot be made or read.
    """

    def __init__(self, root: Path, after: int, settle_seconds: float) -> None:
        self._root = root
        self._after = after
        self._settle = settle_seconds
        self._last = after
        self._known: set[bytes] = set()
        self._waiting: deque[TakenFile] = deque()
        with disk_errors(root):
            for name in (*KINDS, _TAKEN, _REFUSED, _REPEATED):
                (root / name).mkdir(parents=True, exist_ok=True)
        with self._alone():
            self._list_taken()

    def next(self) -> TakenFile | None:
        """Give the next file, which is then done with; None: there is none for now.

        Raises
        ------
        LakeError
            If a file cannot be moved: the disk refuses, or another process holds the inbox.
        """
        if not self._waiting and (self._ready() or self._counted() not in (None, self._last)):
            self._take()
        if not self._waiting:
            return None
        file = self._waiting.popleft()
        self._after = file.number
        return file

    def taken(self, number: int) -> TakenFile | None:
        """Give the file of a number; None where it is no longer there."""
        for folder in (_TAKEN, _REFUSED):
            for path in (self._root / folder).glob(f"{number:09d}-*"):
                return _file(path)
        return None

    def refuse(self, file: TakenFile) -> Path:
        """Move a file that cannot be used aside; it keeps its number, and may come again."""
        self._known.discard(bytes.fromhex(file.digest))
        place = self._root / _REFUSED / file.path.name
        with disk_errors(place), suppress(FileNotFoundError):
            file.path.replace(place)
        return place

    def _ready(self) -> list[tuple[Kind, Path]]:
        """List the files that are whole: reports first, then by time of writing, then name."""
        found: list[tuple[int, int, str, Kind, Path]] = []
        for order, kind in enumerate(KINDS):
            folder = self._root / kind
            with disk_errors(folder), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name == FILE:
                        continue
                    with suppress(FileNotFoundError):
                        info = entry.stat(follow_symlinks=False)
                        if entry.is_file(follow_symlinks=False) and not unfinished(
                            entry.name, info, self._settle
                        ):
                            path = folder / entry.name
                            found.append((order, info.st_mtime_ns, entry.name, kind, path))
        return [(kind, path) for *_, kind, path in sorted(found)]

    def _take(self) -> None:
        """Give what is ready its number; a content that was taken before goes to `repeated`."""
        with self._alone():
            if self._counted() != self._last:
                # By another process.
                self._list_taken()
            ready = self._ready()
            # Before the first move, so that what a killed process took is not overlooked.
            self._count(self._last + len(ready))
            for kind, path in ready:
                with suppress(FileNotFoundError):
                    self._take_one(kind, path)
            self._count(self._last)
            for name in (_TAKEN, *KINDS):
                _flush(self._root / name)

    def _take_one(self, kind: Kind, path: Path) -> None:
        try:
            digest = digest_of(path, named=False)
        except SourceError:
            # Unreadable, or gone: what can be moved is refused when its turn comes.
            digest = "0" * 32
        if bytes.fromhex(digest) in self._known:
            path.replace(self._root / _REPEATED / path.name)
            return
        name = f"{self._last + 1:09d}-{kind}-{digest}-{_short(path.name)}"
        place = self._root / _TAKEN / name
        path.replace(place)
        self._include(place)

    def _list_taken(self) -> None:
        """Learn what has been taken, by this process or another."""
        found = []
        for folder in (_TAKEN, _REFUSED):
            with disk_errors(self._root), os.scandir(self._root / folder) as entries:
                found += [
                    (int(match[1]), Path(entry.path))
                    for entry in entries
                    if (match := _NAME.fullmatch(entry.name))
                ]
        for _, path in sorted(found):
            self._include(path)

    def _include(self, path: Path) -> None:
        file = _file(path)
        if file is None:
            return
        if file.digest.strip("0") and path.parent.name == _TAKEN:
            self._known.add(bytes.fromhex(file.digest))
        newest = self._waiting[-1].number if self._waiting else self._after
        if file.number > newest:
            self._waiting.append(file)
        self._last = max(self._last, file.number)

    def _counted(self) -> int | None:
        """Give the last number that any process gave; None where nobody says."""
        try:
            return int((self._root / _TAKEN / _LAST).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _count(self, number: int) -> None:
        (self._root / _TAKEN / _LAST).write_text(f"{number}\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with disk_errors(self._root), table_lock(self._root, "inbox", _WAIT_SECONDS):
            yield


def _file(path: Path) -> TakenFile | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    kind: Kind = "bars" if match[2] == "bars" else "reports"
    name = match[4].encode(errors="surrogateescape").decode(errors="backslashreplace")
    return TakenFile(int(match[1]), kind, match[3], name, path)


def _short(name: str) -> str:
    """Give a name that leaves room for the number before it; its end tells what it is."""
    raw = name.encode(errors="surrogateescape")
    if len(raw) <= _NAME_BYTES:
        return name
    return raw[-_NAME_BYTES:].decode(errors="ignore")


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
