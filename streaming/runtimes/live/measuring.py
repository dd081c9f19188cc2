"""From ticks and the engine's state to the figures that are scraped. Nothing depends on them.

What is counted is kept in the store with the tick that it was counted in, so that counters go
on after a restart as if there had been none.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TypeVar

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    PAPER_TRADE_MATCH_HISTORY,
    QUARANTINE_HISTORY,
    REJECTED_TRADE_SIGNAL_HISTORY,
    TRADE_MATCH_HISTORY,
    Table,
)
from streaming.errors import StoreError
from streaming.jobs.monitoring import Marks, marks
from streaming.jobs.trading_engine import EngineState
from streaming.monitoring.endpoint import HOST, PATH, Board, Endpoint
from streaming.monitoring.figures import (
    Booked,
    Durations,
    Figures,
    OwnerFigures,
    SymbolFigures,
    Tally,
)
from streaming.rules.intake import NO_TIME
from streaming.rules.state import pack, unpack
from streaming.rules.units import OVERFLOW, SCALE
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.marking import Closes
from streaming.store import Clock, StoreReader

STATE = "tally"
"""The state under which a store keeps what was counted."""

_KIND, _VERSION = "tally", 1
_TRY_AGAIN_SECONDS = 10.0
_STATES = 3

_log = logging.getLogger(__name__)

Int = NDArray[np.int64]
Name = TypeVar("Name")


def tally_of(tick: Tick) -> Tally:
    """Count what a tick gave."""
    return Tally(
        accepted=_accepted(tick),
        rejected=_rejected(tick),
        late={"bar": len(tick.late_bars), "fill": tick.fills.late},
        duplicates={"bar": tick.duplicates, "fill": tick.fills.duplicates},
        matches=_rows(tick, TRADE_MATCH_HISTORY) + _rows(tick, PAPER_TRADE_MATCH_HISTORY),
        quarantined=_rows(tick, QUARANTINE_HISTORY),
    )


def tally_bytes(tally: Tally) -> bytes:
    """Give what a store keeps of a tally."""
    return pack(_KIND, _VERSION, {}, **asdict(tally))


def tally_from(data: bytes | None) -> Tally:
    """Give back what `tally_bytes` gave; None: nothing was counted yet."""
    return Tally() if data is None else Tally(**unpack(_KIND, _VERSION, data)[1])


def _rows(tick: Tick, table: Table) -> int:
    return sum(change.rows.num_rows for change in tick.changes if change.table is table)


def _accepted(tick: Tick) -> dict[str, int]:
    found: dict[str, int] = {}
    for change in tick.changes:
        if change.table is ACCEPTED_TRADE_SIGNAL_HISTORY:
            for one in pc.value_counts(change.rows.column("accountId")).to_pylist():
                found[one["values"]] = found.get(one["values"], 0) + one["counts"]
    return found


def _rejected(tick: Tick) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for change in tick.changes:
        if change.table is REJECTED_TRADE_SIGNAL_HISTORY:
            names = (change.rows.column(name).to_pylist() for name in ("accountId", "code"))
            for (account, code), count in Counter(zip(*names, strict=True)).items():
                codes = found.setdefault(account, {})
                codes[code] = codes.get(code, 0) + count
    return found


class Meter:
    """Makes figures of an engine, tick after tick.

    Parameters
    ----------
    plan
        What runs: its `live.topSymbols`, `monitoring.export` and calendars.
    """

    def __init__(self, plan: LivePlan) -> None:
        self._top = plan.settings.live.top_symbols
        self._unrealized = plan.settings.monitoring.export != "fluss"
        self._instruments = plan.instruments
        self._commits = Durations()
        self._committed: int | None = None
        self._names = [_Names() for _ in range(_STATES)]

    def figures(self, engine: LiveEngine, tick: Tick | None, tally: Tally) -> Figures:
        """Say how an engine stands after a tick that was committed; None: after a restart."""
        if tick is not None:
            self._commits = self._commits.plus(tick.commit_seconds)
            self._committed = time.time_ns() // 1000
        # No account is in two of them.
        states, closes = engine.states, engine.marked_at
        found = [marks(state, closes) for state in states]
        for names, state in zip(self._names, states, strict=True):
            names.learn(state)
        done = engine.done_to
        return Figures(
            tuple(one for at in range(_STATES) for one in self._held(self._names[at], found[at])),
            tuple(one for at in range(_STATES) for one in _booked(self._names[at], states[at])),
            tuple(self._largest(closes, found)),
            tally,
            self._commits,
            self._committed,
            done if done > 0 else None,
        )

    def _held(self, names: "_Names", found: Marks) -> Iterator[OwnerFigures]:
        owner, many = names.owner[found.key], len(names.owners)
        counts = np.bincount(owner, minlength=many).tolist()
        unrealized = _sums(owner, found.unrealized, many)
        exposure = _sums(owner, found.exposure, many)
        for at in np.unique(owner).tolist():
            account, strategy = names.owners[at]
            pnl = unrealized[at] if self._unrealized else None
            yield OwnerFigures(account, strategy, counts[at], pnl, exposure[at])

    def _largest(self, closes: Closes, found: list[Marks]) -> Iterator[SymbolFigures]:
        """Give the symbols with the largest positions, then others by name."""
        if not self._top:
            return
        gross: dict[str, float] = {}
        for names, held in zip(self._names, found, strict=True):
            code = names.symbol[held.key]
            sums = np.bincount(code, np.abs(held.exposure / SCALE), len(names.symbols))
            for at in np.unique(code).tolist():
                name = names.symbols[at]
                gross[name] = gross.get(name, 0.0) + float(sums[at])
        ranked = sorted(gross, key=lambda name: (-gross[name], name))
        chosen = dict.fromkeys(ranked[: self._top], True)
        if len(chosen) < self._top:
            for name in sorted(closes):
                if len(chosen) == self._top:
                    break
                chosen.setdefault(name, False)
        for name, is_held in chosen.items():
            last = closes[name][1]
            yield SymbolFigures(name, last, self._instruments[name].calendar, is_held)


class _Names:
    """Numbers for the owners and symbols of a state's position keys, which only ever grow."""

    def __init__(self) -> None:
        self.owners: list[tuple[str, str]] = []
        self.owner: Int = np.empty(0, np.int64)
        self.symbols: list[str] = []
        self.symbol: Int = np.empty(0, np.int64)

    def learn(self, state: EngineState) -> None:
        """Give numbers to those that are new."""
        keys = state.keys
        if len(keys) != len(self.owner):
            self.owners, self.owner = _coded([(account, strategy) for account, strategy, _ in keys])
            self.symbols, self.symbol = _coded([key[2] for key in keys])


