"""How a store stands: positions, PnL, lag, lease, halts, rejections. Read beside an engine."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from streaming.contracts import (
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADING_HALTS_LATEST,
    Table,
    money_values,
    time_values,
)
from streaming.instruments import Instruments
from streaming.rules.intake import notionals
from streaming.rules.units import SCALE
from streaming.runtimes.live.facts import saved_facts
from streaming.runtimes.live.halts import HALTED, RESUMED, standing
from streaming.runtimes.live.measuring import STATE, tally_from
from streaming.runtimes.live.saving import last_closes
from streaming.store import Lease, StoreReader, View, log_bytes
from streaming.store.lease import Clock

_US = 1_000_000


class Position(NamedTuple):
    """An open position: amounts in currency and units; `price` None where there was no bar."""

    account: str
    strategy: str
    symbol: str
    quantity: float
    average: float
    price: float | None
    unrealized: float | None


class Halt(NamedTuple):
    """Why an account opens nothing.

    `since` is in microseconds UTC. `pending` is what the engine has not read yet: a halt that
    does not hold yet, or (`code` TRADING_RESUMED) a resume.
    """

    account: str
    code: str
    since: int
    reason: str
    pending: bool


class Status(NamedTuple):
    """How a store stands at one commit.

    Attributes
    ----------
    complete_to, committed : int or None
        Event time up to which everything is decided, and the wall clock of the last commit:
        microseconds UTC.
    commits : int
    lag_seconds : float or None
        How far `complete_to` is behind the clock.
    lease : Lease
        Who writes.
    held : bool
        Whether that lease holds.
    lease_age : float
        Seconds since its last heartbeat.
    halts : list of Halt
        What holds, and what people have said since.
    positions : list of Position
    realized : list
        (account, strategy, net PnL): realised less fees.
    accepted, rejected : dict
        Signals since the store was begun: by account, and by account and code.
    alerts : list
        The newest risk alerts: (ts in microseconds UTC, code, message).
    rows : dict
        Rows by table.
    log_bytes : int
        Size of the write-ahead log; above `LONG_LOG_BYTES` some reader keeps it from shrinking.
    """

    complete_to: int | None
    committed: int | None
    commits: int
    lag_seconds: float | None
    lease: Lease
    held: bool
    lease_age: float
    halts: list[Halt]
    positions: list[Position]
    realized: list[tuple[str, str, float]]
    accepted: dict[str, int]
    rejected: dict[tuple[str, str], int]
    alerts: list[tuple[int, str, str]]
    rows: dict[str, int]
    log_bytes: int


def read_status(store: Path, instruments: Instruments, *, alerts: int = 5) -> Status:
    """Read how a store stands.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be read.
    """
    with StoreReader(store) as reader, reader.snapshot() as view:
        ticks, lease = view.ticks(), view.lease()
        done, clock = ticks.complete_to, Clock()
        tally = tally_from(view.state(STATE))
        return Status(
            done,
            ticks.committed,
            ticks.number,
            None if done is None else time.time() - done / _US,
            lease,
            lease.remaining(clock) > 0,
            lease.age(clock) / _US,
            _halts(view),
            _positions(view, instruments),
            _realized(view),
            tally.accepted,
            {
                (account, code): count
                for account, codes in tally.rejected.items()
                for code, count in codes.items()
            },
            _alerts(view, alerts),
            {name: one.next - one.first for name, one in view.offsets().items()},
            log_bytes(store),
        )


def _halts(view: View) -> list[Halt]:
    facts = saved_facts(view) or {}
    found = []
    if facts:
        account = facts["definition"]["account"]
        found = [Halt(account, *one, pending=False) for one in standing(facts["halts"])]
    read = facts.get("published", {}).get(TRADING_HALTS_LATEST.name, 0)
    said = view.changes(TRADING_HALTS_LATEST, read).rows
    names = ("op", "accountId", "halted", "reason")
    columns = [said.column(name).to_pylist() for name in names]
    for op, account, halted, reason, ts in zip(
        *columns, time_values(said.column("ts")).tolist(), strict=True
    ):
        if op != "-U":
            code = HALTED if halted and op != "-D" else RESUMED
            found.append(Halt(account, code, ts, reason or "", pending=True))
    return found


def _positions(view: View, instruments: Instruments) -> list[Position]:
    rows = view.rows(OPEN_POSITIONS_ROLLUP)
    closes = last_closes(view)
    net, average = (money_values(rows.column(name)) for name in ("netQty", "avgPrice"))
    keys = [rows.column(key).to_pylist() for key in OPEN_POSITIONS_ROLLUP.primary_key]
    names = list(zip(*keys, strict=True))
    price = np.array([closes.get(symbol, (0, 0))[0] for *_, symbol in names], np.int64)
    values = np.array([instruments[symbol].point_value for *_, symbol in names], np.int64)
    pnl = np.empty(len(names), np.int64)
    notionals(price - average, net, values, pnl)
    return [
        Position(
            account,
            strategy,
            symbol,
            net[at] / SCALE,
            average[at] / SCALE,
            price[at] / SCALE if price[at] else None,
            pnl[at] / SCALE if price[at] else None,
        )
        for at, (account, strategy, symbol) in enumerate(names)
    ]


def _realized(view: View) -> list[tuple[str, str, float]]:
    rows = view.rows(REALIZED_PNL_LATEST)
    net = pc.subtract(rows.column("realizedPnl"), rows.column("fees")).cast("float64")
    by = rows.select(["accountId", "strategyId"]).append_column("net", net)
    sums = by.group_by(["accountId", "strategyId"], use_threads=False).aggregate([("net", "sum")])
    lines = zip(*(sums.column(name).to_pylist() for name in sums.column_names), strict=True)
    found = [dict(zip(sums.column_names, line, strict=True)) for line in lines]
    return sorted((one["accountId"], one["strategyId"], one["net_sum"]) for one in found)


def _alerts(view: View, count: int) -> list[tuple[int, str, str]]:
    rows = _newest(view, RISK_ALERTS_HISTORY, count)
    return [(int(row["ts"].timestamp() * _US), row["code"], row["message"]) for row in rows]


def _newest(view: View, table: Table, count: int) -> list[dict[str, Any]]:
    offsets = view.offsets()[table.name]
    found: list[dict[str, Any]] = view.rows(
        table, start=max(offsets.next - count, offsets.first)
    ).to_pylist()
    return found
