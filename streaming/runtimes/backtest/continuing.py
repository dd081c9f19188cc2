"""Windows of one continuous backtest, each computed from the newest state that helps.

A request with `rows_after` asks for the rows that a backtest from the very beginning gives
after that time. They follow from the bars alone, so where the work is taken up again is not
part of what defines the run: windows computed in any order, alone or one after another, are
the same runs. What was saved by an earlier window is found by a marker in the lake,
`runs/.continuous/<digest>/<time>-<runId>`; without any, the work begins at the first bar.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from streaming.errors import LakeError, StateError
from streaming.lake import DayInfo, Lake
from streaming.runtimes.backtest.definition import (
    BacktestRequest,
    bars_digest,
    time_text,
    weights_digest,
)
from streaming.runtimes.backtest.resuming import Saved, no_state, saved_by
from streaming.runtimes.backtest.store import read_states
from streaming.runtimes.backtest.window import Window
from streaming.runtimes.runs import RUNS, Run, kept_run

_MARKERS = ".continuous"
_SAME = ("sources", "strategies", "start", "layout", "account", "instruments")


def bars_until(days: list[DayInfo], symbols: list[str], complete_to: int) -> str:
    """Give the digest of all bars of some symbols on the days up to a time."""
    return bars_digest([info for info in days if info.first_ts <= complete_to], symbols)


def with_rows_after(
    definition: dict[str, Any], request: BacktestRequest, window: Window
) -> dict[str, Any]:
    """Add to what defines a run which of its rows are kept, and whether its end is known."""
    ended = request.end is not None and request.end <= window.complete_to
    return definition | {
        "rowsAfter": time_text(request.rows_after),
        "completeTo": None if ended else time_text(window.complete_to),
    }


def newest_state(
    lake: Lake,
    request: BacktestRequest,
    definition: dict[str, Any],
    days: list[DayInfo],
) -> Saved:
    """Find the newest state from which the rows after `rows_after` can be computed.

    Parameters
    ----------
    definition
        Of the run that is to be computed.

    Returns
    -------
    Saved
        Without a run where there is none: the work begins at the first bar.
    """
    for run in _candidates(lake, definition, request.rows_after or 0):
        try:
            states, facts = read_states(run.folder, "symbols")
            if _continues(run, facts["complete_to"], request, definition, days):
                return saved_by(run, states, facts)
        except (StateError, KeyError, TypeError, ValueError, AttributeError):
            # Damaged, or of another version: an older one serves as well.
            continue
    return no_state()


def _continues(
    run: Run,
    complete_to: int,
    request: BacktestRequest,
    definition: dict[str, Any],
    days: list[DayInfo],
) -> bool:
    """Tell whether a run is the beginning of the one that is to be computed."""
    before = run.definition
    symbols = before["symbols"]
    there = {name for info in days if info.first_ts <= complete_to for name in info.symbols}
    return (
        all(before[name] == definition[name] for name in _SAME)
        and set(symbols) == there.intersection(definition["symbols"])
        and before["weights"] == weights_digest(request, complete_to)
        and before["bars"] == bars_until(days, symbols, complete_to)
    )


def _candidates(lake: Lake, definition: dict[str, Any], latest: int) -> Iterator[Run]:
    """Give the runs marked up to a time, the newest first."""
    marks = []
    for path in _folder(lake, definition).glob("*-*"):
        time, _, run = path.name.partition("-")
        if time.isdigit() and int(time) <= latest:
            marks.append((int(time), run))
    for _, marked in sorted(marks, reverse=True):
        try:
            found = kept_run(lake, marked)
        except LakeError:
            continue
        if found is not None:
            yield found


def mark(lake: Lake, run: Run) -> None:
    """Let later windows find a run's state."""
    complete_to = read_states(run.folder, "symbols")[1]["complete_to"]
    folder = _folder(lake, run.definition)
    # Without the mark later windows take longer, and that is all.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{complete_to}-{run.id}").touch()


def _folder(lake: Lake, definition: dict[str, Any]) -> Path:
    text = json.dumps([definition[name] for name in _SAME], sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
    return lake.root / RUNS / _MARKERS / digest
