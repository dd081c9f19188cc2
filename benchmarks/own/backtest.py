"""P3 and P10, ours: `run_backtest` from the lake's Parquet to matches and metrics on disk.

What is timed is what `trading backtest` does: reading, indicators, strategies, gate,
fills, FIFO, the figures of each strategy, and writing the run. The run is deleted after
each turn, or the next would find it and be done at once.
"""

import argparse
import shutil

from benchmarks.contender import Work, serve
from benchmarks.inputs import MINUTE_US, START_US, symbol_name
from benchmarks.own.market_lake import lake_of
from streaming.jobs.strategies import select
from streaming.lake import Lake
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.runs import Run
from streaming.settings import Settings


def prepare(count: int, symbols: int, strategies: int, lake_count: int) -> Work:
    """Make the lake where it is missing, and the request: the first `count` bars of each."""
    lake = Lake(lake_of(lake_count, symbols))
    # Those that look at every minute first: they have the most to do.
    chosen = sorted(select("all"), key=lambda one: (one.anchor != "M1", one.id))[:strategies]
    request = BacktestRequest(
        settings=Settings(),
        strategies=tuple(chosen),
        symbols=tuple(symbol_name(symbol) for symbol in range(symbols)),
        end=START_US + MINUTE_US * count,
    )

    def run() -> Run:
        return run_backtest(lake, request)

    def clear() -> None:
        shutil.rmtree(lake.root / "runs")

    def facts(made: Run) -> dict[str, int]:
        return {"matches": made.facts["rows"]["trade_match_history"]}

    # The lake was held to the shared inputs when it was made; its name stands for them.
    units = count * symbols * len(request.strategies)
    return Work(run, facts, units, lake.root.name, ["numba", "pyarrow"], clear)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", type=int, required=True)
    parser.add_argument("--strategies", type=int, required=True)
    parser.add_argument("--lake-count", type=int, required=True)
    serve(prepare, {"count": 5_000}, **vars(parser.parse_args()))
