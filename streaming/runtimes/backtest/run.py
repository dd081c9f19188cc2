"""Run a backtest: from the lake's prices, or recorded signals, to trade matches.

Here a run gets its id, and is found, made or refused; `pipeline` does the work.
"""

from dataclasses import replace
from typing import Any

from streaming.errors import RunError
from streaming.lake import Lake, sweep
from streaming.rules.money import SCALE, money_text
from streaming.runtimes.backtest.definition import (
    BacktestRequest,
    define,
    file_digest,
    run_id,
    time_text,
)
from streaming.runtimes.backtest.pipeline import Pipeline, Progress
from streaming.runtimes.backtest.recorded import recording_of
from streaming.runtimes.backtest.resuming import no_state, resume
from streaming.runtimes.backtest.store import holds, new_run
from streaming.runtimes.backtest.window import digest_read, symbols_of, window_of
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
    saved = no_state() if request.resume is None else resume(lake, request, symbols, days)
    window = window_of(lake, request, days, symbols, saved)
    bars = digest_read(days, symbols, window, saved)
    definition = define(
        request,
        symbols,
        bars,
        None if request.signals is None else file_digest(request.signals),
        saved.run,
        window.complete_to,
    )
    run = run_id(definition)
    if request.name is not None:
        check_name(lake, request.name, run)
    options = _options(request)
    there = kept_run(lake, run)
    kept = None if there is None else there.facts["options"]
    if kept is None or not holds(kept, options):
        if kept is not None:
            # What an earlier command wanted kept beside the matches stays.
            request = replace(
                request,
                trace=request.trace or kept["trace"],
                final_unrealized=request.final_unrealized or kept["finalUnrealized"],
            )
        sweep(lake.root / RUNS)
        # Rows of an earlier window are that run's, those between it and the start nobody's.
        keep_after = None if window.start == saved.end else window.start
        # Where windows meet, rows count from the bar on that the earlier run ended with: that
        # may be before the end that was asked of it.
        start = window.begin if keep_after is None else window.start
        with (
            recording_of(lake, request, symbols, days) as recording,
            new_run(lake.root, run, keep_after) as writer,
        ):
            backtest = Pipeline(lake, request, symbols, window, saved, days, keep_after, recording)
            facts = backtest.run(run, writer, progress)
            if digest_read(lake.days(), symbols, window, saved) != bars:
                raise RunError(
                    f"{lake.root}: prices were imported while the backtest was reading them. "
                    "Run it again."
                )
            writer.put_facts(
                {
                    "runId": run,
                    "definition": definition,
                    "options": _options(request),
                    "window": {
                        "start": time_text(start),
                        "end": time_text(request.end),
                        "completeTo": time_text(window.complete_to),
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
    if request.name is not None:
        give_name(lake, request.name, run)
    return find_run(lake, request.name or run)


def _options(request: BacktestRequest) -> dict[str, Any]:
    """Give what is kept beside the matches, and how figures are made: not what the rows are."""
    metrics = request.settings.metrics
    return {
        "trace": request.trace,
        "finalUnrealized": request.final_unrealized,
        "timezone": metrics.timezone,
        "daysPerYear": metrics.days_per_year,
    }
