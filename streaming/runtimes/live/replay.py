"""Play a lake's bars through the live engine, from where its store is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streaming.errors import RunError
from streaming.feeds.replay import LakeReplay
from streaming.lake import Lake
from streaming.rules.bars import DAY_US
from streaming.runtimes.backtest.slices import day_end
from streaming.runtimes.live.engine import LiveEngine, LivePlan, Tick
from streaming.runtimes.live.service import LiveService
from streaming.store import TableStore

HOLDER = "trading replay"


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay.

    Attributes
    ----------
    plan
        What the engine runs.
    symbols
        None: all that the lake has.
    start, end
        Microseconds UTC: bars with start < ts <= end; None: from the first, to the last.
        Features see the bars before the start, too.
    speed
        Seconds of the market in one; None: as fast as can be.
    """

    plan: LivePlan
    symbols: tuple[str, ...] | None = None
    start: int | None = None
    end: int | None = None
    speed: float | None = None


@dataclass
class ReplayReport:
    """What one call did: bars used, ticks committed, and the time that the store has reached."""

    bars: int = 0
    ticks: int = 0
    complete_to: int | None = None


def replay(
    lake: Lake,
    store: Path,
    request: ReplayRequest,
    progress: Callable[[float, float, str], None] | None = None,
) -> ReplayReport:
    """Play the lake's bars through the engine, each tick committed to the store.

    Called again after any stop it goes on where the store is.

    Parameters
    ----------
    store
        The store's file; made where it is not there.
    progress
        Told how much of the market's time is done, of how much, and the day.

    Raises
    ------
    RunError
        If the lake has no prices, or none of a symbol.
    LeaseHeldError
        If another process runs on the store.
    StateError, SourceError
        If the store was begun with something else.
    """
    symbols, first, last = _span(lake, request)
    store.parent.mkdir(parents=True, exist_ok=True)
    report = ReplayReport()
    with TableStore(store, holder=HOLDER) as opened:
        service = LiveService(
            opened, request.plan, warm_up=lambda engine: _warm_up(engine, lake, symbols, request)
        )
        feed = LakeReplay(lake, symbols, request.start, request.end, request.speed)
        try:
            report.complete_to = _reached(service.engine)
            for tick in service.run(feed):
                _count(report, tick)
                if progress is not None and report.complete_to is not None:
                    progress(report.complete_to - first, last - first, "")
        finally:
            service.close()
    return report


def _count(report: ReplayReport, tick: Tick | None) -> None:
    if tick is not None:
        report.bars += tick.bars
        report.ticks += 1
        report.complete_to = tick.complete_to


def _reached(engine: LiveEngine) -> int | None:
    return engine.done_to if engine.done_to > 0 else None


def _span(lake: Lake, request: ReplayRequest) -> tuple[list[str], int, int]:
    """Give the symbols, and the time that there are bars of."""
    days = lake.days()
    known = {name for info in days for name in info.symbols}
    if not known:
        raise RunError(f"{lake.root}: has no prices. Import some with `trading import`.")
    symbols = sorted(known if request.symbols is None else set(request.symbols))
    for name in symbols:
        if name not in known:
            raise RunError(f"{lake.root}: has no prices of symbol {name!r}.")
    first = days[0].first_ts if request.start is None else request.start
    last = days[-1].last_ts if request.end is None else request.end
    return symbols, first, max(last, first + 1)


def _warm_up(
    engine: LiveEngine, lake: Lake, symbols: Sequence[str], request: ReplayRequest
) -> None:
    """Take the features through the bars before the start, a day at a time."""
    if request.start is None:
        return
    for info in lake.days():
        if info.first_ts > request.start:
            break
        wanted = [name for name in symbols if name in info.symbols]
        end = min(day_end(info.day), request.start)
        engine.warm_up(lake.bars(wanted, day_end(info.day) - DAY_US, end), end)
