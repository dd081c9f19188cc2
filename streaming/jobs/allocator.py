"""The allocator with its TradePicker: signals to orders, over a simulated broker to fills, too.

Reads `strategy_signal_history` and bars, writes accepted and rejected signals, orders and,
where they are simulated, their fills (`streaming.jobs.allocator_rows`); the rules are those of
`streaming.rules.account` and, where a broker fills, of `streaming.rules.brokered_account`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.instruments import Instruments as InstrumentFile
from streaming.jobs.strategies.actions import BUY
from streaming.jobs.strategies.signals import Signals as StrategySignals
from streaming.rules.account import Account, Outcome
from streaming.rules.account_state import AccountState
from streaming.rules.bars import Bars
from streaming.rules.brokered_account import BrokeredAccount, BrokeredOutcome
from streaming.rules.decisions import Signals
from streaming.rules.holdings import Instruments
from streaming.rules.lookup import rows_after
from streaming.rules.orders import BarTable
from streaming.rules.ranking import rank_signals
from streaming.rules.units import SCALE
from streaming.rules.weights import WeightSchedule, weights_at

Int = NDArray[np.int64]


class Market(NamedTuple):
    """Bars of a slice of time, all symbols end to end.

    Attributes
    ----------
    table : BarTable
    last_close : int64[symbols]
        Each symbol's last close before the slice, 0 where there is none.
    complete_to : int
        Microseconds UTC.
    """

    table: BarTable
    last_close: Int
    complete_to: int


class Taken(NamedTuple):
    """Signals as an account took them, and what became of each.

    `confidence` float64[n] is kept beside `signals` for the signal table.
    """

    signals: Signals
    confidence: NDArray[np.float64]
    outcome: Outcome


class TakenByBroker(NamedTuple):
    """As `Taken`, of an account whose orders a broker fills."""

    signals: Signals
    confidence: NDArray[np.float64]
    outcome: BrokeredOutcome


Step = Callable[[Signals, BarTable, int], Any]
"""Takes an account through signals and bars to a time; gives what came of it."""

Lead = Callable[[AccountState, Market, Signals, Step], Any]
"""Leads an account through a slice by such steps; gives what came of all of them."""


def straight(account: AccountState, market: Market, signals: Signals, step: Step) -> Any:
    """Lead an account through a slice in one step."""
    return step(signals, market.table, market.complete_to)


def market_of(symbols: Sequence[str], bars: dict[str, Bars], last: Int, complete_to: int) -> Market:
    """Lay the bars of a slice end to end."""
    parts = [bars[symbol] for symbol in symbols]
    start = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=start[1:])
    ts = _joined([part.ts for part in parts], np.int64)
    close = _joined([part.close for part in parts], np.int64)
    return Market(BarTable(start, ts, close), last, complete_to)


def last_closes(market: Market) -> Int:
    """Give each symbol's last close at the end of the slice."""
    start = market.table.start
    out = market.last_close.copy()
    traded = start[1:] > start[:-1]
    out[traded] = market.table.close[start[1:][traded] - 1]
    return out


def instruments_of(symbols: Sequence[str], listed: InstrumentFile) -> Instruments:
    """Give the facts of each symbol as arrays."""
    facts = [listed[symbol] for symbol in symbols]
    return Instruments(
        np.array([one.lot_size for one in facts], np.int64),
        np.array([one.min_qty for one in facts], np.int64),
        np.array([one.tick_size for one in facts], np.int64),
        np.array([one.point_value for one in facts], np.int64),
    )


def advance(
    account: Account,
    market: Market,
    found: dict[str, list[StrategySignals]],
    schedule: WeightSchedule | None,
    lead: Lead = straight,
) -> Taken:
    """Take an account of the simulated broker through a slice of time.

    Parameters
    ----------
    account
        Changed in place.
    market
        The slice's bars of the account's symbols.
    found
        For each strategy its signals on each of the account's symbols.
    schedule
        Weights; None: equal ones.
    lead
        How it goes there.
    """
    signals, confidence = _ranked(account, market, found, schedule)
    outcome = lead(account, market, signals, account.advance)
    return Taken(signals, confidence, outcome)


def follow(
    account: BrokeredAccount,
    market: Market,
    found: dict[str, list[StrategySignals]],
    schedule: WeightSchedule | None,
    reported_to: int,
    lead: Lead = straight,
) -> TakenByBroker:
    """Take an account whose orders a broker fills through a slice of time; see `advance`.

    `reported_to` is the time up to which the broker's reports are known, microseconds UTC.
    """
    signals, confidence = _ranked(account, market, found, schedule)

    def step(signals: Signals, bars: BarTable, complete_to: int) -> BrokeredOutcome:
        return account.advance(signals, reported_to, complete_to)

    outcome = lead(account, market, signals, step)
    return TakenByBroker(signals, confidence, outcome)


def _ranked(
    account: AccountState,
    market: Market,
    found: dict[str, list[StrategySignals]],
    schedule: WeightSchedule | None,
) -> tuple[Signals, NDArray[np.float64]]:
    """Give the signals as an account takes them, with their confidence."""
    parts = [
        (strategy, symbol, signals)
        for strategy, name in enumerate(account.strategies)
        for symbol, signals in enumerate(found.get(name, ()))
        if len(signals.ts)
    ]
    lengths = [len(signals.ts) for _, _, signals in parts]
    strategy = np.repeat(np.array([part[0] for part in parts], np.int32), lengths)
    symbol = np.repeat(np.array([part[1] for part in parts], np.int32), lengths)
    next_bar = _joined([_next_bars(market.table, y, s.ts) for _, y, s in parts], np.int64)
    ts = _joined([s.ts for *_, s in parts], np.int64)
    confidence = _joined([s.confidence for *_, s in parts], np.float64)
    if len(account.strategies) == 1 and schedule is None:
        weight = np.full(len(ts), SCALE, np.int64)
    else:
        weight = weights_at(schedule, account.strategies, strategy, ts)
    order = rank_signals(ts, weight, confidence, strategy, symbol)
    symbol, next_bar = symbol[order], next_bar[order]
    signals = Signals(
        ts[order],
        strategy[order],
        symbol,
        (_joined([s.action for *_, s in parts], np.int8) == BUY)[order],
        _joined([s.size_hint for *_, s in parts], np.int64)[order],
        weight[order],
        next_bar,
        _ref_prices(market, symbol, next_bar),
    )
    return signals, confidence[order]


def _joined(parts: list[Any], kind: type) -> Any:
    """Join arrays, a single one without copying it; of none make an empty one of a kind."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _next_bars(table: BarTable, symbol: int, ts: Int) -> Int:
    """Give the row of the symbol's first bar after each time, or the end of its rows."""
    start, stop = table.start[symbol], table.start[symbol + 1]
    rows: Int = start + rows_after(table.ts[start:stop], ts)
    return rows


def _ref_prices(market: Market, symbol: NDArray[np.int32], next_bar: Int) -> Int:
    """Give each symbol's last close at the signal."""
    before = market.last_close[symbol]
    inside = next_bar > market.table.start[symbol]
    before[inside] = market.table.close[next_bar[inside] - 1]
    return before
