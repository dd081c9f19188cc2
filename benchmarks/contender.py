"""One contender's side of a measurement: prepare once, then run when told.

A contender is a process of its own, in its own environment. It makes its inputs and warms
up, then waits for a line on stdin before each run, so that contenders take turns and the
noise of a shared machine falls on all of them alike.
"""

import gc
import json
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

SHORT_SECONDS = 2.0
"""A run shorter than this is preceded by one that is not timed, for all contenders alike.

While others have their turns, a virtual machine's host takes back the memory that a
contender has freed. To touch it again then takes longer than the work of a short run, and by
chance longer for one contender than for another.
"""


@dataclass
class Work:
    """What a contender measures.

    Attributes
    ----------
    run : callable
        The timed part; gives any result.
    facts : callable
        Reduces a result, outside the timing, to numbers that the benchmark compares.
    units : int
        Units of work in a run (fills, bars, signals).
    inputs : str
        `inputs.digest` of what is worked on.
    clear : callable
        Removes what a run leaves behind that the next one would find.
    packages : list of str
        Distributions whose versions the report names.
    """

    run: Callable[[], Any]
    facts: Callable[[Any], dict[str, Any]]
    units: int
    inputs: str
    packages: list[str] = field(default_factory=list)
    clear: Callable[[], None] = lambda: None


def serve(prepare: Callable[..., Work], warm: dict[str, Any], **arguments: Any) -> None:
    """Prepare, warm up on a small input, then run once for each line on stdin.

    Parameters
    ----------
    prepare : callable
        Makes the work from keyword arguments.
    warm : dict
        Arguments replaced for the warm-up, which compiles and caches what it can.
    **arguments
        Arguments of the measured work.
    """
    # Peers print what they like; only this process's own lines may reach the benchmark.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    small = prepare(**{**arguments, **warm})
    small.facts(small.run())
    small.clear()
    del small
    work = prepare(**arguments)
    _say(answers, units=work.units, inputs=work.inputs, versions=_versions(work.packages))
    wall = math.inf
    for _ in sys.stdin:
        if wall < SHORT_SECONDS:
            work.run()
            work.clear()
        gc.collect()
        cpu, wall = _cpu_seconds(), time.perf_counter()
        result = work.run()
        wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
        facts = work.facts(result)
        work.clear()
        del result
        _say(answers, wall=wall, cpu=cpu, facts=facts, peak_mib=_peak_mib())


def _say(answers: Any, **values: Any) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _cpu_seconds() -> float:
    """Give the CPU seconds of all threads of this process and of its ended children."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _peak_mib() -> float:
    """Give this process's peak resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _versions(packages: list[str]) -> dict[str, str]:
    versions = {name: metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **versions}
