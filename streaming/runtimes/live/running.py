"""The live engine as one call: what the settings say, run over its store until told to stop.

The command line, Dagster and the tests all run it through here. Whatever ends it, a word, a
signal or an error, the store is as of some commit and its lease is given back.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streaming.errors import DamagedStateError, FencedError, StoreError
from streaming.feeds.feed import Feed
from streaming.feeds.instruments import load_instruments
from streaming.jobs.strategies import select
from streaming.lake import Lake
from streaming.rules.bars import DAY_US
from streaming.runtimes.backtest.slices import day_end
from streaming.runtimes.live.brokers import open_broker
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.measuring import scraped
from streaming.runtimes.live.service import LiveService
from streaming.runtimes.live.sources import feed_of
from streaming.settings import Settings
from streaming.store import TableStore
from streaming.store.connection import damaged

_BEATS = 4
"""Heartbeats in the time that a lease holds."""

_VERIFY_SECONDS = 1.0
"""How long the store is looked through for damage at a start."""


@dataclass(frozen=True)
class LiveRun:
    """What runs, on which feed, over which store.

    Attributes
    ----------
    plan
    store
        The store's file; made where it is not there, with its folder.
    feed
    warm_up
        Takes the series of a fresh engine through bars from before its first tick.
    """

    plan: LivePlan
    store: Path
    feed: Feed
    warm_up: Callable[[LiveEngine], None]


@dataclass
class LiveReport:
    """What one call did.

    Attributes
    ----------
    bars, ticks : int
        Bars used, ticks committed.
    complete_to : int or None
        Microseconds UTC up to which the store has decided everything; None before the first bar.
    stopped : bool
        Whether it was told to stop, and did not come to the end of its input.
    """

    bars: int = 0
    ticks: int = 0
    complete_to: int | None = None
    stopped: bool = False

    def count(self, tick: Tick) -> None:
        """Count a tick that has been committed."""
        self.bars += tick.bars
        self.ticks += 1
        self.complete_to = tick.complete_to


def run_live(
    settings: Settings,
    folder: Path | None = None,
    *,
    until_end: bool,
    holder: str,
    on_tick: Callable[[Tick | None], None] = lambda tick: None,
    stop: Callable[[], bool] = lambda: False,
) -> LiveReport:
    """Run the live engine as the settings have it; again after any stop, it goes on.

    Parameters
    ----------
    settings
        `live.*` says what runs, the others how.
    folder
        The data folder; None: `data.folder`.
    until_end
        End when the input has ended; otherwise wait for more until told to stop.
    holder
        A name for the lease, for people.
    on_tick
        Called after each commit with its tick, and with None where there was nothing to do.
    stop
        Asked between commits, at least every half a second while there is nothing to do:
        True ends the run.

    Raises
    ------
    LeaseHeldError
        If another process runs on the store.
    FencedError
        If another process has taken the lease since.
    RunError
        If there is nothing to replay.
    StateError, SourceError
        If the store was begun with something else.
    StoreDamagedError
        If the store is damaged, as far as a second's look shows.
    """
    return drive(
        live_run(settings, folder or settings.data.folder, until_end=until_end),
        until_end=until_end,
        holder=holder,
        on_tick=on_tick,
        stop=stop,
    )


def store_path(settings: Settings, folder: Path) -> Path:
    """Give the live engine's store: `live.store`, or its place in a data folder."""
    return settings.live.store_in(folder)


def live_run(settings: Settings, folder: Path, *, until_end: bool = True) -> LiveRun:
    """Give what the settings have run, over a data folder."""
    live = settings.live
    plan = LivePlan(
        settings,
        tuple(select(live.strategies)),
        load_instruments(settings.instruments.file),
        live.account,
        live.broker,
    )
    # A bar that closes at midnight belongs to the day that ends.
    start = None if live.start is None else day_end(live.start) - DAY_US
    lake = Lake(folder / "lake")
    feed = feed_of(settings, folder, lake, start, end=until_end)
    known = start
    if live.feed != "replay" and start is None and lake.days():
        # What comes goes on from all that the lake has.
        known = lake.days()[-1].last_ts
    return LiveRun(
        plan, store_path(settings, folder), feed, lambda engine: warm_up(engine, lake, until=known)
    )


def warm_up(
    engine: LiveEngine, lake: Lake, symbols: tuple[str, ...] | None = None, *, until: int | None
) -> None:
    """Take an engine's features through a lake's bars, a day at a time.

    Parameters
    ----------
    symbols
        None: all.
    until
        Bars with ts <= until, microseconds UTC; None: not one.
    """
    if until is None:
        return
    for info in lake.days():
        if info.first_ts > until:
            break
        wanted = [name for name in info.symbols if symbols is None or name in symbols]
        end = min(day_end(info.day), until)
        engine.warm_up(lake.bars(wanted, day_end(info.day) - DAY_US, end), end)


def drive(
    run: LiveRun,
    *,
    until_end: bool,
    holder: str,
    on_tick: Callable[[Tick | None], None] = lambda tick: None,
    stop: Callable[[], bool] = lambda: False,
) -> LiveReport:
    """Run: see `run_live`."""
    seconds = float(run.plan.settings.live.lease_seconds)
    run.store.parent.mkdir(parents=True, exist_ok=True)
    report = LiveReport()
    with (
        TableStore(run.store, holder=holder, lease_seconds=seconds) as store,
        _heartbeats(store, seconds / _BEATS) as check,
        store.reader() as reader,
        scraped(run.plan, reader) as show,
    ):
        reader.verify(_VERIFY_SECONDS)
        broker = open_broker(run.plan, run.store)
        try:
            service = LiveService(store, run.plan, broker=broker, warm_up=run.warm_up)
        except DamagedStateError as error:
            raise damaged(run.store, str(error)) from error
        try:
            done = service.engine.done_to
            report.complete_to = done if done > 0 else None
            show(service.engine, None, service.tally)
            for tick in _ticks(service, run.feed, until_end):
                check()
                if tick is not None:
                    report.count(tick)
                    show(service.engine, tick, service.tally)
                on_tick(tick)
                if stop():
                    report.stopped = True
                    break
        finally:
            service.close()
            if broker is not None:
                broker.close()
    return report


def _ticks(service: LiveService, feed: Feed, until_end: bool) -> Iterator[Tick | None]:
    """Give tick after tick; where the feed ends and more may come, it is looked at again."""
    yield None  # one may be told to stop before the first
    yield from service.run(feed, until_end=until_end)


@contextmanager
def _heartbeats(store: TableStore, seconds: float) -> Iterator[Callable[[], None]]:
    """Send heartbeats beside the work: a long tick, or a first compilation, outlasts a lease.

    Gives a function that raises what a heartbeat met: the loss of the lease.
    """
    ended = threading.Event()
    lost: list[FencedError] = []

    def beat() -> None:
        while not ended.wait(seconds):
            try:
                store.heartbeat()
            except FencedError as error:
                lost.append(error)
                return
            except StoreError:
                # Say a full disk: the next commit meets it, too, and tells.
                continue

    def check() -> None:
        if lost:
            raise lost[0]

    thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join()
