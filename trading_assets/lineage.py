"""The whole dataflow as lineage: tables that the live engine writes stand in it too.

Until the live engine runs under Dagster, nothing here materialises them: they are external
assets, with the columns of their contracts.
"""

from collections.abc import Collection

import dagster as dg

from streaming.contracts import TABLES
from trading_assets.contract_metadata import OWNERS, schema_metadata

GROUP = "live"

_MADE_FROM = {
    "indicator_latest": ["indicator_history"],
    "strategy_signal_history": ["indicator_history"],
    "strategy_signal_latest": ["strategy_signal_history"],
    # The gate looks at the open positions too, which come of what it accepted: lineage cannot
    # draw a circle, and is cut there.
    "accepted_trade_signal_history": ["strategy_signal_history", "strategy_weights_latest"],
    "rejected_trade_signal_history": ["strategy_signal_history", "strategy_weights_latest"],
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
    "risk_alerts_history": ["exec_report_history", "rejected_trade_signal_history"],
}


def external_tables(made_here: Collection[str]) -> list[dg.AssetSpec]:
    """Give every table of the contracts that no asset of a location makes.

    Parameters
    ----------
    made_here
        Names of the tables that an asset makes.
    """
    return [
        dg.AssetSpec(
            name,
            deps=_MADE_FROM.get(name, []),
            description=table.description,
            metadata=schema_metadata(table),
            group_name=GROUP,
            kinds={"table" if table.kind == "latest" else "log"},
            owners=OWNERS,
        )
        for name, table in TABLES.items()
        if name not in made_here
    ]
