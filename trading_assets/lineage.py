"""The whole dataflow as lineage, over both code locations.

What a table is made from is said here once. Tables that the live engine alone writes are
assets of the location `live`; the others of `analytics`, those of them that nothing makes yet
as external assets.
"""

from collections.abc import Collection

import dagster as dg

from streaming.contracts import (
    INDICATOR_HISTORY,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    STRATEGY_PERF_LATEST,
    STRATEGY_WEIGHTS_LATEST,
    TABLES,
    TRADING_HALTS_LATEST,
)
from trading_assets.contract_metadata import OWNERS, schema_metadata

GROUP = "live"

_ELSEWHERE = (
    # The engine has rows of these too, and they are told on their pages; history of imports
    # and backtests, scores, and people make them.
    PRICE_1M_HISTORY,
    INDICATOR_HISTORY,
    QUARANTINE_HISTORY,
    STRATEGY_PERF_LATEST,
    STRATEGY_WEIGHTS_LATEST,
    TRADING_HALTS_LATEST,
)
ENGINE_TABLES = tuple(table for table in TABLES.values() if table not in _ELSEWHERE)
"""Tables that the live engine alone writes."""

SHARED_TABLES = (PRICE_1M_HISTORY, INDICATOR_HISTORY, QUARANTINE_HISTORY)
"""Tables of which the live engine has rows, and others have too."""

_MADE_FROM = {
    "indicator_latest": ["indicator_history"],
    "strategy_signal_history": ["indicator_history"],
    "strategy_signal_latest": ["strategy_signal_history"],
    # The gate looks at the open positions too, which come of what it accepted: lineage cannot
    # draw a circle, and is cut there.
    "accepted_trade_signal_history": ["strategy_signal_history", "strategy_weights_latest"],
    "rejected_trade_signal_history": [
        "strategy_signal_history",
        "strategy_weights_latest",
        "trading_halts_latest",
    ],
    "order_event_history": ["accepted_trade_signal_history"],
    "exec_report_history": ["accepted_trade_signal_history"],
    "trade_match_history": ["exec_report_history"],
    "open_positions_lots": ["exec_report_history"],
    "open_positions_rollup": ["exec_report_history"],
    "realized_pnl_latest": ["exec_report_history"],
    "unrealized_pnl_latest": ["open_positions_rollup", "price_1m_history"],
    "paper_trade_match_history": ["strategy_signal_history", "price_1m_history"],
    "strategy_perf_latest": ["paper_trade_match_history"],
    "strategy_weights_latest": ["strategy_perf_latest"],
    "quarantine_history": ["price_1m_history"],
    "watermark_history": [
        "price_1m_history",
        "strategy_weights_latest",
        "trading_halts_latest",
    ],
    "risk_alerts_history": ["exec_report_history", "rejected_trade_signal_history"],
}


def table_spec(name: str, *, skippable: bool = False) -> dg.AssetSpec:
    """Give a table of the contracts as an asset, with what it is made from."""
    table = TABLES[name]
    return dg.AssetSpec(
        name,
        # What nobody has said of a new table: it comes of the bars.
        deps=_MADE_FROM.get(name, [] if table is PRICE_1M_HISTORY else [PRICE_1M_HISTORY.name]),
        description=table.description,
        metadata=schema_metadata(table),
        group_name=GROUP,
        kinds={"table" if table.kind == "latest" else "log"},
        owners=OWNERS,
        skippable=skippable,
    )


def external_tables(made_here: Collection[str]) -> list[dg.AssetSpec]:
    """Give every table of the contracts that no asset of either location makes.

    Parameters
    ----------
    made_here
        Names of the tables that an asset of this location makes.
    """
    made = {*made_here, *(table.name for table in ENGINE_TABLES)}
    return [table_spec(name) for name in TABLES if name not in made]


def written_by(name: str) -> str:
    """Say what writes a table that no asset of the location `analytics` makes."""
    if name == QUARANTINE_HISTORY.name:
        return f"importing prices writes it, so materialise {PRICE_1M_HISTORY.name}"
    if name == TRADING_HALTS_LATEST.name:
        return "people write it, with `trading halt` and `trading resume`"
    if name in {table.name for table in ENGINE_TABLES}:
        return "the live engine writes it (live_engine_job, or catch_up)"
    return "nothing makes it yet"
