"""Small restless markets in lakes, and backtests of them in a line."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import TABLES, empty_table
from streaming.instruments import Instrument, Instruments
from streaming.jobs.price_rows import rows_of_bars
from streaming.jobs.strategies import select
from streaming.lake import Lake
from streaming.rules.bars import MINUTE_US, Bars
from streaming.rules.units import SCALE
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.runs import Run
from streaming.settings import Account, Costs, Limits, Settings, TradePicker

CENT = SCALE // 100
DAY_US = 1440 * MINUTE_US
TRACED = (
    "strategy_signal_history",
    "accepted_trade_signal_history",
    "rejected_trade_signal_history",
    "order_event_history",
    "exec_report_history",
)
HISTORY = (*TRACED, "trade_match_history")


def us(text: str) -> int:
    """Microseconds UTC of a time written as ISO 8601."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


START = us("2024-01-22")
"""A Monday, so that five weeks cross the ends of January and of a February of 29 days."""


def walk(rng: np.random.Generator, ts: np.ndarray, price: float = 100.0) -> Bars:
    """Bars that trend, revert and jump, on a grid of cents."""
    n = len(ts)
    drift = np.repeat(rng.normal(0, 0.0006, n // 25 + 1), 25)[:n]
    steps = drift + rng.normal(0, 0.0012, n)
    steps += np.where(rng.random(n) < 0.01, rng.normal(0, 0.015, n), 0)
    path = price * np.exp(np.cumsum(steps) - 0.3 * np.cumsum(drift))
    close = np.maximum(np.rint(path * 100), 50).astype(np.int64)
    opened = np.concatenate((close[:1], close[:-1]))
    reach = rng.integers(0, 6, (2, n))
    high = np.maximum(opened, close) + reach[0]
    low = np.maximum(np.minimum(opened, close) - reach[1], 1)
    volume = rng.integers(1, 500, n).astype(np.float64)
    return Bars(ts.astype(np.int64), opened * CENT, high * CENT, low * CENT, close * CENT, volume)


def sessions(
    rng: np.random.Generator, days: range, begins: int, minutes: int, absent: float = 0.08
) -> np.ndarray:
    """Times of bars: on each day `minutes` from minute `begins`, some of them missing.

    Now and then a stretch of minutes is missing as one, longer than orders live.
    """
    parts = []
    for day in days:
        at = START + day * DAY_US + (begins + 1 + np.arange(minutes)) * MINUTE_US
        here = rng.random(minutes) >= absent
        hole = int(rng.integers(0, minutes))
        here[hole : hole + int(rng.integers(0, 15))] = False
        parts.append(at[here])
    return np.concatenate(parts)


def month_market(seed: int, days: int = 44, minutes: int = 75) -> dict[str, Bars]:
    """Five symbols over two ends of months; one trades over midnight, one lists, one delists."""
    rng = np.random.default_rng(seed)
    weekdays = [day for day in range(days) if day % 7 < 5]
    return {
        "ADA": walk(rng, sessions(rng, range(days), 8 * 60, minutes)),
        "BEE": walk(rng, sessions(rng, weekdays, 8 * 60 + 30, minutes), 40.0),
        "CAT": walk(rng, sessions(rng, range(days), 24 * 60 - minutes // 2, minutes), 7.0),
        "DOG": walk(rng, sessions(rng, range(6, max(days - 9, 8)), 8 * 60, minutes, 0.3), 900.0),
        "EEL": walk(rng, sessions(rng, range(days // 2), 22 * 60, minutes)),
    }


def day_market(seed: int, minutes: int = 900, symbols: int = 3) -> dict[str, Bars]:
    """A few symbols that trade most minutes of a day, with holes."""
    rng = np.random.default_rng(seed)
    return {
        name: walk(rng, sessions(rng, range(1), 300 + 7 * at, minutes, 0.1), 50.0 * (at + 1))
        for at, name in enumerate(["ANT", "BAT", "COD", "DOE", "ELK"][:symbols])
    }


def lake_of(folder: Path, market: Mapping[str, Bars]) -> Lake:
    """A lake with these bars."""
    lake = Lake(folder)
    lake.write_prices(rows_of_bars(dict(market), "test"))
    return lake


def until(market: Mapping[str, Bars], ts: int) -> dict[str, Bars]:
    """The bars up to a time."""
    return {
        name: bars.rows(0, int(np.searchsorted(bars.ts, ts, side="right")))
        for name, bars in market.items()
        if bars.ts[0] <= ts
    }


def settings_of(
    *,
    gate: Mapping[str, object] | None = None,
    limits: Mapping[str, object] | None = None,
    costs: Mapping[str, object] | None = None,
    capital: object = 100_000,
) -> Settings:
    """Settings that differ from the defaults in what is given."""
    return Settings(
        tradepicker=TradePicker(**(gate or {})),
        limits=Limits(**(limits or {})),
        costs=Costs(**(costs or {})),
        account=Account(capital=capital),
    )


def listed(**instruments: Mapping[str, int]) -> Instruments:
    """An instruments file's content: ANT={"lot_size": SCALE, ...}."""
    return Instruments({name: Instrument(name, **facts) for name, facts in instruments.items()})


def request(strategies: str = "all", **given) -> BacktestRequest:
    """A request, traced, with some strategies and defaults."""
    given = {"settings": Settings(), "trace": True, **given}
    return BacktestRequest(strategies=tuple(select(strategies)), **given)


def run(lake: Lake, strategies: str = "all", **given) -> Run:
    """Run a backtest; see `request`."""
    return run_backtest(lake, request(strategies, **given))


def forget_runs(lake: Lake) -> None:
    """Delete all runs of a lake, so that the next is computed and not looked up."""
    shutil.rmtree(lake.root / "runs", ignore_errors=True)


def parts(found: Run, table: str) -> dict[tuple[str, str], pa.Table]:
    """A run's history table by (month, strategy), runId left out."""
    tables = {}
    for path in sorted((found.folder / table).glob("month=*/strategy=*.parquet")):
        month = path.parent.name.removeprefix("month=")
        strategy = unquote(path.stem.removeprefix("strategy="))
        rows = pq.read_table(path, partitioning=None)
        if "runId" in rows.column_names:
            assert rows["runId"].unique().to_pylist() == [found.id]
            rows = rows.drop_columns(["runId"])
        tables[month, strategy] = rows
    return tables


def joined(runs: list[Run], table: str) -> dict[tuple[str, str], list[dict]]:
    """Rows of several runs one after the other, by (month, strategy)."""
    rows: dict[tuple[str, str], list[dict]] = {}
    for one in runs:
        for key, part in parts(one, table).items():
            rows.setdefault(key, []).extend(part.to_pylist())
    return rows


def by_strategy(found: Run, table: str) -> dict[str, list[dict]]:
    """A run's history table as rows by strategy, over all months."""
    rows: dict[str, list[dict]] = {}
    for (_, strategy), part in parts(found, table).items():
        rows.setdefault(strategy, []).extend(part.to_pylist())
    return rows


def single(found: Run, table: str) -> list[dict]:
    """Rows of a table that is one file."""
    path = found.folder / f"{table}.parquet"
    return (pq.read_table(path) if path.exists() else empty_table(TABLES[table])).to_pylist()


def states(found: Run) -> dict[str, bytes]:
    """The state files that a run saved."""
    return {path.name: path.read_bytes() for path in (found.folder / "state").iterdir()}


def files(found: Run) -> dict[str, bytes]:
    """Every file of a run."""
    return {
        str(path.relative_to(found.folder)): path.read_bytes()
        for path in sorted(found.folder.rglob("*"))
        if path.is_file()
    }


def traces_of_work(lake: Lake) -> list[str]:
    """Hidden things below a lake's runs: what unfinished work leaves."""
    return [str(path) for path in (lake.root / "runs").rglob(".*")]
