"""What the TradingEngine gave, as changes of tables."""

from collections.abc import Mapping

import pyarrow.compute as pc

from streaming.contracts import (
    PAPER_TRADE_MATCH_HISTORY,
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    TABLES,
    TRADE_MATCH_HISTORY,
    UNREALIZED_PNL_LATEST,
)
from streaming.jobs.monitoring import mark
from streaming.jobs.paper_broker import PREFIX, paper_matches
from streaming.jobs.trading_engine import EngineState, Outcome, TradingEngine
from streaming.runtimes.live.tick import Tick
from streaming.settings import Settings


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
    changes = trading.changes(state)
    if settings.engine.outputs != "full":
        return
    for name, change in changes.items():
        tick.replace(TABLES[name], change.upserts, change.deletes)
    if settings.monitoring.export != "metrics":
        flat = changes["open_positions_rollup"].deletes
        tick.replace(UNREALIZED_PNL_LATEST, mark(state, closes), flat)
