"""The seeded inputs that every contender gets: fills and one-minute bars.

Only numpy, because it runs in every peer's environment. Each contender makes the arrays
itself and reports their digest; the benchmark refuses to compare different digests.
Money is int64 x 1e8 (as in the product), time int64 microseconds UTC.
"""

import hashlib
from typing import NamedTuple

import numpy as np

SCALE = 100_000_000
MINUTE_US = 60_000_000
START_US = 1_704_067_200_000_000  # 2024-01-01T00:00Z
YEAR_BARS = 525_600
FEE_BPS = 1

CENT = SCALE // 100
TICK = SCALE // 10_000
# Fine enough that two moving averages are never equal by chance, where a peer's float
# sums would cross a bar earlier or later than exact ones.
FINE_TICK = 1


class Fills(NamedTuple):
    """Fills in event order, `steps` rounds with one fill for each key."""

    key: np.ndarray  # int32, 0..keys-1
    qty: np.ndarray  # int64 x 1e8, buys positive, sells negative
    price: np.ndarray  # int64 x 1e8
    fee: np.ndarray  # int64 x 1e8, one basis point of the notional
    ts: np.ndarray  # int64 microseconds
    ids: np.ndarray  # uint64[n, 2], 128-bit fill ids


class MarketBars(NamedTuple):
    """Bars of one symbol; the fields of `streaming.rules.bars.Bars`."""

    ts: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray

    def floats(self) -> tuple[np.ndarray, ...]:
        """Give open, high, low, close and volume as float64 in units of currency."""
        prices = (self.open, self.high, self.low, self.close)
        return (*(price / SCALE for price in prices), self.volume)


def fills(count: int, keys: int = 1_000, seed: int = 7) -> Fills:
    """Make fills of 1 to 10 units with random sides at random-walk prices in cents.

    Each round has one fill for each key at one time, so that a (rounds x keys) matrix, as
    vectorbt takes it, holds the same fills. `count` is cut to whole rounds.
    """
    random = np.random.default_rng(seed)
    rounds = count // keys
    units = random.integers(1, 11, (rounds, keys))
    side = np.where(random.random((rounds, keys)) < 0.5, -1, 1)
    steps = random.integers(-5, 6, (rounds, keys))
    price = np.maximum(10_000 + np.cumsum(steps, axis=0), 100) * CENT
    ts = START_US + MINUTE_US * np.arange(1, rounds + 1)
    return Fills(
        key=np.tile(np.arange(keys, dtype=np.int32), rounds),
        qty=(units * side * SCALE).ravel(),
        price=price.ravel(),
        fee=half_even(units * price * FEE_BPS, 10_000).ravel(),
        ts=np.repeat(ts, keys),
        ids=random.integers(0, 2**64, (rounds * keys, 2), dtype=np.uint64),
    )


def bars(count: int = YEAR_BARS, symbol: int = 0, seed: int = 3, tick: int = TICK) -> MarketBars:
    """Make one symbol's bars, a minute apart: a random walk of 2 bps a minute from 100."""
    random = np.random.default_rng([seed, symbol])
    walk = 100 * np.exp(np.cumsum(random.normal(0, 2e-4, count)))
    close = np.rint(walk * (SCALE // tick)).astype(np.int64)
    opened = np.concatenate([close[:1], close[:-1]])
    above, below = np.rint(np.abs(random.normal(0, 1e-2, (2, count))) * (SCALE // tick))
    return MarketBars(
        ts=START_US + MINUTE_US * np.arange(1, count + 1),
        open=opened * tick,
        high=(np.maximum(opened, close) + above.astype(np.int64)) * tick,
        low=(np.minimum(opened, close) - below.astype(np.int64)) * tick,
        close=close * tick,
        volume=random.integers(1, 1_000, count).astype(np.float64),
    )


class Signals(NamedTuple):
    """Signals in order of application: by time, then account, then symbol."""

    bar: np.ndarray  # int64, index of the bar at whose close it is given
    account: np.ndarray  # int32
    symbol: np.ndarray  # int32
    side: np.ndarray  # int8, 1 buy, -1 sell
    size: np.ndarray  # int64 x 1e8, the sizeHint


def signals(
    count: int, bar_count: int, symbols: int, accounts: int = 20, seed: int = 11
) -> Signals:
    """Make signals of which a gate with `symbols` places an account rejects none.

    Each (account, symbol) goes through cycles of two buys of 0.5 to 0.9 % of the capital,
    a sell of half and a sell of all, at random bars at least three apart, so that every
    order is filled before the next signal and the account's exposure stays below its
    capital. `count` is cut to whole cycles.
    """
    random = np.random.default_rng(seed)
    keys = accounts * symbols
    each = count // keys // 4 * 4
    slots = np.sort([random.choice(bar_count // 4 - 1, each, replace=False) for _ in range(keys)])
    bar = slots * 4 + random.integers(0, 2, (keys, each))
    step = np.arange(each) % 4
    buys = random.integers(SCALE // 200, SCALE * 9 // 1_000, (keys, each))
    size = np.where(step < 2, buys, np.where(step == 2, SCALE // 2, SCALE))
    key = np.repeat(np.arange(keys), each)
    order = np.lexsort((key, bar.ravel()))
    return Signals(
        bar=bar.ravel()[order],
        account=(key // symbols).astype(np.int32)[order],
        symbol=(key % symbols).astype(np.int32)[order],
        side=np.tile(np.where(step < 2, 1, -1), keys).astype(np.int8)[order],
        size=size.ravel()[order],
    )


def symbol_name(symbol: int) -> str:
    """Name a synthetic symbol so that text order is number order."""
    return f"SYM{symbol:03d}"


def cross_lengths(count: int = 20) -> list[tuple[int, int]]:
    """Give `count` pairs of moving-average lengths, (5, 20), (6, 25), ..."""
    return [(5 + index, 20 + 5 * index) for index in range(count)]


def half_even(numerator: np.ndarray, divisor: np.ndarray | int) -> np.ndarray:
    """Divide non-negative integers, rounding halves to the even neighbour."""
    quotient, rest = np.divmod(numerator, divisor)
    odd_half = (2 * rest == divisor) & (quotient % 2 == 1)
    return quotient + ((2 * rest > divisor) | odd_half)


def digest(*arrays: np.ndarray) -> str:
    """Give a short digest of arrays' bytes, for telling that two inputs are the same."""
    state = hashlib.blake2b(digest_size=8)
    for array in arrays:
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()
