"""Runs whose process is gone without a word: killed, or the machine lost power.

Dagster asks the server that started a run whether its process lives; where that server went
with it, nobody is left to ask, and the run would be shown as running for ever.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus, RunsFilter

_IN_PROGRESS = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_CLOCK_SECONDS = 2.0
"""What clocks may differ by: of a process's start, and of the event that tells it."""


def close_abandoned_runs(instance: dg.DagsterInstance) -> list[DagsterRun]:
    """Fail every run in progress that has no process of its own left on this machine.

    They are retried as `run_retries` of the instance says.

    Returns
    -------
    list[DagsterRun]
        Those that were failed.
    """
    found = []
    for run in instance.get_runs(RunsFilter(statuses=_IN_PROGRESS)):
        told = list(_processes(instance, run.run_id))
        # One without a process yet is about to start, or timed out by the daemon.
        if not told or any(is_alive(pid, at) for pid, at in told):
            continue
        if run.status == DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "The run's process had ended.")
        else:
            instance.report_run_failed(
                run,
                "The run's process ended without a word: it was killed, or the machine went down. "
                "Partitions that are there are whole; a retry makes the others.",
            )
        found.append(run)
    return found


def is_alive(pid: int, at: float) -> bool:
    """Tell whether the process that had a number at a time (seconds UTC) is there still."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody's
    began = _began(pid)
    # Numbers are used again, after a restart of the machine most of all.
    return began is None or began <= at + _CLOCK_SECONDS


def _processes(instance: dg.DagsterInstance, run_id: str) -> Iterator[tuple[int, float]]:
    """Give the number of each process of a run, and when it told so."""
    kinds = {dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.STEP_WORKER_STARTED}
    for entry in instance.all_logs(run_id, of_type=kinds):
        data = entry.dagster_event.event_specific_data if entry.dagster_event else None
        pid = getattr(data, "metadata", {}).get("pid")
        if pid is not None and str(pid.value).isdigit():
            yield int(pid.value), entry.timestamp


def _began(pid: int) -> float | None:
    """Give when a process began, seconds UTC; None where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError):
        return None
    # Field 22 of the line, in ticks since the machine began; the first two stand before ")".
    return time.time() - uptime + int(fields[19]) / os.sysconf("SC_CLK_TCK")
