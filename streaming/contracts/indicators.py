"""Indicators: features of each series, in full and at their newest."""

from streaming.contracts.columns import Column, double, flag, key, time
from streaming.contracts.keys import SERIES_KEY, SYMBOL, TIMEFRAME
from streaming.contracts.table import latest_table, log_table
from streaming.rules.indicators import PUBLISHED

_DAY_US = 24 * 3600 * 1_000_000

BAR: tuple[Column, ...] = (
    # An intrabar row of D1 bears the boundary that ends its day: up to a day ahead.
    time("barTs", "close of the bar: a UTC multiple of the timeframe", minute=True, ahead=_DAY_US),
    flag("final", "the bar is complete; false only in intrabar rows"),
    *(double(name, "feature; null before its warm-up", nullable=True) for name in PUBLISHED),
    time("calcTs", "wall clock of the computation; not reproducible"),
    key("indicatorVersion", "version of the indicator rules"),
)
"""What is known of one bar of one series."""

INDICATOR_HISTORY = log_table(
    "indicator_history",
    "One row for each bar of each timeframe, with the published features as of its close.",
    columns=[*SERIES_KEY, *BAR],
    unique=[SYMBOL, TIMEFRAME, "barTs"],
    unique_where="final",
    bucket_by=[SYMBOL],
    buckets=8,
    ordered_by="barTs",
    ttl_days=7,
)

INDICATOR_LATEST = latest_table(
    "indicator_latest",
    "The newest row of indicator_history for each symbol and timeframe.",
    key=SERIES_KEY,
    columns=BAR,
    bucket_by=[SYMBOL],
    buckets=8,
)
