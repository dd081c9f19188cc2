"""The live engine at work: feed to tick to commit, until the feed ends or somebody stops it.

Everything that a batch gave is committed at once, with the engine's state and the feed's
position: after a stop at any instant the store is as of some commit, and the next process goes
on from there. What was read after it is read again, and gives the same.
"""

import time
from collections.abc import Callable, Iterator

import pyarrow as pa

from streaming.contracts import EXEC_REPORT_HISTORY, PRICE_1M_HISTORY
from streaming.feeds.feed import Batch, Feed
from streaming.jobs.price_rows import PriceRows, no_rows, rows_of_table
from streaming.rules.weights import WeightSchedule
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.measuring import STATE, tally_bytes, tally_from, tally_of
from streaming.runtimes.live.saving import Saver
from streaming.store import Commit, StoreReader, TableStore


class LiveService:
    """An engine over a store.

    Parameters
    ----------
    store
        Open, with its lease.
    plan
        What to run.
    warm_up
        Called with a fresh engine before its first bar: to take its series through bars from
        before the start.
    now
        The wall clock, microseconds UTC.

    Attributes
    ----------
    engine : LiveEngine
    tally : Tally
        What was counted since the store was begun.

    Raises
    ------
    StateError
        If the store was written by another plan.
    """

    def __init__(
        self,
        store: TableStore,
        plan: LivePlan,
        *,
        warm_up: Callable[[LiveEngine], None] = lambda engine: None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.engine = LiveEngine(plan)
        self._store = store
        self._reader: StoreReader = store.reader()
        self._saver = Saver()
        self._now = now
        with self._reader.snapshot() as view:
            restored = self._saver.restore(self.engine, view, self.engine.trading, now())
            self._next_fill = view.offsets()[EXEC_REPORT_HISTORY.name].next
            self.tally = tally_from(view.state(STATE))
        if not restored:
            warm_up(self.engine)

    def run(self, feed: Feed, weights: WeightSchedule | None = None) -> Iterator[Tick | None]:
        """Work through a feed from where the store has it; give each tick, committed.

        None stands for a moment at which the feed had nothing. Stop between two of them to stop
        in good order.

        Raises
        ------
        FencedError
            If another process has taken the store's lease.
        """
        position = self._reader.positions().get(feed.name)
        text = position.decode() if isinstance(position, bytes) else position
        for batch in feed.batches(text):
            if batch is None:
                self._store.heartbeat()
                yield None
                continue
            tick = self._work(batch, weights)
            self._commit(tick, feed.name, batch.position)
            yield tick

    def close(self) -> None:
        """Close what this holds beside the store."""
        self._reader.close()

    def _work(self, batch: Batch, weights: WeightSchedule | None) -> Tick:
        tick, now = Tick(), self._now()
        for arrival in batch.arrivals:
            self.engine.receive(tick, arrival, now, self._held)
        self.engine.note(tick, batch)
        if batch.complete_to is not None:
            self.engine.prices.complete(batch.complete_to)
        self.engine.advance(tick, now, weights)
        return tick

    def _commit(self, tick: Tick, source: str, position: str) -> None:
        """Make a tick true, with all that belongs to it."""
        fills = sum(
            change.rows.num_rows for change in tick.changes if change.table is EXEC_REPORT_HISTORY
        )
        self._next_fill += fills
        tally = self.tally + tally_of(tick)
        states = self._saver.states(self.engine, tick, self._next_fill)
        commit = Commit(
            changes=tick.changes,
            state=states | {STATE: tally_bytes(tally)},
            positions={source: position},
            complete_to=max(tick.complete_to, 0),
        )
        began = time.perf_counter()
        self._store.commit(commit)
        tick.commit_seconds = time.perf_counter() - began
        self.tally = tally

    def _held(self, rows: PriceRows) -> PriceRows:
        """Look up bars that the store has."""
        asked = {
            (rows.symbols[code], ts)
            for code, ts in zip(rows.symbol.tolist(), rows.ts.tolist(), strict=True)
        }
        found: list[pa.Table] = [
            self._reader.rows(PRICE_1M_HISTORY, equal={"symbol": name}, since=ts, until=ts + 1)
            for name, ts in sorted(asked)
        ]
        return rows_of_table(pa.concat_tables(found)) if found else no_rows()
