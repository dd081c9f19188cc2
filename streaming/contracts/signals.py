"""Signals: what strategies want, and what the gate made of it."""

from streaming.contracts.columns import Column, double, key, money, one_of, text, time
from streaming.contracts.keys import (
    ACCOUNT,
    ORDER,
    POSITION_KEY,
    RUN,
    STRATEGY,
    SYMBOL,
    TIMEFRAME,
    action,
)
from streaming.contracts.table import latest_table, log_table

REJECTIONS = (
    "OPEN_LIMIT_EXCEEDED",
    "NO_OPEN_POSITION",
    "BUDGET_EXCEEDED",
    "BELOW_MIN_QTY",
    "TRADING_HALTED",
    "DAILY_LOSS_EXCEEDED",
)
"""Why the gate turns a signal down."""

WANTED = action("what the strategy wants")
SIZE_HINT = double("sizeHint", "share of the capital (BUY) or of the position (SELL)", gt=0, le=1)
CONFIDENCE = double("confidence", "how sure the strategy is; ranks signals", ge=0, le=1)
REF_PRICE: Column = money("refPrice", "close of the signal's bar", gt=0)

STRATEGY_SIGNAL_HISTORY = log_table(
    "strategy_signal_history",
    "One row for each signal of a strategy.",
    columns=[
        STRATEGY,
        SYMBOL,
        TIMEFRAME,
        time("signalTs", "barTs of the anchor row that gave the signal", minute=True),
        WANTED,
        SIZE_HINT,
        CONFIDENCE,
        text("reason", "what the strategy saw", nullable=True),
        key("strategyVersion", "version of the strategy"),
        key("paramsHash", "hash over every parameter"),
        RUN,
    ],
    bucket_by=[SYMBOL],
    ordered_by="signalTs",
    ttl_days=30,
)

STRATEGY_SIGNAL_LATEST = latest_table(
    "strategy_signal_latest",
    "The newest signal of each strategy and symbol.",
    key=[STRATEGY, SYMBOL],
    columns=[
        TIMEFRAME,
        WANTED,
        SIZE_HINT,
        CONFIDENCE,
        time("lastUpdated", "signalTs of the signal"),
    ],
)

ACCEPTED_TRADE_SIGNAL_HISTORY = log_table(
    "accepted_trade_signal_history",
    "One row for each signal that the gate let through: an order.",
    columns=[
        *POSITION_KEY,
        action("side of the order"),
        money("qty", "ordered", unit="units", gt=0),
        time("ts", "event time of the signal"),
        one_of("reason", ["OK"], "always OK"),
        ORDER,
        double("weight", "the strategy's weight that scaled the size", ge=0, le=1),
        SIZE_HINT,
        REF_PRICE,
    ],
    unique=[ORDER],
    bucket_by=[ACCOUNT],
    ordered_by="ts",
    ttl_days=30,
)

REJECTED_TRADE_SIGNAL_HISTORY = log_table(
    "rejected_trade_signal_history",
    "One row for each signal that the gate turned down.",
    columns=[
        *POSITION_KEY,
        WANTED,
        time("ts", "event time of the signal"),
        one_of("code", list(REJECTIONS), "why"),
        SIZE_HINT,
        REF_PRICE,
    ],
    bucket_by=[ACCOUNT],
    ordered_by="ts",
    ttl_days=30,
)
