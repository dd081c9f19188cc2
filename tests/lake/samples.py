"""Rows of prices for tests, plainly made."""

import datetime as dt
from pathlib import Path

import numpy as np

from streaming.jobs.price_rows import PriceRows, rows_of_bars
from streaming.rules.bars import MINUTE_US, Bars
from streaming.rules.units import SCALE

MONDAY = int(dt.datetime(2024, 3, 4, tzinfo=dt.UTC).timestamp()) * 1_000_000


def random_bars(rng: np.random.Generator, ts: np.ndarray) -> Bars:
    """Bars at the times given that keep the contract; some volumes are NaN."""
    n = len(ts)
    close = 100 * SCALE + np.cumsum(rng.integers(-5, 6, n)) * SCALE // 100
    opened = close + rng.integers(-3, 4, n)
    high = np.maximum(opened, close) + rng.integers(0, 4, n)
    low = np.minimum(opened, close) - rng.integers(0, 4, n)
    volume = np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 50, n) / 4)
    return Bars(np.asarray(ts, np.int64), opened, high, low, close, volume)


def random_market(
    seed: int, symbols: int, minutes: int, *, start: int = MONDAY, absent: float = 0.1
) -> dict[str, Bars]:
    """Some symbols with some minutes missing."""
    rng = np.random.default_rng(seed)
    every = start + np.arange(1, minutes + 1) * MINUTE_US
    return {
        f"S{at:02d}": random_bars(rng, every[rng.random(minutes) >= absent])
        for at in range(symbols)
    }


def rows_of(market: dict[str, Bars], source: str = "test") -> PriceRows:
    """All bars of a market as rows."""
    return rows_of_bars(market, source)


def assert_same_bars(got: dict[str, Bars], want: dict[str, Bars]) -> None:
    """Every symbol has the same bars, NaN volumes included."""
    assert list(got) == sorted(want)
    for name, bars in want.items():
        for column, expected in zip(got[name], bars, strict=True):
            np.testing.assert_array_equal(column, expected)
            assert column.dtype == expected.dtype


def files_of(root: Path) -> dict[str, bytes]:
    """Every file of a lake's tables by its path, and no leftovers."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }
