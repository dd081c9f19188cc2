"""Play a live period once more: the input that a store has recorded, into another store.

`watermark_history` says in which order bars, refused rows, published weights, halts and the
advances by the clock came, and in which commits. Played again they give every table as it was,
`calcTs` apart.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import WATERMARK_HISTORY, Table
from streaming.errors import RunError
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.runtimes.live.inputs import Recorded, recorded_inputs
from streaming.runtimes.live.service import LiveService
from streaming.runtimes.live.tick import READ_TABLES, Tick
from streaming.store import (
    PUBLISHED,
    Change,
    StorePublisher,
    StoreReader,
    TableStore,
    View,
    delete,
    upsert,
)
from streaming.store.view import changes_schema

_PUBLISHER = "replay"
_ROWS = 10_000


def play_recorded(
    recorded: Path,
    store: TableStore,
    plan: LivePlan,
    *,
    warm_up: Callable[[LiveEngine], None] = lambda engine: None,
) -> Iterator[Tick]:
    """Play what a store has recorded into a new one; give each tick, committed.

    Parameters
    ----------
    recorded
        The store's file; it may be written meanwhile, and is played as of now.
    store
        Open, with its lease, and empty.
    plan, warm_up
        Those that the recorded engine ran with.

    Raises
    ------
    RunError
        If the store to play into has commits already.
    PrunedError
        If part of the input has been pruned; the message names the table.
    StateError
        If the store was written by another plan.
    """
    with StoreReader(recorded) as reader, reader.snapshot() as view:
        yield from play_view(view, store, plan, warm_up=warm_up)


def play_view(
    view: View, store: TableStore, plan: LivePlan, *, warm_up: Callable[[LiveEngine], None]
) -> Iterator[Tick]:
    """Play what a store has recorded as of a view; see `play_recorded`."""
    with store.reader() as target:
        if target.ticks().number:
            raise RunError(f"{store.path}: has commits already. Name a new file.")
    service = LiveService(store, plan, played=True, warm_up=warm_up)
    publisher = StorePublisher(store.path, name=_PUBLISHER)
    try:
        for one in _ticks(view):
            yield _play(one, view, service, publisher)
        for table in PUBLISHED:
            done = service.published_to.get(table.name, 0)
            _publish(publisher, table, view.changes(table, done, 10**9).rows)
    finally:
        publisher.close()
        service.close()


def recorded_from(view: View) -> int | None:
    """Say up to when the features had seen bars before the first that was recorded.

    Microseconds UTC; None: they had seen none.
    """
    rows = view.changes(WATERMARK_HISTORY, 0, 1).rows
    known = rows.column("completeTo").cast(pa.int64()).to_pylist()
    return known[0] if known and known[0] else None


def _ticks(view: View) -> Iterator[Recorded]:
    """Give the recorded ticks; memory follows a piece of them."""
    rest, start = view.changes(WATERMARK_HISTORY, 0, 0).rows, 0
    while True:
        found = view.changes(WATERMARK_HISTORY, start, _ROWS)
        start = found.next
        rows = pa.concat_tables([rest, found.rows])
        if not found.rows.num_rows:
            yield from recorded_inputs(rows)
            return
        # The last tick may go on in the next piece.
        last = pc.equal(rows.column("tick"), rows.column("tick")[-1])
        yield from recorded_inputs(rows.filter(pc.invert(last)))
        rest = rows.filter(last)


def _play(one: Recorded, view: View, service: LiveService, publisher: StorePublisher) -> Tick:
    tick = Tick()
    for given, start in one.inputs:
        rows = changes_schema(given.table).empty_table()
        if given.rows:
            rows = view.changes(given.table, start, given.rows).rows
        if given.table in READ_TABLES:
            _publish(publisher, given.table, rows)
        else:
            rows = rows.drop(["offset", "op"])
        service.engine.again(tick, given, rows, service.owners)
    service.again(tick, one.tick, one.now)
    return tick


def _publish(publisher: StorePublisher, table: Table, rows: pa.Table) -> None:
    """Publish changes as they were published: they get the same offsets."""
    changes: list[Change] = []
    # A row as it was before is no change of its own.
    rows = rows.filter(pc.not_equal(rows.column("op"), "-U"))
    begin = 0
    for gone, run in groupby(rows.column("op").to_pylist(), key=lambda op: op == "-D"):
        count = len(list(run))
        part = rows.slice(begin, count).drop(["offset", "op"])
        changes.append(delete(table, part) if gone else upsert(table, part))
        begin += count
    if changes:
        publisher.publish(changes, "recorded")
