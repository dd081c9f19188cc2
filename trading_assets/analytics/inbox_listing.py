"""Which files of the inbox are ready to be imported, told without reading any of them."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streaming.feeds.reading_rules import FILE
from streaming.feeds.ready_files import why_not
from streaming.lake.atomic import disk_errors, read_errors
from trading_assets.analytics.inbox_ledger import Seen, Stamp


class ReadyFile(NamedTuple):
    """A file that can be imported, as it is now."""

    name: str
    stamp: Stamp

    @property
    def key(self) -> str:
        """What stands for this file in this state.

        With ctime (the last change of any sort), so that a refused file that someone moves
        back is another one.
        """
        return ":".join([self.name, *map(str, self.stamp)])


class Listing(NamedTuple):
    """The inbox's files that have not been imported: those ready, and why others are not."""

    ready: list[ReadyFile]
    waiting: dict[str, str]


def list_inbox(
    folder: Path,
    seen: Mapping[str, Seen],
    settle_seconds: float,
    held: Callable[[str], str | None],
) -> Listing:
    """List the files that have not been imported, in order of their names.

    Parameters
    ----------
    folder
        The inbox; made if it is not there, so that people find where to put files.
    seen
        The files that need not be looked at while they are as they were, by name.
    settle_seconds
        For how long a file must not have changed before it is taken for whole.
    held
        Told the name of one of these, says why it waits for a person; None: it does not.

    Raises
    ------
    LakeError
        If the folder can be neither read nor made.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    listing = Listing([], {})
    with read_errors(folder), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            with suppress(FileNotFoundError):
                _add(entry, seen, settle_seconds, held, listing)
    return listing


def _add(
    entry: os.DirEntry[str],
    seen: Mapping[str, Seen],
    settle_seconds: float,
    held: Callable[[str], str | None],
    listing: Listing,
) -> None:
    name = entry.name
    if name.startswith(".") or name == FILE:
        return
    info = entry.stat(follow_symlinks=False)
    stamp = Stamp.of(info)
    if name in seen and seen[name].stamp == stamp:
        why = held(name)
        if why is None:
            return
    else:
        why = why_not(name, info, settle_seconds)
    if why is None:
        listing.ready.append(ReadyFile(name, stamp))
    else:
        listing.waiting[name.encode(errors="replace").decode()] = why
