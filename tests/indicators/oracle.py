"""Every indicator once more, the slow and obvious way: exact fractions, one row at a time.

Written from the definitions (Wilder 1978, Bollinger 2001, TA-Lib's seeding), sharing no code
with the kernels. Each function takes bars and parameters and gives, for each output of the
registry, a list with a number or None (no value) for each row. Values are rounded to double
only at the end.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

from streaming.rules.bars import Bars

Column = list[float | None]
Exact = list[Fraction | None]

UNIT = Fraction(1, 10**8)
DAY_US = 24 * 60 * 60 * 1_000_000


def prices(column) -> list[Fraction]:
    return [int(x) * UNIT for x in column]


def rounded(column: Exact) -> Column:
    return [None if x is None else float(x) for x in column]


def root(x: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 60
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def windows(column: list, n: int) -> list:
    """Each row's last n values, or None where there are fewer."""
    return [column[i - n + 1 : i + 1] if i >= n - 1 else None for i in range(len(column))]


def mean(values) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def deviation(values) -> Fraction:
    centre = mean(values)
    return root(mean([(x - centre) ** 2 for x in values]))


def over(column: list, n: int, rule: Callable) -> Exact:
    return [None if w is None else rule(w) for w in windows(column, n)]


def raw(name: str) -> Callable[[Bars], list[Column]]:
    return lambda bars: [rounded(prices(getattr(bars, name)))]


def volume(bars: Bars) -> list[Column]:
    return [[None if v != v else float(v) for v in bars.volume]]


def sma(bars: Bars, n: int) -> list[Column]:
    return [rounded(over(prices(bars.close), n, mean))]


def smoothed(column: Exact, n: int, weight: Fraction) -> Exact:
    """Average that starts as the mean of the first n values there are."""
    out: Exact = []
    first: list[Fraction] = []
    average: Fraction | None = None
    for x in column:
        if x is None:
            out.append(None)
            continue
        if average is None:
            first.append(x)
            average = mean(first) if len(first) == n else None
        else:
            average += weight * (x - average)
        out.append(average)
    return out


def exponential(column: Exact, n: int) -> Exact:
    return smoothed(column, n, Fraction(2, n + 1))


def wilder(column: Exact, n: int) -> Exact:
    return smoothed(column, n, Fraction(1, n))


def ema(bars: Bars, n: int) -> list[Column]:
    return [rounded(exponential(prices(bars.close), n))]


def changes(column: list[Fraction]) -> Exact:
    return [None, *(b - a for a, b in pairwise(column))]


def rsi(bars: Bars, n: int) -> list[Column]:
    moves = changes(prices(bars.close))
    gains = wilder([None if x is None else max(x, Fraction(0)) for x in moves], n)
    losses = wilder([None if x is None else max(-x, Fraction(0)) for x in moves], n)
    out: Exact = []
    for up, down in zip(gains, losses, strict=True):
        if up is None or down is None:
            out.append(None)
        elif up + down == 0:
            out.append(Fraction(0))
        else:
            out.append(100 * up / (up + down))
    return [rounded(out)]


def roc(bars: Bars, n: int) -> list[Column]:
    close = prices(bars.close)
    return [rounded(over(close, n + 1, lambda w: 100 * (w[-1] / w[0] - 1)))]


def macd(bars: Bars, fast: int, slow: int, signal: int) -> list[Column]:
    close: Exact = list(prices(bars.close))
    # Both averages have their first value at row slow - 1.
    late: Exact = [None] * (slow - fast) + close[slow - fast :]
    line = [
        None if a is None or b is None else a - b
        for a, b in zip(exponential(late, fast), exponential(close, slow), strict=True)
    ]
    smooth = exponential(line, signal)
    shown = [None if s is None else x for x, s in zip(line, smooth, strict=True)]
    rest = [None if s is None else x - s for x, s in zip(line, smooth, strict=True)]
    return [rounded(shown), rounded(smooth), rounded(rest)]


def zscore(bars: Bars, n: int) -> list[Column]:
    def score(window):
        spread = deviation(window)
        return (window[-1] - mean(window)) / spread if spread else Fraction(0)

    return [rounded(over(prices(bars.close), n, score))]


def bollinger(bars: Bars, n: int, width: float) -> list[Column]:
    close, k = prices(bars.close), Fraction(width)
    return [
        rounded(over(close, n, lambda w: mean(w) + k * deviation(w))),
        rounded(over(close, n, mean)),
        rounded(over(close, n, lambda w: mean(w) - k * deviation(w))),
    ]


