"""What every indicator kernel does first: see which rows have a value, and blank the rest."""

import math

from streaming.rules.bars import Float
from streaming.rules.compile import inlined

Out = tuple[Float, ...]
"""One row for each output of a kernel: float64[new]."""

UNIT = 1e-8
"""Turns averages of differences (x 1e8) into the price's own unit.

Prices themselves are divided by SCALE, which gives the nearest double.
"""


@inlined
def blank(row: Float, seen: int, silent: int) -> int:
    """Fill the rows before warm-up with NaN; give the first row that has a value.

    Parameters
    ----------
    row : float64[new]
        An output of a kernel.
    seen : int
        Bars of the series before the first of these rows.
    silent : int
        Rows without a value at the start of a series.

    Returns
    -------
    int
        From 0 to new; new means that there is no value yet.
    """
    start = min(max(silent - seen, 0), len(row))
    for i in range(start):
        row[i] = math.nan
    return start
