"""Pytest plugin for a run on mutants: the same examples every time, and no shrinking.

The tests load the hypothesis profile that HYPOTHESIS_PROFILE names; this one has to be
registered before they do.
"""

import sys
from pathlib import Path

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
