"""Whose a fill is: what orders and columns say, and nobody's."""

import pyarrow as pa
from oracle.money import units

from match.by_hand import SECOND, row, run
from match.engines import NOW, engine, plain, report_table, row_of
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    ReportBatch,
    lots_table,
    read_orders,
)


def test_a_fill_of_an_unknown_order_goes_to_nobody_with_an_alert():
    done = run(row("o1", "BUY", 10), row("who", "SELL", 11, "0.5", "99.25"))
    assert [(p["strategyId"], p["netQty"]) for p in done.rows("open_positions_rollup")] == [
        ("UNATTRIBUTED", units("-0.5")),
        ("s", units("1")),
    ]
    (alert,) = done.rows("alerts")
    assert alert["code"] == "UNKNOWN_ORDER"
    assert alert["message"] == (
        "fill 1 of order who (SELL 0.5 A at 99.25) is of an order that is not known, and went to "
        "strategy UNATTRIBUTED"
    )
    assert done.counts.unattributed == 1


def said_strategies(strategies, orders):
    rows = [row("o1", "BUY", 10), row("o2", "BUY", 11), row("o3", "BUY", 12)]
    table = report_table(rows).drop_columns(["strategyId"])
    table = table.append_column("strategyId", pa.array(strategies, pa.string()))
    job, state = engine(), EngineState()
    job.step(state, ReportBatch(table, "f"), Orders(orders), now=NOW)
    alerts = plain(job.complete(state).alerts)
    held = [(lot["strategyId"], lot["tsOpen"] // SECOND) for lot in plain(lots_table(state))]
    return held, [(alert["code"], alert["message"]) for alert in alerts]


def test_a_column_says_whose_a_fill_is_where_the_order_does_not():
    held, alerts = said_strategies(["x", None, ""], {"o2": "y"})
    assert held == [("UNATTRIBUTED", 12), ("x", 10), ("y", 11)]
    assert [code for code, _ in alerts] == ["UNKNOWN_ORDER"]


def test_the_orders_strategy_counts_against_the_columns():
    held, alerts = said_strategies(["x", "x", "x"], {"o2": "y"})
    assert held == [("x", 10), ("x", 12), ("y", 11)]
    ((code, message),) = alerts
    assert code == "DISPUTED_ORDER"
    assert message.endswith("names another strategy than the order's, y, which got it")


def test_orders_without_ids_or_of_two_strategies_are_refused():
    table = pa.table(
        {
            "strategyId": ["s", "s", None, "t", "s", "u"],
            "orderId": ["o1", "o2", "o3", "o1", "o1", "o4"],
            "qty": [1, 2, 3, 4, 5, 6],
        }
    )
    orders = Orders({"o4": "t"})
    refused = read_orders(ReportBatch(table, "orders.csv"), orders)
    assert orders.strategies(pa.array(["o1", "o2", "o3", "o4"])).to_pylist() == [
        "s",
        "s",
        None,
        "t",
    ]
    assert len(orders) == 3
    assert [(r["rowNumber"], r["reason"]) for r in plain(refused)] == [
        (3, "strategyId is missing"),
        (4, "orderId o1 is of strategy s by a row before, and cannot be of t"),
        (6, "orderId o4 is of strategy t by a row before, and cannot be of u"),
    ]
    assert {r["tableName"] for r in plain(refused)} == {"accepted_trade_signal_history"}
    assert row_of(plain(refused)[1])["qty"] == 4
