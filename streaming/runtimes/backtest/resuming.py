"""Go on from the state that the run of an earlier window saved."""

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from streaming.errors import RunError
from streaming.lake import DayInfo, Lake
from streaming.rules.bars import DAY_US
from streaming.runtimes.backtest.definition import BacktestRequest, define, time_text
from streaming.runtimes.backtest.slices import day_end
from streaming.runtimes.backtest.store import read_states
from streaming.runtimes.runs import Run, find_run


class Saved(NamedTuple):
    """State to start from.

    Attributes
    ----------
    run
        runId that saved it; None: there is none.
    complete_to, end
        Up to where that run knew the bars, and the end of its window; microseconds UTC.
    accounts, symbols
        State bytes by accountId, and by symbol.
    closes
        Each symbol's last (close x 1e8, ts).
    strategies
        Ids of those that took part.
    """

    run: str | None
    complete_to: int
    end: int
    accounts: dict[str, bytes]
    symbols: dict[str, bytes]
    closes: dict[str, tuple[int, int]]
    strategies: list[str]

    def lacks(self, symbols: list[str]) -> list[str]:
        """Give the symbols that were not there yet; none where there is no state."""
        return [name for name in symbols if self.run is not None and name not in self.closes]


def bars_known(
    lake: Lake, days: Iterable[DayInfo], symbols: Iterable[str], complete_to: int
) -> dict[str, str]:
    """Give for each symbol a digest of its bars up to a time, all that the lake has.

    A run whose state was saved at that time rests on them: where they are others later, what
    resumes it would not give the rows of one run over the whole.
    """
    wanted = sorted(symbols)
    digests = {name: hashlib.blake2b(digest_size=8) for name in wanted}
    for info in days:
        end = day_end(info.day)
        if end - DAY_US >= complete_to:
            break
        there = [name for name in wanted if name in info.symbols]
        if end <= complete_to:
            for name in there:
                rows, content = info.symbols[name]
                digests[name].update(f"{info.day} {rows} {content}\n".encode())
            continue
        # More bars of this day may come after that time: only those before it count.
        for name, bars in lake.bars(there, end - DAY_US, complete_to).items():
            for column in bars if len(bars) else ():
                digests[name].update(np.ascontiguousarray(column).tobytes())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def no_state() -> Saved:
    """Give the state of a run that starts flat."""
    return Saved(None, 0, 0, {}, {}, {}, [])


def resume(lake: Lake, request: BacktestRequest, symbols: list[str], days: list[DayInfo]) -> Saved:
    """Read the state of the run that a request resumes.

    Raises
    ------
    RunError
        If there is no such run, it was defined otherwise, or the bars that it knew are others
        now.
    """
    run = find_run(lake, request.resume or "")
    states, facts = read_states(run.folder, "symbols")
    _check_same(run, request, symbols, facts["complete_to"])
    now = bars_known(lake, days, facts["bars"], facts["complete_to"])
    changed = [name for name, digest in facts["bars"].items() if now[name] != digest]
    if changed:
        raise RunError(
            f"Run {run.label} cannot be resumed: bars of {', '.join(changed[:5])}"
            f"{' and others' if len(changed) > 5 else ''} up to "
            f"{time_text(facts['complete_to'])}, which it ended with, were imported or changed "
            "since. Run its window again first."
        )
    saved = saved_by(run, states, facts)
    if request.roster is not None and set(request.roster) != set(saved.strategies):
        raise RunError(
            f"Run {run.label} cannot be resumed: its strategies are "
            f"{', '.join(saved.strategies)}, others than are named now. Name these, or leave out "
            "--strategies."
        )
    return saved


def saved_by(run: Run, symbols: dict[str, bytes], facts: dict[str, Any]) -> Saved:
    """Give what a run saved; `symbols` and `facts` are its symbols' states, read already."""
    accounts, taking_part = read_states(run.folder, "accounts")
    return Saved(
        run.id,
        facts["complete_to"],
        facts["end"],
        accounts,
        symbols,
        {name: (close, ts) for name, (close, ts) in facts["closes"].items()},
        taking_part["strategies"],
    )


def _check_same(run: Run, request: BacktestRequest, symbols: list[str], complete_to: int) -> None:
    """Refuse to go on from a run whose rows this one's would not continue."""
    before: dict[str, Any] = run.definition
    now = define(request, symbols, "", None, None, complete_to)
    differing = [
        name
        for name in ("sources", "strategies", "layout", "account", "instruments", "weights")
        if before[name] != now[name]
    ]
    if (before["signals"] is None) != (request.signals is None):
        differing.append("signals")
    if set(before["symbols"]) - set(symbols):
        differing.append("symbols")
    if differing:
        raise RunError(
            f"Run {run.label} cannot be resumed: {', '.join(differing)} differ from what is asked "
            "for now. Run its window again first, or start without --resume."
        )
