"""A small market, the plan of a live engine, and a way to feed it."""

import numpy as np
import pyarrow as pa
import pytest
from runtimes.markets import START, month_market, walk

from streaming.contracts import INDICATOR_HISTORY
from streaming.feeds.feed import Arrival
from streaming.jobs.price_rows import no_rows, rows_of_bars, table_of_rows
from streaming.jobs.strategies import make
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import TableStore

from .timed import MINUTES, SECOND, HandClock

NAMES = ("bollinger_reversion", "ema_cross", "roc_momentum")
NOW = 1_800_000_000_000_000
BARS = 1_500


@pytest.fixture(scope="session")
def market():
    return {name: bars.rows(0, BARS) for name, bars in month_market(3).items()}


@pytest.fixture(scope="session")
def strategies():
    return tuple(make(name) for name in NAMES)


@pytest.fixture
def engine(strategies):
    return LiveEngine(LivePlan(Settings(), strategies))


@pytest.fixture(scope="session")
def stream(market):
    """All bars in order of time, then symbol: as a feed brings them."""
    rows = rows_of_bars(market, "feed")
    return rows.take(np.argsort(rows.ts, kind="stable"))


def arrival(rows):
    return Arrival(table_of_rows(rows), "feed", rows.number)


def nothing_held(rows):
    return no_rows()


def ticks(engine, stream, ends, *, declared=True):
    """Feed rows up to each end; give the ticks. A feed may declare how far it is complete."""
    begin = 0
    for end in ends:
        tick = Tick()
        part = stream.take(slice(begin, end))
        begin = end
        engine.receive(tick, "feed", arrival(part), NOW, nothing_held)
        if declared and len(part):
            # Bars of the last minute may still be to come.
            last = int(part.ts[-1])
            engine.complete(tick, "feed", last if end == len(stream) else last - 1)
        engine.advance(tick, NOW)
        yield tick


def histories(made):
    """All rows that ticks appended, by table."""
    parts = {}
    for tick in made:
        for change in tick.changes:
            if change.kind == "append":
                parts.setdefault(change.table.name, []).append(change.rows)
    return {name: pa.concat_tables(rows) for name, rows in parts.items()}


def by_row(tables):
    """Rows of each table as a sorted list: ticks may bring them in another order."""
    return {name: sorted(map(repr, rows.to_pylist())) for name, rows in tables.items()}


def latest(made):
    """What the latest tables hold after ticks: rows by key, by table."""
    tables = {}
    for tick in made:
        for change in tick.changes:
            kind, table, rows = change.kind, change.table, change.rows
            if kind == "append":
                continue
            held = tables.setdefault(table.name, {})
            for row in rows.to_pylist():
                key = tuple(row[name] for name in table.primary_key)
                held.pop(key, None)
                if kind == "upsert":
                    held[key] = row
    return tables


BEFORE = 600


@pytest.fixture(scope="module")
def bars():
    """Minutes of three symbols, in most of them a bar; the first are for the features only."""
    rng = np.random.default_rng(5)
    traded = [np.flatnonzero(rng.random(BEFORE + MINUTES) < 0.9) for _ in range(3)]
    return {
        name: walk(rng, START + MINUTE_US * (1 + minutes - BEFORE))
        for name, minutes in zip(("ADA", "BEE", "CAT"), traded, strict=True)
    }


@pytest.fixture(scope="module")
def rows(bars):
    """The last of them, as they come."""
    every = rows_of_bars(bars, "feed")
    every = every.take(np.argsort(every.ts, kind="stable"))
    return every.take(every.ts > START)


@pytest.fixture(scope="module")
def warm_up(bars):
    """Takes the features through what was before."""

    def run(engine):
        old = {name: one.rows(0, int((one.ts <= START).sum())) for name, one in bars.items()}
        engine.warm_up(old, START)

    return run


@pytest.fixture
def live(tmp_path, strategies, warm_up, rows):
    """Run feeds that `make(clock)` gives over a store from before the first bar until a time."""

    def run(make, until, name="live.db", begin=None, watch=lambda clock: None, off=0):
        clock = HandClock(int(rows.ts[0]) - 20 * SECOND if begin is None else begin)
        clock.off = off
        path = tmp_path / name
        store = TableStore(path, holder="test", lease_seconds=0.0)
        store.heartbeat = lambda: None  # it costs as much as a commit
        plan = LivePlan(Settings(), strategies)
        service = LiveService(store, plan, warm_up=warm_up, clock=clock, sleep=clock.sleep)
        finals = {}
        for tick in service.run(*make(clock), until_end=False):
            watch(clock)
            for change in tick.changes if tick else []:
                if change.table is INDICATOR_HISTORY:
                    for one in change.rows.select(["timeframe", "barTs"]).to_pylist():
                        finals[one["timeframe"], one["barTs"].timestamp()] = clock.now
            if clock.now >= until:
                break
        service.close()
        store.close()
        return path, finals

    return run
