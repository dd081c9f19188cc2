"""Play what a store has recorded into a new one, and say whether the tables are equal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from streaming.brokers.broker import PAPER
from streaming.contracts import TABLES, Table
from streaming.errors import RunError
from streaming.lake import Lake
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.runtimes.live.recorded import play_view, recorded_from
from streaming.runtimes.live.running import warm_up
from streaming.runtimes.live.saving import check_plan, definition_of
from streaming.store import StoreReader, TableStore, View

_ROWS = 10_000
_CLOCKS = ("calcTs",)


@dataclass(frozen=True)
class PlayRequest:
    """What is played, into what.

    Attributes
    ----------
    recorded, store
        Files of stores: what has recorded, and a new one.
    plan
        What `plan_of` gives, or the like.
    lake
        Has the bars that the recorded engine's features saw before its first; None: they are
        not asked for.
    symbols
        Of those bars; None: all.
    """

    recorded: Path
    store: Path
    plan: LivePlan
    lake: Lake | None = None
    symbols: tuple[str, ...] | None = None


class Compared(NamedTuple):
    """A table of two stores: the changes that each has, and the first that differs.

    `first` is its offset; None: they are equal.
    """

    table: str
    recorded: int
    played: int
    first: int | None


@dataclass
class PlayReport:
    """What was played: ticks, and each table as it came out, beside the recorded one."""

    ticks: int = 0
    tables: list[Compared] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether all tables are equal."""
        return all(one.first is None for one in self.tables)


class Recorded(NamedTuple):
    """What a store was written by: account, ids of strategies, and broker; see `LivePlan`."""

    account: str
    strategies: tuple[str, ...]
    broker: str


def recorded_plan(recorded: Path) -> Recorded:
    """Say what a store was written by.

    Raises
    ------
    RunError
        If no engine has committed anything to it.
    StoreError
        If it cannot be read.
    """
    with StoreReader(recorded) as reader, reader.snapshot() as view:
        found = definition_of(view)
    if found is None:
        raise RunError(f"{recorded}: no engine has committed anything to it.")
    return Recorded(found["account"], tuple(found["strategies"]), found.get("broker", PAPER))


def play(
    request: PlayRequest, advance: Callable[[float, str], None] = lambda done, what: None
) -> PlayReport:
    """Play a record, and compare; `advance` is told how much is done, 0 to 1, and what is at work.

    Raises
    ------
    RunError
        If the new store has commits, or bars from before the first are needed and no lake is
        named.
    StateError
        If the record is of another plan.
    PrunedError
        If part of the input has been pruned; the message names the table.
    """
    report = PlayReport()
    with StoreReader(request.recorded) as reader, reader.snapshot() as view:
        check_plan(LiveEngine(request.plan).definition, view)
        ready = _warmed(request, view)
        last = max(view.ticks().number, 1)
        request.store.parent.mkdir(parents=True, exist_ok=True)
        with TableStore(request.store, holder="trading replay") as store:
            for tick in play_view(view, store, request.plan, warm_up=ready):
                del tick
                report.ticks += 1
                advance(min(0.9 * report.ticks / last, 0.9), "playing")
        with StoreReader(request.store) as other, other.snapshot() as again:
            for table in TABLES.values():
                report.tables.append(_compared(table, view, again))
    advance(1.0, "")
    return report


def _warmed(request: PlayRequest, view: View) -> Callable[[LiveEngine], None]:
    until = recorded_from(view)
    if until is None:
        return lambda engine: None
    lake = request.lake
    if lake is None:
        raise RunError(
            f"{request.recorded}: its features had seen a lake's bars before the first that it "
            "recorded. Name the lake with --lake."
        )
    return lambda engine: warm_up(engine, lake, request.symbols, until=until)


def _compared(table: Table, one: View, other: View) -> Compared:
    """Compare a table's changes, those that were pruned apart; the clock's columns, too."""
    mine, theirs = (view.offsets()[table.name] for view in (one, other))
    start = max(mine.first, theirs.first)
    first = None
    while first is None:
        left, right = (view.changes(table, start, _ROWS).rows for view in (one, other))
        dropped = [name for name in _CLOCKS if name in left.column_names]
        left, right = left.drop(dropped), right.drop(dropped)
        if not left.equals(right):
            same = min(left.num_rows, right.num_rows)
            pairs = zip(
                left.slice(0, same).to_pylist(), right.slice(0, same).to_pylist(), strict=True
            )
            first = start + next((at for at, (a, b) in enumerate(pairs) if a != b), same)
        if not left.num_rows:
            break
        start += left.num_rows
    return Compared(table.name, mine.next - mine.first, theirs.next - theirs.first, first)
