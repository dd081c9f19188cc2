"""The projection against an exact solver of quadratic programs, on many random cases."""

import math
import os

import daqp
import numpy as np
import pytest

from streaming.analytics.weights import project
from tests.scores.test_weights import a_case

CASES = min(int(os.environ.get("SOAK", "1000000")), 100_000)
EQUALITY, FREE = 5, 0


def solved(target, low, high):
    """Give the x that minimises |x - target| within the bounds, of those that sum to 1."""
    n = len(target)
    found, _, flag, _ = daqp.solve(
        np.eye(n),
        -target,
        np.ones((1, n)),
        np.append(high, 1.0),
        np.append(low, 1.0),
        np.append(np.full(n, FREE), EQUALITY).astype(np.int32),
        primal_tol=1e-13,
        dual_tol=1e-13,
    )
    assert flag == 1, flag
    return found


@pytest.mark.slow
def test_projections_equal_an_exact_solvers():
    random = np.random.default_rng(20)
    for case in range(CASES):
        target, low, high = a_case(random, 40)
        found = project(target, low, high)
        np.testing.assert_allclose(
            found, solved(target, low, high), rtol=0, atol=1e-10, err_msg=f"case {case}"
        )
        assert abs(math.fsum(found) - 1.0) <= 1e-12
        assert (found >= low).all(), case
        assert (found <= high).all(), case
        np.testing.assert_allclose(project(found, low, high), found, rtol=0, atol=1e-14)
