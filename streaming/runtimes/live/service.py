"""The live engine at work: feeds to tick to commit, until they end or somebody stops it.

Everything that a batch gave is committed at once, with the engine's state and the feed's
position: after a stop at any instant the store is as of some commit, and the next process goes
on from there. What was read after it is read again, and gives the same. What came from which
source, and every advance by the clock, is committed too, as `watermark_history`.

Feeds are asked in turn, one batch each. The wall clock may jump: what the engine goes by is its
reading at the start and the time that has gone by since.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from streaming.brokers.broker import PAPER, Broker
from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    PRICE_1M_HISTORY,
    TRADING_HALTS_LATEST,
    WATERMARK_HISTORY,
)
from streaming.errors import RunError
from streaming.feeds.feed import Batch, Feed
from streaming.jobs.price_rows import PriceRows, no_rows, rows_of_table
from streaming.runtimes.live.clock import SourceClock
from streaming.runtimes.live.desk import Desk
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.inputs import input_rows
from streaming.runtimes.live.measuring import STATE, tally_bytes, tally_from, tally_of
from streaming.runtimes.live.saving import Saver, owners_of, restore_clock
from streaming.runtimes.live.tick import READ_TABLES
from streaming.store import Clock, Commit, Process, StoreReader, TableStore

_WAIT_SECONDS = 0.05
_CONSUMER = "live engine"
_PUBLISHED_ROWS = 10**6
_BEAT_US = 1_000_000
_AGAIN_US = 5_000_000
"""After which a feed that has ended is asked again, where the engine does not end with it."""


@dataclass
class _Reading:
    """A feed being read; `batches` is None between its end and when it is asked again."""

    feed: Feed
    batches: Iterator[Batch | None] | None
    ended_at: int = field(default=0)


class LiveService:
    """An engine over a store.

    Parameters
    ----------
    store
        Open, with its lease.
    plan
        What to run.
    broker
        Whose the account's orders are, where the plan names one; the caller closes it.
    played
        Whether a record is played: what a broker said, and the rows refused, are in it.
    warm_up
        Called with a fresh engine before its first bar: to take its series through bars from
        before the start.
    clock, sleep
        Where the time comes from, and how it is waited for, in seconds: for tests.

    Attributes
    ----------
    engine : LiveEngine
    tally : Tally
        What was counted since the store was begun.

    Raises
    ------
    StateError
        If the store was written by another plan.
    RunError
        If the broker is not the one that the plan names.
    """

    def __init__(
        self,
        store: TableStore,
        plan: LivePlan,
        *,
        broker: Broker | None = None,
        played: bool = False,
        warm_up: Callable[[LiveEngine], None] = lambda engine: None,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not played and plan.broker != (PAPER if broker is None else broker.name):
            raise RunError(f"live.broker = {plan.broker}: that broker was not given.")
        self.engine = LiveEngine(plan)
        self.engine.reports.played = self.engine.external.played = played
        self._store = store
        self._reader: StoreReader = store.reader()
        self._saver = Saver()
        self._clock = clock or Clock()
        self._sleep = sleep
        self._beaten = self._clock.uptime()
        self._began = self._clock.wall() - self._clock.uptime()
        self._sources = SourceClock(Process.this().boot)
        self._settings = plan.settings
        self._fed_at = self._clock.uptime()
        with self._reader.snapshot() as view:
            restored = self._saver.restore(
                self.engine, view, self.engine.trading, self._clock.wall()
            )
            read = restore_clock(self._sources, view, self._clock.uptime())
            self._next = {name: one.next for name, one in view.offsets().items()}
            # Of what others write it is what was read that counts.
            self._next |= {table.name: read.get(table.name, 0) for table in READ_TABLES}
            self._number = view.ticks().number
            self.tally = tally_from(view.state(STATE))
        self._keep()
        if not restored:
            warm_up(self.engine)
        self._desk = None if broker is None else Desk(self.engine, broker, self._reader)

    def run(self, *feeds: Feed, until_end: bool = True) -> Iterator[Tick | None]:
        """Work through feeds from where the store has them; give each tick, committed.

        None stands for a moment at which no feed had anything. Stop between two of them to stop
        in good order.

        Parameters
        ----------
        feeds
            With names of their own. Those that were read before and are not among them hold
            nobody up any more.
        until_end
            Whether to end when all feeds have; otherwise they are asked again now and then.

        Raises
        ------
        FencedError
            If another process has taken the store's lease.
        """
        positions = self._reader.positions()
        readings = [_Reading(one, _open(one, positions.get(one.name))) for one in feeds]
        started = self._start([one.name for one in feeds])
        if started is not None:
            yield started
        while True:
            gave = False
            for reading in readings:
                tick = self._read(reading, readings)
                if tick is not None:
                    gave = True
                    yield tick
            if until_end and not any(one.batches for one in readings):
                # What went out with the last commit may have been answered.
                last = Tick()
                if self._may_have_come() and self._decide(last, {}):
                    yield last
                return
            if not gave:
                tick = self._look_at_the_clock(readings)
                yield tick
                if tick is None:
                    self._beat()
                    self._sleep(_WAIT_SECONDS)

    def close(self) -> None:
        """Close what this holds beside the store."""
        self._reader.close()

    @property
    def published_to(self) -> dict[str, int]:
        """By table, the offset up to before which what was published was taken in."""
        return {table.name: self._next[table.name] for table in READ_TABLES}

    @property
    def _now(self) -> int:
        """What time it is, whatever was done to the wall clock meanwhile: microseconds UTC."""
        return self._began + self._clock.uptime()

    def _beat(self) -> None:
        """Keep the lease: commits do, too."""
        if self._clock.uptime() - self._beaten >= _BEAT_US:
            self._beaten = self._clock.uptime()
            self._store.heartbeat()

    def _start(self, names: Sequence[str]) -> Tick | None:
        """Begin to wait for the feeds' sources, and end to wait for others."""
        tick = Tick()
        for name in names:
            self.engine.join(tick, name)
            self._sources.join(name, self._clock.uptime())
        for name in sorted({*self.engine.prices.sources} - {*names}):
            self.engine.leave(tick, name)
            self._sources.leave(name)
        if self._saver.written not in (None, self.engine.written):
            self.engine.write_anew(tick, self._reader.rows)
        if not (tick.inputs or tick.changes):
            return None
        done = self.engine.done_to
        self._decide(tick, {})
        return tick if self.engine.done_to > done else None

    def _read(self, reading: _Reading, readings: Sequence[_Reading]) -> Tick | None:
        """Take the next batch of a feed, if it has one."""
        feed, uptime = reading.feed, self._clock.uptime()
        if reading.batches is None:
            if uptime - reading.ended_at < _AGAIN_US:
                return None
            reading.batches = _open(feed, self._reader.positions().get(feed.name))
        ended: list[Batch | None] = []
        batch = next(reading.batches, ended)
        if batch is ended:
            reading.batches, reading.ended_at = None, uptime
            return None
        if not isinstance(batch, Batch):
            return None
        # Bars are not of the future because the clock has been set back.
        times = (self._now, self._clock.wall(), self._sources.wall(uptime), self.engine.done_to)
        tick, now = Tick(), max(times)
        newest = [] if batch.complete_to is None else [batch.complete_to]
        self.engine.note(tick, feed.name, batch, self.owners, now)
        for arrival in batch.arrivals:
            seen = self.engine.receive(tick, feed.name, arrival, now, self._held)
            newest += [] if seen is None else [seen]
        if batch.complete_to is not None:
            self.engine.complete(tick, feed.name, batch.complete_to)
        if batch.arrivals or newest:
            self._sources.came(
                feed.name, max(newest, default=None), self._clock.uptime(), self._now
            )
        self._advance_by_clock(tick, readings)
        self._decide(tick, {feed.name: batch.position})
        self._sources.looked_at(feed.name, self._clock.uptime())
        if batch.reports:
            self._fed_at = self._clock.uptime()
        return tick

    def _look_at_the_clock(self, readings: Sequence[_Reading]) -> Tick | None:
        tick = Tick()
        self._advance_by_clock(tick, readings)
        self._apply_waiting_fills(tick, readings)
        if not tick.inputs and not self._may_have_come():
            return None
        return tick if self._decide(tick, {}) else None

    def _may_have_come(self) -> bool:
        """Tell whether there may be more without a bar: of a broker, or said of halts."""
        name = TRADING_HALTS_LATEST.name
        return self._desk is not None or self._reader.offsets()[name].next > self._next[name]

    def _advance_by_clock(self, tick: Tick, readings: Sequence[_Reading]) -> None:
        """Move the watermarks of sources that only the clock can move."""
        ended = {one.feed.name for one in readings if one.batches is None}
        cut = {one.feed.name for one in readings if not one.feed.connected}
        wm, engine = self._settings.wm, self.engine

        def moved(watermarks: Mapping[str, int], lateness_sec: int) -> Mapping[str, int]:
            complete = {name: mark - 1 for name, mark in watermarks.items()}
            uptime, lateness = self._clock.uptime(), lateness_sec * 1_000_000
            return self._sources.advances(complete, uptime, ended, cut, lateness)

        for name, to in moved(engine.prices.sources, wm.prices.lateness_sec).items():
            engine.complete(tick, name, to)
        if engine.marks:
            for name, to in moved(engine.marking.sources, wm.monitor.lateness_sec).items():
                engine.complete_marks(tick, name, to)

    def _apply_waiting_fills(self, tick: Tick, readings: Sequence[_Reading]) -> None:
        """Let the newest fills of feeds apply: none has come for the lateness, or can be lost."""
        lateness = self._settings.wm.engine.lateness_sec * 1_000_000
        idle = self._clock.uptime() - self._fed_at >= lateness
        feeds = [one.feed for one in readings]
        if feeds and idle and self.engine.fed.waiting and all(one.connected for one in feeds):
            self.engine.fed.complete(tick, feeds[0].name)

    def _decide(self, tick: Tick, positions: dict[str, str]) -> bool:
        """Decide what can be decided, by what was published so far, and commit it, if any."""
        published = 0
        for table in READ_TABLES:
            read = self._next[table.name]
            changes = self._reader.changes(table, read, _PUBLISHED_ROWS).rows
            self.engine.publish(tick, table, changes)
            published += changes.num_rows
        self.engine.advance(tick, self._clock.wall())
        if not (positions or tick.inputs or tick.changes):
            return False
        self._commit(tick, positions, self._number + 1, self._now)
        if published:
            self._keep()
        return True

    def owners(self, orders: Iterable[str]) -> dict[str, str]:
        """Give the strategies of those orders that the store knows, by orderId."""
        return owners_of(self._reader, orders)

    def again(self, tick: Tick, number: int, now: int) -> None:
        """Decide and commit a tick whose input was recorded.

        Parameters
        ----------
        tick
            With its input, and what that gave.
        number, now
            Of the tick, as recorded.
        """
        self.engine.advance(tick, now)
        self._commit(tick, {}, number, now)

    def _keep(self) -> None:
        """See to it that what is published stays until it is read."""
        for table in READ_TABLES:
            self._store.keep(_CONSUMER, table, self._next[table.name])

    def _commit(self, tick: Tick, positions: dict[str, str], number: int, now: int) -> None:
        """Make a tick true, with all that belongs to it."""
        tick.append(WATERMARK_HISTORY, input_rows(tick.inputs, number, self._next, now))
        for change in tick.changes:
            if change.kind == "append":
                self._next[change.table.name] += change.rows.num_rows
        for one in tick.inputs:
            if one.table in READ_TABLES:
                self._next[one.table.name] += one.rows
        state = self._saver.states(
            self.engine,
            tick,
            self._next[EXEC_REPORT_HISTORY.name],
            self._sources,
            self.published_to,
        )
        tally = self.tally + tally_of(tick)
        commit = Commit(
            changes=tick.changes,
            state=state | {STATE: tally_bytes(tally)},
            positions=positions | ({} if self._desk is None else self._desk.positions()),
            complete_to=tick.complete_to if tick.complete_to > 0 else None,
        )
        began = time.perf_counter()
        committed = self._store.commit(commit)
        tick.commit_seconds = time.perf_counter() - began
        self.tally = tally
        self._number = committed.number
        if self._desk is not None:
            self._desk.deliver()

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


def _open(feed: Feed, position: str | bytes | None) -> Iterator[Batch | None]:
    return feed.batches(position.decode() if isinstance(position, bytes) else position)
