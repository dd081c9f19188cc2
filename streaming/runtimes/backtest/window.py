"""What a run reads: which symbols, which stretch of time, and the digest of those bars."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

from streaming.errors import RunError
from streaming.instruments import Instruments
from streaming.lake import DayInfo, Lake
from streaming.rules.bars import DAY_US, MINUTE_US
from streaming.runtimes.backtest.definition import BacktestRequest, bars_digest, time_text
from streaming.runtimes.backtest.resuming import Saved
from streaming.runtimes.backtest.slices import day_end


class Window(NamedTuple):
    """Times of a run, microseconds UTC.

    `begin`: bars after it are read; `start`: signals after it count; `complete_to`: the end,
    or the last bar where the lake ends before that.
    """

    begin: int
    start: int
    complete_to: int


def symbols_of(lake: Lake, request: BacktestRequest, days: list[DayInfo]) -> list[str]:
    """Give the symbols that take part, sorted.

    Raises
    ------
    RunError
        If the lake or the instruments file lacks one.
    """
    known = {name for info in days for name in info.symbols}
    end = request.end
    before_end = {
        name for info in days if end is None or info.first_ts <= end for name in info.symbols
    }
    wanted = (
        sorted(before_end or known) if request.symbols is None else sorted(set(request.symbols))
    )
    check_symbols(lake, days, wanted, request.instruments)
    return wanted


def check_symbols(
    lake: Lake, days: Iterable[DayInfo], wanted: Iterable[str], instruments: Instruments
) -> None:
    """Refuse symbols that cannot take part.

    Raises
    ------
    RunError
        If the lake or the instruments file lacks one, or there are no prices at all.
    """
    known = {name for info in days for name in info.symbols}
    if not known:
        raise RunError(f"{lake.root}: has no prices. Import some with `trading import`.")
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 3)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise RunError(f"{lake.root}: has no prices of symbol {name!r}.{hint}")
        if name not in instruments:
            raise RunError(
                f"Symbol {name!r} is not in the instruments file. Add it, or leave it out."
            )


def window_of(
    lake: Lake, request: BacktestRequest, days: list[DayInfo], symbols: list[str], saved: Saved
) -> Window:
    """Give the times of a run.

    Raises
    ------
    RunError
        If there are no prices in it, or it begins before the end of the run it resumes.
    """
    mine = [info for info in days if not info.symbols.keys().isdisjoint(symbols)]
    last_day = mine[-1]
    tail = lake.bars(
        [name for name in symbols if name in last_day.symbols], day_end(last_day.day) - DAY_US
    )
    known_to = max(int(bars.ts[-1]) for bars in tail.values() if len(bars))
    end = known_to if request.end is None else min(request.end, known_to)
    if saved.run is None:
        first = mine[0]
        head = lake.bars([name for name in symbols if name in first.symbols], None, first.last_ts)
        begin = min(int(bars.ts[0]) for bars in head.values()) - MINUTE_US
    else:
        begin = saved.complete_to
    start = begin if saved.run is None else saved.end
    if request.start is not None:
        start = request.start if saved.run is None else max(request.start, saved.end)
    if request.start is not None and saved.run is not None and request.start < saved.end:
        raise RunError(
            f"Run {saved.run} ended at {time_text(saved.end)}: what resumes it cannot start "
            f"before, at {time_text(request.start)}."
        )
    if end <= begin or end <= start:
        raise RunError(
            f"{lake.root}: has no prices between {time_text(request.start or start)} and "
            f"{time_text(request.end) or 'its end'}; the bars of these symbols are of "
            f"{time_text(mine[0].first_ts)} to {time_text(known_to)}."
        )
    return Window(begin, max(start, begin) if saved.run is None else start, end)


def digest_read(days: list[DayInfo], symbols: list[str], window: Window, saved: Saved) -> str:
    """Give the digest of the bars that are read, those that warm up new symbols among them."""
    read = [info for info in days if window.begin < info.last_ts]
    digest = bars_digest([info for info in read if info.first_ts <= window.complete_to], symbols)
    new = saved.lacks(symbols)
    if not new:
        return digest
    earlier = bars_digest([info for info in days if info.first_ts <= window.begin], new)
    return f"{earlier} {digest}"
