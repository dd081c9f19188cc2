"""Rows in plain Python, a clock that is set by hand, and what a store holds as plain values."""

import math
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    INDICATOR_LATEST,
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    STRATEGY_PERF_LATEST,
    arrow_schema,
)
from streaming.store import Clock, Process, StoreReader, TableStore

START = datetime(2026, 1, 5, tzinfo=UTC)
LOGS = [EXEC_REPORT_HISTORY, QUARANTINE_HISTORY, RISK_ALERTS_HISTORY]
LATEST = [OPEN_POSITIONS_ROLLUP, REALIZED_PNL_LATEST, STRATEGY_PERF_LATEST, INDICATOR_LATEST]

_HERE = Process.this()
DEAD = Process(_HERE.pid, 1, _HERE.boot, _HERE.space)
"""A process that had this one's number before: it is gone, and its lease is free at once."""


class HandClock(Clock):
    """Both clocks stand still until they are moved."""

    def __init__(self):
        self.now = micros(START)
        self.up = 5_000_000

    def wall(self):
        return self.now

    def uptime(self):
        return self.up

    def sleep(self, seconds):
        self.now += round(seconds * 1e6)
        self.up += round(seconds * 1e6)


def micros(moment):
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def minute(number):
    return START + timedelta(minutes=number)


def money(units):
    return Decimal(units).scaleb(-8)


def arrow(table, rows):
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def keys_only(table, rows):
    schema = pa.schema([arrow_schema(table).field(name) for name in table.primary_key])
    return pa.Table.from_pylist([{n: row[n] for n in table.primary_key} for row in rows], schema)


def sample(table, random, moment=0):
    """A row that keeps the contract; keys and values come from so few that they meet again."""
    row = {"accountId": random.choice("AB"), "strategyId": random.choice("xyz"), "symbol": "S"}
    units = random.choice([1, 5 * 10**8, 10**18 - 1])
    at = minute(moment)
    match table.name:
        case "exec_report_history":
            return {
                "accountId": random.choice("AB"),
                "orderId": f"o{random.randrange(10**6)}",
                "fillId": "f",
                "symbol": random.choice("ST"),
                "side": random.choice(["BUY", "SELL"]),
                "fillQty": money(units),
                "fillPrice": money(random.randrange(1, 10**12)),
                "ts": at,
                "fees": random.choice([None, money(-7), money(0)]),
                "venue": random.choice([None, "V\u00e5r\x00x"]),
            }
        case "quarantine_history":
            return {
                "tableName": "t",
                "source": "file",
                "rowNumber": random.randrange(2**62),
                "ts": random.choice([None, at]),
                "reason": "r",
                "row": "{}",
            }
        case "risk_alerts_history":
            return {"accountId": "A", "code": "C", "message": f"{random.random()}", "ts": at}
        case "open_positions_rollup":
            side = random.choice(["LONG", "SHORT"])
            sign = 1 if side == "LONG" else -1
            price = money(random.choice([1, 2]))
            held = {"side": side, "netQty": money(sign * units), "avgPrice": price}
            return row | held | {"lastUpdated": minute(0)}
        case "realized_pnl_latest":
            return row | {
                "realizedPnl": money(random.choice([-1, 0, 1])),
                "fees": money(0),
                "ts": minute(0),
            }
        case "strategy_perf_latest":
            return {
                "strategyId": random.choice("vwxyz"),
                "asOf": minute(0),
                "windowDays": 365,
                "observations": random.choice([0, 1]),
                "activeDays": 0,
                "netPnl": money(0),
                "openPnl": random.choice([None, money(3)]),
                "sharpe": random.choice([None, math.nan, 0.1, -0.0, 0.0]),
                "sharpeStdError": None,
                "shrunkSharpe": random.choice([0.0, -0.0, 1e-300]),
                "tStat": None,
                "psr": 1.0,
                "maxDrawdown": None,
                "flag": random.choice([None, ""]),
            }
        case "indicator_latest":
            names = [column.name for column in table.columns if column.nullable]
            features = {name: random.choice([None, 1.5, 2.5]) for name in names}
            fixed = {"timeframe": "M1", "barTs": minute(0), "final": random.random() < 0.5}
            return (
                {"symbol": random.choice("STUV"), "calcTs": minute(moment), "indicatorVersion": "1"}
                | fixed
                | features
            )
    raise AssertionError(table.name)


def samples(table, random, count, moment=0):
    return [sample(table, random, moment) for _ in range(count)]


def contents(path: Path) -> dict:
    """All that a store holds and a commit decides, as plain values."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        offsets = view.offsets()
        held = {
            "offsets": offsets,
            "state": {name: view.state(name) for name in view.states()},
            "positions": view.positions(),
            "ticks": view.ticks()[:2],
            "consumers": view.consumers(),
        }
        # The others have no row, as their offsets tell.
        for table in (*LOGS, *LATEST):
            name = table.name
            held[name] = pa.concat_tables(view.batches(table, 7)).to_pylist()
            found = view.changes(table, offsets[name].first, 10**9)
            assert found.next == offsets[name].next
            held[f"{name} changes"] = found.rows.to_pylist()
    return held


def file_bytes(path: Path) -> dict:
    """`contents` as bytes, as an export would write them."""
    found = {}
    with StoreReader(path) as reader, reader.snapshot() as view:
        for table in (*LOGS, *LATEST):
            name = table.name
            start = view.offsets()[name].first
            for what, rows in (
                (name, pa.concat_tables(view.batches(table))),
                (f"{name} changes", view.changes(table, start, 10**9).rows),
            ):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, rows.schema) as writer:
                    writer.write_table(rows.combine_chunks())
                found[what] = sink.getvalue().to_pybytes()
        found |= {name: view.state(name) for name in view.states()} | view.positions()
    return found


def open_as_dead(path, clock, **more) -> TableStore:
    """A store whose writer counts as gone once its connection is closed."""
    return TableStore(path, holder="test", clock=clock, process=DEAD, **more)


def files_of(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("", "-wal")]


def copy_as_killed(path: Path, folder: Path) -> Path:
    """What is on the disk now, as a kill would leave it: no shared memory survives a reboot."""
    folder.mkdir()
    for file in files_of(path):
        if file.exists():
            shutil.copy(file, folder / file.name)
    return folder / path.name


def wal_size(path: Path) -> int:
    return files_of(path)[1].stat().st_size