def _booked(names: _Names, state: EngineState) -> Iterator[Booked]:
    many = len(names.owners)
    realized, fees = (_sums(names.owner, one, many) for one in (state.realized, state.fees))
    for at in np.unique(names.owner[state.last_match != NO_TIME]).tolist():
        account, strategy = names.owners[at]
        yield Booked(account, strategy, realized[at], fees[at])


def _coded(names: Sequence[Name]) -> tuple[list[Name], Int]:
    distinct = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return list(distinct), np.array([distinct[name] for name in names], np.int64)


def _sums(code: Int, amounts: Int, many: int) -> list[float]:
    """Give sums of amounts (x 1e8) by code, in currency; NaN where one does not fit."""
    sums = np.zeros(many, np.int64)
    fits = amounts != OVERFLOW
    np.add.at(sums, code[fits], amounts[fits])
    found = sums / SCALE
    found[np.unique(code[~fits])] = np.nan
    values: list[float] = found.tolist()
    return values


@contextmanager
def scraped(
    plan: LivePlan, reader: StoreReader
) -> Iterator[Callable[[LiveEngine, Tick | None, Tally], None]]:
    """Serve the metrics of an engine while it runs, where `live.metricsPort` says.

    Gives a function that puts up how the engine stands. An engine trades without metrics
    rather than not at all: while the port is taken it is tried again now and then.
    """
    port = plan.settings.live.metrics_port
    if port == 0:
        yield lambda engine, tick, tally: None
        return
    clock, meter = Clock(), Meter(plan)

    def lease_age() -> float | None:
        with suppress(StoreError):
            return reader.lease().age(clock) / 1e6
        return None

    board = Board(lease_age)
    endpoint: Endpoint | None = None
    tried: float | None = None

    def show(engine: LiveEngine, tick: Tick | None, tally: Tally) -> None:
        nonlocal endpoint, tried
        board.publish(meter.figures(engine, tick, tally))
        now = time.monotonic()
        if endpoint is None and (tried is None or now - tried >= _TRY_AGAIN_SECONDS):
            try:
                endpoint = Endpoint(board, port)
            except OSError as error:
                if tried is None:
                    _log.warning(
                        "No metrics for now: http://%s:%s%s cannot be served (%s); it is tried "
                        "again. The setting live.metricsPort names another port.",
                        *(HOST, port, PATH, error.strerror),
                    )
            tried = now

    try:
        yield show
    finally:
        if endpoint is not None:
            endpoint.close()
