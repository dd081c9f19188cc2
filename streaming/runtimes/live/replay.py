"""Play a lake's bars through the live engine, from where its store is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streaming.errors import RunError
from streaming.feeds.replay import LakeReplay
from streaming.lake import Lake
from streaming.runtimes.live.engine import LivePlan, Tick
from streaming.runtimes.live.running import LiveReport, LiveRun, drive, warm_up

HOLDER = "trading replay"


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay.

    Attributes
    ----------
    plan
        What the engine runs; `live.speed` of its settings is the speed.
    symbols
        None: all that the lake has.
    start, end
        Microseconds UTC: bars with start < ts <= end; None: from the first, to the last.
        Features see the bars before the start, too.
    """

    plan: LivePlan
    symbols: tuple[str, ...] | None = None
    start: int | None = None
    end: int | None = None


def replay(
    lake: Lake,
    store: Path,
    request: ReplayRequest,
    progress: Callable[[float, float, str], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> LiveReport:
    """Play the lake's bars through the engine, each tick committed to the store.

    Called again after any stop it goes on where the store is.

    Parameters
    ----------
    store
        The store's file; made where it is not there.
    progress
        Told how much of the market's time is done, of how much, and the day.
    stop
        Asked between commits: True ends it.

    Raises
    ------
    RunError
        If the lake has no prices, or none of a symbol.
    LeaseHeldError
        If another process runs on the store.
    StateError, SourceError
        If the store was begun with something else.
    """
    first, last = _span(lake, request)

    def on_tick(tick: Tick | None) -> None:
        if tick is not None and progress is not None:
            progress(tick.complete_to - first, last - first, "")

    speed = request.plan.settings.live.market_seconds
    run = LiveRun(
        request.plan,
        store,
        LakeReplay(lake, request.symbols, request.start, request.end, speed),
        lambda engine: warm_up(engine, lake, request.symbols, until=request.start),
    )
    return drive(run, until_end=True, holder=HOLDER, on_tick=on_tick, stop=stop)


def _span(lake: Lake, request: ReplayRequest) -> tuple[int, int]:
    """Give the time that there are bars of."""
    days = lake.days()
    known = {name for info in days for name in info.symbols}
    if not known:
        raise RunError(f"{lake.root}: has no prices. Import some with `trading import`.")
    for name in request.symbols or ():
        if name not in known:
            raise RunError(f"{lake.root}: has no prices of symbol {name!r}.")
    first = days[0].first_ts if request.start is None else request.start
    last = days[-1].last_ts if request.end is None else request.end
    return first, max(last, first + 1)
