"""Rows of the tables from the arrays of an account's passage through a slice."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    arrow_schema,
)
from streaming.contracts.arrow import Array, coded_texts, money_array, same_text, time_array
from streaming.jobs.fifo_rows import Side, rows_of_lots, rows_of_marks, rows_of_matches
from streaming.jobs.strategies.signals import signal_rows
from streaming.rules.account import Account
from streaming.rules.account_state import AccountState
from streaming.rules.compile import Records
from streaming.rules.gate import CODES, HALTS, OK
from streaming.rules.ids import SIMULATED_FILL_ID, Words, id_text, id_words, order_ids
from streaming.rules.units import SCALE

if TYPE_CHECKING:
    from streaming.contracts.table import Table
    from streaming.jobs.allocator import Taken, TakenByBroker
    from streaming.jobs.strategies.base import Strategy

Int = NDArray[np.int64]
VENUE = "simulated"
CANCEL_REASON = "no bar within tradepicker.reservationTtlMs"
_CODES = (*CODES, *HALTS)


class Owned(NamedTuple):
    """Rows of a table, and the code of the strategy that each belongs to (int[n])."""

    rows: pa.Table
    strategy: NDArray[Any]


def _table(contract: "Table", columns: dict[str, pa.Array]) -> pa.Table:
    schema = arrow_schema(contract)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _key_columns(
    account: AccountState, strategy: NDArray[Any], symbol: NDArray[Any]
) -> dict[str, Array]:
    return {
        "accountId": same_text(account.name, len(strategy)),
        "strategyId": coded_texts(account.strategies, strategy),
        "symbol": coded_texts(account.symbols, symbol),
    }


def match_rows(account: Account, taken: "Taken", run_id: str) -> Owned:
    """Give `trade_match_history`, in order of application."""
    outcome = taken.outcome
    matches, opened, closed = outcome.matches, outcome.opened_by, outcome.closed_by
    long = matches["quantity"] > 0
    fill = same_text(SIMULATED_FILL_ID, len(matches))
    opener, closer = id_words(opened), id_words(closed)

    def side(opens: NDArray[np.bool_]) -> Side:
        order = id_text(np.where(opens[:, None], opener, closer))
        return Side(order, fill, np.where(opens, opened["price"], closed["price"]))

    table = rows_of_matches(
        matches,
        _key_columns(account, closed["strategy"], closed["symbol"]),
        side(long),
        side(~long),
        opened["ts"],
        closed["ts"],
        run_id,
    )
    return Owned(table, closed["strategy"])


def trace_rows(
    account: Account, taken: "Taken", strategies: dict[str, "Strategy"], run_id: str | None
) -> dict[str, Owned]:
    """Give signals, accepted and rejected ones, order events and exec reports, by table."""
    accepted = np.flatnonzero(taken.outcome.code == OK)
    return decision_rows(account, taken, strategies, run_id) | {
        ORDER_EVENT_HISTORY.name: _event_rows(
            account,
            taken.outcome.cancelled,
            _orders(account, taken, accepted),
            taken.signals.ts[accepted],
            taken.signals.strategy[accepted],
        ),
        EXEC_REPORT_HISTORY.name: _exec_rows(account, taken.outcome.fills),
    }


def _orders(account: AccountState, taken: "Taken | TakenByBroker", accepted: Int) -> Words:
    """Give the orderIds of accepted signals."""
    signals = taken.signals
    keys = signals.strategy.astype(np.int64) * len(account.symbols) + signals.symbol
    return order_ids(account.key_ids[keys[accepted]], signals.ts[accepted], signals.buys[accepted])


def sent_rows(account: AccountState, taken: "TakenByBroker") -> Owned:
    """Give `order_event_history` of what goes out: SENT, at the signal's time."""
    accepted = np.flatnonzero(taken.outcome.code == OK)
    table = _table(
        ORDER_EVENT_HISTORY,
        {
            "accountId": same_text(account.name, len(accepted)),
            "orderId": id_text(_orders(account, taken, accepted)),
            "event": same_text("SENT", len(accepted)),
            "ts": time_array(taken.signals.ts[accepted]),
            "reason": pa.nulls(len(accepted), pa.string()),
        },
    )
    return Owned(table, taken.signals.strategy[accepted])


