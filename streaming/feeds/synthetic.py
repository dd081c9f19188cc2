"""A market made up from a seed: bars to show, test and measure with.

Prices walk in ticks through regimes that trend, revert, rest and jump; symbols trade round
the clock, from Sunday to Friday, or in the sessions of an exchange; minutes are missing,
feeds fail for hours, one symbol is listed and one delisted on the way. Equal arguments give
equal bars on every machine: random numbers are integers of a counter, and floats only meet
operations that IEEE 754 rounds in one way.
"""

import datetime as dt
import hashlib
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from streaming.rules.bars import MINUTE_US, Bars, no_bars
from streaming.rules.compile import kernel
from streaming.rules.units import SCALE

Int = NDArray[np.int64]
Float = NDArray[np.float64]

START = dt.date(2024, 2, 5)
"""A Monday; sixty days from it cross the change of clocks in New York and in Oslo."""

DAY_MINUTES = 1440


class Kind(NamedTuple):
    """What sort of instrument a symbol is.

    `digits` are the decimals of its tick; `volatility` is one minute's, relative;
    `absent` is the part of its minutes without a trade.
    """

    name: str
    hours: Literal["always", "week", "new york", "oslo"]
    price: float
    digits: int
    volatility: float
    absent: float
    volume: float | None


KINDS = (
    Kind("NOVAUSD", "always", 42_000.0, 2, 6e-4, 0.0, 9.0),
    Kind("LUMAUSD", "always", 2_300.0, 2, 8e-4, 0.002, 120.0),
    Kind("KITEUSD", "always", 0.5, 4, 1.2e-3, 0.03, 60_000.0),
    Kind("ORBIUSD", "always", 96.0, 3, 1e-3, 0.01, 2_000.0),
    Kind("AURBEX", "week", 1.08, 5, 1.2e-4, 0.01, None),
    Kind("AURCOR", "week", 11.4, 4, 1.6e-4, 0.02, None),
    Kind("BEXYAL", "week", 149.0, 3, 1.5e-4, 0.01, None),
    Kind("ACME", "new york", 180.0, 2, 5e-4, 0.0, 24_000.0),
    Kind("BOLT", "new york", 64.0, 2, 7e-4, 0.02, 9_000.0),
    Kind("CRUX", "new york", 410.0, 2, 6e-4, 0.05, 4_000.0),
    Kind("DUNE", "oslo", 290.0, 1, 6e-4, 0.10, 3_000.0),
    Kind("EKKO", "oslo", 31.0, 2, 9e-4, 0.20, 8_000.0),
)
"""What symbols are made of, in turn; from the thirteenth on names carry a number."""

_LISTED, _DELISTED, _CUT_OFF = "ORBIUSD", "CRUX", "LUMAUSD"
_SESSIONS = {"new york": ("America/New_York", 570, 960), "oslo": ("Europe/Oslo", 540, 990)}


def make_market(
    seed: int = 1,
    symbols: int = 12,
    days: int = 60,
    *,
    start: dt.date = START,
    gaps: bool = True,
) -> dict[str, Bars]:
    """Make bars.

    Parameters
    ----------
    seed
        Another seed, another market.
    symbols, days
        How many.
    start
        First UTC day.
    gaps
        Without gaps every symbol trades in each of the days' 1,440 minutes.

    Returns
    -------
    dict
        Bars by symbol, sorted by name. Volume is NaN for currency pairs, as feeds have none.
    """
    begin = int(dt.datetime.combine(start, dt.time(), dt.UTC).timestamp()) * 1_000_000
    market = {}
    for at in range(symbols):
        kind = KINDS[at % len(KINDS)]
        turn = at // len(KINDS)
        name = kind.name if turn == 0 else f"{kind.name}{turn + 1}"
        minutes = _open_minutes(kind, start, days) if gaps else np.arange(1, days * DAY_MINUTES + 1)
        bars = _walk(_Random(seed, name), kind, minutes, begin)
        market[name] = _thinned(_Random(seed, f"{name} gaps"), kind, bars, turn) if gaps else bars
    return {name: market[name] for name in sorted(market)}


def digits_of(symbol: str) -> int:
    """Give the decimals of a symbol's prices."""
    return next(kind.digits for kind in KINDS if symbol.startswith(kind.name))


