"""The tables are the specification's, to the letter; its lines stand here as it has them."""

import re

import pytest

from streaming.contracts import TABLES, Type
from streaming.rules.indicators import PUBLISHED
from streaming.rules.timeframes import TIMEFRAMES

HISTORY = """
price_1m_history(symbol, ts, open, high, low, price, volume, source)
indicator_history(symbol, timeframe, barTs, final, <features>, calcTs, indicatorVersion)
strategy_signal_history(strategyId, symbol, timeframe, signalTs, action, sizeHint, confidence, reason, strategyVersion, paramsHash, runId)
accepted_trade_signal_history(accountId, strategyId, symbol, action, qty, ts, reason, orderId, weight, sizeHint, refPrice)
rejected_trade_signal_history(accountId, strategyId, symbol, action, ts, code, sizeHint, refPrice)
order_event_history(accountId, orderId, event, ts, reason)
exec_report_history(accountId, orderId, fillId, symbol, side, fillQty, fillPrice, ts, fees, venue)
trade_match_history(matchId, accountId, strategyId, symbol, buyOrderId, sellOrderId, matchedQty, buyPrice, sellPrice, realizedPnl, matchTimestamp, buyFillId, sellFillId, openTs, direction, fees, runId)
paper_trade_match_history(same, runTag)
quarantine_history(tableName, source, rowNumber, ts, reason, row)
risk_alerts_history(accountId, code, message, ts)
watermark_history(source, completeTo, ts, tick, tableName, rows, nextOffset, strategyId)
"""  # noqa: E501

LATEST = """
indicator_latest(symbol, timeframe | barTs, final, <features>, calcTs, indicatorVersion)
strategy_signal_latest(strategyId, symbol | timeframe, action, sizeHint, confidence, lastUpdated)
open_positions_lots(accountId, strategyId, symbol, lotId | side, qtyOpen, qtyRem, avgPrice, tsOpen, tsUpdated)
open_positions_rollup(accountId, strategyId, symbol | side, netQty, avgPrice, lastUpdated)
realized_pnl_latest(accountId, strategyId, symbol | realizedPnl, fees, ts)
unrealized_pnl_latest(accountId, strategyId, symbol | unrealizedPnl, currentPrice, avgPrice, netQty, ts)
strategy_perf_latest(strategyId | asOf, windowDays, observations, activeDays, netPnl, openPnl, sharpe, sharpeStdError, shrunkSharpe, tStat, psr, maxDrawdown, flag)
strategy_weights_latest(strategyId | weight, previousWeight, equalPart, scorePart, asOf, effectiveFrom, reason)
trading_halts_latest(accountId | halted, reason, ts)
"""  # noqa: E501


def lines(text):
    """Each line as its table's name, key columns and other columns."""
    found = {}
    for line in text.strip().splitlines():
        name, inside = re.fullmatch(r"(\w+)\((.*)\)", line).groups()
        key, bar, rest = inside.rpartition(" | ")
        columns = []
        for column in rest.split(", "):
            if column == "<features>":
                columns += PUBLISHED
            elif column == "same":
                columns += found["trade_match_history"][1]
            else:
                columns.append(column)
        found[name] = (key.split(", ") if bar else [], columns)
    return found


def test_there_are_the_specified_tables_and_no_others():
    assert set(TABLES) == {*lines(HISTORY), *lines(LATEST)}


@pytest.mark.parametrize("name", lines(HISTORY))
def test_a_history_table_has_the_specified_columns(name):
    table = TABLES[name]
    assert table.kind == "log"
    assert table.names == lines(HISTORY)[name][1]
    assert table.primary_key == ()


@pytest.mark.parametrize("name", lines(LATEST))
def test_a_latest_table_has_the_specified_key_and_columns(name):
    table = TABLES[name]
    key, columns = lines(LATEST)[name]
    assert table.kind == "latest"
    assert list(table.primary_key) == key
    assert table.names == key + columns


