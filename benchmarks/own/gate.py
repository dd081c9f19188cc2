"""P4, ours: signals through gate, sizing, simulated fills and FIFO, on one thread.

Both engines get the signals in the order in which they are taken, with the bar that each
belongs to. Sharing them out to the accounts is part of the time here too.
"""

import argparse

import numpy as np

from benchmarks.contender import Work, serve
from benchmarks.inputs import MINUTE_US, SCALE, START_US, bars, digest, signals, symbol_name
from benchmarks.inputs import Signals as Given
from benchmarks.peers.plain_engine import rows_digest
from streaming.instruments import Instruments
from streaming.jobs.allocator import instruments_of, market_of
from streaming.rules.account import Account, Outcome
from streaming.rules.bars import Bars
from streaming.rules.simulation import BarTable, Signals
from streaming.runtimes.backtest.accounts import accounts_of
from streaming.runtimes.backtest.definition import account_rules
from streaming.settings import Settings, TradePicker


def prepare(count: int, bars_: int, symbols: int, accounts: int = 20) -> Work:
    """Hold signals and closes in memory."""
    markets = [bars(bars_, symbol) for symbol in range(symbols)]
    given = signals(count, bars_, symbols, accounts)
    inputs = digest(*(market.close for market in markets), *given)
    names = [symbol_name(symbol) for symbol in range(symbols)]
    last = int(markets[0].ts[-1])
    by_name = {name: Bars(*market) for name, market in zip(names, markets, strict=True)}
    table = market_of(names, by_name, np.zeros(symbols, np.int64), last).table
    rules = account_rules(Settings(tradepicker=TradePicker(max_open_positions=symbols)))
    strategies = [f"S{account:02d}" for account in range(accounts)]

    def run() -> list[Outcome]:
        facts = instruments_of(names, Instruments())
        opened = accounts_of("per-strategy", strategies, names, rules, facts)
        return [
            _advance(account, number, given, table, last) for number, account in enumerate(opened)
        ]

    return Work(run, _facts, len(given.bar), inputs, ["numba"])


def _advance(account: Account, number: int, given: Given, table: BarTable, last: int) -> Outcome:
    """Take one account through its own signals, to the last bar."""
    own = np.flatnonzero(given.account == number)
    symbol = given.symbol[own]
    bar = given.bar[own]
    next_bar = table.start[symbol] + bar + 1
    taken = Signals(
        ts=START_US + MINUTE_US * (bar + 1),
        strategy=np.zeros(len(own), np.int32),
        symbol=symbol,
        buys=given.side[own] > 0,
        size_hint=given.size[own],
        weight=np.full(len(own), SCALE),
        next_bar=next_bar,
        ref_price=table.close[next_bar - 1],
    )
    return account.advance(taken, table, last)


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
