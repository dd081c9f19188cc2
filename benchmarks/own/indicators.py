"""P5, ours: SMA 20, EMA 20, RSI 14, ATR 14 and Bollinger 20/2 for each symbol."""

import argparse
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contender import Work, serve
from benchmarks.inputs import bars, digest
from streaming.rules.bars import Bars
from streaming.rules.indicators import feature
from streaming.rules.indicators.series import advance, new_series

FEATURES = {
    "sma": feature("sma", 20),
    "ema": feature("ema", 20),
    "rsi": feature("rsi", 14),
    "atr": feature("atr", 14),
    "upper": feature("bollinger_upper", 20, 2.0),
    "lower": feature("bollinger_lower", 20, 2.0),
}


def prepare(count: int, symbols: int, threads: int) -> Work:
    """Hold each symbol's bars in memory; with more threads, a symbol for each."""
    markets = [bars(count, symbol) for symbol in range(symbols)]
    inputs = digest(*(column for market in markets for column in market[2:5]))
    series = [Bars(*market) for market in markets]
    pool = ThreadPoolExecutor(threads)
    over_symbols = map if threads == 1 else pool.map

    def run() -> list[list[float]]:
        return list(over_symbols(last_values, series))

    return Work(run, _facts, count * symbols, inputs, ["numba"])


def last_values(series: Bars) -> list[float]:
    """Compute all features of a symbol's bars; keep those of the last bar."""
    state = new_series(FEATURES.values())
    values = advance(state, series, state.features)
    return [float(values[one][-1]) for one in FEATURES.values()]


def _facts(last: list[list[float]]) -> dict[str, list[float]]:
    return dict(zip(FEATURES, map(list, zip(*last, strict=True)), strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    serve(prepare, {"count": 1_000, "symbols": 1}, **vars(parser.parse_args()))
