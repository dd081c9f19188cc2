"""A damaged store: found, moved aside, and made anew by working through lake and feed again."""

from datetime import UTC, datetime
from pathlib import Path

from streaming.errors import (
    DamagedStateError,
    LeaseHeldError,
    StoreDamagedError,
    StoreError,
)
from streaming.rules.state import check
from streaming.runtimes.live.brokers import exchange_path
from streaming.store import StoreReader
from streaming.store.lease import Clock


def damage_of(store: Path) -> str | None:
    """Say what is wrong with a store's file, all of which is read; None: nothing.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be read for another reason.
    """
    try:
        with StoreReader(store) as reader:
            reader.verify()
            for name in reader.states():
                check(name, reader.state(name) or b"")
    except (StoreDamagedError, DamagedStateError) as error:
        return str(error)
    return None


def move_aside(store: Path) -> Path:
    """Move a store's files into a new folder beside it, and give that; nothing is deleted.

    The file of a simulated exchange goes with them: it has the orders of this store.

    Raises
    ------
    LeaseHeldError
        If a living process holds the lease, as far as that can be read still.
    """
    _check_lease(store)
    now = datetime.now(UTC)
    folder = store.parent / f"damaged-{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}Z"
    folder.mkdir()
    # The logs first: SQLite would take one that was left for that of the new file.
    for path in (exchange_path(store), store):
        for end in ("-wal", "-shm", ""):
            file = path.with_name(path.name + end)
            if file.exists():
                file.rename(folder / file.name)
    return folder


def _check_lease(store: Path) -> None:
    try:
        with StoreReader(store) as reader:
            lease = reader.lease()
    except StoreError:
        return
    seconds = lease.remaining(Clock()) / 1e6
    if seconds > 0:
        raise LeaseHeldError(
            f"{store}: the store is held by {lease}. Stop that process first.",
            lease.holder,
            seconds,
        )
