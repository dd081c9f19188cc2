"""What a broker said of orders, as the rules take it, and what is odd about it.

Reads `exec_report_history` by way of the TradingEngine, which has dropped what was said twice,
and `order_event_history`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    RISK_ALERTS_HISTORY,
    arrow_schema,
)
from streaming.contracts.arrow import coded_texts, same_text, time_array
from streaming.jobs.trading_engine import EngineState
from streaming.jobs.trading_engine.fills import Fills
from streaming.rules.account_state import AccountState
from streaming.rules.brokered import END, REPORT
from streaming.rules.brokered_account import BrokeredAccount
from streaming.rules.compile import Records
from streaming.rules.ids import id_text, id_words, text_id
from streaming.rules.orders import FILL

READS = (EXEC_REPORT_HISTORY, ORDER_EVENT_HISTORY)
WRITES = (RISK_ALERTS_HISTORY,)

ENDS = ("REJECTED", "CANCELLED", "EXPIRED")
"""Events after which an order fills no more."""

_ODD = {
    "breaches": (
        "OPEN_LIMIT_BREACHED",
        "came after its place had been given away: more symbols are open than the limit",
    ),
    "strays": ("ENDED_ORDER_FILLED", "is of no live order: it was over, or nobody knows it"),
    "excess": ("ORDER_OVERFILLED", "is of more units than were left of the order"),
}


def fill_symbols(state: EngineState, fills: Fills, account: str) -> list[str]:
    """Give the symbols of an account's fills."""
    return sorted(
        {state.keys[key][2] for key in fills.key.tolist() if state.keys[key][0] == account}
    )


def fill_reports(account: BrokeredAccount, state: EngineState, fills: Fills) -> Records:
    """Give an account's own fills as the rules take them, in order of application.

    Parameters
    ----------
    account
        Has all symbols of its fills.
    state, fills
        The TradingEngine's, and what it has applied.
    """
    strategies = {name: code for code, name in enumerate(account.strategies)}
    symbols = {name: code for code, name in enumerate(account.symbols)}
    nobody = len(account.strategies)
    rows = [at for at, key in enumerate(fills.key.tolist()) if state.keys[key][0] == account.name]
    names = [state.keys[key] for key in fills.key[rows].tolist()]
    out = np.zeros(len(rows), REPORT)
    out["kind"] = FILL
    out["strategy"] = [strategies.get(strategy, nobody) for _, strategy, _ in names]
    out["symbol"] = [symbols[symbol] for *_, symbol in names]
    for name in ("ts", "quantity", "price", "fee"):
        out[name] = getattr(fills, name)[rows]
    for name, ids in (("id", fills.order_id), ("fill", fills.fill_id)):
        out[f"{name}_high"], out[f"{name}_low"] = ids[rows, 0], ids[rows, 1]
    return out


class Events(NamedTuple):
    """Order events as an account takes them.

    Attributes
    ----------
    rows : pyarrow.Table
        Those that are news, for `order_event_history`.
    ends : REPORT[n]
        Orders that are over.
    unknown : list of int
        Places in `rows` of those whose order nobody knows.
    """

    rows: pa.Table
    ends: Records
    unknown: list[int]


def order_events(account: BrokeredAccount, rows: pa.Table, known: Iterable[str]) -> Events:
    """Sort order events: what is said twice of an order, or of one that is over, is dropped.

    Parameters
    ----------
    account
        Its live orders learn that the broker has them.
    rows
        Columns of `order_event_history`, as they came.
    known
        orderIds, of those in `rows`, that the account ever sent.
    """
    words = zip(*(account.waiting[name].tolist() for name in ("id_high", "id_low")), strict=True)
    live = {id_: place for place, id_ in enumerate(words)}
    pending = account.pending[account.pending["kind"] == END]
    over = {(int(high), int(low)) for high, low in id_words(pending).tolist()}
    ours = set(known)
    kept: list[int] = []
    unknown: list[int] = []
    ends: list[tuple[int, tuple[int, int]]] = []
    columns = (rows.column(name) for name in ("orderId", "event"))
    ts = rows.column("ts").cast(pa.int64()).to_pylist()
    events = zip(*(column.to_pylist() for column in columns), ts, strict=True)
    for at, (order, event, when) in enumerate(events):
        id_ = text_id(order)
        place = live.get(id_)
        if place is None and order not in ours:
            unknown.append(len(kept))
        elif event in ENDS:
            if place is None or id_ in over:
                continue
            over.add(id_)
            ends.append((when, id_))
        elif event == "ACKED" and place is not None:
            if account.waiting["acked"][place]:
                continue
            account.waiting["acked"][place] = 1
        kept.append(at)
    out = np.zeros(len(ends), REPORT)
    out["kind"] = END
    for row, (when, (high, low)) in zip(out, ends, strict=True):
        row["ts"], row["id_high"], row["id_low"] = when, high, low
    return Events(rows.take(pa.array(kept, pa.int64())), out, unknown)


def alert_rows(account: str, code: str, words: Any, times: NDArray[np.int64]) -> pa.Table:
    """Give rows of `risk_alerts_history`: messages, a time (microseconds UTC) for each."""
    columns = {
        "accountId": same_text(account, len(words)),
        "code": same_text(code, len(words)),
        "message": words,
        "ts": time_array(times),
    }
    return pa.table(columns, schema=arrow_schema(RISK_ALERTS_HISTORY))


def odd_fills(account: AccountState, outcome: Any) -> pa.Table:
    """Alert of the fills of an outcome that no order, or no limit, allowed for."""
    tables = [arrow_schema(RISK_ALERTS_HISTORY).empty_table()]
    for name, (code, why) in _ODD.items():
        noted = getattr(outcome, name, None)
        if noted is None or not len(noted):
            continue
        words = pc.binary_join_element_wise(
            "a fill of ",
            coded_texts(account.symbols, noted["symbol"]),
            " (order ",
            id_text(id_words(noted)),
            ") ",
            why,
            "",
        )
        tables.append(alert_rows(account.name, code, words, noted["ts"]))
    return pa.concat_tables(tables)
