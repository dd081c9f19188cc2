"""Seeded bars for tests of indicators."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.rules.bars import MINUTE_US, Bars
from streaming.rules.units import LIMIT, SCALE

START = 1_700_000_040_000_000 // MINUTE_US * MINUTE_US
"""2023-11-14 22:14 UTC: not a boundary of any longer timeframe."""


def some_bars(
    seed: int,
    rows: int,
    *,
    level: int = 100 * SCALE,
    tick: int = SCALE // 100,
    moves: int = 5,
    still: float = 0.2,
    gaps: float = 0.2,
    volumes: bool = True,
) -> Bars:
    """Make bars: a random walk on a grid of ticks that often stands still.

    `still` is the chance of a bar without any movement, `gaps` that of minutes without a
    bar. Some volumes are 0 and some unknown (NaN), unless `volumes` is off: then all are.
    """
    random = np.random.default_rng(seed)
    walk = random.integers(-moves, moves + 1, rows) * (random.random(rows) >= still)
    close = np.clip(level + tick * np.cumsum(walk), tick, LIMIT - 1)
    before = np.concatenate(([level], close[:-1]))
    reach = tick * random.integers(0, moves + 1, (2, rows)) * (walk != 0)
    high = np.minimum(np.maximum(before, close) + reach[0], LIMIT - 1)
    low = np.maximum(np.minimum(before, close) - reach[1], 1)
    missing = random.geometric(0.1, rows) * (random.random(rows) < gaps)
    volume = random.integers(0, 8, rows).astype(float) * 12.5
    volume[random.random(rows) < 0.05] = np.nan
    if not volumes:
        volume[:] = np.nan
    ts = START + MINUTE_US * np.cumsum(1 + missing)
    return Bars(ts, before, high, low, close, volume)


def wild_bars(seed: int, rows: int) -> Bars:
    """Make bars whose prices lie anywhere below the limit, near one another or not."""
    random = np.random.default_rng(seed)
    scale = 10 ** random.integers(0, 19, rows)
    close = np.clip(random.integers(1, LIMIT, rows) // scale, 1, LIMIT - 1)
    quiet = random.random(rows) < 0.7
    for i in range(1, rows):
        if quiet[i]:
            close[i] = min(close[i - 1] + int(random.integers(0, 3)), LIMIT - 1)
    high = np.minimum(close + close // 7, LIMIT - 1)
    ts = START + MINUTE_US * np.arange(1, rows + 1)
    return Bars(ts, close, high, close - close // 9, close, np.ones(rows))


def pieces(bars: Bars, cuts: list[int]) -> list[Bars]:
    """Cut bars at rows (in any order, doubled ones give an empty piece)."""
    edges = [0, *sorted(min(cut, len(bars)) for cut in cuts), len(bars)]
    return [bars.rows(a, b) for a, b in pairwise(edges)]


def real_bars(folder: Path) -> dict[str, Bars]:
    """Read the real bars, shifted from the open to the close."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(path)
        symbols = np.array(table["symbol"].to_pylist())
        ts = table["ts"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() + MINUTE_US
        prices = [
            np.rint(table[name].to_numpy() * SCALE).astype(np.int64)
            for name in ("open", "high", "low", "close")
        ]
        columns = [ts, *prices, table["volume"].to_numpy()]
        for symbol in np.unique(symbols):
            rows = np.flatnonzero(symbols == symbol)
            rows = rows[np.argsort(ts[rows], kind="stable")]
            found[str(symbol)] = Bars(*(column[rows] for column in columns))
    return found