def bollinger_shape(bars: Bars, n: int, width: float) -> list[Column]:
    close, k = prices(bars.close), Fraction(width)

    def percent(window):
        reach = k * deviation(window)
        lower = mean(window) - reach
        return (window[-1] - lower) / (2 * reach) if reach else Fraction(1, 2)

    return [
        rounded(over(close, n, lambda w: 2 * k * deviation(w) / mean(w))),
        rounded(over(close, n, percent)),
    ]


def donchian(bars: Bars, n: int) -> list[Column]:
    return [
        rounded(over(prices(bars.high), n, max)),
        rounded(over(prices(bars.low), n, min)),
    ]


def true_ranges(bars: Bars) -> Exact:
    high, low, close = prices(bars.high), prices(bars.low), prices(bars.close)
    out: Exact = [None]
    for h, s, before in zip(high[1:], low[1:], close, strict=False):
        out.append(max(h - s, abs(h - before), abs(s - before)))
    return out


def atr(bars: Bars, n: int) -> list[Column]:
    return [rounded(wilder(true_ranges(bars), n))]


def adx(bars: Bars, n: int) -> list[Column]:
    high, low = prices(bars.high), prices(bars.low)
    ranges = true_ranges(bars)
    rows = len(high)
    ups, downs = [Fraction(0)] * rows, [Fraction(0)] * rows
    for i in range(1, rows):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        if up > down and up > 0:
            ups[i] = up
        if down > up and down > 0:
            downs[i] = down
    index, rises, falls = [None] * rows, [None] * rows, [None] * rows
    directions: list[Fraction] = []
    average = None
    for i in range(n, rows):
        if i == n:
            sums = [sum(c[1:n], Fraction(0)) for c in (ups, downs, ranges)]
        sums = [s - s / n + c[i] for s, c in zip(sums, (ups, downs, ranges), strict=True)]
        up, down, span = sums
        rise, fall = (100 * up / span, 100 * down / span) if span else (Fraction(0), Fraction(0))
        rises[i], falls[i] = rise, fall
        direction = 100 * abs(rise - fall) / (rise + fall) if rise + fall else None
        if i < 2 * n - 1:
            directions.append(direction or Fraction(0))
        elif i == 2 * n - 1:
            average = mean([*directions, direction or Fraction(0)])
        elif direction is not None:
            average = (average * (n - 1) + direction) / n
        index[i] = average
    return [rounded(index), rounded(rises), rounded(falls)]


def realised_volatility(bars: Bars, n: int) -> list[Column]:
    with localcontext() as context:
        context.prec = 50
        logs = [Decimal(int(x)).ln() for x in bars.close]
        moves = [None, *((b - a) ** 2 for a, b in pairwise(logs))]
        return [
            [
                None if w is None or w[0] is None else float((sum(w) / n).sqrt())
                for w in windows(moves, n)
            ]
        ]


def weighted(rows: list[tuple[Fraction, float]]) -> Fraction | None:
    """Mean price weighted by volume, where there is any."""
    known = [(price, Fraction(v)) for price, v in rows if v == v and v > 0]
    total = sum((v for _, v in known), Fraction(0))
    return sum(price * v for price, v in known) / total if total else None


def typical(bars: Bars) -> list[tuple[Fraction, float]]:
    columns = (prices(bars.high), prices(bars.low), prices(bars.close))
    return [((h + s + c) / 3, float(v)) for h, s, c, v in zip(*columns, bars.volume, strict=True)]


def vwap(bars: Bars) -> list[Column]:
    rows = typical(bars)
    days = [-(-int(ts) // DAY_US) for ts in bars.ts]
    return [rounded([weighted(rows[days.index(day) : i + 1]) for i, day in enumerate(days)])]


def vwap_rolling(bars: Bars, n: int) -> list[Column]:
    return [rounded(over(typical(bars), n, weighted))]


def volume_sma(bars: Bars, n: int) -> list[Column]:
    return [rounded(over(volume(bars)[0], n, lambda w: None if None in w else mean(map_exact(w))))]


def map_exact(values) -> list[Fraction]:
    return [Fraction(x) for x in values]


ORACLES: dict[str, Callable[..., list[Column]]] = {
    **{name: raw(name) for name in ("open", "high", "low", "close")},
    "volume": volume,
    "sma": sma,
    "ema": ema,
    "rsi": rsi,
    "roc": roc,
    "macd": macd,
    "zscore": zscore,
    "bollinger": bollinger,
    "bollinger_shape": bollinger_shape,
    "donchian": donchian,
    "adx": adx,
    "atr": atr,
    "realised_volatility": realised_volatility,
    "vwap": vwap,
    "vwap_rolling": vwap_rolling,
    "volume_sma": volume_sma,
}
