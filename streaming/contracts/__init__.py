"""Every table of the platform, defined once, and what is made from the definitions.

The tables stand in one file for each stage of the dataflow; `TABLES` holds them all by
name, in that order. From a definition come the Arrow schema (`arrow_schema`), the embedded
store's DDL (`sqlite_ddl`), what Fluss needs (`fluss_table`, `fluss_ddl`), Flink SQL
(`flink_ddl`), the docs page (`tables_markdown`) and the check of a batch (`validate`).
"""

from difflib import get_close_matches

from streaming.contracts.arrow import (
    ARROW_TYPES,
    arrow_schema,
    empty_table,
    money_array,
    money_values,
    time_array,
    time_values,
)
from streaming.contracts.columns import Column, Type
from streaming.contracts.docs import tables_markdown
from streaming.contracts.flink import flink_ddl
from streaming.contracts.fluss import FlussTable, fluss_ddl, fluss_table
from streaming.contracts.indicators import INDICATOR_HISTORY, INDICATOR_LATEST
from streaming.contracts.keys import POSITION_KEY, SERIES_KEY
from streaming.contracts.matches import PAPER_TRADE_MATCH_HISTORY, TRADE_MATCH_HISTORY
from streaming.contracts.operations import (
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    TRADING_HALTS_LATEST,
    WATERMARK_HISTORY,
)
from streaming.contracts.orders import EXEC_REPORT_HISTORY, ORDER_EVENT_HISTORY, ORDER_EVENTS
from streaming.contracts.positions import (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    UNREALIZED_PNL_LATEST,
)
from streaming.contracts.prices import PRICE_1M_HISTORY
from streaming.contracts.quarantine import quarantine_rows
from streaming.contracts.scores import STRATEGY_PERF_LATEST, STRATEGY_WEIGHTS_LATEST
from streaming.contracts.signals import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    REJECTIONS,
    STRATEGY_SIGNAL_HISTORY,
    STRATEGY_SIGNAL_LATEST,
)
from streaming.contracts.sqlite import sqlite_ddl
from streaming.contracts.table import Table
from streaming.contracts.validation import Validated, validate
from streaming.errors import SettingsError

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        PRICE_1M_HISTORY,
        INDICATOR_HISTORY,
        INDICATOR_LATEST,
        STRATEGY_SIGNAL_HISTORY,
        STRATEGY_SIGNAL_LATEST,
        ACCEPTED_TRADE_SIGNAL_HISTORY,
        REJECTED_TRADE_SIGNAL_HISTORY,
        ORDER_EVENT_HISTORY,
        EXEC_REPORT_HISTORY,
        TRADE_MATCH_HISTORY,
        PAPER_TRADE_MATCH_HISTORY,
        OPEN_POSITIONS_LOTS,
        OPEN_POSITIONS_ROLLUP,
        REALIZED_PNL_LATEST,
        UNREALIZED_PNL_LATEST,
        STRATEGY_PERF_LATEST,
        STRATEGY_WEIGHTS_LATEST,
        TRADING_HALTS_LATEST,
        QUARANTINE_HISTORY,
        RISK_ALERTS_HISTORY,
        WATERMARK_HISTORY,
    )
}
"""Every table by name, in the order of the dataflow."""


def table_named(name: str) -> Table:
    """Give a table by name.

    Raises
    ------
    SettingsError
        There is none; the message names the nearest.
    """
    if name not in TABLES:
        near = get_close_matches(name, TABLES, 3)
        hint = f"did you mean {', '.join(near)}?" if near else "`trading tables` lists them."
        raise SettingsError(f"There is no table {name!r}: {hint}")
    return TABLES[name]


__all__ = [
    "ACCEPTED_TRADE_SIGNAL_HISTORY",
    "ARROW_TYPES",
    "EXEC_REPORT_HISTORY",
    "INDICATOR_HISTORY",
    "INDICATOR_LATEST",
    "OPEN_POSITIONS_LOTS",
    "OPEN_POSITIONS_ROLLUP",
    "ORDER_EVENTS",
    "ORDER_EVENT_HISTORY",
    "PAPER_TRADE_MATCH_HISTORY",
    "POSITION_KEY",
    "PRICE_1M_HISTORY",
    "QUARANTINE_HISTORY",
    "REALIZED_PNL_LATEST",
    "REJECTED_TRADE_SIGNAL_HISTORY",
    "REJECTIONS",
    "RISK_ALERTS_HISTORY",
    "SERIES_KEY",
    "STRATEGY_PERF_LATEST",
    "STRATEGY_SIGNAL_HISTORY",
    "STRATEGY_SIGNAL_LATEST",
    "STRATEGY_WEIGHTS_LATEST",
    "TABLES",
    "TRADE_MATCH_HISTORY",
    "TRADING_HALTS_LATEST",
    "UNREALIZED_PNL_LATEST",
    "WATERMARK_HISTORY",
    "Column",
    "FlussTable",
    "Table",
    "Type",
    "Validated",
    "arrow_schema",
    "empty_table",
    "flink_ddl",
    "fluss_ddl",
    "fluss_table",
    "money_array",
    "money_values",
    "quarantine_rows",
    "sqlite_ddl",
    "table_named",
    "tables_markdown",
    "time_array",
    "time_values",
    "validate",
]
