"""Runs whose process is gone: killed, or ended by a machine that stopped.

Dagster's own run launcher cannot tell, and leaves such a run "started" for ever: it would hold
one of the queue's places, and the pools that it was in. Every process of a data folder runs on
one machine, because SQLite wants that, so the process that told of a run's start can be asked
for.
"""

import os
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

_DEAD = ("Z", "X")
# A process has begun before it tells of anything; the clocks of both are read apart.
_SLACK_SECONDS = 2.0


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
    """Mark the started runs whose process is gone as failed, and free what they held.

    Returns
    -------
    list of str
        Their ids.
    """
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    settled = []
    for run in started:
        why = lost(instance, run)
        if why is not None:
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
    """Say that the process of a run is gone; None where it is alive, or nothing is known."""
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START)
    if not events or events[-1].dagster_event is None:
        return None
    process = events[-1].dagster_event.pid
    if process is None or _lives(process, events[-1].timestamp):
        return None
    return (
        f"Process {process}, which worked on this run, is gone: it was killed, or the machine "
        "stopped. Partitions that it had finished are whole, the others as they were before; "
        "run it again."
    )


def _lives(process: int, at: float) -> bool:
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
