"""Trade matches: where a buy and a sell meet, the source of every realised figure."""

from streaming.contracts.columns import Column, key, money, one_of, time
from streaming.contracts.keys import POSITION_KEY, RUN
from streaming.contracts.rowrules import Compare
from streaming.contracts.table import log_table

MATCH: tuple[Column, ...] = (
    key("matchId", "hash of both fills"),
    *POSITION_KEY,
    key("buyOrderId", "order of the fill that bought"),
    key("sellOrderId", "order of the fill that sold"),
    money("matchedQty", "units that met", unit="units", gt=0),
    money("buyPrice", "price of the fill that bought", gt=0),
    money("sellPrice", "price of the fill that sold", gt=0),
    money("realizedPnl", "gross: (sellPrice - buyPrice) x matchedQty x point value"),
    time("matchTimestamp", "event time of the later fill"),
    key("buyFillId", "fill that bought"),
    key("sellFillId", "fill that sold"),
    time("openTs", "event time of the fill that opened the lot"),
    one_of("direction", ["LONG", "SHORT"], "the side that opened"),
    money("fees", "share of both fills' fees; net PnL = realizedPnl - fees"),
    RUN,
)
"""One segment of two fills."""

# A position that opens after it closed would turn holding times and exposure negative.
_RULES = (Compare("openTs", "<=", "matchTimestamp"),)

TRADE_MATCH_HISTORY = log_table(
    "trade_match_history",
    "One row for each segment in which a buy and a sell meet.",
    columns=MATCH,
    unique=["matchId"],
    bucket_by=POSITION_KEY,
    ordered_by="matchTimestamp",
    ttl_days=30,
    rules=_RULES,
)

PAPER_TRADE_MATCH_HISTORY = log_table(
    "paper_trade_match_history",
    "Matches of the paper account's simulated fills: what strategies are scored on.",
    columns=[*MATCH, one_of("runTag", ["PAPER_LIVE"], "always PAPER_LIVE")],
    unique=["matchId"],
    bucket_by=POSITION_KEY,
    ordered_by="matchTimestamp",
    ttl_days=400,  # the scores look back over 365 days
    rules=_RULES,
)
