"""Orders: what became of them, and their fills."""

from streaming.contracts.columns import key, money, one_of, text, time
from streaming.contracts.keys import ACCOUNT, ORDER, SYMBOL
from streaming.contracts.table import log_table

ORDER_EVENTS = ("SENT", "ACKED", "REJECTED", "CANCELLED", "EXPIRED")
"""What can happen to an order, other than a fill."""

ORDER_EVENT_HISTORY = log_table(
    "order_event_history",
    "One row for each thing that happened to an order, fills apart.",
    columns=[
        ACCOUNT,
        ORDER,
        one_of("event", list(ORDER_EVENTS), "what happened"),
        time("ts", "event time"),
        text("reason", "why, where there is more to say", nullable=True),
    ],
    bucket_by=[ACCOUNT],
    ordered_by="ts",
    ttl_days=30,
)

EXEC_REPORT_HISTORY = log_table(
    "exec_report_history",
    "One row for each fill that a broker reports; the same fill may be reported twice.",
    columns=[
        ACCOUNT,
        ORDER,
        key("fillId", "the broker's id of the fill, unique within its order"),
        SYMBOL,
        one_of("side", ["BUY", "SELL"], "side of the order"),
        money("fillQty", "filled", unit="units", gt=0),
        money("fillPrice", "price of the fill", gt=0),
        time("ts", "event time of the fill"),
        money("fees", "charged for the fill, negative for a rebate; null is none", nullable=True),
        text("venue", "where it was filled", nullable=True),
    ],
    bucket_by=[ACCOUNT, SYMBOL],
    ordered_by="ts",
    ttl_days=30,
)
