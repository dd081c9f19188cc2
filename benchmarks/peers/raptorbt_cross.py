"""P2 and P3, raptorbt: SMA crosses from arrays to its full metrics.

`--pairs 1` is one strategy through `run_single_backtest`; more go through
`batch_single_backtest`, symbol by symbol, which is how raptorbt runs many strategies over
one price series on all cores. Its arrays are in memory; ours come from Parquet.

Signals are moved one bar on, because raptorbt fills at the close of the bar that carries
the signal and the product at the next one. Sizes differ (raptorbt invests its equity, the
product a fixed capital), so the number of trades is compared and the PnL is not.
"""

import argparse

import numpy as np
import raptorbt

from benchmarks.contender import Work, serve
from benchmarks.inputs import FINE_TICK, TICK, bars, cross_lengths, digest

CONFIG = raptorbt.BacktestConfig(initial_capital=1e5, fees=1e-4, slippage=1e-4)
SINGLE_LENGTHS = (10, 30)


def prepare(count: int, symbols: int, pairs: int) -> Work:
    """Hold each symbol's arrays in memory and choose single or batch."""
    tick = FINE_TICK if pairs == 1 else TICK
    markets = [bars(count, symbol, tick=tick) for symbol in range(symbols)]
    inputs = digest(*(column for market in markets for column in market))
    arrays = [(market.ts * 1_000, *market.floats()) for market in markets]
    del markets

    def single() -> list[raptorbt.BacktestMetrics]:
        return [
            raptorbt.run_single_backtest(
                *columns, *crosses(columns[4], *SINGLE_LENGTHS), 1, 1.0, "X", CONFIG
            ).metrics
            for columns in arrays
        ]

    def batch() -> list[raptorbt.BacktestMetrics]:
        metrics = []
        for columns in arrays:
            items = [
                raptorbt.BatchSingleItem(
                    str(number), *crosses(columns[4], fast, slow), 1, 1.0, "X", CONFIG
                )
                for number, (fast, slow) in enumerate(cross_lengths(pairs))
            ]
            # Keeping whole results would hold every equity curve: 12 GB at full size.
            metrics += [
                result.metrics
                for _, result in raptorbt.batch_single_backtest(*columns, items, CONFIG)
            ]
        return metrics

    run = single if pairs == 1 else batch
    return Work(run, _facts, count * symbols * pairs, inputs, ["raptorbt"])


def crosses(close: np.ndarray, fast: int, slow: int) -> tuple[np.ndarray, np.ndarray]:
    """Give entries and exits of a long-only SMA cross, one bar after each cross."""
    above = np.asarray(raptorbt.sma(close, fast)) > np.asarray(raptorbt.sma(close, slow))
    entries, exits = np.zeros(len(close), bool), np.zeros(len(close), bool)
    # The first bar with both averages has none before it that it could have crossed.
    entries[slow + 1 :] = above[slow:-1] & ~above[slow - 1 : -2]
    exits[slow + 1 :] = ~above[slow:-1] & above[slow - 1 : -2]
    return entries, exits


def _facts(metrics: list[raptorbt.BacktestMetrics]) -> dict[str, float]:
    return {"trades": sum(figures.total_closed_trades for figures in metrics)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--pairs", type=int, required=True)
    serve(prepare, {"count": 5_000, "symbols": 1}, **vars(parser.parse_args()))
