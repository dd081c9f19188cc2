"""Random lives of a live engine, and what ends them at any step of a tick or of a commit.

A life is what one seed makes: a small market whose bars come in random batches, late, doubled,
out of order and broken now and then, weights that are published meanwhile, with or without an
exchange. The clock is part of it, so that all tables are the same to the last byte however
often it is ended and gone on with.
"""

import shutil
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from runtimes.markets import START, walk
from store.samples import DEAD

from streaming.brokers.exchange import Habits, SimulatedExchange
from streaming.contracts import STRATEGY_WEIGHTS_LATEST, TABLES, arrow_schema
from streaming.feeds.feed import Arrival, Batch, Feed
from streaming.jobs.price_rows import rows_of_bars, table_of_rows
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.backtest.definition import account_rules
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import StorePublisher, StoreReader, TableStore, upsert

from .timed import SECOND, HandClock

MINUTES, BEFORE = 40, 120
_COSTS = account_rules(Settings())
_HABITS = Habits(
    reject=0.1,
    expire=0.02,
    wait=0.3,
    part=0.5,
    twice=0.3,
    delay_ms=130_000,
    slippage=_COSTS.slippage,
    fee_rate=_COSTS.fee_rate,
)


class Killed(BaseException):
    """In place of a SIGKILL: no handler may take it for an error that it can mend."""


class Axe:
    """Counts steps by name, and ends a life at one, keeping its files as they are then.

    Parameters
    ----------
    folder, into
        Where the files are, and where they are kept.
    most
        The step to end at, counted from 1; None: none by its number.
    name
        The step to end at if that comes before; None: none by its name.
    """

    def __init__(self, folder: Path, into: Path, most: int | None, name: str | None = None):
        self._folder, self._into, self._most, self._name = folder, into, most, name
        self._number = 0
        self.steps = Counter()

    def __call__(self, step: str) -> None:
        self.steps[step] += 1
        self._number += 1
        if step == self._name or self._number == self._most:
            self._into.mkdir()
            for file in self._folder.iterdir():
                # Shared memory survives no end of a machine.
                if not file.name.endswith("-shm"):
                    shutil.copy(file, self._into / file.name)
            raise Killed(step)


@dataclass(frozen=True)
class Life:
    """What a seed makes.

    Attributes
    ----------
    batches : list of Batch
        What comes.
    times : list of int
        What time it is when each comes: microseconds UTC; the last is that of the end.
    published : dict
        Weights by the batch before which they are published.
    """

    seed: int
    old: dict[str, Any]
    batches: list[Batch]
    times: list[int]
    published: dict[int, list[float]]
    broker: str


def life_of(seed: int, strategies: int) -> Life:
    """Make a life."""
    rng = np.random.default_rng(seed)
    names = ["ADA", "BEE", "CAT"][: rng.integers(1, 4)]
    bars = {}
    for name in names:
        here = np.flatnonzero(rng.random(BEFORE + MINUTES) < rng.choice([0.6, 0.95]))
        bars[name] = walk(rng, START + MINUTE_US * (1 + here - BEFORE))
    rows = rows_of_bars(bars, "feed")
    rows = rows.take(rows.ts > START)
    # When each comes: most soon, some after the lateness, some twice.
    wait = rng.exponential(2.0, len(rows)) + np.where(rng.random(len(rows)) < 0.04, 200.0, 0.0)
    came = rows.ts + (wait * SECOND).astype(np.int64)
    twice = np.flatnonzero(rng.random(len(rows)) < 0.05)
    places = np.concatenate([np.arange(len(rows)), twice])
    came = np.concatenate([came, came[twice] + rng.integers(0, 90, len(twice)) * SECOND])
    order = np.argsort(came, kind="stable")
    rows, came = rows.take(places[order]), came[order]
    cuts = np.flatnonzero(rng.random(len(rows) - 1) < rng.choice([0.3, 0.6])) + 1
    batches, times = [], [int(came[0]) - SECOND]
    for number, place in enumerate(np.split(np.arange(len(rows)), cuts), 1):
        part = rows.take(place)
        table = table_of_rows(part)
        high = table.column("high").to_pylist()
        high = [None if rng.random() < 0.02 else one for one in high]
        at = table.column_names.index("high")
        table = table.set_column(at, "high", pa.array(high, table.schema.field("high").type))
        said = int(came[place[-1]]) - 40 * SECOND if rng.random() < 0.3 else None
        batches.append(Batch([Arrival(table, "feed", part.number)], said, str(number)))
        times.append(int(came[place[-1]]))
    days = rng.choice(len(batches), 2, replace=False)
    published = {int(one): rng.dirichlet(np.ones(strategies)).tolist() for one in days}
    old = {name: one.rows(0, int((one.ts <= START).sum())) for name, one in bars.items()}
    broker = "exchange" if rng.random() < 0.4 else "paper"
    return Life(seed, old, batches, times, published, broker)


