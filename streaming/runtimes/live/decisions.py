"""What the accounts decided, as changes of tables."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    ORDER_EVENT_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    RISK_ALERTS_HISTORY,
    STRATEGY_SIGNAL_HISTORY,
    STRATEGY_SIGNAL_LATEST,
)
from streaming.contracts.arrow import coded_texts
from streaming.jobs.allocator import Taken, TakenByBroker
from streaming.jobs.allocator_rows import Owned, decision_rows, sent_rows, trace_rows
from streaming.jobs.broker_reports import odd_fills
from streaming.jobs.strategies.base import Strategy
from streaming.rules.account import Account, Outcome
from streaming.rules.account_state import AccountState
from streaming.rules.brokered_account import BrokeredAccount, BrokeredOutcome
from streaming.runtimes.live.engine_rows import by_time, latest_rows
from streaming.runtimes.live.tick import Tick

_Parts = dict[str, list[pa.Table]]


def write_decisions(
    tick: Tick,
    ordered: tuple[BrokeredAccount, TakenByBroker] | None,
    traded: Sequence[tuple[Account, Taken]],
    strategies: dict[str, Strategy],
    ended: pa.Table,
) -> pa.Table:
    """Write signals, and what the accounts made of them; give the fills, with strategyId.

    Rows of all accounts are in order of time, so that they do not depend on the cut.

    Parameters
    ----------
    tick
        Receives what is to be stored.
    ordered
        The account at a broker, if there is one.
    traded
        The accounts at the simulated broker.
    strategies
        By id.
    ended
        Rows of `order_event_history` of the orders that a halt has ended.
    """
    parts: _Parts = {}
    reports = []
    # Signals are the same for all: those of the first are written.
    if ordered is not None:
        book, sent = ordered
        tables = decision_rows(book, sent, strategies, None)
        tables[ORDER_EVENT_HISTORY.name] = sent_rows(book, sent)
        _note(tick, book, sent.outcome, tables, parts)
        strategies = {}
    for account, taken in traded:
        tables = trace_rows(account, taken, strategies, None)
        _note(tick, account, taken.outcome, tables, parts)
        strategies = {}
        filled = tables[EXEC_REPORT_HISTORY.name]
        owner = coded_texts(account.strategies, filled.strategy)
        reports.append(filled.rows.append_column("strategyId", owner))
    parts[ORDER_EVENT_HISTORY.name].append(ended)
    (signals,) = parts[STRATEGY_SIGNAL_HISTORY.name]
    tick.append(STRATEGY_SIGNAL_HISTORY, signals)
    newest = signals.rename_columns(
        ["lastUpdated" if name == "signalTs" else name for name in signals.column_names]
    )
    tick.replace(STRATEGY_SIGNAL_LATEST, latest_rows(STRATEGY_SIGNAL_LATEST, newest))
    for table in (
        ACCEPTED_TRADE_SIGNAL_HISTORY,
        REJECTED_TRADE_SIGNAL_HISTORY,
        ORDER_EVENT_HISTORY,
        EXEC_REPORT_HISTORY,
    ):
        tick.append(table, by_time(pa.concat_tables(parts[table.name])))
    # In order of time, or one account's would make the other's late.
    return by_time(pa.concat_tables(reports))


def _note(
    tick: Tick,
    account: AccountState,
    outcome: Outcome | BrokeredOutcome,
    tables: dict[str, Owned],
    parts: _Parts,
) -> None:
    """Add an account's tables to those of others; count, and alert of what is odd."""
    for name, owned in tables.items():
        parts.setdefault(name, []).append(owned.rows)
    tick.append(RISK_ALERTS_HISTORY, odd_fills(account, outcome))
    rejected = tables[REJECTED_TRADE_SIGNAL_HISTORY.name].rows
    codes = pc.value_counts(rejected.column("code")).to_pylist()
    tick.rejected[account.name] = {one["values"]: one["counts"] for one in codes}
    tick.accepted[account.name] = tables[ACCEPTED_TRADE_SIGNAL_HISTORY.name].rows.num_rows
