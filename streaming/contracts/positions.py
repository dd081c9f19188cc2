"""Positions: open lots, their rollup, and PnL by (account, strategy, symbol)."""

from streaming.contracts.columns import key, money, time
from streaming.contracts.keys import POSITION_KEY, position_side
from streaming.contracts.rowrules import Compare, SignFollowsSide
from streaming.contracts.table import latest_table

OPEN_POSITIONS_LOTS = latest_table(
    "open_positions_lots",
    "One row for each open FIFO lot; deleted when the lot closes.",
    key=[*POSITION_KEY, key("lotId", "hash of the fill that opened the lot")],
    columns=[
        position_side("side of the lot"),
        money("qtyOpen", "opened", unit="units", gt=0),
        money("qtyRem", "still open", unit="units", gt=0),
        money("avgPrice", "price of the fill that opened", gt=0),
        time("tsOpen", "event time of the fill that opened"),
        time("tsUpdated", "event time of the last fill that changed the lot"),
    ],
    # All lots of a position stay in one bucket, in order.
    bucket_by=POSITION_KEY,
    rules=[Compare("qtyRem", "<=", "qtyOpen")],
)

OPEN_POSITIONS_ROLLUP = latest_table(
    "open_positions_rollup",
    "One row for each open position; deleted when it is flat.",
    key=POSITION_KEY,
    columns=[
        position_side("side of the position"),
        money("netQty", "held: positive long, negative short, never 0", unit="units"),
        money("avgPrice", "mean price of the open units", gt=0),
        time("lastUpdated", "event time of the last fill"),
    ],
    rules=[SignFollowsSide("netQty", "side")],
)

REALIZED_PNL_LATEST = latest_table(
    "realized_pnl_latest",
    "Cumulated realised PnL of each position key.",
    key=POSITION_KEY,
    columns=[
        money("realizedPnl", "gross, before fees"),
        money("fees", "of all matches so far; net PnL = realizedPnl - fees"),
        time("ts", "event time of the last match"),
    ],
)

UNREALIZED_PNL_LATEST = latest_table(
    "unrealized_pnl_latest",
    "Open positions at the last price; written only where monitoring.export asks for it.",
    key=POSITION_KEY,
    columns=[
        money("unrealizedPnl", "(currentPrice - avgPrice) x netQty x point value"),
        money("currentPrice", "close of the symbol's last bar", gt=0),
        money("avgPrice", "mean price of the open units", gt=0),
        money("netQty", "held: positive long, negative short", unit="units"),
        time("ts", "close of the symbol's last bar"),
    ],
)
