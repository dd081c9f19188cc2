"""Pytest plugin for a run on mutants: the same examples every time, no shrinking, no hangs.

The tests load the hypothesis profile that HYPOTHESIS_PROFILE names; this one has to be
registered before they do.

A test hangs on a mutant when it takes several times the processor time that it took on the
rules as they are. Processor time, because a busy machine stretches the time on the wall and
would turn survivors into hung, that is killed, ones.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

NAME = "mutants"

settings.register_profile(
    NAME,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    # Without numba drawing takes a smaller, running a larger part of the time.
    suppress_health_check=list(HealthCheck),
)

# Tests are imported as `rules` and `oracle`, whichever of them is run alone.
sys.path.insert(0, str(Path.cwd() / "tests"))

_HUNG = 36  # mutmut's exit code of a mutant that timed out
_TIMES, _SECONDS = 4.0, 2.0

# Seconds that each test took on the rules as they are: mutmut runs those first, in the
# process from which it then forks one for each mutant.
_usual: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Time each test on the rules as they are; bound its time on a mutant."""
    if "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", ""):
        signal.signal(signal.SIGPROF, lambda *_: os._exit(_HUNG))
        signal.setitimer(signal.ITIMER_PROF, _TIMES * _usual[item.nodeid] + _SECONDS)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    began = time.process_time()
    try:
        return (yield)
    finally:
        taken = time.process_time() - began
        _usual[item.nodeid] = max(taken, _usual.get(item.nodeid, 0.0))
