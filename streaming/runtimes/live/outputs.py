"""What the TradingEngine gave, as changes of tables."""

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    PAPER_TRADE_MATCH_HISTORY,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TABLES,
    TRADE_MATCH_HISTORY,
    UNREALIZED_PNL_LATEST,
    Table,
)
from streaming.jobs.monitoring import mark
from streaming.jobs.paper_broker import PREFIX, paper_matches
from streaming.jobs.trading_engine import EngineState, Outcome, TradingEngine
from streaming.runtimes.live.tick import Tick
from streaming.settings import Settings

_POSITIONS = (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    UNREALIZED_PNL_LATEST,
)


def written(settings: Settings) -> list[str]:
    """Name the tables of positions that the settings have written."""
    if settings.engine.outputs != "full":
        return []
    marked = settings.monitoring.export != "metrics"
    return [table.name for table in _POSITIONS if marked or table is not UNREALIZED_PNL_LATEST]


def empty_positions(tick: Tick, held: Callable[[Table], pa.Table]) -> None:
    """Delete whatever the tables of positions have; `held` gives their rows.

    For where other settings wrote them, or did not: what was not kept up would be wrong.
    """
    for table in _POSITIONS:
        rows = held(table)
        tick.replace(table, rows.slice(0, 0), rows.select(table.primary_key))


def write_outcome(tick: Tick, outcome: Outcome) -> None:
    """Write matches, those of paper accounts to their own table, alerts and refused rows."""
    paper = pc.starts_with(outcome.matches.column("accountId"), PREFIX)
    tick.append(TRADE_MATCH_HISTORY, outcome.matches.filter(pc.invert(paper)))
    papers = paper_matches(outcome.matches.filter(paper))
    tick.append(PAPER_TRADE_MATCH_HISTORY, papers)
    tick.append(RISK_ALERTS_HISTORY, outcome.alerts)
    tick.append(QUARANTINE_HISTORY, outcome.quarantine)
    tick.fills += outcome.counts


def write_positions(
    tick: Tick,
    trading: TradingEngine,
    state: EngineState,
    settings: Settings,
    closes: Mapping[str, tuple[int, int]],
) -> None:
    """Write lots, rollup and realised PnL as they have changed, and what is open at its marks."""
    changes, names = trading.changes(state), written(settings)
    for name, change in changes.items():
        if name in names:
            tick.replace(TABLES[name], change.upserts, change.deletes)
    if UNREALIZED_PNL_LATEST.name in names:
        flat = changes["open_positions_rollup"].deletes
        tick.replace(UNREALIZED_PNL_LATEST, mark(state, closes), flat)
