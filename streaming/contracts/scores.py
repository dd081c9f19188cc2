"""Scores: how the strategies do on paper, and the weights that follow."""

from streaming.contracts.columns import double, integer, money, text, time
from streaming.contracts.keys import STRATEGY
from streaming.contracts.rowrules import Compare
from streaming.contracts.table import latest_table

_WEEK_US = 7 * 24 * 3600 * 1_000_000

STRATEGY_PERF_LATEST = latest_table(
    "strategy_perf_latest",
    "The paper scoreboard: one row for each strategy over its rolling window.",
    key=[STRATEGY],
    columns=[
        time("asOf", "end of the last day counted"),
        integer("windowDays", "length of the window", unit="days", gt=0),
        integer("observations", "days counted", unit="days", ge=0),
        integer("activeDays", "days with a match", unit="days", ge=0),
        money("netPnl", "realised in the window, after fees"),
        money("openPnl", "unrealised at the end of the window", nullable=True),
        double("sharpe", "annualised; null where undefined", nullable=True),
        double("sharpeStdError", "annualised; null where undefined", nullable=True, ge=0),
        double("shrunkSharpe", "annualised; the score, 0 where there is none"),
        double("tStat", "of the shrunk Sharpe; null where undefined", nullable=True),
        double("psr", "probability that the true Sharpe is above 0", nullable=True, ge=0, le=1),
        double("maxDrawdown", "worst fall from a peak, share of the capital", nullable=True),
        text("flag", "why there is no score, or what to beware of", nullable=True),
    ],
    buckets=1,
    rules=[
        Compare("observations", "<=", "windowDays"),
        Compare("activeDays", "<=", "observations"),
    ],
)

STRATEGY_WEIGHTS_LATEST = latest_table(
    "strategy_weights_latest",
    "The weights by which the allocator scales sizes; they sum to 1.",
    key=[STRATEGY],
    columns=[
        double("weight", "share of the capital", ge=0, le=1),
        double("previousWeight", "the one it replaces; null at first", nullable=True, ge=0, le=1),
        double("equalPart", "part that is the same for all", ge=0, le=1),
        double("scorePart", "part that follows the score", ge=0, le=1),
        time("asOf", "end of the last day that it is based on"),
        time("effectiveFrom", "signals from this time on use it", ahead=_WEEK_US),
        text("reason", "what bounded it", nullable=True),
    ],
    buckets=1,
    rules=[Compare("asOf", "<=", "effectiveFrom")],
)
