"""What the live engine takes: `make bench-live`, or `python -m benchmarks.live [P6 P7 ...]`.

- P6: bar in to accepted signal committed, a minute's bars of all symbols at once.
- P7: commit of a minute's tick while three processes read.
- P8: kill -9 of the engine to the first new commit of its successor.
- catch-up: a day of 200 symbols against the backtest plus a bare bulk insert of the same rows.
- week: seven days of minutes with pruning: time, memory and store by day.

The market is walks of `benchmarks.panel`, every symbol with a bar in every minute. Prints
medians and 99th percentiles; a JSON object with `--json`.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pyarrow as pa

from benchmarks.panel import walk
from benchmarks.store import paced
from streaming.contracts import TABLES
from streaming.contracts.sql import double_quotes
from streaming.errors import StoreError
from streaming.feeds.feed import Arrival, Batch, Feed
from streaming.feeds.replay import LakeReplay
from streaming.jobs.price_rows import rows_of_bars, table_of_rows
from streaming.jobs.strategies import select
from streaming.lake import Lake
from streaming.rules.bars import DAY_US, MINUTE_US, Bars
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.runtimes.live.running import LiveRun, drive, warm_up
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import StoreReader, TableStore
from streaming.store.cells import rows_of

WARM = 2_000
WALKS = 40
SYMBOLS = 200
FIRST = 1_704_153_600_000_000 // DAY_US * DAY_US
READERS = 3


def names(symbols: int) -> list[str]:
    """Give the symbols."""
    return [f"S{code:05}" for code in range(symbols)]


def walks_of(symbols: int, before: int, minutes: int) -> dict[str, Bars]:
    """Give each symbol's bars around the first minute; some share a walk."""
    own = [walk(seed, FIRST - before * MINUTE_US, before + minutes) for seed in range(WALKS)]
    return {name: own[code % WALKS] for code, name in enumerate(names(symbols))}