class _Script(Feed):
    """Gives batches one by one, each after a word that it is about to come."""

    name = "feed"

    def __init__(self, batches, before):
        self._batches, self._before = batches, before

    def batches(self, position):
        for at in range(int(position or 0), len(self._batches)):
            self._before(at)
            yield self._batches[at]
        self._before(len(self._batches))


class _Exchange(SimulatedExchange):
    """An exchange whose every call is a step."""

    def __init__(self, path, habits, at):
        super().__init__(path, "live", habits)
        stepped(self, ("submit", "cancel", "reports", "show", "open_orders", "positions"), at)


def stepped(owner, names, at):
    """Make the begin and the end of an object's methods steps."""

    def step(work, name):
        def done(*given, **more):
            at(f"{name}: begin")
            found = work(*given, **more)
            at(f"{name}: end")
            return found

        return done

    for name in names:
        setattr(owner, name, step(getattr(owner, name), name))


def live(life: Life, folder: Path, strategies, at) -> None:
    """Live a life to its end, from where the folder's files are."""
    clock = HandClock(life.times[0])
    path = folder / "live.db"
    settings = Settings()

    def before(number):
        clock.now = life.times[min(number + 1, len(life.times) - 1)]
        at("feed: give")
        weights = life.published.get(number)
        if weights is not None:
            names = [one.id for one in strategies]
            with closing(StorePublisher(path, name="test", at=at)) as publisher:
                effective = life.times[number] + 2 * MINUTE_US
                change = _weights(dict(zip(names, weights, strict=True)), effective)
                publisher.publish([change], f"{number}")

    with _closing_all() as held:
        store = TableStore(
            path, holder="test", clock=clock, process=DEAD, checkpoint_pages=100, at=at
        )
        held.append(store)
        exchange = None
        if life.broker == "exchange":
            habits = replace(_HABITS, seed=life.seed)
            exchange = _Exchange(folder / "live-exchange.db", habits, at)
            held.append(exchange)
        service = LiveService(
            store,
            LivePlan(settings, strategies, broker=life.broker),
            broker=exchange,
            warm_up=lambda engine: engine.warm_up(life.old, START),
            clock=clock,
            sleep=clock.sleep,
        )
        held.append(service)
        engine: LiveEngine = service.engine
        stepped(engine, ("join", "note", "receive", "complete", "publish", "advance", "meet"), at)
        stepped(engine.series, ("work",), at)
        stepped(engine.book, ("include", "follow", "advance"), at)
        stepped(engine.trading, ("step", "complete", "changes"), at)
        stepped(service._saver, ("states",), at)
        for _ in service.run(_Script(life.batches, before)):
            at("tick: done")


class _closing_all(list):  # noqa: N801
    """Closes what was put into it, in the end, as the end of a process does."""

    def __enter__(self):
        return self

    def __exit__(self, *why):
        for one in reversed(self):
            # Of what was killed some steps come once more here.
            with suppress(Killed):
                one.close()


def _weights(weights, effective_from):
    now = np.datetime64(effective_from, "us").item()
    rows = [
        {"strategyId": name, "weight": weight, "asOf": now, "effectiveFrom": now}
        | {"previousWeight": None, "equalPart": 0.1, "scorePart": 0.1, "reason": None}
        for name, weight in weights.items()
    ]
    return upsert(
        STRATEGY_WEIGHTS_LATEST,
        pa.Table.from_pylist(rows, schema=arrow_schema(STRATEGY_WEIGHTS_LATEST)),
    )


def table_bytes(path: Path) -> dict[str, Any]:
    """Every table and changelog of a store as bytes; how far it is; and that it is whole."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        found = {name: view.changes(table, 0, 10**9).rows for name, table in TABLES.items()}
        for name, table in TABLES.items():
            if table.kind == "latest":
                found[f"{name} now"] = view.rows(table)
        made = {name: _bytes(rows) for name, rows in found.items()}
        made |= view.positions() | {"ticks": view.ticks()[:2]}
        assert reader.verify()
    return made


def _bytes(rows):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue().to_pybytes()
