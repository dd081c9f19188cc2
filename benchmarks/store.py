"""What a minute's tick costs in the table store: python -m benchmarks.store.

A tick of 200 symbols (bars, indicators with their latest table, signals, decisions, orders,
fills, matches, positions, PnL and a state blob) is committed at a steady pace while three
processes follow its changes. Beside it the same rows as a bare bulk insert into SQLite.
Prints a JSON object: milliseconds (p50, p99, worst) and the share of each step.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pyarrow as pa

from streaming.contracts import TABLES, Table, Type, arrow_schema, money_array, time_array
from streaming.contracts.sql import double_quotes
from streaming.store import Change, Commit, StoreReader, TableStore, append, delete, upsert
from streaming.store.cells import rows_of
from streaming.store.commit import changes_of

MINUTE = 60_000_000
START = 1_700_000_040_000_000 // MINUTE * MINUTE

# Rows of a tick. Lots and rollups: a part of them closes, and so is deleted.
APPENDS = {
    "price_1m_history": 200,
    "indicator_history": 260,
    "strategy_signal_history": 300,
    "accepted_trade_signal_history": 50,
    "rejected_trade_signal_history": 100,
    "order_event_history": 50,
    "exec_report_history": 50,
    "trade_match_history": 50,
}
UPSERTS = {
    "indicator_latest": 260,
    "strategy_signal_latest": 300,
    "open_positions_lots": 50,
    "open_positions_rollup": 50,
    "realized_pnl_latest": 50,
}
DELETES = {"open_positions_lots": 25, "open_positions_rollup": 10}


def rows(table: Table, tick: int, count: int) -> pa.Table:
    """Give rows of a tick that keep the contract."""
    random = np.random.default_rng(tick)
    moment = np.full(count, START + tick * MINUTE)
    arrays: list[Any] = []
    for place, column in enumerate(table.columns):
        if column.name == "symbol":
            arrays.append(pa.array([f"SYM{i % 200:04d}" for i in range(count)]))
        elif column.name == "timeframe":
            arrays.append(pa.array(["M1" if i < 200 else "M5" for i in range(count)]))
        elif column.one_of:
            arrays.append(pa.array([column.one_of[0]] * count))
        elif column.type is Type.TEXT:
            # Ids of a history are new each time, keys of a latest table come again.
            seed = tick if table.kind == "log" else place
            arrays.append(pa.array([f"{column.name}-{seed}-{i}" for i in range(count)]))
        elif column.type is Type.MONEY:
            arrays.append(money_array(np.full(count, 10**9 + tick)))
        elif column.type is Type.TIME:
            arrays.append(time_array(moment))
        elif column.type is Type.BOOL:
            arrays.append(pa.array([True] * count))
        elif column.type is Type.DOUBLE:
            arrays.append(pa.array(random.uniform(0.01, 0.99, count)))
        else:
            arrays.append(pa.array(np.full(count, 100)))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def changes(tick: int) -> list[Change]:
    """Give the changes of a tick."""
    made = [append(TABLES[name], rows(TABLES[name], tick, n)) for name, n in APPENDS.items()]
    made += [upsert(TABLES[name], rows(TABLES[name], tick, n)) for name, n in UPSERTS.items()]
    for name, count in DELETES.items():
        # What the tick before opened closes: every other tick, so that there is something.
        if tick % 2:
            made.append(delete(TABLES[name], rows(TABLES[name], tick, count)))
    return made


def follow(path: str, stop: Any, pause: float) -> None:
    """Read all changes of all tables as they come."""
    at = dict.fromkeys(TABLES, 0)
    with StoreReader(Path(path)) as reader:
        while not stop.is_set():
            for name, table in TABLES.items():
                at[name] = reader.changes(table, at[name]).next
            time.sleep(pause)


def summary(seconds: list[float]) -> dict[str, float]:
    """Give milliseconds: median, 99th percentile and worst."""
    cut = statistics.quantiles(seconds, n=100)
    figures = {"p50": statistics.median(seconds), "p99": cut[98], "worst": max(seconds)}
    return {name: round(1000 * value, 2) for name, value in figures.items()}


def paced(path: Path, ticks: int, pace: float, state: int, readers: int) -> dict[str, Any]:
    """Commit ticks at a steady pace while readers follow."""
    spent: dict[str, float] = defaultdict(float)
    last = ["", 0.0]

    def step(name: str) -> None:
        now = time.perf_counter()
        spent[str(last[0])] += now - float(last[1])
        last[:] = [name, now]

    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    blob = np.random.default_rng(1).bytes(state)
    took: list[float] = []
    cpu = 0.0
    wal = 0
    with TableStore(path, holder="benchmark", at=step) as store:
        children = [
            context.Process(target=follow, args=(str(path), stop, 0.02)) for _ in range(readers)
        ]
        for child in children:
            child.start()
        if readers:
            time.sleep(5)  # they import for a while
        due = time.perf_counter()
        for tick in range(ticks):
            made = changes(tick)
            time.sleep(max(0.0, due - time.perf_counter()))
            due = max(due, time.perf_counter()) + pace
            begin, worked = time.perf_counter(), time.process_time()
            last[:] = ["convert", begin]
            store.commit(Commit(made, {"jobs": blob}, {"feed": str(tick)}, START + tick * MINUTE))
            end = time.perf_counter()
            cpu += time.process_time() - worked
            spent[str(last[0])] += end - float(last[1])
            took.append(end - begin)
            wal = max(wal, store.wal_bytes)
        stop.set()
        for child in children:
            child.join()
    total = sum(took)
    spent.pop("", None)  # making and opening the store
    steps = sorted(spent.items(), key=lambda item: -item[1])[:12]
    return {
        "ms": summary(took),
        "cpu_ms": round(1000 * cpu / ticks, 2),
        "wal_mb": round(wal / 2**20, 1),
        "file_mb": round(path.stat().st_size / 2**20, 1),
        "share": {name: round(seconds / total, 3) for name, seconds in steps},
    }


def bare(path: Path, ticks: int, pace: float) -> dict[str, Any]:
    """Insert the rows that the store writes, changelogs too, into tables without a rule."""
    db = apsw.Connection(str(path), statementcachesize=200)
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    holes = {}
    for name, table in TABLES.items():
        db.execute(
            f"CREATE TABLE {double_quotes(name)} ({', '.join(map(double_quotes, table.names))})"
        )
        holes[name] = ", ".join("?" * len(table.columns))
    took: list[float] = []
    latest: dict[str, dict[Any, Any]] = {name: {} for name in UPSERTS}
    written, cpu = 0, 0.0
    for tick in range(ticks):
        batches: list[tuple[str, list[Any]]] = []
        for change in changes(tick):
            table = change.table
            new = list(zip(*rows_of(table, change.rows), strict=True))
            batches.append((table.name, new))
            if change.kind != "append":
                width = len(table.primary_key)
                edits = [row[:width] for row in new] if change.kind == "delete" else new
                _, changed, after = changes_of(width, latest[table.name], [(change.kind, edits)])
                latest[table.name] = after
                batches.append((table.name, changed))
        time.sleep(pace / 4)
        begin, worked = time.perf_counter(), time.process_time()
        db.execute("BEGIN IMMEDIATE")
        for name, new in batches:
            db.executemany(f"INSERT INTO {double_quotes(name)} VALUES ({holes[name]})", new)  # noqa: S608
        db.execute("COMMIT")
        took.append(time.perf_counter() - begin)
        cpu += time.process_time() - worked
        written += sum(len(new) for _, new in batches)
    db.close()
    return {
        "ms": summary(took),
        "cpu_ms": round(1000 * cpu / ticks, 2),
        "rows_a_tick": written // ticks,
    }


def days(path: Path, count: int, ticks: int, state: int) -> list[dict[str, float]]:
    """Commit days of so many ticks, and prune what is older than a day, a piece at each tick."""
    blob = np.random.default_rng(1).bytes(state)
    figures = []
    with TableStore(path, holder="benchmark") as store, store.reader() as reader:
        for day in range(count):
            took: list[float] = []
            pruned: list[float] = []
            for tick in range(day * ticks, (day + 1) * ticks):
                made = changes(tick)
                begin = time.perf_counter()
                store.commit(Commit(made, {"jobs": blob}, {}, START + tick * MINUTE))
                took.append(time.perf_counter() - begin)
                ends = {name: reader.offsets()[name].next for name in UPSERTS}
                offsets = {name: end - UPSERTS[name] * 2 * ticks for name, end in ends.items()}
                begin = time.perf_counter()
                store.prune(before=START + (tick - ticks) * MINUTE, offsets=offsets, rows=4000)
                pruned.append(time.perf_counter() - begin)
            figures.append(
                {
                    "commit_ms": summary(took)["p50"],
                    "prune_ms": summary(pruned)["p50"],
                    "file_mb": round(path.stat().st_size / 2**20, 1),
                    "wal_mb": round(store.wal_bytes / 2**20, 1),
                }
            )
    return figures


def bulk(path: Path, count: int) -> dict[str, Any]:
    """Append many wide rows in one commit."""
    table = TABLES["indicator_history"]
    parts = [rows(table, tick, 260) for tick in range(count // 260 + 1)]
    many = pa.concat_tables(parts).slice(0, count)
    with TableStore(path, holder="benchmark") as store:
        begin = time.perf_counter()
        store.commit(Commit([append(table, many)]))
        took = time.perf_counter() - begin
    return {"rows": count, "columns": len(table.columns), "seconds": round(took, 3)}


def main() -> None:
    """Run all and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--pace", type=float, default=0.1, help="seconds from commit to commit")
    parser.add_argument("--state-kb", type=int, default=256)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--days", type=int, default=7, help="short days of 40 ticks")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        state = given.state_kb * 1024
        print(
            json.dumps(
                {
                    "paced": paced(folder / "a.db", given.ticks, given.pace, state, given.readers),
                    "alone": paced(folder / "b.db", given.ticks, 0, state, 0),
                    "bare": bare(folder / "c.db", given.ticks, given.pace),
                    "bulk": bulk(folder / "d.db", 30_000),
                    "days": days(folder / "e.db", given.days, 40, state),
                },
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
