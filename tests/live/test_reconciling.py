"""Books against books, by hand."""

import numpy as np
import pyarrow as pa
import pytest

from streaming.brokers.broker import BrokerOrder
from streaming.contracts import ORDER_EVENT_HISTORY, arrow_schema, time_array
from streaming.jobs.broker_reports import order_events
from streaming.jobs.trading_engine import EngineState
from streaming.rules.brokered import END, LIVE_ORDER, REPORT
from streaming.rules.brokered_account import BrokeredAccount
from streaming.rules.holdings import Instruments, Rules
from streaming.rules.ids import text_id
from streaming.rules.units import SCALE
from streaming.runtimes.live.reconciling import known_orders, order_differences

ORDER, OTHER = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def account():
    facts = Instruments(*(np.array([one]) for one in (1, 1, 0, SCALE)))
    rules = Rules(3, 1, 1, 60, 0, 1000 * SCALE, -1, -1, -1, 0, 0)
    made = BrokeredAccount("live", ["s"], ["A"], rules, facts)
    made.waiting = np.zeros(2, LIVE_ORDER)
    made.waiting["id_low"] = [1, 2]
    made.waiting["quantity"] = made.waiting["ordered"] = [10, -10]
    return made


def told(order, quantity=0):
    row = np.zeros(1, REPORT)
    row["id_high"], row["id_low"] = text_id(order)
    row["quantity"], row["kind"] = quantity, 0 if quantity else END
    return row


@pytest.mark.parametrize(
    ("reports", "left"),
    [
        ([], {ORDER: 10, OTHER: -10}),
        ([(ORDER, 4), (OTHER, -3)], {ORDER: 6, OTHER: -7}),
        ([(ORDER, 10), (OTHER, -11)], {}),
        # An end may be told before the fill that came before it.
        ([(ORDER,), (ORDER, 4)], {OTHER: -10}),
        ([("0" * 31 + "9", 4)], {ORDER: 10, OTHER: -10}),
    ],
)
def test_what_is_left_counts_all_that_was_told(account, reports, left):
    for one in reports:
        account.tell(told(*one))
    assert known_orders(account, EngineState()) == left


def test_every_difference_of_orders_has_its_word():
    theirs = {name: BrokerOrder(name, "A", 5, 0) for name in ("same", "less", "over", "alien")}
    found = order_differences(
        {"same": 5, "less": 3, "gone": 4}, theirs, lambda order: order == "over"
    )
    assert [(one.code.removeprefix("RECONCILIATION_"), one.words.split()[1]) for one in found] == [
        ("UNKNOWN_ORDER", "alien"),
        ("MISSING_ORDER", "gone"),
        ("ORDER_QUANTITY", "less"),
        ("ENDED_ORDER", "over"),
    ]


def events(*rows):
    orders, kinds = zip(*rows, strict=True)
    columns = [
        pa.array(["live"] * len(rows)),
        pa.array(orders),
        pa.array(kinds),
        time_array(np.arange(len(rows), dtype=np.int64)),
        pa.nulls(len(rows), pa.string()),
    ]
    return pa.table(columns, schema=arrow_schema(ORDER_EVENT_HISTORY))


def test_what_is_said_twice_of_an_order_is_written_once(account):
    came = events((ORDER, "ACKED"), (ORDER, "ACKED"), (ORDER, "CANCELLED"), (ORDER, "CANCELLED"))
    made = order_events(account, came, [ORDER])
    assert made.rows.column("event").to_pylist() == ["ACKED", "CANCELLED"]
    assert made.ends["id_low"].tolist() == [1]
    account.tell(made.ends)
    assert order_events(account, came, [ORDER]).rows.num_rows == 0


def test_the_end_of_an_order_that_is_over_is_no_news_and_that_of_an_unknown_one_is(account):
    made = order_events(account, events(("old", "REJECTED"), ("alien", "EXPIRED")), ["old"])
    assert made.rows.column("orderId").to_pylist() == ["alien"]
    assert made.unknown == [0]
    assert len(made.ends) == 0