def test_the_specified_uniqueness():
    unique = {name: (table.unique, table.unique_where) for name, table in TABLES.items()}
    assert unique["price_1m_history"] == (("symbol", "ts"), None)
    assert unique["indicator_history"] == (("symbol", "timeframe", "barTs"), "final")


def words(table, column):
    return list(TABLES[table].column(column).one_of)


def test_the_specified_words():
    assert words("indicator_history", "timeframe") == ["M1", "M5", "M15", "H1", "H4", "D1"]
    assert list(TIMEFRAMES) == ["M1", "M5", "M15", "H1", "H4", "D1"]
    assert words("strategy_signal_history", "action") == ["BUY", "SELL"]
    assert words("accepted_trade_signal_history", "reason") == ["OK"]
    assert words("rejected_trade_signal_history", "code") == [
        "OPEN_LIMIT_EXCEEDED", "NO_OPEN_POSITION", "BUDGET_EXCEEDED", "BELOW_MIN_QTY",
        "TRADING_HALTED", "DAILY_LOSS_EXCEEDED",
    ]  # fmt: skip
    assert words("order_event_history", "event") == [
        "SENT", "ACKED", "REJECTED", "CANCELLED", "EXPIRED",
    ]  # fmt: skip
    assert words("exec_report_history", "side") == ["BUY", "SELL"]
    assert words("trade_match_history", "direction") == ["LONG", "SHORT"]
    assert words("paper_trade_match_history", "runTag") == ["PAPER_LIVE"]
    assert words("open_positions_rollup", "side") == ["LONG", "SHORT"]


def test_the_specified_bounds():
    hint, confidence = (
        TABLES["strategy_signal_history"].column(name) for name in ("sizeHint", "confidence")
    )
    assert hint.bounds == [(">", 0), ("<=", 1)]
    assert confidence.bounds == [(">=", 0), ("<=", 1)]
    price = TABLES["price_1m_history"]
    assert all(price.column(n).bounds == [(">", 0)] for n in ("open", "high", "low", "price"))
    assert [rule.words for rule in price.rules] == [
        "high >= low", "open >= low", "open <= high", "price >= low", "price <= high",
    ]  # fmt: skip
    assert price.column("ts").minute


def test_prices_quantities_fees_and_pnl_are_money_and_scores_are_doubles():
    money = re.compile(r"(?i)price$|qty|fees|pnl|^(open|high|low|matchedQty)$")
    for table in TABLES.values():
        for column in table.columns:
            if column.name in PUBLISHED and table.name.startswith("indicator"):
                assert column.type is Type.DOUBLE
                assert column.nullable
            elif money.search(column.name):
                assert column.type is Type.MONEY, (table.name, column.name)
            else:
                assert column.type is not Type.MONEY, (table.name, column.name)


def test_what_may_be_empty_is_what_the_specification_leaves_open():
    nullable = {
        f"{table.name}.{column.name}"
        for table in TABLES.values()
        for column in table.columns
        if column.nullable and not table.name.startswith("indicator")
    }
    assert nullable == {
        "price_1m_history.volume",
        "strategy_signal_history.reason",
        "strategy_signal_history.runId",
        "order_event_history.reason",
        "exec_report_history.fees",
        "exec_report_history.venue",
        "trade_match_history.runId",
        "paper_trade_match_history.runId",
        "strategy_perf_latest.openPnl",
        "strategy_perf_latest.sharpe",
        "strategy_perf_latest.sharpeStdError",
        "strategy_perf_latest.tStat",
        "strategy_perf_latest.psr",
        "strategy_perf_latest.maxDrawdown",
        "strategy_perf_latest.flag",
        "strategy_weights_latest.previousWeight",
        "strategy_weights_latest.reason",
        "trading_halts_latest.reason",
        "quarantine_history.ts",
        "watermark_history.completeTo",
        "watermark_history.strategyId",
    }
