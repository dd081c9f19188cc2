"""Prices: the bars that everything starts from."""

from streaming.contracts.columns import double, money, text, time
from streaming.contracts.keys import SYMBOL
from streaming.contracts.rowrules import Compare
from streaming.contracts.table import log_table

PRICE_1M_HISTORY = log_table(
    "price_1m_history",
    "One row for each symbol and minute with a trade: a 1-minute bar, labelled by its close.",
    columns=[
        SYMBOL,
        time("ts", "close of the bar: the moment from which it may be known", minute=True),
        money("open", "first price", gt=0),
        money("high", "highest price", gt=0),
        money("low", "lowest price", gt=0),
        money("price", "last price: the close", gt=0),
        double("volume", "traded in the minute; null where the source has none",
               unit="units", nullable=True, ge=0),
        text("source", "file or feed that the bar came from"),
    ],
    unique=[SYMBOL, "ts"],
    bucket_by=[SYMBOL],
    buckets=8,
    ordered_by="ts",
    ttl_days=30,
    rules=[
        Compare("high", ">=", "low"),
        Compare("open", ">=", "low"),
        Compare("open", "<=", "high"),
        Compare("price", ">=", "low"),
        Compare("price", "<=", "high"),
    ],
)  # fmt: skip