class _Random:
    """Random numbers by counter (splitmix64), a stream for each seed and purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        digest = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "little")

    def bits(self, n: int) -> NDArray[np.uint64]:
        """Give n random 64-bit integers; the next call goes on."""
        step = 0x9E3779B97F4A7C15
        state = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(step) + np.uint64(self._key)
        self._key = (self._key + n * step) % 2**64
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))

    def uniform(self, n: int) -> Float:
        """Give n numbers in [0, 1)."""
        return (self.bits(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def bell(self, n: int) -> Float:
        """Give n numbers of mean 0 and variance 1: sums of four uniform ones, within 3.5."""
        bits = self.bits(n)
        total = np.zeros(n, np.int64)
        for shift in (0, 16, 32, 48):
            total += ((bits >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
        return (total - 131_070).astype(np.float64) * (1.0 / 37_837.0)


def _open_minutes(kind: Kind, start: dt.date, days: int) -> Int:
    """Give the minutes in which a market is open, by their close, counted from the start."""
    every = np.arange(1, days * DAY_MINUTES + 1)
    if kind.hours == "always":
        return every
    if kind.hours == "week":
        # From Sunday 22:00 to Friday 22:00 UTC.
        of_week = (every + start.weekday() * DAY_MINUTES - 1) % (7 * DAY_MINUTES)
        sunday, friday = 6 * DAY_MINUTES + 1320, 4 * DAY_MINUTES + 1320
        return every[(of_week >= sunday) | (of_week < friday)]
    place, opens, closes = _SESSIONS[kind.hours]
    zone = ZoneInfo(place)
    sessions = []
    for at in range(days):
        day = start + dt.timedelta(days=at)
        if day.weekday() < 5:
            noon = dt.datetime.combine(day, dt.time(12), zone)
            ahead = int((noon.utcoffset() or dt.timedelta()).total_seconds()) // 60
            sessions.append(at * DAY_MINUTES - ahead + np.arange(opens + 1, closes + 1))
    return np.concatenate(sessions) if sessions else every[:0]


class _Regimes(NamedTuple):
    """What moves the price in each minute; `fresh` where a regime begins."""

    fresh: NDArray[np.bool_]
    drift: Float
    volatility: Float
    pull: Float
    jumps: Float


def _regimes(random: _Random, kind: Kind, n: int) -> _Regimes:
    # The shortest regime lasts two hours, the longest two days.
    count = n // 120 + 1
    lengths = 120 + (random.uniform(count) * 2760).astype(np.int64)
    which = (random.uniform(count) * 5).astype(np.int64)
    strength, sign, calm = random.uniform(count), random.uniform(count), random.uniform(count)
    trends, reverts, rests, jumps = which <= 1, which == 2, which == 3, which == 4
    direction = np.where(sign < 0.5, -1.0, 1.0)
    volatility = kind.volatility * (0.6 + 0.8 * calm)
    volatility = np.where(rests, 0.4, np.where(jumps, 1.6, 1.0)) * volatility
    drift = np.where(trends, direction * (0.03 + 0.09 * strength), 0.0) * volatility
    pull = np.where(reverts, 0.01 + 0.05 * strength, 0.0)
    jump = np.where(jumps, 1.0 / 200.0, 1.0 / 20_000.0)
    regime = np.repeat(np.arange(count), lengths)[:n]
    fresh = np.ones(n, np.bool_)
    fresh[1:] = regime[1:] != regime[:-1]
    return _Regimes(fresh, drift[regime], volatility[regime], pull[regime], jump[regime])


def _walk(random: _Random, kind: Kind, minutes: Int, begin: int) -> Bars:
    n = len(minutes)
    if n == 0:
        return no_bars()
    tick = SCALE // 10**kind.digits
    regimes = _regimes(random, kind, n)
    steps, leaps = random.bell(n), random.bell(n)
    chance = random.uniform(n)
    above, below = random.uniform(n), random.uniform(n)
    closed = np.zeros(n, np.bool_)
    closed[1:] = np.diff(minutes) > 30
    first = kind.price * 10**kind.digits * (0.9 + 0.2 * float(random.uniform(1)[0]))
    prices = np.empty((4, n), np.int64)
    _walk_kernel(first, *regimes, steps, leaps, chance, above, below, closed, prices)
    prices *= tick
    if kind.volume is None:
        volume = np.full(n, np.nan)
    else:
        bustle = random.uniform(n)
        size = kind.volume * (0.2 + 2.4 * bustle * bustle) * (1.0 + np.abs(steps))
        volume = (
            np.floor(size * 100.0 + 1.0) / 100.0 if kind.volume < 1_000 else np.floor(size + 1.0)
        )
    opened, high, low, close = prices
    return Bars(begin + minutes * MINUTE_US, opened, high, low, close, volume)


@kernel
def _walk_kernel(
    first: float,
    fresh: NDArray[np.bool_],
    drift: Float,
    volatility: Float,
    pull: Float,
    jumps: Float,
    steps: Float,
    leaps: Float,
    chance: Float,
    above: Float,
    below: Float,
    closed: NDArray[np.bool_],
    out: Int,
) -> None:
    """Walk the price in ticks; `out` receives open, high, low, close."""
    price = first
    anchor = first
    for i in range(len(steps)):
        if fresh[i]:
            anchor = price
        if closed[i]:
            # What happened while the market was shut.
            price = price * (1.0 + 10.0 * volatility[i] * leaps[i])
        wide = price * volatility[i]
        move = price * drift[i] + wide * steps[i] + pull[i] * (anchor - price)
        if chance[i] < jumps[i]:
            move += 8.0 * wide * leaps[i]
        opened = max(np.floor(price + 0.5), 2.0)
        price = max(price + move, 2.0)
        close = np.floor(price + 0.5)
        out[0, i] = np.int64(opened)
        out[1, i] = np.int64(max(opened, close) + np.floor(wide * above[i]))
        out[2, i] = np.int64(max(min(opened, close) - np.floor(wide * below[i]), 1.0))
        out[3, i] = np.int64(close)


def _thinned(random: _Random, kind: Kind, bars: Bars, turn: int) -> Bars:
    """Take out minutes without trades, and what was not listed or not received."""
    n = len(bars)
    keep = random.uniform(n) >= kind.absent
    if turn == 0 and kind.name == _LISTED:
        keep[: n // 3] = False
    if turn == 0 and kind.name == _DELISTED:
        keep[2 * n // 3 :] = False
    if turn == 0 and kind.name == _CUT_OFF:
        keep[n // 2 : n // 2 + 400] = False
    columns: list[Any] = [column[keep] for column in bars]
    return Bars(*columns)