def decision_rows(
    account: AccountState,
    taken: "Taken | TakenByBroker",
    strategies: dict[str, "Strategy"],
    run_id: str | None,
) -> dict[str, Owned]:
    """Give signals, accepted and rejected ones, by table."""
    accepted = np.flatnonzero(taken.outcome.code == OK)
    rejected = np.flatnonzero(taken.outcome.code != OK)
    signals = taken.signals

    def common(rows: Int) -> dict[str, pa.Array]:
        return {
            **_key_columns(account, signals.strategy[rows], signals.symbol[rows]),
            "action": coded_texts(["SELL", "BUY"], signals.buys[rows].astype(np.int8)),
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
                    "reason": same_text("OK", len(accepted)),
                    "orderId": id_text(_orders(account, taken, accepted)),
                    "weight": pa.array(signals.weight[accepted] / SCALE),
                },
            ),
            signals.strategy[accepted],
        ),
        REJECTED_TRADE_SIGNAL_HISTORY.name: Owned(
            _table(
                REJECTED_TRADE_SIGNAL_HISTORY,
                common(rejected) | {"code": coded_texts(_CODES, taken.outcome.code[rejected])},
            ),
            signals.strategy[rejected],
        ),
    }
    if strategies:
        tables[STRATEGY_SIGNAL_HISTORY.name] = Owned(
            signal_rows(
                [strategies[name] for name in account.strategies],
                account.symbols,
                signals,
                taken.confidence,
                run_id,
            ),
            signals.strategy,
        )
    return tables


def _event_rows(
    account: Account, cancelled: Records, orders: Words, sent: Int, owner: NDArray[Any]
) -> Owned:
    """SENT and ACKED at the signal, CANCELLED where the reservation ran out; by time."""
    ts = np.concatenate([sent, sent, cancelled["ts"]])
    kind = np.repeat(np.array([1, 2, 0], np.int8), [len(sent), len(sent), len(cancelled)])
    ids = np.concatenate([orders, orders, id_words(cancelled)])
    order = np.lexsort((kind, ts))
    ended = kind[order] == 0
    owners = np.concatenate([owner, owner, cancelled["strategy"]])[order]
    table = _table(
        ORDER_EVENT_HISTORY,
        {
            "accountId": same_text(account.name, len(ts)),
            "orderId": id_text(ids[order]),
            "event": coded_texts(["CANCELLED", "SENT", "ACKED"], kind[order]),
            "ts": time_array(ts[order]),
            "reason": pa.array([CANCEL_REASON], pa.string()).take(
                pa.array(np.zeros(len(ts), np.int8), mask=~ended)
            ),
        },
    )
    return Owned(table, owners)


def ended_rows(account: AccountState, ended: Records, reason: str) -> pa.Table:
    """Give `order_event_history` of orders (ENDED[n]) that are cancelled for a reason."""
    return _table(
        ORDER_EVENT_HISTORY,
        {
            "accountId": same_text(account.name, len(ended)),
            "orderId": id_text(id_words(ended)),
            "event": same_text("CANCELLED", len(ended)),
            "ts": time_array(ended["ts"]),
            "reason": same_text(reason, len(ended)),
        },
    )


def _exec_rows(account: Account, fills: Records) -> Owned:
    rows = len(fills)
    table = _table(
        EXEC_REPORT_HISTORY,
        {
            "accountId": same_text(account.name, rows),
            "orderId": id_text(id_words(fills)),
            "fillId": same_text(SIMULATED_FILL_ID, rows),
            "symbol": coded_texts(account.symbols, fills["symbol"]),
            "side": coded_texts(["SELL", "BUY"], (fills["quantity"] > 0).astype(np.int8)),
            "fillQty": money_array(np.abs(fills["quantity"])),
            "fillPrice": money_array(fills["price"]),
            "ts": time_array(fills["ts"]),
            "fees": money_array(fills["fee"]),
            "venue": same_text(VENUE, rows),
        },
    )
    return Owned(table, fills["strategy"])


def lot_rows(account: Account) -> pa.Table:
    """Give `open_positions_lots`: what the account still holds."""
    key, lots, fills = account.open_positions()
    return rows_of_lots(
        lots,
        _key_columns(account, fills["strategy"], fills["symbol"]),
        fills["quantity"] > 0,
        lots["quantity"],
        fills["ts"],
        account.lot_times(key, lots, fills),
    )


def unrealized_rows(account: Account, last_close: Int, last_ts: Int) -> pa.Table:
    """Give `unrealized_pnl_latest`: open positions at their symbols' last closes."""
    keys = np.flatnonzero(account.lots.books["net"])
    books = account.lots.books[keys]
    strategy, symbol = np.divmod(keys, len(account.symbols))
    columns = _key_columns(account, strategy, symbol)
    return rows_of_marks(books, columns, last_close[symbol], last_ts[symbol])


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
