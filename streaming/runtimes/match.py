"""Recorded exec reports, a file, to matches, positions and PnL: what `trading match` runs.

The file goes through the TradingEngine batch by batch in its order, which is the order of
arrival, and is complete at its end. What it gives is kept in memory until then, because a late
fill may have to be listed before what was matched earlier.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import (
    ARROW_TYPES,
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADE_MATCH_HISTORY,
    Table,
    Type,
    quarantine_rows,
    time_array,
    time_values,
)
from streaming.contracts.signals import ACCEPTED_TRADE_SIGNAL_HISTORY
from streaming.errors import SourceError
from streaming.feeds.tabular import Refused, open_rows
from streaming.feeds.times import utc_micros, zone
from streaming.instruments import Instruments
from streaming.jobs.trading_engine import (
    Counts,
    EngineState,
    Orders,
    ReportBatch,
    TradingEngine,
    lots_table,
    read_orders,
    realized_table,
    rollup_table,
)
from streaming.jobs.trading_engine.fills import whole
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
        CSV (also packed) or Parquet with the columns of `exec_report_history`, and
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


class _Source(NamedTuple):
    """A batch of a file, lines of it that are no rows, and how much of it is read: 0 to 1."""

    batch: ReportBatch
    refused: list[Refused]
    done: float


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
    for source in _reports(request.fills):
        lines = _line_rows(EXEC_REPORT_HISTORY, request.fills, source.refused)
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
        for source in _rows(path):
            quarantine.append(_line_rows(ACCEPTED_TRADE_SIGNAL_HISTORY, path, source.refused))
            quarantine.append(read_orders(source.batch, orders))
    return orders


def _reports(path: Path) -> Iterator[_Source]:
    """Read exec reports, their times in any form that files use."""
    for source in _rows(path):
        rows = source.batch.rows
        if rows.column_names.count("ts") != 1:
            yield source  # the contract says what is wrong
            continue
        at = rows.column_names.index("ts")
        try:
            times, problems = _times(whole(rows.column(at)))
        except SourceError as error:
            raise SourceError(f"{path}, column 'ts': {error}.") from error
        read = rows.set_column(at, "ts", times)
        yield source._replace(
            batch=source.batch._replace(rows=read, originals=rows, problems=problems)
        )


def _times(column: Any) -> tuple[Any, dict[int, str]]:
    """Read times, UTC where they name no zone: timestamps, and why some rows have none."""
    if pa.types.is_string(column.type):
        try:
            # What most files have, and all at once.
            return column.cast(ARROW_TYPES[Type.TIME]), {}
        except pa.ArrowInvalid:
            pass
    micros, problems = utc_micros(column, zone("UTC"))
    unknown = np.zeros(len(micros), np.bool_)
    unknown[list(problems)] = True
    return time_array(micros, unknown), problems


def _rows(path: Path) -> Iterator[_Source]:
    """Read a file's rows as they are; the members of a zip one after the other."""
    before = 0
    with open_rows(path, header=lambda cells: None) as members:
        for at, member in enumerate(members):
            last = before
            for raw in member.batches():
                number = raw.number + before
                refused = [line._replace(number=before + line.number) for line in raw.refused]
                last = max([last, *number[-1:].tolist(), *(line.number for line in refused)])
                batch = ReportBatch(raw.rows, path.name, number, not_text=raw.not_text)
                yield _Source(batch, refused, (at + raw.done) / len(members))
            before = last
    if before == 0:
        raise SourceError(f"{path}: has columns but no rows.")


def _line_rows(table: Table, path: Path, lines: list[Refused]) -> pa.Table:
    """Give the quarantine rows of lines that do not fit their file's columns."""
    rows = pa.table({"line": pa.array([line.line for line in lines], pa.string())})
    numbers = np.array([line.number for line in lines], np.int64)
    return quarantine_rows(table, path.name, rows, numbers, [line.reason for line in lines])


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
