"""`live_engine_job`: the live engine as one long run that ticks as data arrives."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import capture_interrupts, check_captured_interrupt

from streaming.contracts import TABLES
from streaming.errors import TradingError
from trading_assets.lineage import ENGINE_TABLES, SHARED_TABLES
from trading_assets.live.reporting import Reporter
from trading_assets.platform import Platform, PlatformResource
from trading_assets.workers import AT_ONCE_TAG

ENGINE_JOB = "live_engine_job"
HOLDER = "Dagster run "
"""Begins the name under which a run has the store's lease; its id ends it."""

RUN_TAGS = {
    # The keeper starts the next one: Dagster's own retry would be a second engine.
    "dagster/max_retries": "0",
    # It waits for nobody's backfill.
    AT_ONCE_TAG: "true",
}

_MADE_HERE = {table.name for table in ENGINE_TABLES}
_SHARED = {table.name for table in SHARED_TABLES}


def store_of(platform: Platform) -> Path:
    """Name the table store's file."""
    return platform.settings.live.store_in(platform.folders.root)


def holder_of(run_id: str) -> str:
    """Name a run as holder of the store's lease."""
    return HOLDER + run_id


def engine_job() -> dg.JobDefinition:
    """Make the job."""

    @dg.op(
        description="Ticks as data arrives, each tick one commit, until it is stopped or "
        "live.runHours have passed.",
    )
    def live_engine(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
        hours = platform.settings.live.run_hours
        end = time.monotonic() + hours * 3600
        stopped = run_engine(
            context, platform, until_end=False, over=lambda: time.monotonic() >= end
        )
        if stopped:
            raise DagsterExecutionInterruptedError(
                "The engine was told to stop. Its last tick is committed, its lease given back."
            )
        context.log.info(f"Ended at a commit after {hours} hours; the keeper starts the next run.")

    @dg.job(
        name=ENGINE_JOB,
        tags=RUN_TAGS,
        executor_def=dg.in_process_executor,
        description="The live engine. live_engine_keeper keeps one run of it alive; a run that "
        "a person has canceled stays stopped until a person launches this job again.",
    )
    def job() -> None:
        live_engine()

    return job


def run_engine(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    platform: Platform,
    *,
    until_end: bool,
    over: Callable[[], bool] = lambda: False,
) -> bool:
    """Run the engine in this op, and tell of the tables that it changes.

    Parameters
    ----------
    until_end
        End when the input has ended; how the tables stand then is left to the caller to tell.
    over
        Asked between commits: True ends the run.

    Returns
    -------
    bool
        Whether somebody stopped it: Dagster, a person, a signal.

    Raises
    ------
    dagster.Failure
        With what a person can mend: another engine has the lease, the disk is full.
    """
    from streaming.runtimes.live.running import run_live

    settings, folder = platform.settings, platform.folders.root
    reporter = Reporter(
        store_of(platform), lambda name, facts: _tell(context, name, facts),
        settings.live.report_seconds,
    )  # fmt: skip
    with _interrupts() as interrupted, failures():
        report = run_live(
            settings,
            folder,
            until_end=until_end,
            holder=holder_of(context.run.run_id),
            on_tick=lambda tick: reporter.tick(),
            stop=lambda: interrupted() or over(),
        )
        stopped = interrupted()
        if stopped or not until_end:
            reporter.finish()
    context.log.info(f"{report.bars:,} bars in {report.ticks:,} ticks.")
    return stopped


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Take interrupts as a word, and not as an exception anywhere: the tick in hand is ended."""
    with capture_interrupts():
        yield check_captured_interrupt


def _tell(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, name: str, facts: dict[str, Any]
) -> None:
    if name in _MADE_HERE:
        context.log_event(dg.AssetMaterialization(name, metadata=facts))
    elif name in _SHARED:
        # Days and months of these are made elsewhere: here it is only said what the store has.
        words = f"rows of {TABLES[name].name} in the live engine's store"
        context.log_event(dg.AssetObservation(name, description=words, metadata=facts))


@contextmanager
def failures() -> Iterator[None]:
    """Turn what a person can mend into a failure of the run that says just that."""
    try:
        yield
    except TradingError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
