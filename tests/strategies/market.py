"""A small seeded market that trends, reverts and jumps, and real bars where they are at hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streaming.rules.bars import MINUTE_US, Bars

START = 1_704_067_200_000_000  # 2024-01-01T00:00Z, a Monday
DAY = 1440
CENT = 1_000_000


def lively_market(seed: int, days: int = 60) -> Bars:
    """One symbol's bars: regimes of hours to days, jumps, and minutes without a trade."""
    random = np.random.default_rng(seed)
    minutes = days * DAY
    level = np.empty(minutes)
    x = centre = np.log(100.0)
    at = 0
    while at < minutes:
        until = min(minutes, at + int(random.integers(180, 2 * DAY)))
        kind = random.choice(["up", "down", "revert"])
        sigma = random.choice([0.0003, 0.0006, 0.0012])
        drift = {"up": 0.08, "down": -0.08, "revert": 0.0}[kind] * sigma
        pull = 0.02 if kind == "revert" else 0.0
        steps = random.normal(drift, sigma, until - at)
        steps[random.random(until - at) < 0.0005] += random.normal(0, 12 * sigma)
        centre = x
        for step in steps:
            x += step + pull * (centre - x)
            level[at] = x
            at += 1
    return _traded(random, np.exp(level))


def _traded(random: np.random.Generator, path: np.ndarray) -> Bars:
    """Make bars on a grid of cents from a path of closes; one minute in twenty is absent."""
    close = np.maximum(np.rint(path * 100).astype(np.int64), 1)
    open_ = np.concatenate((close[:1], close[:-1]))
    reach = random.integers(0, 8, (2, len(path)))
    high = np.maximum(open_, close) + reach[0]
    low = np.maximum(np.minimum(open_, close) - reach[1], 1)
    volume = np.rint(random.lognormal(6, 1, len(path)))
    ts = START + (np.arange(len(path)) + 1) * MINUTE_US
    bars = Bars(ts, open_ * CENT, high * CENT, low * CENT, close * CENT, volume)
    return take(bars, np.flatnonzero(random.random(len(path)) > 0.05))


def take(bars: Bars, rows: np.ndarray) -> Bars:
    """Some rows of the bars."""
    return Bars(*(column[rows] for column in bars))


def real_bars(folder: Path) -> dict[str, Bars]:
    """Bars of the real files by symbol; their times are opens and become closes."""
    market = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        symbols = table["symbol"].cast(pa.string()).combine_chunks()
        opens = table["ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        prices = [
            np.rint(table[name].to_numpy() * 1e8).astype(np.int64)
            for name in ("open", "high", "low", "close")
        ]
        everything = Bars(opens + MINUTE_US, *prices, table["volume"].to_numpy())
        for symbol in symbols.unique().to_pylist():
            rows = np.flatnonzero(pc.equal(symbols, symbol).to_numpy(zero_copy_only=False))
            market[symbol] = take(everything, rows[np.argsort(everything.ts[rows])])
    return market
