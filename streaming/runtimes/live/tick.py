"""One tick of the live engine: what it was made of, and what it gave."""

from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from streaming.contracts import STRATEGY_WEIGHTS_LATEST, TRADING_HALTS_LATEST, Table
from streaming.jobs.trading_engine import Counts
from streaming.rules.intake import NO_TIME
from streaming.store import Change, append, delete, upsert

READ_TABLES = (STRATEGY_WEIGHTS_LATEST, TRADING_HALTS_LATEST)
"""Tables that other processes write and the engine reads, in the order in which it does."""


class Input(NamedTuple):
    """What came at once from a source: so many rows of a table, and how far it is complete.

    `complete_to` is in microseconds UTC, NO_TIME - 1 where nothing is known; None: the source
    holds nobody up. `before` is how many rows the tick had given the table by then; None: those
    of its inputs. `strategy` is the one that the source names as its exec reports'.
    """

    source: str
    table: Table
    rows: int
    complete_to: int | None
    before: int | None = None
    strategy: str | None = None


@dataclass
class Tick:
    """What a tick gave.

    Attributes
    ----------
    changes : list of Change
        In the order in which they are to be applied.
    inputs : list of Input
        What it was made of, in order.
    complete_to : int
        Microseconds UTC up to which everything is decided; NO_TIME - 1 before the first bar.
    bars, duplicates, quarantined : int
        Bars used, and what became of others.
    late_bars : list
        (symbol, ts) of those that came too late.
    accepted, rejected : dict
        Signals by account; rejections by code.
    fills : Counts
        Of the TradingEngine.
    commit_seconds : float
        How long its commit took.
    """

    changes: list[Change] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    complete_to: int = NO_TIME - 1
    bars: int = 0
    duplicates: int = 0
    late_bars: list[tuple[str, int]] = field(default_factory=list)
    quarantined: int = 0
    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    fills: Counts = field(default_factory=Counts)
    commit_seconds: float = 0.0
    _appended: dict[str, int] = field(default_factory=dict)

    def append(self, table: Table, rows: pa.Table) -> None:
        """Add rows to a history table; none are no change."""
        if rows.num_rows:
            self.changes.append(append(table, rows))
            self._appended[table.name] = self.appended(table) + rows.num_rows

    def appended(self, table: Table) -> int:
        """Tell how many rows were added to a history table so far."""
        return self._appended.get(table.name, 0)

    def take_in(self, source: str, table: Table, rows: pa.Table, complete_to: int | None) -> None:
        """Add rows to a history table that are input themselves; none are none."""
        if rows.num_rows:
            self.inputs.append(
                Input(source, table, rows.num_rows, complete_to, self.appended(table))
            )
            self.append(table, rows)

    def replace(self, table: Table, rows: pa.Table, gone: pa.Table | None = None) -> None:
        """Delete keys from a latest table, and upsert rows; none are no change."""
        if gone is not None and gone.num_rows:
            self.changes.append(delete(table, gone))
        if rows.num_rows:
            self.changes.append(upsert(table, rows))
