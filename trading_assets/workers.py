"""Runs whose process is gone: killed, or ended by a machine that stopped.

Dagster's own run launcher cannot tell, and leaves such a run "started" for ever: it would hold
one of the queue's places, and the pools that it was in. Every process of a data folder runs on
one machine, because SQLite wants that, so the process that told of a run's start can be asked
for.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

_IN_PROGRESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_TELLING = {
    dg.DagsterEventType.RUN_START,
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.STEP_WORKER_STARTED,
}
_DEAD = ("Z", "X")
# A process has begun before it tells of anything; the clocks of both are read apart.
_SLACK_SECONDS = 2.0


AT_ONCE_TAG = "trading/at-once"
"""Runs with this tag do not wait in the queue."""


class AtOnceRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, past which runs with the tag `trading/at-once` go.

    The live engine must not wait until a backfill has ended.
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Put a run into the queue, or launch it."""
        run = context.dagster_run
        if AT_ONCE_TAG not in run.tags or run.status != dg.DagsterRunStatus.NOT_STARTED:
            return super().submit_run(context)
        self._instance.launch_run(run.run_id, context.workspace)
        launched = self._instance.get_run_by_id(run.run_id)
        return launched or run


class WatchingRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which can tell whether the process of a run is alive.

    `dagster.yaml` names it, and so the daemon's run monitoring marks runs as failed whose
    process is gone: those that it has launched, and those of `trading_assets.launch`.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Tell whether the process of a run that has started is alive."""
        why = lost(self._instance, run)
        if why is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, why)


def settle(instance: dg.DagsterInstance) -> list[str]:
    """End the runs in progress whose process is gone, and free what they held.

    They are failed, or canceled where somebody had asked for that; `run_retries` of the
    instance says whether they are tried again.

    Returns
    -------
    list of str
        Their ids.
    """
    settled = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS)):
        why = lost(instance, run)
        if why is None:
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)
        settled.append(run.run_id)
    # The daemon frees these too, but a run from a terminal may not wait for a daemon.
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for held in storage.get_concurrency_run_ids():
            holder = instance.get_run_by_id(held)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(held)
    return settled


def lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Say that the processes of a run are gone; None where one is alive, or none is known."""
    told = dict(_processes(instance, run.run_id))
    # One without a process yet is about to start, or is timed out by the daemon.
    if not told or any(lives(process, at) for process, at in told.items()):
        return None
    return (
        f"Process {', '.join(map(str, told))}, which worked on this run, is gone: it was killed, "
        "or the machine stopped. Partitions that it had finished are whole, the others as they "
        "were before; run it again."
    )


def _processes(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[int, float]]:
    """Give the number of each process of a run, and when it told so (Unix time)."""
    for entry in instance.all_logs(run_id, of_type=_TELLING):
        event = entry.dagster_event
        if event is None:
            continue
        told = getattr(event.event_specific_data, "metadata", {}).get("pid")
        if told is not None and str(told.value).isdigit():
            yield int(told.value), entry.timestamp
        if event.event_type == dg.DagsterEventType.RUN_START and event.pid is not None:
            yield event.pid, entry.timestamp


def lives(process: int, at: float) -> bool:
    """Tell whether a process that was there at a moment (Unix time) still is."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return not Path("/proc/stat").exists() and _answers(process)
    except OSError:
        return _answers(process)
    state, *fields = stat.rpartition(")")[2].split()
    began = int(fields[18]) / os.sysconf("SC_CLK_TCK")
    began += next(float(line.split()[1]) for line in boot.splitlines() if line[:5] == "btime")
    # Its number may have been given to another process since.
    return state not in _DEAD and began <= at + _SLACK_SECONDS


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
