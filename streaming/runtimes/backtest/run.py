"""Run a backtest: from the lake's prices, or recorded signals, to trade matches.

Here a run gets its id, and is found, made or refused; `pipeline` does the work.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from streaming.errors import LakeError, RunError
from streaming.lake import DayInfo, Lake, sweep
from streaming.rules.units import SCALE, money_text
from streaming.runtimes.backtest.continuing import (
    bars_until,
    mark,
    newest_state,
    with_rows_after,
)
from streaming.runtimes.backtest.definition import (
    BacktestRequest,
    define,
    file_digest,
    run_id,
    time_text,
)
from streaming.runtimes.backtest.pipeline import Pipeline, Progress
from streaming.runtimes.backtest.recorded import recording_of
from streaming.runtimes.backtest.resuming import Saved, no_state, resume
from streaming.runtimes.backtest.store import holds, is_whole, new_run
from streaming.runtimes.backtest.window import Window, digest_read, symbols_of, window_of
from streaming.runtimes.runs import RUNS, Run, check_name, find_run, give_name, kept_run


def run_backtest(lake: Lake, request: BacktestRequest, progress: Progress | None = None) -> Run:
    """Run a backtest and keep it in the lake; a run that is there already is given back.

    Parameters
    ----------
    lake
        Prices in, the run out.
    request
        What to run.
    progress
        Told (time done, time in all, the day reached) after each slice.

    Raises
    ------
    RunError
        If there are no prices, a symbol is unknown, the run to resume does not fit, or the
        name stands for another run.
    """
    days = lake.days()
    symbols = symbols_of(lake, request, days)
    plan = _any_plan(lake, request, days, symbols)
    run = run_id(plan.definition)
    if request.name is not None:
        check_name(lake, request.name, run)
    options = _options(request)
    there = _kept(lake, run)
    kept = None if there is None else there.facts["options"]
    if there is None or kept is None or not holds(kept, options) or not is_whole(there.folder):
        if kept is not None:
            # What an earlier command wanted kept beside the matches stays.
            request = replace(
                request,
                trace=request.trace or kept["trace"],
                final_unrealized=request.final_unrealized or kept["finalUnrealized"],
            )
        _compute(lake, request, days, symbols, plan, progress)
    if request.rows_after is not None:
        mark(lake, find_run(lake, run))
    if request.name is not None:
        give_name(lake, request.name, run)
    return find_run(lake, request.name or run)


def planned_run(lake: Lake, request: BacktestRequest) -> str:
    """Give the runId that a request has as things are now: bars, settings, code. Runs nothing.

    Raises
    ------
    RunError
        As `run_backtest`.
    """
    days = lake.days()
    plan = _any_plan(lake, request, days, symbols_of(lake, request, days))
    return run_id(plan.definition)


class _Plan(NamedTuple):
    """How a run comes about.

    `definition` makes its runId; `window` and `saved` tell where the work begins; rows up to
    `keep_after` are left out (None: none); `first` is where its window begins; `digest` gives
    the digest of the bars read, from what the footers of the days say.
    """

    definition: dict[str, Any]
    window: Window
    saved: Callable[[], tuple[Saved, Window]]
    keep_after: int | None
    first: int
    digest: Callable[[list[DayInfo]], str]


def _kept(lake: Lake, run: str) -> Run | None:
    """Give the run of a runId; None where the lake has none, or cannot read what it was."""
    try:
        return kept_run(lake, run)
    except LakeError:
        # Its id says all that it is made of: it can be made again.
        return None


def _any_plan(
    lake: Lake, request: BacktestRequest, days: list[DayInfo], symbols: list[str]
) -> _Plan:
    make = _plan if request.rows_after is None else _continuous_plan
    return make(lake, request, days, symbols)


def _plan(lake: Lake, request: BacktestRequest, days: list[DayInfo], symbols: list[str]) -> _Plan:
    saved = no_state() if request.resume is None else resume(lake, request, symbols, days)
    window = window_of(lake, request, days, symbols, saved)

    def digest(days: list[DayInfo]) -> str:
        return digest_read(days, symbols, window, saved)

    signals = None if request.signals is None else file_digest(request.signals)
    definition = define(request, symbols, digest(days), signals, saved.run, window.complete_to)
    # Rows of an earlier window are that run's, those between it and the start nobody's.
    keep_after = None if window.start == saved.end else window.start
    # Where windows meet, rows count from the bar on that the earlier run ended with: that
    # may be before the end that was asked of it.
    first = window.begin if keep_after is None else window.start
    return _Plan(definition, window, lambda: (saved, window), keep_after, first, digest)


def _continuous_plan(
    lake: Lake, request: BacktestRequest, days: list[DayInfo], symbols: list[str]
) -> _Plan:
    rows_after = request.rows_after or 0
    whole = window_of(lake, request, days, symbols, no_state())
    if request.symbols is None:
        # Symbols that list later tell that the time of those that ended has gone on.
        known_to = days[-1].last_ts
        whole = whole._replace(
            complete_to=known_to if request.end is None else min(request.end, known_to)
        )
    first = max(rows_after, whole.start)
    if whole.complete_to <= first:
        raise RunError(
            f"{lake.root}: has no prices after {time_text(rows_after)}; the last bar of these "
            f"symbols is of {time_text(whole.complete_to)}."
        )

    def digest(days: list[DayInfo]) -> str:
        return bars_until(days, symbols, whole.complete_to)

    definition = define(request, symbols, digest(days), None, None, whole.complete_to)
    definition = with_rows_after(definition, request, whole)

    def begin() -> tuple[Saved, Window]:
        saved = newest_state(lake, request, definition, days)
        if saved.run is None:
            return saved, whole
        return saved, Window(saved.complete_to, saved.complete_to, whole.complete_to)

    return _Plan(definition, whole, begin, first, first, digest)


def _compute(
    lake: Lake,
    request: BacktestRequest,
    days: list[DayInfo],
    symbols: list[str],
    plan: _Plan,
    progress: Progress | None,
) -> None:
    """Do the work of a run, and put it into the lake."""
    sweep(lake.root / RUNS)
    run = run_id(plan.definition)
    saved, window = plan.saved()
    with (
        recording_of(lake, request, symbols, days) as recording,
        new_run(lake.root, run, plan.keep_after) as writer,
    ):
        backtest = Pipeline(lake, request, symbols, window, saved, days, plan.keep_after, recording)
        facts = backtest.run(run, writer, progress)
        if plan.digest(lake.days()) != plan.definition["bars"]:
            raise RunError(
                f"{lake.root}: prices were imported while the backtest was reading them. "
                "Run it again."
            )
        writer.put_facts(
            {
                "runId": run,
                "definition": plan.definition,
                "options": _options(request),
                "window": {
                    "start": time_text(plan.first),
                    "end": time_text(request.end),
                    "completeTo": time_text(plan.window.complete_to),
                },
                "pointValues": {
                    name: money_text(request.instruments[name].point_value)
                    for name in symbols
                    if request.instruments[name].point_value != SCALE
                },
                "rows": writer.rows,
                **facts,
            }
        )


def _options(request: BacktestRequest) -> dict[str, Any]:
    """Give what is kept beside the matches, and how figures are made: not what the rows are."""
    metrics = request.settings.metrics
    return {
        "trace": request.trace,
        "finalUnrealized": request.final_unrealized,
        "timezone": metrics.timezone,
        "daysPerYear": metrics.days_per_year,
    }
