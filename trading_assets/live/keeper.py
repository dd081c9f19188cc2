"""`live_engine_keeper`: the sensor that keeps exactly one run of the live engine alive.

What Dagster says of a run is not enough: one whose code server was killed with its worker is
"started" for ever. What counts is the store's lease: who has it, and whether its process lives
and has shown itself. A run that lost it is reported failed, and the next is started; should its
process wake up, its commits are refused by their old epoch.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from streaming.errors import StoreError
from trading_assets.live.engine import ENGINE_JOB, holder_of, store_of
from trading_assets.platform import PlatformResource
from trading_assets.workers import lost

if TYPE_CHECKING:
    from streaming.store import Lease

KEEPER = "live_engine_keeper"

START_SECONDS = 600.0
"""How long a run may take until it has the lease: the rules may have to be compiled first."""

RETRY_SECONDS = 30.0
MOST_RETRY_SECONDS = 900.0
"""After a second failure in a row the keeper waits, and twice as long after each other."""

_SECONDS = 15
_LOOKED_AT = 20


@dataclass
class Verdict:
    """What is to be done.

    Attributes
    ----------
    why : str
        For people.
    start : bool
        Start a run.
    after : str
        Id of the run that it comes after; "" where there was none.
    dead : list
        Runs that have lost their process or lease, each with the reason.
    """

    why: str
    start: bool = False
    after: str = ""
    dead: list[tuple[dg.DagsterRun, str]] = field(default_factory=list)


def keeper_sensor(job: dg.JobDefinition) -> dg.SensorDefinition:
    """Define the sensor of the engine's job."""

    @dg.sensor(
        name=KEEPER,
        job=job,
        minimum_interval_seconds=_SECONDS,
        # Off at first: to go live is a step that a person takes.
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Keeps exactly one run of the live engine alive, by the lease in its store. A "
        "run that a person has canceled stays stopped: launch live_engine_job to go on.",
    )
    def keeper(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            lease = read_lease(store_of(platform))
        except StoreError as error:
            return dg.SkipReason(f"No engine is started before this is mended: {error}")
        verdict = judge(context.instance, lease, time.time())
        for run, why in verdict.dead:
            context.log.warning(f"Run {run.run_id}: {why}")
            close(context.instance, run, why)
        if not verdict.start:
            return dg.SkipReason(verdict.why)
        context.log.info(verdict.why)
        # The same tick done again, after a kill of the daemon, asks for the same run.
        return dg.RunRequest(run_key=f"after {verdict.after}" if verdict.after else "first")

    return keeper


def read_lease(store: Path) -> "Lease | None":
    """Read the lease of a store; None where there is no store yet.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    from streaming.store import StoreReader

    if not store.exists():
        return None
    with StoreReader(store) as reader:
        return reader.lease()


def close(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    """Report a dead run failed, or canceled where a person had asked for that."""
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, why)
    else:
        instance.report_run_failed(run, why)


def judge(instance: dg.DagsterInstance, lease: "Lease | None", now: float) -> Verdict:
    """Say whether a run is to be started, and which are dead.

    Parameters
    ----------
    instance
        Where the runs are.
    lease
        The store's; None where there is no store yet.
    now
        Unix time.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=ENGINE_JOB), limit=_LOOKED_AT)
    held = lease is not None and holds(lease)
    dead, alive = [], ""
    for record in records:
        run = record.dagster_run
        if run.is_finished:
            continue
        why = _dead(instance, record, lease, held, now)
        if why is not None:
            dead.append((run, why))
        elif not alive:
            alive = _living(run, lease, held)
    if alive:
        return Verdict(alive, dead=dead)
    if lease is not None and held and not _of(lease, [run for run, _ in dead]):
        return Verdict(
            f"{lease} has the store's lease, so that no other engine is started.", dead=dead
        )
    return _next(records, dead, now)


def holds(lease: "Lease") -> bool:
    """Tell whether a lease holds: its process lives, and has shown itself in time."""
    from streaming.store import Clock

    return lease.remaining(Clock()) > 0


def _of(lease: "Lease", runs: Sequence[dg.DagsterRun]) -> bool:
    return any(lease.holder == holder_of(run.run_id) for run in runs)


def _living(run: dg.DagsterRun, lease: "Lease | None", held: bool) -> str:
    if lease is not None and held and _of(lease, [run]):
        return f"Run {run.run_id} is alive: it has the lease, epoch {lease.epoch}."
    return f"Run {run.run_id} is {run.status.value.lower()}, without the lease so far."


def _dead(
    instance: dg.DagsterInstance,
    record: dg.RunRecord,
    lease: "Lease | None",
    held: bool,
    now: float,
) -> str | None:
    """Say why a run that Dagster takes for one in progress is dead; None where it may live."""
    run = record.dagster_run
    gone = lost(instance, run)
    if gone is not None:
        return gone
    if lease is not None and lease.holder == holder_of(run.run_id):
        if held or lease.released:
            return None  # it works, or is about to end
        return (
            f"Process {lease.process.pid}, which had the lease, is gone or has not shown itself "
            f"for {lease.ttl / 1e6:g} s. Should it wake up, its commits are refused."
        )
    started = record.start_time or record.create_timestamp.timestamp()
    if now - started > START_SECONDS:
        return f"It has not had the lease {START_SECONDS:g} s after its start."
    return None


def _next(
    records: Sequence[dg.RunRecord], dead: Sequence[tuple[dg.DagsterRun, str]], now: float
) -> Verdict:
    """Say whether the next run is to be started, from how the ones before it ended."""
    closed = {run.run_id for run, _ in dead}
    canceling = [run for run, _ in dead if run.status == dg.DagsterRunStatus.CANCELING]
    # Those that are about to be closed end now, after all others.
    ended = sorted(
        records,
        key=lambda one: now if one.dagster_run.run_id in closed else one.end_time or 0.0,
        reverse=True,
    )
    last = ended[0].dagster_run if ended else None
    if last is not None and (canceling or last.status == dg.DagsterRunStatus.CANCELED):
        which = (canceling or [last])[0].run_id
        return Verdict(
            f"Run {which} was canceled by a person, and stays stopped: launch {ENGINE_JOB} to go "
            "on.",
            dead=list(dead),
        )
    after = "" if last is None else last.run_id
    failures = 0
    for one in ended:
        quick = (one.end_time or now) - (one.start_time or now) < MOST_RETRY_SECONDS
        failed = one.dagster_run.status == dg.DagsterRunStatus.FAILURE
        if not (quick and failed):
            break
        failures += 1
    wait = min(RETRY_SECONDS * 2 ** (failures - 2), MOST_RETRY_SECONDS) if failures > 1 else 0.0
    left = (ended[0].end_time or 0.0) + wait - now if wait else 0.0
    if left > 0:
        return Verdict(
            f"{failures} runs in a row have failed: the next is started in {left:.0f} s. Run "
            f"{after} says why.",
            dead=list(dead),
        )
    said = "the first run" if not after else f"the run after {after}"
    return Verdict(f"No engine is alive: {said} is started.", True, after, list(dead))
