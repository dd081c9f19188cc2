"""Say to an engine that it is halted, or may go on: from another process, through its store."""

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from streaming.contracts import TRADING_HALTS_LATEST, arrow_schema
from streaming.errors import RunError
from streaming.runtimes.live.facts import saved_facts
from streaming.store import Clock, StorePublisher, StoreReader, upsert

_LOOK_SECONDS = 0.05


def say(store: Path, account: str, reason: str | None, *, halted: bool, now: int) -> int:
    """Halt an account, or let it go on; true from then on whatever becomes of this process.

    Parameters
    ----------
    store
        Its file; the engine may run or not.
    reason
        For people: it stands in the alert.
    now
        The wall clock, microseconds UTC.

    Returns
    -------
    int
        The offset that the next change of `trading_halts_latest` gets: see `was_read`.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be written.
    RunError
        If another account trades there.
    """
    publisher = StorePublisher(store, name="people")
    try:
        with StoreReader(store) as reader, reader.snapshot() as view:
            facts = saved_facts(view)
        known = account if facts is None else facts["definition"]["account"]
        if account != known:
            raise RunError(f"{store}: account {known} trades there, not {account}. Name that one.")
        rows = [{"accountId": account, "halted": halted, "reason": reason, "ts": now}]
        table = pa.Table.from_pylist(rows, schema=arrow_schema(TRADING_HALTS_LATEST))
        word = "halt" if halted else "resume"
        return publisher.publish([upsert(TRADING_HALTS_LATEST, table)], word)[
            TRADING_HALTS_LATEST.name
        ]
    finally:
        publisher.close()


def was_read(
    store: Path,
    offset: int,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Tell whether the engine has read what was said; wait for that while one runs.

    Parameters
    ----------
    offset
        What `say` gave.
    seconds
        To wait at most.
    """
    end = time.monotonic() + seconds
    with StoreReader(store) as reader:
        while True:
            with reader.snapshot() as view:
                facts = saved_facts(view) or {}
                runs = view.lease().remaining(Clock()) > 0
            if facts.get("published", {}).get(TRADING_HALTS_LATEST.name, 0) >= offset:
                return True
            if not runs or time.monotonic() >= end:
                return False
            sleep(_LOOK_SECONDS)
