"""Rows of the tables from the arrays of an account's passage through a slice."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_LOTS,
    ORDER_EVENT_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    TRADE_MATCH_HISTORY,
    UNREALIZED_PNL_LATEST,
    arrow_schema,
)
from streaming.contracts.arrow import money_array, time_array
from streaming.rules.account import Account
from streaming.rules.compile import Records, kernel
from streaming.rules.fifo import average_price
from streaming.rules.gate import CODES, OK
from streaming.rules.ids import BUY_WORD, SELL_WORD, SIMULATED_FILL_ID, Words, id_text, mix
from streaming.rules.money import SCALE, value
from streaming.rules.wide import U64

if TYPE_CHECKING:
    from streaming.contracts.table import Table
    from streaming.jobs.strategies.base import Strategy
    from streaming.runtimes.backtest.books import Taken

Int = NDArray[np.int64]
VENUE = "simulated"
CANCEL_REASON = "no bar within tradepicker.reservationTtlMs"


class Owned(NamedTuple):
    """Rows of a table, and the code of the strategy that each belongs to (int[n])."""

    rows: pa.Table
    strategy: NDArray[Any]


def _table(contract: "Table", columns: dict[str, pa.Array]) -> pa.Table:
    schema = arrow_schema(contract)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _names(names: Sequence[str], codes: NDArray[np.generic]) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(codes))


def _same(text: str | None, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def _words(records: Records) -> Words:
    return np.stack([records["id_high"], records["id_low"]], axis=1)


def match_rows(account: Account, taken: "Taken", run_id: str) -> Owned:
    """Give `trade_match_history`, in order of application."""
    outcome = taken.outcome
    matches, opened, closed = outcome.matches, outcome.opened_by, outcome.closed_by
    long = matches["quantity"] > 0
    rows = len(matches)
    opener, closer = _words(opened), _words(closed)
    fill = _same(SIMULATED_FILL_ID, rows)
    table = _table(
        TRADE_MATCH_HISTORY,
        {
            "matchId": id_text(_words(matches)),
            "accountId": _same(account.name, rows),
            "strategyId": _names(account.strategies, closed["strategy"]),
            "symbol": _names(account.symbols, closed["symbol"]),
            "buyOrderId": id_text(np.where(long[:, None], opener, closer)),
            "sellOrderId": id_text(np.where(long[:, None], closer, opener)),
            "matchedQty": money_array(np.abs(matches["quantity"])),
            "buyPrice": money_array(np.where(long, opened["price"], closed["price"])),
            "sellPrice": money_array(np.where(long, closed["price"], opened["price"])),
            "realizedPnl": money_array(matches["pnl"]),
            "matchTimestamp": time_array(closed["ts"]),
            "buyFillId": fill,
            "sellFillId": fill,
            "openTs": time_array(opened["ts"]),
            "direction": _names(["SHORT", "LONG"], long.astype(np.int8)),
            "fees": money_array(matches["fees"]),
            "runId": _same(run_id, rows),
        },
    )
    return Owned(table, closed["strategy"])


@kernel
def _order_ids(keys: Words, key: Int, ts: Int, buys: NDArray[np.bool_]) -> Words:
    out = np.empty((len(key), 2), np.uint64)
    for i in range(len(key)):
        side = BUY_WORD if buys[i] else SELL_WORD
        out[i, 0], out[i, 1] = mix(keys[key[i], 0], keys[key[i], 1], U64(ts[i]), side)
    return out


def trace_rows(
    account: Account, taken: "Taken", strategies: dict[str, "Strategy"], run_id: str
) -> dict[str, Owned]:
    """Give signals, accepted and rejected ones, order events and exec reports, by table."""
    accepted = np.flatnonzero(taken.outcome.code == OK)
    rejected = np.flatnonzero(taken.outcome.code != OK)
    signals = taken.signals
    keys = signals.strategy.astype(np.int64) * len(account.symbols) + signals.symbol
    orders = _order_ids(
        account.key_ids, keys[accepted], signals.ts[accepted], signals.buys[accepted]
    )

    def common(rows: Int) -> dict[str, pa.Array]:
        return {
            "accountId": _same(account.name, len(rows)),
            "strategyId": _names(account.strategies, signals.strategy[rows]),
            "symbol": _names(account.symbols, signals.symbol[rows]),
            "action": _names(["SELL", "BUY"], signals.buys[rows].astype(np.int8)),
            "ts": time_array(signals.ts[rows]),
            "sizeHint": pa.array(signals.size_hint[rows] / SCALE),
            "refPrice": money_array(signals.ref_price[rows]),
        }

    tables = {
        ACCEPTED_TRADE_SIGNAL_HISTORY.name: Owned(
            _table(
                ACCEPTED_TRADE_SIGNAL_HISTORY,
                common(accepted)
                | {
                    "qty": money_array(taken.outcome.quantity[accepted]),
                    "reason": _same("OK", len(accepted)),
                    "orderId": id_text(orders),
                    "weight": pa.array(signals.weight[accepted] / SCALE),
                },
            ),
            signals.strategy[accepted],
        ),
        REJECTED_TRADE_SIGNAL_HISTORY.name: Owned(
            _table(
                REJECTED_TRADE_SIGNAL_HISTORY,
                common(rejected) | {"code": _names(CODES, taken.outcome.code[rejected])},
            ),
            signals.strategy[rejected],
        ),
        ORDER_EVENT_HISTORY.name: _event_rows(
            account,
            taken.outcome.cancelled,
            orders,
            signals.ts[accepted],
            signals.strategy[accepted],
        ),
        EXEC_REPORT_HISTORY.name: _exec_rows(account, taken.outcome.fills),
    }
    if strategies:
        tables[STRATEGY_SIGNAL_HISTORY.name] = Owned(
            _signal_rows(account, taken, strategies, run_id), signals.strategy
        )
    return tables


def _event_rows(
    account: Account, cancelled: Records, orders: Words, sent: Int, owner: NDArray[Any]
) -> Owned:
    """SENT and ACKED at the signal, CANCELLED where the reservation ran out; by time."""
    ts = np.concatenate([sent, sent, cancelled["ts"]])
    kind = np.repeat(np.array([1, 2, 0], np.int8), [len(sent), len(sent), len(cancelled)])
    ids = np.concatenate([orders, orders, _words(cancelled)])
    order = np.lexsort((kind, ts))
    ended = kind[order] == 0
    owners = np.concatenate([owner, owner, cancelled["strategy"]])[order]
    table = _table(
        ORDER_EVENT_HISTORY,
        {
            "accountId": _same(account.name, len(ts)),
            "orderId": id_text(ids[order]),
            "event": _names(["CANCELLED", "SENT", "ACKED"], kind[order]),
            "ts": time_array(ts[order]),
            "reason": pa.array([CANCEL_REASON], pa.string()).take(
                pa.array(np.zeros(len(ts), np.int8), mask=~ended)
            ),
        },
    )
    return Owned(table, owners)


def _exec_rows(account: Account, fills: Records) -> Owned:
    rows = len(fills)
    table = _table(
        EXEC_REPORT_HISTORY,
        {
            "accountId": _same(account.name, rows),
            "orderId": id_text(_words(fills)),
            "fillId": _same(SIMULATED_FILL_ID, rows),
            "symbol": _names(account.symbols, fills["symbol"]),
            "side": _names(["SELL", "BUY"], (fills["quantity"] > 0).astype(np.int8)),
            "fillQty": money_array(np.abs(fills["quantity"])),
            "fillPrice": money_array(fills["price"]),
            "ts": time_array(fills["ts"]),
            "fees": money_array(fills["fee"]),
            "venue": _same(VENUE, rows),
        },
    )
    return Owned(table, fills["strategy"])


def _signal_rows(
    account: Account, taken: "Taken", strategies: dict[str, "Strategy"], run_id: str
) -> pa.Table:
    signals = taken.signals
    made = [strategies[name] for name in account.strategies]
    # Reasons lie as (sell, buy) by strategy.
    reasons = [text for one in made for text in reversed(one.reasons)]
    buys = signals.buys.astype(np.int64)
    return _table(
        STRATEGY_SIGNAL_HISTORY,
        {
            "strategyId": _names(account.strategies, signals.strategy),
            "symbol": _names(account.symbols, signals.symbol),
            "timeframe": _names([one.anchor for one in made], signals.strategy),
            "signalTs": time_array(signals.ts),
            "action": _names(["SELL", "BUY"], buys),
            "sizeHint": pa.array(signals.size_hint / SCALE),
            "confidence": pa.array(taken.confidence),
            "reason": _names(reasons, signals.strategy * 2 + buys),
            "strategyVersion": _names([str(one.version) for one in made], signals.strategy),
            "paramsHash": _names([one.params_hash for one in made], signals.strategy),
            "runId": _same(run_id, len(buys)),
        },
    )


def lot_rows(account: Account) -> pa.Table:
    """Give `open_positions_lots`: what the account still holds."""
    key, lots, fills = account.open_positions()
    rows = len(lots)
    return _table(
        OPEN_POSITIONS_LOTS,
        {
            "accountId": _same(account.name, rows),
            "strategyId": _names(account.strategies, fills["strategy"]),
            "symbol": _names(account.symbols, fills["symbol"]),
            "lotId": id_text(_words(lots)),
            "side": _names(["SHORT", "LONG"], (fills["quantity"] > 0).astype(np.int8)),
            "qtyOpen": money_array(lots["quantity"]),
            "qtyRem": money_array(lots["remaining"]),
            "avgPrice": money_array(lots["price"]),
            "tsOpen": time_array(fills["ts"]),
            "tsUpdated": time_array(account.lot_times(key, lots, fills)),
        },
    )


@kernel
def _averages(books: Records, keys: Int) -> Int:
    out = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        out[i] = average_price(books[keys[i]])
    return out


@kernel
def _values(price: Int, quantity: Int, point_value: Int) -> Int:
    out = np.empty(len(price), np.int64)
    for i in range(len(price)):
        out[i] = value(price[i], quantity[i], point_value[i])
    return out


def unrealized_rows(account: Account, last_close: Int, last_ts: Int) -> pa.Table:
    """Give `unrealized_pnl_latest`: open positions at their symbols' last closes."""
    books = account.lots.books
    keys = np.flatnonzero(books["net"])
    strategy, symbol = np.divmod(keys, len(account.symbols))
    average = _averages(books, keys)
    close, net = last_close[symbol], books["net"][keys]
    rows = len(keys)
    return _table(
        UNREALIZED_PNL_LATEST,
        {
            "accountId": _same(account.name, rows),
            "strategyId": _names(account.strategies, strategy),
            "symbol": _names(account.symbols, symbol),
            "unrealizedPnl": money_array(_values(close - average, net, books["point_value"][keys])),
            "currentPrice": money_array(close),
            "avgPrice": money_array(average),
            "netQty": money_array(net),
            "ts": time_array(last_ts[symbol]),
        },
    )


def by_strategy(account: Account, owned: Owned) -> list[tuple[str, pa.Table]]:
    """Split an account's rows of a table by strategy, in order."""
    if len(account.strategies) == 1:
        return [(account.strategies[0], owned.rows)]
    return [
        (name, owned.rows.filter(pa.array(owned.strategy == code)))
        for code, name in enumerate(account.strategies)
    ]


def together(rows_of: Callable[[Account], pa.Table], accounts: Sequence[Account]) -> pa.Table:
    """Put the rows of all accounts into one table."""
    return pa.concat_tables([rows_of(account) for account in accounts])
