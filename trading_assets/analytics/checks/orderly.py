"""Whether things happened in an order that can be.

Open symbols stay within the limit, no signal comes before its bar, no order without its
signal, no fill before its order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import time_array, time_values
from streaming.rules.bars import MINUTE_US
from streaming.rules.timeframes import TIMEFRAMES
from trading_assets.analytics.checks.reconciliations import Reconciliation, reconciled

Int = NDArray[np.int64]


def open_symbols(
    matches: pa.Table, lots: pa.Table, limit: int, *, by: Sequence[str] = ("accountId",)
) -> Reconciliation:
    """Count the symbols that are open after each event, against the limit.

    A symbol is open from the fill that opens a lot of it to the match that closes the last.
    What opens at a moment is counted before what closes at it: an order keeps its place
    until it fills.

    Parameters
    ----------
    matches, lots : pyarrow.Table
        `trade_match_history` of all strategies of the accounts, and `open_positions_lots`
        after it. Only events of the time that these cover are seen.
    limit : int
        `tradepicker.maxOpenPositions`.
    by : sequence of str
        What the limit holds for: the account, or account and strategy (`tradepicker.key`).
    """
    columns = [*by, "symbol"]
    held = pa.concat_tables([matches.select(columns), lots.select(columns)])
    opened = np.concatenate([time_values(matches["openTs"]), time_values(lots["tsOpen"])])
    closed = time_values(matches["matchTimestamp"])
    group, symbol = _codes(held, by), _codes(held, columns)
    ts = np.concatenate([opened, closed])
    row = np.concatenate([np.arange(len(opened)), np.arange(len(closed))])
    step = np.repeat(np.array([1, -1], np.int64), [len(opened), len(closed)])
    # Lots of one symbol: it opens with the first and closes with the last.
    order = np.lexsort((-step, ts, symbol[row]))
    depth = _running(step[order], symbol[row][order])
    turns = order[((step[order] == 1) & (depth == 1)) | ((step[order] == -1) & (depth == 0))]
    turns = turns[np.lexsort((-step[turns], ts[turns], group[row[turns]]))]
    count = _running(step[turns], group[row[turns]])
    over = np.flatnonzero(count > limit)
    wrong = held.select(list(by)).take(pa.array(row[turns][over]))
    wrong = wrong.append_column("ts", time_array(ts[turns][over]))
    wrong = wrong.append_column("symbol", held["symbol"].take(pa.array(row[turns][over])))
    wrong = wrong.append_column("openSymbols", pa.array(count[over]))
    return reconciled(f"at most {limit} open symbols at any time", len(turns), wrong)


def signals_after_bars(
    signals: pa.Table,
    bars: pa.Table,
    accepted: pa.Table | None = None,
    exec_reports: pa.Table | None = None,
) -> Reconciliation:
    """Find signals without the bar that they stand on, orders without signal, early fills.

    A signal's time is the close of a bar of its symbol and timeframe: a UTC multiple of the
    timeframe, with at least one 1-minute bar in the stretch that it ends. An accepted signal
    has a signal of its strategy, symbol, action and time; a fill is later than its order.

    Parameters
    ----------
    signals : pyarrow.Table
        `strategy_signal_history`.
    bars : pyarrow.Table
        `price_1m_history`, at least symbol and ts, of the same symbols and time.
    accepted : pyarrow.Table, optional
        `accepted_trade_signal_history`. Where strategies' own signals are not kept, pass
        them as `signals` alone.
    exec_reports : pyarrow.Table, optional
        `exec_report_history`; asks for `accepted`. Fills of orders that it does not have are
        of an earlier run, and not compared.

    Returns
    -------
    Reconciliation
        Its rows say in `what` which of the three is wrong.
    """
    found = [_signals_without_bar(signals, bars)]
    compared = signals.num_rows
    note = ""
    if accepted is not None:
        compared += accepted.num_rows
        found.append(_orders_without_signal(accepted, signals))
    if accepted is not None and exec_reports is not None:
        early, known = _early_fills(exec_reports, accepted)
        compared += known
        found.append(early)
        if known < exec_reports.num_rows:
            note = f"{exec_reports.num_rows - known} fills are of orders that are not in it."
    return reconciled("no signal before its bar", compared, pa.concat_tables(found), note)


def _signals_without_bar(signals: pa.Table, bars: pa.Table) -> pa.Table:
    names = pa.chunked_array(
        [*signals["symbol"].chunks, *bars["symbol"].chunks], pa.string()
    ).dictionary_encode()
    codes = np.asarray(names.combine_chunks().indices, np.int64)
    ts, closes = time_values(signals["signalTs"]), time_values(bars["ts"])
    order = np.lexsort((closes, codes[len(ts) :]))
    bar_symbol, closes = codes[len(ts) :][order], closes[order]
    minutes = np.array([TIMEFRAMES[name] for name in signals["timeframe"].to_pylist()], np.int64)
    length = minutes * MINUTE_US
    at = _last_not_after(bar_symbol, closes, codes[: len(ts)], ts)
    there = at >= 0
    there[there] = closes[at[there]] > (ts - length)[there]
    wrong = np.flatnonzero(~there | (ts % np.maximum(length, 1) != 0))
    return _told(signals, wrong, "signalTs", "signal without its bar")


def _last_not_after(groups: Int, times: Int, of: Int, ts: Int) -> Int:
    """Give the place of the last time of a group that is not after a moment; -1: none.

    `groups` and `times` are sorted by (group, time).
    """
    found = np.full(len(ts), -1, np.int64)
    for group in np.unique(of):
        first, last = np.searchsorted(groups, group), np.searchsorted(groups, group, "right")
        mine = np.flatnonzero(of == group)
        at = np.searchsorted(times[first:last], ts[mine], "right") - 1
        found[mine] = np.where(at >= 0, at + first, -1)
    return found


def _orders_without_signal(accepted: pa.Table, signals: pa.Table) -> pa.Table:
    known = signals.select(["strategyId", "symbol", "action", "signalTs"])
    known = known.rename_columns(["strategyId", "symbol", "action", "ts"])
    orders = accepted.append_column("place", pa.array(np.arange(accepted.num_rows)))
    orders = orders.select(["strategyId", "symbol", "action", "ts", "place"])
    left = orders.join(known, ["strategyId", "symbol", "action", "ts"], join_type="left anti")
    wrong = np.sort(np.asarray(left["place"], np.int64))
    return _told(accepted, wrong, "ts", "order without its signal")


def _early_fills(exec_reports: pa.Table, accepted: pa.Table) -> tuple[pa.Table, int]:
    orders = accepted.select(["accountId", "orderId", "strategyId", "ts"])
    orders = orders.rename_columns(["accountId", "orderId", "strategyId", "ordered"])
    both = exec_reports.select(["accountId", "orderId", "symbol", "ts"])
    both = both.join(orders, ["accountId", "orderId"], join_type="inner")
    both = both.sort_by([("ts", "ascending"), ("orderId", "ascending")])
    early = np.flatnonzero(np.asarray(pc.less_equal(both["ts"], both["ordered"])))
    return _told(both, early, "ts", "fill not after its order"), both.num_rows


def _told(rows: pa.Table, which: Int, time: str, what: str) -> pa.Table:
    few = rows.take(pa.array(which))
    return pa.table(
        {
            "what": pa.array([what] * len(which), pa.string()),
            "strategyId": few["strategyId"],
            "symbol": few["symbol"],
            "ts": few[time],
        }
    )


def _codes(rows: pa.Table, columns: Sequence[str]) -> Int:
    """Give each row a number that rows with the same cells share."""
    codes = np.zeros(rows.num_rows, np.int64)
    for name in columns:
        cells: Any = rows[name].combine_chunks().dictionary_encode()
        joined = codes * max(len(cells.dictionary), 1) + np.asarray(cells.indices, np.int64)
        _, codes = np.unique(joined, return_inverse=True)
    return codes


def _running(steps: Int, groups: Int) -> Int:
    """Add up steps within groups, which lie together."""
    sums = np.cumsum(steps)
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    before = np.concatenate([[0], sums[starts[1:] - 1]]) if len(starts) else sums[:0]
    running: Int = sums - np.repeat(before, np.diff(np.append(starts, len(steps))))
    return running
