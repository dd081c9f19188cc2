"""Operations: rows refused, what is worth a person's look, halts, and the order of the input."""

from dataclasses import replace

from streaming.contracts.columns import flag, integer, key, text, time
from streaming.contracts.keys import ACCOUNT, STRATEGY
from streaming.contracts.table import latest_table, log_table

QUARANTINE_HISTORY = log_table(
    "quarantine_history",
    "One row for each row refused anywhere, whole, with the reason.",
    columns=[
        key("tableName", "table that the row was meant for"),
        text("source", "file or feed that it came from"),
        integer("rowNumber", "its place in the source", ge=0),
        # Not the clock: importing the same file again gives the same rows.
        time("ts", "the refused row's own event time; null where it has no valid one",
             nullable=True),
        text("reason", "column, value and rule"),
        text("row", "the row as it came, every column, as a JSON object"),
    ],
    bucket_by=["tableName"],
    buckets=1,
    ordered_by=None,
    ttl_days=90,
)  # fmt: skip

RISK_ALERTS_HISTORY = log_table(
    "risk_alerts_history",
    "Rejections worth a look, unknown orders, late data, limit breaches.",
    columns=[
        ACCOUNT,
        key("code", "kind of alert, such as OPEN_LIMIT_BREACHED"),
        text("message", "for a person"),
        time("ts", "event time of what caused it"),
    ],
    bucket_by=[ACCOUNT],
    buckets=1,
    ordered_by="ts",
    ttl_days=90,
)

TRADING_HALTS_LATEST = latest_table(
    "trading_halts_latest",
    "What a person last said of an account: whether it may open and add to positions.",
    key=[ACCOUNT],
    columns=[
        flag("halted", "true: nothing new is opened, and what is open may be closed"),
        text("reason", "why, for a person", nullable=True),
        time("ts", "wall clock when it was said"),
    ],
    buckets=1,
)

WATERMARK_HISTORY = log_table(
    "watermark_history",
    "The live engine's input in order: what came from which source, and how far that took it.",
    columns=[
        key("source", "feed, or table that is published to the engine"),
        time("completeTo", "the source has given all up to then, by its own word, by its rows or "
             "by the clock; null: it holds nobody up", nullable=True),
        time("ts", "wall clock"),
        integer("tick", "number of the commit", ge=0),
        text("tableName", "table that its rows went to"),
        integer("rows", "how many", ge=0),
        integer("nextOffset", "the offset after them in that table", ge=0),
        replace(STRATEGY, nullable=True,
                description="strategy that the source names as its exec reports'; null: none"),
    ],
    bucket_by=["source"],
    buckets=1,
    ordered_by="ts",
    ttl_days=90,
)  # fmt: skip
