"""Random input that goes where rules break: ties, flips, remainders, gaps, limits.

Every sampler takes a `random.Random`. Hypothesis can stand in for one (see `strategies`), so
the same samplers serve property tests, which shrink, and the seeded soak, which is fast.
"""

from dataclasses import dataclass
from random import Random

from oracle.dedupe import Row
from oracle.engine import Bars
from oracle.fifo import Fill
from oracle.gate import Instrument, Settings, Signal
from oracle.ids import BUY, SELL
from oracle.money import LIMIT, SCALE

MINUTE = 60_000_000
START = 1_380_000_000 * 1_000_000  # a UTC minute of 2013
POINT_VALUES = [SCALE, SCALE, 50 * SCALE, SCALE // 100, 12_345_678, 3]
BPS = [0, 0, SCALE, SCALE // 2, 25 * SCALE, 12_340_000, 300 * SCALE]


def amount(rng: Random) -> int:
    """Give an int64 that is small, round, an exact tie, or near a limit."""
    kind = rng.randint(0, 5)
    if kind == 0:
        return rng.randint(-5, 5)
    if kind == 1:
        return rng.randint(-40, 40) * (SCALE // 2)
    if kind == 2:
        return rng.randint(-1000, 1000) * SCALE
    if kind == 3:
        return rng.choice([1, -1]) * (LIMIT - 1 - rng.randint(0, 3))
    bits = rng.randint(1, 62)
    return rng.choice([1, -1]) * rng.randint(0, 2**bits)


@dataclass(frozen=True)
class FillCase:
    """Fills of one key in order of application, and its point value."""

    point_value: int
    fills: list[Fill]


def fill_case(rng: Random, longest: int = 14, name: int = 0) -> FillCase:
    """Give fills that close, flip and go flat often; names count up from `name`."""
    point_value = rng.choice(POINT_VALUES)
    style = rng.randint(0, 3)
    net = 0
    fills = []
    for step in range(rng.randint(1, longest)):
        qty, price, most = _qty_and_price(rng, style, point_value)
        turn = rng.randint(0, 9)
        if turn == 0 and net:
            qty = abs(net)  # exactly flat
        if turn <= 5 and net:
            qty = -qty if net > 0 else qty  # against what is held
        elif rng.randint(0, 1):
            qty = -qty
        if turn == 0 and net:
            price = min(price, max(1, most // abs(net)))
        net += qty
        fills.append(Fill(name + step, qty, price, _fee(rng, style), START + step))
    return FillCase(point_value, fills)


def _qty_and_price(rng: Random, style: int, point_value: int) -> tuple[int, int, int]:
    # What price x quantity may be for the notional to fit.
    most = (LIMIT - 1) * SCALE * SCALE // point_value
    if style == 0:
        return rng.randint(1, 5) * SCALE, rng.randint(1, 9) * SCALE, most
    if style == 1:
        return rng.randint(1, 12), rng.randint(1, 12) * (SCALE // 4), most
    if style == 2:
        return rng.randint(1, 3 * SCALE), rng.randint(1, 10**4 * SCALE), most
    qty = rng.randint(1, 6 * 10 ** rng.randint(1, 16))
    return qty, rng.randint(1, max(1, min(LIMIT - 1, most // qty))), most


def _fee(rng: Random, style: int) -> int:
    kind = rng.randint(0, 4)
    if kind == 0:
        return 0
    if kind == 1:
        return rng.randint(-7, 7)
    if style == 3 and kind == 2:
        return rng.randint(-(10**17), 10**17)
    return rng.randint(-SCALE, 3 * SCALE)


@dataclass(frozen=True)
class TradingCase:
    """A market, the signals on it, and what the account may do."""

    settings: Settings
    bars: Bars
    signals: list[Signal]
    complete_to: int


SYMBOLS = ["A", "B", "C", "D", "E"]
STRATEGIES = ["s", "t", "u"]


def settings(rng: Random, symbols: list[str]) -> Settings:
    """Give settings whose limits are often met."""
    capital = rng.choice([1000 * SCALE, 1000 * SCALE, 12_345_678_901, 999_999_999])
    if rng.randint(0, 99) == 0:
        capital = rng.randint(1, 3)

    def limit() -> int | None:
        if rng.randint(0, 49) == 0:
            return 0
        return rng.choice([None, None, capital, 2 * capital, 5 * capital, capital // 3 + 7])

    lot = rng.choice([1, 1, SCALE, SCALE // 10, 7])
    fields = {
        "lot": lot,
        "min_qty": rng.choice([1, lot, lot, 3 * lot, 2 * SCALE]),
        "tick": rng.choice([0, 0, 1, SCALE // 4, SCALE // 100]),
        "point_value": rng.choice([SCALE, SCALE, 5 * SCALE, SCALE // 10, 12_345_678]),
    }
    plain = rng.randint(0, 1)
    return Settings(
        max_open=rng.choice([1, 2, 2, 3, None]),
        sell_requires_long=rng.randint(0, 1) == 0,
        reserve_on_open=rng.randint(0, 3) > 0,
        ttl=rng.choice([1_000, MINUTE, MINUTE + 1_000, 2 * MINUTE, 90 * 1_000_000, 5 * MINUTE]),
        key=rng.choice(["account", "account", "account+strategy"]),
        capital=capital,
        order_limit=limit(),
        symbol_limit=limit(),
        gross_limit=limit(),
        slippage_bps=rng.choice(BPS),
        fee_bps=rng.choice(BPS),
        instruments={} if plain else dict.fromkeys(symbols, Instrument(**fields)),
    )


def trading_case(rng: Random, minutes: int = 14) -> TradingCase:
    """Give a market with gaps, and signals that often find no place, budget or position."""
    symbols = SYMBOLS[: rng.randint(1, 5)]
    strategies = STRATEGIES[: rng.randint(1, 3)]
    last = rng.randint(2, minutes)
    presence = rng.choice([10, 10, 9, 6, 3])
    # At 1e-8 a piece, an account's money buys more units than fit.
    unit = rng.choice([SCALE, SCALE // 100, SCALE // 10_000, 1])
    bars: Bars = {}
    for symbol in symbols:
        price = rng.randint(1, 200)
        rows = []
        for minute in range(last + 1):
            price = max(1, price + rng.randint(-2, 2))
            if minute == 0 or rng.randint(1, 10) <= presence:
                rows.append((START + minute * MINUTE, price * unit))
        bars[symbol] = rows
    signals = []
    busy = rng.choice([2, 5, 8])
    bought: dict[tuple[str, str], str] = {}
    for minute in range(last + 1):
        for strategy in strategies:
            for symbol in symbols:
                if rng.randint(1, 20) <= busy:
                    # What was bought is sold next, more often than not.
                    last_action = bought.get((strategy, symbol), SELL)
                    action = rng.choice([BUY, SELL, SELL if last_action == BUY else BUY])
                    bought[strategy, symbol] = action
                    ts = START + minute * MINUTE
                    signals.append(_signal(rng, ts, strategy, symbol, action))
    rules = settings(rng, symbols)
    after = rng.choice([0, 0, rules.ttl - 1, rules.ttl, 10 * MINUTE])
    return TradingCase(rules, bars, signals, START + last * MINUTE + after)


def _signal(rng: Random, ts: int, strategy: str, symbol: str, action: str) -> Signal:
    return Signal(
        ts,
        strategy,
        symbol,
        action,
        rng.choice([SCALE, SCALE, SCALE // 2, SCALE // 3, SCALE // 10, rng.randint(1, SCALE)]),
        rng.choice([0.0, 0.5, 0.5, 1.0, 0.1, 0.3]),
        rng.choice([SCALE, SCALE // 2, SCALE // 3, SCALE // 20, SCALE // 20, rng.randint(0, 1)]),
    )


NAMED = ["", "", "s", "v", "w"]
"""What rows say of whose an order is, right or wrong."""


def arrivals(rng: Random, longest: int = 20, lateness: int = 5_000_000) -> list[Row]:
    """Give exec reports in order of arrival: doubles, unknown and disputed orders, late ones."""
    rows = []
    for _ in range(rng.randint(1, longest)):
        if rows and rng.randint(0, 5) == 0:
            again = rng.choice(rows)
            if rng.randint(0, 1):
                again = Row(**{**vars(again), "price": again.price + 1})
            elif rng.randint(0, 1):
                again = Row(**{**vars(again), "said": rng.choice(NAMED)})
            rows.append(again)
            continue
        rows.append(
            Row(
                rng.choice(["acct", "acct", "other"]),
                rng.choice(["o1", "o2", "o10", "who", "whose"]),
                str(rng.randint(1, 12)),
                rng.choice(["A", "B"]),
                rng.choice([BUY, SELL]),
                rng.randint(1, 5) * SCALE // rng.choice([1, 3]),
                rng.randint(1, 9) * SCALE // rng.choice([1, 7]),
                START + rng.randint(0, 30) * 1_000_000,
                rng.randint(-5, 50),
                rng.choice(NAMED),
            )
        )
    spread = rng.choice([0, lateness, lateness, 4 * lateness])
    keyed = [(row.ts + rng.randint(0, spread), n, row) for n, row in enumerate(rows)]
    return [row for _, _, row in sorted(keyed, key=lambda item: item[:2])]


def cuts(rng: Random, length: int) -> list[slice]:
    """Cut range(length) into consecutive slices, empty ones among them."""
    points = sorted(rng.randint(0, length) for _ in range(rng.randint(0, 4)))
    return [slice(a, b) for a, b in zip([0, *points], [*points, length], strict=True)]
