"""A small market, the plan of a live engine, and a way to feed it."""

import numpy as np
import pyarrow as pa
import pytest
from runtimes.markets import month_market

from streaming.feeds.feed import Arrival
from streaming.jobs.price_rows import no_rows, rows_of_bars, table_of_rows
from streaming.jobs.strategies import make
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.settings import Settings

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
