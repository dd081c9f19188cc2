"""Look up ascending times among ascending times."""

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import kernel

Int = NDArray[np.int64]


@kernel
def rows_after(ts: Int, times: Int) -> Int:
    """Give for each time the first row whose `ts` is later, or the number of rows.

    Parameters
    ----------
    ts : int64[n], times : int64[m]
        Both ascending. The work is that of going from one answer to the next by doubling
        steps, so it is little where the answers lie close together.

    Returns
    -------
    int64[m]
        As `np.searchsorted(ts, times, side="right")`.
    """
    rows = ts.shape[0]
    out = np.empty(times.shape[0], np.int64)
    low = 0  # every row before it is at or before the time
    for i in range(times.shape[0]):
        step = 1
        high = low
        while high < rows and ts[high] <= times[i]:
            low = high + 1
            high += step
            step += step
        high = min(high, rows)
        while low < high:
            middle = (low + high) // 2
            if ts[middle] <= times[i]:
                low = middle + 1
            else:
                high = middle
        out[i] = low
    return out
