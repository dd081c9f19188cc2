"""P5, TA-Lib and polars: SMA 20, EMA 20, RSI 14, ATR 14 and Bollinger 20/2 for each symbol.

TA-Lib runs on one thread. polars runs the expressions of a symbol on as many threads as
`POLARS_MAX_THREADS` allows (all cores unless set). Both get float arrays in memory; the
values at each symbol's last bar are kept and compared with ours. polars starts its
exponential averages from the first value instead of a mean, a difference that has died
out at the last bar.
"""

import argparse
from collections.abc import Callable

import numpy as np
import polars as pl
import talib

from benchmarks.contender import Work, serve
from benchmarks.inputs import bars, digest

Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


def prepare(library: str, count: int, symbols: int) -> Work:
    """Hold each symbol's high, low and close in memory, in the library's own form."""
    markets = [bars(count, symbol) for symbol in range(symbols)]
    inputs = digest(*(column for market in markets for column in market[2:5]))
    columns = [market.floats()[1:4] for market in markets]
    del markets
    return Work(RUNS[library](columns), _facts, count * symbols, inputs, PACKAGES[library])


def with_talib(symbols: list[Columns]) -> Callable[[], list[list[float]]]:
    """Give a run over all symbols with TA-Lib."""

    def run() -> list[list[float]]:
        last = []
        for high, low, close in symbols:
            upper, _, lower = talib.BBANDS(close, 20, 2.0, 2.0)
            outputs = (
                talib.SMA(close, 20),
                talib.EMA(close, 20),
                talib.RSI(close, 14),
                talib.ATR(high, low, close, 14),
                upper,
                lower,
            )
            last.append([float(values[-1]) for values in outputs])
        return last

    return run


def with_polars(symbols: list[Columns]) -> Callable[[], list[list[float]]]:
    """Give a run over all symbols with polars, one frame each."""
    frames = [pl.DataFrame({"high": h, "low": lo, "close": c}) for h, lo, c in symbols]
    expressions = _expressions()

    def run() -> list[list[float]]:
        return [list(frame.select(expressions).row(-1)) for frame in frames]

    return run


def _expressions() -> list[pl.Expr]:
    high, low, close = pl.col("high"), pl.col("low"), pl.col("close")
    before, change = close.shift(1), close.diff()
    gain = _wilder(change.clip(lower_bound=0.0), 14)
    loss = _wilder((-change).clip(lower_bound=0.0), 14)
    true_range = pl.max_horizontal(high - low, (high - before).abs(), (low - before).abs())
    middle, width = close.rolling_mean(20), 2 * close.rolling_std(20, ddof=0)
    return [
        middle.alias("sma"),
        close.ewm_mean(span=20, adjust=False, min_samples=20).alias("ema"),
        (100 * gain / (gain + loss)).alias("rsi"),
        _wilder(true_range, 14).alias("atr"),
        (middle + width).alias("upper"),
        (middle - width).alias("lower"),
    ]


def _wilder(values: pl.Expr, length: int) -> pl.Expr:
    return values.ewm_mean(alpha=1 / length, adjust=False, min_samples=length)


def _facts(last: list[list[float]]) -> dict[str, list[float]]:
    names = ("sma", "ema", "rsi", "atr", "upper", "lower")
    return dict(zip(names, map(list, zip(*last, strict=True)), strict=True))


RUNS = {"talib": with_talib, "polars": with_polars}
PACKAGES = {"talib": ["TA-Lib"], "polars": ["polars"]}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=sorted(RUNS), required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    serve(prepare, {"count": 1_000, "symbols": 1}, **vars(parser.parse_args()))
