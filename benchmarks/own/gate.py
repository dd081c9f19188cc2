"""P4, ours: recorded signals through gate, sizing, simulated fills and FIFO, on one thread."""

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.contender import Work, serve
from benchmarks.inputs import (
    MINUTE_US,
    START_US,
    Signals,
    bars,
    digest,
    signals,
    symbol_name,
)
from benchmarks.peers.plain_engine import rows_digest
from streaming.feeds.instruments import Instruments
from streaming.jobs.strategies.signals import Signals as StrategySignals
from streaming.rules.account import Outcome
from streaming.rules.bars import Bars
from streaming.runtimes.backtest.books import (
    Market,
    accounts_of,
    advance,
    instruments_of,
    market_of,
)
from streaming.runtimes.backtest.definition import account_rules
from streaming.settings import Settings, TradePicker


@dataclass(frozen=True)
class Inputs:
    """What a run takes: the market, and each strategy's signals by symbol."""

    symbols: list[str]
    market: Market
    found: dict[str, list[StrategySignals]]


def prepare(count: int, bars_: int, symbols: int, accounts: int = 20) -> Work:
    """Lay out the market and the signals as the backtest does."""
    markets = [bars(bars_, symbol) for symbol in range(symbols)]
    given = signals(count, bars_, symbols, accounts)
    inputs = _inputs(markets, given, accounts)
    rules = account_rules(Settings(tradepicker=TradePicker(max_open_positions=symbols)))

    def run() -> list[Outcome]:
        facts = instruments_of(inputs.symbols, Instruments())
        opened = accounts_of("per-strategy", list(inputs.found), inputs.symbols, rules, facts)
        return [advance(account, inputs.market, inputs.found, None).outcome for account in opened]

    work = digest(*(market.close for market in markets), *given)
    return Work(run, _facts, len(given.bar), work, ["numba"])


def _inputs(markets: list[Bars], given: Signals, accounts: int) -> Inputs:
    names = [symbol_name(symbol) for symbol in range(len(markets))]
    by_name = {name: Bars(*market) for name, market in zip(names, markets, strict=True)}
    last = int(markets[0].ts[-1])
    market = market_of(names, by_name, np.zeros(len(names), np.int64), last)
    found = {
        f"S{account:02d}": [
            _strategy_signals(given, (given.account == account) & (given.symbol == symbol))
            for symbol in range(len(names))
        ]
        for account in range(accounts)
    }
    return Inputs(names, market, found)


def _strategy_signals(given: Signals, rows: np.ndarray) -> StrategySignals:
    ts = START_US + MINUTE_US * (given.bar[rows] + 1)
    return StrategySignals(ts, given.side[rows], np.ones(len(ts)), given.size[rows])


def _facts(outcomes: list[Outcome]) -> dict[str, int | str]:
    rows: list[tuple[int, ...]] = []
    for account, outcome in enumerate(outcomes):
        columns = [
            np.full(len(outcome.matches), account),
            outcome.closed_by["symbol"],
            (outcome.opened_by["ts"] - START_US) // MINUTE_US - 1,
            (outcome.closed_by["ts"] - START_US) // MINUTE_US - 1,
            *(outcome.matches[name] for name in ("quantity", "pnl", "fees")),
        ]
        rows += zip(*(column.tolist() for column in columns), strict=True)
    return {
        "fills": sum(len(outcome.fills) for outcome in outcomes),
        "matches": len(rows),
        "rejected": sum(int((outcome.code != 0).sum()) for outcome in outcomes),
        "digest": rows_digest(rows),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--bars", type=int, required=True, dest="bars_")
    parser.add_argument("--symbols", type=int, required=True)
    serve(prepare, {"count": 4_000, "bars_": 2_000, "symbols": 2}, **vars(parser.parse_args()))
