"""P2, ours: one SMA cross from arrays to metrics, by the parts that the backtest is made of.

Indicators, strategy, gate, sizing, fills, FIFO, and the figures of equity and trades: all
but reading and writing files.
"""

import argparse
import datetime as dt

import numpy as np

from benchmarks.contender import Work, serve
from benchmarks.inputs import FINE_TICK, bars, digest
from streaming.analytics import EquityReport, MatchArrays, figures_from_matches
from streaming.instruments import Instruments
from streaming.jobs.allocator import advance, instruments_of, market_of
from streaming.jobs.strategies import make
from streaming.jobs.symbol_stage import SymbolStage
from streaming.rules.account import Outcome
from streaming.rules.bars import Bars
from streaming.runtimes.backtest.accounts import accounts_of
from streaming.runtimes.backtest.definition import account_rules
from streaming.settings import Settings

SYMBOLS = ["X"]
CAPITAL = 100_000


def prepare(count: int) -> Work:
    """Hold the bars in memory."""
    market = bars(count, tick=FINE_TICK)
    series = Bars(*market)
    strategy = make("sma_cross", fast=10, slow=30)
    rules = account_rules(Settings())
    days = [dt.datetime.fromtimestamp(ts / 1e6, dt.UTC).date() for ts in market.ts[[0, -1]]]

    def run() -> EquityReport:
        stage = SymbolStage([strategy])
        facts = instruments_of(SYMBOLS, Instruments())
        account = accounts_of("per-strategy", [strategy.id], SYMBOLS, rules, facts)[0]
        complete_to = int(series.ts[-1])
        found = {strategy.id: stage.signals(stage.new_state(), series, complete_to)}
        table = market_of(SYMBOLS, {"X": series}, np.zeros(1, np.int64), complete_to)
        outcome = advance(account, table, found, None).outcome
        return figures_from_matches(
            _match_arrays(outcome), capital=CAPITAL, start=days[0], end=days[1]
        )

    return Work(run, _facts, count, digest(*market), ["numba"])


def _match_arrays(outcome: Outcome) -> MatchArrays:
    matches = outcome.matches
    return MatchArrays(
        ts=outcome.closed_by["ts"],
        open_ts=outcome.opened_by["ts"],
        quantity=np.abs(matches["quantity"]),
        gross=matches["pnl"],
        fees=matches["fees"],
        is_long=matches["quantity"] > 0,
        closing=matches["close_ref"],
    )


def _facts(report: EquityReport) -> dict[str, float]:
    return {"trades": report.trades.trades, "net": int(report.realised.pnl.sum())}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    serve(prepare, {"count": 5_000}, **vars(parser.parse_args()))
