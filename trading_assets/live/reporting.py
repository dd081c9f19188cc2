"""What Dagster is told of the live tables, and how often.

An event costs tens of milliseconds and about 1.5 KB for good, so a table has one at most every
`live.reportSeconds`, and only where it has changed; events take at most a twentieth of the
engine's time. Figures of every tick go to Prometheus.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from streaming.contracts import TABLES
from streaming.errors import StoreError

Tell = Callable[[str, dict[str, Any]], None]
"""Told a table's name and what is to be shown of it."""

_SHARE = 0.05
_MOST_SECONDS = 1.0
_LOOK_SECONDS = 1.0


class TableFacts(NamedTuple):
    """How a table stands: rows it has, and the offset that its next change gets."""

    rows: int
    next: int


class StoreFacts(NamedTuple):
    """How a store stands at one commit.

    Attributes
    ----------
    complete_to : int or None
        Event time up to which everything is decided, microseconds UTC.
    commits : int
    tables : dict
        By name.
    """

    complete_to: int | None
    commits: int
    tables: dict[str, TableFacts]


def read_facts(store: Path) -> StoreFacts:
    """Read how a store stands.

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    from streaming.store import StoreReader

    with StoreReader(store) as reader, reader.snapshot() as view:
        ticks, offsets = view.ticks(), view.offsets()
        tables = {
            name: TableFacts(view.count(table), offsets[name].next)
            for name, table in TABLES.items()
        }
        return StoreFacts(ticks.complete_to, ticks.number, tables)


def table_metadata(facts: StoreFacts, name: str, since: int | None = None) -> dict[str, Any]:
    """Give what an event shows of a table.

    Parameters
    ----------
    since
        The table's next offset when it was told of last.
    """
    table = facts.tables[name]
    metadata: dict[str, Any] = {"dagster/row_count": table.rows, "commits": facts.commits}
    if since is not None:
        metadata["changes since the last event"] = table.next - since
    if facts.complete_to is not None:
        seconds = facts.complete_to / 1e6
        metadata["complete to"] = dg.MetadataValue.timestamp(seconds)
        metadata["lag seconds"] = round(time.time() - seconds, 1)
    return metadata


@dataclass
class _Told:
    at: float
    next: int


class Reporter:
    """Tells of the tables that have changed, seldom enough.

    Parameters
    ----------
    store
        The store's file.
    tell
        Told a table's name and its metadata.
    every_seconds
        Between two events of a table, at least.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        store: Path,
        tell: Tell,
        every_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tell = tell
        self._every = every_seconds
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._looked = self._paid = clock()
        self._allowed = _MOST_SECONDS

    def tick(self) -> None:
        """Tell of what is due, as far as it may take time now: called after each tick."""
        now = self._clock()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        self._allowed = min(self._allowed + (now - self._paid) * _SHARE, _MOST_SECONDS)
        self._paid = now
        self._report(lambda told: now - told.at >= self._every, lambda: self._allowed > 0)

    def finish(self) -> None:
        """Tell of every table that has changed since it was told of last."""
        self._report(lambda told: True, lambda: True)

    def _report(self, due: Callable[[_Told], bool], may: Callable[[], bool]) -> None:
        try:
            facts = read_facts(self._store)
        except StoreError:
            return  # the engine meets that itself, and says so
        told = self._told
        waiting = [
            name
            for name, table in facts.tables.items()
            if table.next > (told[name].next if name in told else 0)
            and (name not in told or due(told[name]))
        ]
        # Who has waited longest comes first.
        for name in sorted(waiting, key=lambda one: told[one].at if one in told else -1.0):
            if not may():
                return
            began = self._clock()
            since = told[name].next if name in told else None
            self._tell(name, table_metadata(facts, name, since))
            ended = self._clock()
            told[name] = _Told(ended, facts.tables[name].next)
            self._allowed -= ended - began
