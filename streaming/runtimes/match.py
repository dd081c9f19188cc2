"""Recorded exec reports, a file, to matches, positions and PnL: what `trading match` runs.

The file goes through the TradingEngine batch by batch in its order, which is the order of
arrival, and is complete at its end. What it gives is kept in memory until then, because a late
fill may have to be listed before what was matched earlier.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADE_MATCH_HISTORY,
    time_values,
)
from streaming.contracts.signals import ACCEPTED_TRADE_SIGNAL_HISTORY
from streaming.feeds.raw_rows import line_rows
from streaming.feeds.report_files import read_file, read_report_file
from streaming.instruments import Instruments
from streaming.jobs.trading_engine import (
    Counts,
    EngineState,
    Orders,
    TradingEngine,
    lots_table,
    read_orders,
    realized_table,
    rollup_table,
)
from streaming.runtimes.table_files import write_together
from streaming.settings import Settings

ALWAYS = (TRADE_MATCH_HISTORY, RISK_ALERTS_HISTORY, QUARANTINE_HISTORY)
FULL = (OPEN_POSITIONS_LOTS, OPEN_POSITIONS_ROLLUP, REALIZED_PNL_LATEST)

_EXAMPLES = 5
# Of a run's time, reading and matching take this part; writing takes the rest.
_READING = 0.8


class MatchRequest(NamedTuple):
    """What to match.

    Attributes
    ----------
    fills
        CSV, JSON lines (also packed) or Parquet with the columns of `exec_report_history`, and
        `strategyId` where the file says whose a fill is.
    out
        Folder for the tables, one Parquet file each.
    orders
        Files with the columns orderId and strategyId; they win over the fills' own.
    instruments
        Symbols and point values.
    settings
        `engine.outputs`, `dedupe.ttlDays`, `wm.engine.latenessSec`.
    run_id
        What `runId` of the matches says.
    now
        The clock, microseconds UTC.
    """

    fills: Path
    out: Path
    orders: Sequence[Path]
    instruments: Instruments
    settings: Settings
    run_id: str | None
    now: int


class Reason(NamedTuple):
    """Why one row was refused."""

    file: str
    row: int
    reason: str


class MatchReport(NamedTuple):
    """What became of a file of exec reports.

    `counts` are the fills'; `orders` are known and `orders_quarantined` rows of the orders
    files were refused; `reasons` are those of the first few refused rows; `rows` counts each
    table written, by its name.
    """

    counts: Counts
    open_lots: int
    orders: int
    orders_quarantined: int
    reasons: tuple[Reason, ...]
    rows: dict[str, int]


def match_file(
    request: MatchRequest, advance: Callable[[float, str], None] | None = None
) -> MatchReport:
    """Match a file's fills and write what that gives, all tables together.

    `advance` is told how much is done, 0 to 1, and what is at work.

    Raises
    ------
    SourceError
        If a file cannot be read, or is empty.
    ContractError
        If a file lacks a column, or has one twice.
    LakeError
        If the tables cannot be written; those that were there are as they were.
    """
    tell = advance or (lambda done, what: None)
    settings = request.settings
    quarantine: list[pa.Table] = []
    orders = _orders(request.orders, quarantine)
    orders_quarantined = sum(rows.num_rows for rows in quarantine)
    engine = TradingEngine(request.instruments, run_id=request.run_id)
    state = EngineState(settings.wm.engine.lateness_sec, settings.dedupe.ttl_days)
    matches: list[pa.Table] = []
    alerts: list[pa.Table] = []
    counts = Counts()
    for source in read_report_file(request.fills):
        lines = line_rows(EXEC_REPORT_HISTORY, request.fills.name, source.refused)
        quarantine.append(lines)
        counts += Counts(read=lines.num_rows, quarantined=lines.num_rows)
        outcome = engine.step(state, source.batch, orders, now=request.now)
        matches.append(outcome.matches)
        alerts.append(outcome.alerts)
        quarantine.append(outcome.quarantine)
        counts += outcome.counts
        tell(_READING * source.done, "matching")
    outcome = engine.complete(state)
    counts += outcome.counts
    tables = {
        TRADE_MATCH_HISTORY: _by_time([*matches, outcome.matches], "matchTimestamp"),
        RISK_ALERTS_HISTORY: _by_time([*alerts, outcome.alerts], "ts"),
        QUARANTINE_HISTORY: _by_row([*quarantine, outcome.quarantine]),
    }
    if settings.engine.outputs == "full":
        tables |= {
            OPEN_POSITIONS_LOTS: lots_table(state),
            OPEN_POSITIONS_ROLLUP: rollup_table(state),
            REALIZED_PNL_LATEST: realized_table(state),
        }
    tell(_READING, "writing")
    write_together(request.out, tables, (*ALWAYS, *FULL))
    tell(1.0, "")
    return MatchReport(
        counts,
        state.lots.open_count(),
        len(orders),
        orders_quarantined,
        _examples(tables[QUARANTINE_HISTORY]),
        {table.name: rows.num_rows for table, rows in tables.items()},
    )


def _orders(paths: Sequence[Path], quarantine: list[pa.Table]) -> Orders:
    """Read the orders of files; rows that are refused go to quarantine."""
    orders = Orders()
    for path in paths:
        for source in read_file(path):
            lines = line_rows(ACCEPTED_TRADE_SIGNAL_HISTORY, path.name, source.refused)
            quarantine.append(lines)
            quarantine.append(read_orders(source.batch, orders))
    return orders


def _by_time(parts: list[pa.Table], column: str) -> pa.Table:
    """Put rows in order of time; those of one time stay in the order of application."""
    rows = pa.concat_tables(parts)
    times = time_values(rows.column(column))
    if bool((np.diff(times) >= 0).all()):
        return rows
    return rows.take(pa.array(np.argsort(times, kind="stable")))


def _by_row(parts: list[pa.Table]) -> pa.Table:
    keys = [(name, "ascending") for name in ("tableName", "source", "rowNumber")]
    return pa.concat_tables(parts).sort_by(keys)


def _examples(quarantine: pa.Table) -> tuple[Reason, ...]:
    rows = quarantine.slice(0, _EXAMPLES).to_pylist()
    return tuple(Reason(row["source"], row["rowNumber"], row["reason"]) for row in rows)