class Minutes(Feed):
    """A feed that gives one minute of all symbols after another, and notes when it did.

    Parameters
    ----------
    bars
        By symbol, the same minutes for all.
    pace
        Seconds from minute to minute, at least.
    """

    name = "minutes"

    def __init__(self, bars: dict[str, Bars], pace: float = 0.0) -> None:
        self._bars = bars
        self._pace = pace
        self.given: list[float] = []

    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give minute after minute."""
        count = len(next(iter(self._bars.values())))
        # Made first: what a source costs is not the engine's.
        for minute in range(int(position or 0), count):
            one = {name: bars.rows(minute, minute + 1) for name, bars in self._bars.items()}
            rows = rows_of_bars(one, self.name)
            arrival = Arrival(table_of_rows(rows), self.name, rows.number)
            batch = Batch([arrival], int(rows.ts[0]), str(minute + 1))
            due = (self.given[-1] if self.given else 0.0) + self._pace
            time.sleep(max(0.0, due - time.perf_counter()))
            self.given.append(time.perf_counter())
            yield batch


def plan() -> LivePlan:
    """Give the plan that every work here runs: all strategies, defaults."""
    return LivePlan(Settings(), tuple(select("all")))


def warmed(bars: dict[str, Bars]) -> Callable[[LiveEngine], None]:
    """Give a warm-up through the bars before the first minute; shared walks are worked once."""

    def warm(engine: LiveEngine) -> None:
        own = list(bars)[:WALKS]
        before = {name: one.rows(0, WARM) for name, one in bars.items()}
        engine.warm_up({name: before[name] for name in own}, FIRST - MINUTE_US)
        states = engine.series.to_bytes(own)
        others = list(bars)[WALKS:]
        engine.book.include(list(bars))
        engine.series.restore(
            {name: states[own[at % WALKS]] for at, name in enumerate(others, WALKS)}
        )
        closes = {name: (int(one.close[-1]), int(one.ts[-1])) for name, one in before.items()}
        engine.closes |= closes

    return warm


def latency(symbols: int, minutes: int, pace: float, folder: Path) -> dict[str, Any]:
    """P6: give milliseconds from a minute's bars to their commit, of minutes that accepted."""
    bars = walks_of(symbols, WARM, minutes)
    feed = Minutes({name: one.rows(WARM, WARM + minutes) for name, one in bars.items()}, pace)
    took, accepting = [], []
    with TableStore(folder / f"p6-{symbols}.db", holder="benchmark") as store:
        service = LiveService(store, plan(), warm_up=warmed(bars))
        for tick in service.run(feed):
            took.append(time.perf_counter() - feed.given[-1])
            if tick is not None and sum(tick.accepted.values()):
                accepting.append(took[-1])
        service.close()
    # The first minutes compile and build caches.
    return {"minutes": len(took), "accepting": len(accepting), **percentiles(took[3:])}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Give milliseconds."""
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return {"p50": float(p50), "p99": float(p99), "worst": max(seconds) * 1e3}


def commits(folder: Path) -> dict[str, Any]:
    """P7: give milliseconds of commits beside three reading processes."""
    return dict(paced(folder / "p7.db", 400, 0.1, 256 * 1024, READERS)["ms"])


def child(store: Path, pace: float) -> None:
    """Run an engine on a store until killed."""
    bars = walks_of(SYMBOLS, WARM, 2_000)
    feed = Minutes({name: one.rows(WARM, WARM + 2_000) for name, one in bars.items()}, pace)
    with TableStore(store, holder="benchmark") as opened:
        service = LiveService(opened, plan(), warm_up=warmed(bars))
        for _ in service.run(feed):
            pass


def successor(folder: Path, rounds: int) -> dict[str, Any]:
    """P8: give seconds from kill -9 to the first new commit, imports and all."""
    store = folder / "p8.db"
    words = [sys.executable, "-m", "benchmarks.live", "--child", str(store)]
    took = []
    running = subprocess.Popen(words)
    try:
        reached = _wait_beyond(store, 20)
        for _ in range(rounds):
            os.kill(running.pid, signal.SIGKILL)
            begin = time.perf_counter()
            running.wait()
            last = _committed(store)
            running = subprocess.Popen(words)
            reached = _wait_beyond(store, last)
            took.append(time.perf_counter() - begin)
            _wait_beyond(store, reached + 20)  # so that there is something to lose
    finally:
        running.kill()
        running.wait()
    return {"rounds": rounds, "median": statistics.median(took), "worst": max(took)}


def _committed(store: Path) -> int:
    """Give how many minutes the store has."""
    try:
        with StoreReader(store) as reader:
            position = reader.positions().get(Minutes.name)
    except StoreError:
        return 0  # not there yet, or without tables
    return int(position) if position else 0


def _wait_beyond(store: Path, minutes: int) -> int:
    limit = time.monotonic() + 300
    while (found := _committed(store)) <= minutes:
        if time.monotonic() > limit:
            raise SystemExit(f"{store}: nothing was committed after minute {minutes}.")
        time.sleep(0.02)
    return found


def catch_up(folder: Path) -> dict[str, Any]:
    """Give seconds for a day of 200 symbols: live, the backtest, and a bare insert of its rows."""
    lake = Lake(folder / "lake")
    day = DAY_US // MINUTE_US
    bars = walks_of(SYMBOLS, day, day)
    lake.write_prices(rows_of_bars(bars, "walk"))
    start = FIRST - MINUTE_US
    strategies = tuple(select("all"))
    began = time.perf_counter()
    run_backtest(
        lake,
        BacktestRequest(settings=Settings(), strategies=strategies, start=start, layout="shared"),
    )
    backtest = time.perf_counter() - began
    store = folder / "day.db"
    began = time.perf_counter()
    drive(
        LiveRun(
            plan(),
            store,
            LakeReplay(lake, names(SYMBOLS), start, None),
            lambda engine: warm_up(engine, lake, until=start),
        ),
        until_end=True,
        holder="benchmark",
    )
    live = time.perf_counter() - began
    bare = bare_insert(store, folder / "bare.db")
    return {
        "live": live,
        "backtest": backtest,
        "insert": bare,
        "ratio": live / (backtest + bare),
    }


def bare_insert(store: Path, other: Path) -> float:
    """Give seconds to insert all rows of a store into tables without a rule, in one commit."""
    batches = []
    with StoreReader(store) as reader, reader.snapshot() as view:
        for table in TABLES.values():
            rows: pa.Table = view.rows(table)
            if rows.num_rows:
                batches.append((table, list(zip(*rows_of(table, rows), strict=True))))
    db = apsw.Connection(str(other))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    began = time.perf_counter()
    with db:
        for table, values in batches:
            name, holes = double_quotes(table.name), ", ".join("?" * len(table.names))
            db.execute(f"CREATE TABLE {name} ({', '.join(map(double_quotes, table.names))})")
            db.executemany(f"INSERT INTO {name} VALUES ({holes})", values)  # noqa: S608
    return time.perf_counter() - began


def week(folder: Path, days: int, minutes: int) -> list[dict[str, float]]:
    """Give figures of days of minutes; what is older than a day is pruned, a piece a tick."""
    count = days * minutes
    bars = walks_of(SYMBOLS, WARM, count)
    feed = Minutes({name: one.rows(WARM, WARM + count) for name, one in bars.items()})
    path = folder / "week.db"
    figures, took = [], []
    with TableStore(path, holder="benchmark") as store, store.reader() as reader:
        service = LiveService(store, plan(), warm_up=warmed(bars))
        latest = [table.name for table in TABLES.values() if table.kind != "log"]
        ends: list[dict[str, int]] = []
        began = time.perf_counter()
        for at, _ in enumerate(service.run(feed), 1):
            offsets = reader.offsets()
            ends.append({name: offsets[name].next for name in latest})
            old = ends[-minutes] if at >= minutes else {}
            store.prune(before=FIRST + (at - minutes) * MINUTE_US, offsets=old, rows=4_000)
            if at % minutes == 0:
                took.append(time.perf_counter() - began)
                figures.append(
                    {
                        "seconds": took[-1],
                        "resident_mb": _resident() / 2**20,
                        "store_mb": path.stat().st_size / 2**20,
                        "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
                    }
                )
                began = time.perf_counter()
        service.close()
    return figures


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("works", nargs="*", default=["P6", "P7", "P8", "catch-up", "week"])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=int, default=300, help="of P6 with 200 symbols")
    parser.add_argument("--day", type=int, default=1440, help="minutes of a day of the week")
    parser.add_argument("--rounds", type=int, default=5, help="of P8")
    parser.add_argument("--folder", type=Path, help="where stores are made")
    given = parser.parse_args()
    if given.child is not None:
        child(given.child, 0.1)
        return
    works: dict[str, Callable[[Path], Any]] = {
        "P6": lambda folder: {
            "200 symbols": latency(200, given.minutes, 0.5, folder),
            "10,000 symbols": latency(10_000, max(given.minutes // 10, 10), 0.0, folder),
        },
        "P7": commits,
        "P8": lambda folder: successor(folder, given.rounds),
        "catch-up": catch_up,
        "week": lambda folder: week(folder, 7, given.day),
    }
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for work in given.works:
            found = works[work](Path(name))
            json.dump({work: found}, sys.stdout, indent=2)
            print(flush=True)


if __name__ == "__main__":
    main()
