"""Rows after times, against a linear search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streaming.rules.lookup import rows_after

ASCENDING = st.lists(st.integers(-5, 60) | st.integers(-(2**63), 2**63 - 1), max_size=50).map(
    sorted
)


@given(ASCENDING, ASCENDING)
def test_rows_after_times(ts, times):
    expected = [sum(row <= time for row in ts) for time in times]
    found = rows_after(np.array(ts, np.int64), np.array(times, np.int64))
    assert found.tolist() == expected
