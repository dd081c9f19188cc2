"""When fills that arrive in any order apply.

The watermark of a source is the largest event time seen less the lateness. A fill whose time
is below it on arrival is late and applies at once. Any other waits until the watermark is past
its time (one on the watermark may still have equals to come), so that fills that arrive within
the lateness apply in one order, whatever the order of arrival.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import steady
from streaming.rules.money import value

Int = NDArray[np.int64]
Mask = NDArray[np.bool_]

NO_TIME = -(2**60)
"""Before every event time: the watermark of a source of which nothing has been seen."""


class Passage(NamedTuple):
    """When fills pass the watermark.

    Attributes
    ----------
    moment : int64[waiting + arriving]
        The place among the arriving fills of the one on whose arrival a fill applies: its own
        if it is late, that of the one that takes the watermark past it otherwise; the number
        of those arriving if it does not apply yet.
    late : bool[arriving]
    before : int64[arriving]
        The watermark as each arrived.
    watermark : int
        The watermark after all of them.
    """

    moment: Int
    late: Mask
    before: Int
    watermark: int


def pass_watermark(watermark: int, lateness: int, waiting: Int, arriving: Int) -> Passage:
    """Move the watermark fill by fill, and say when each fill applies.

    Parameters
    ----------
    watermark : int
        As it stands, microseconds UTC; `NO_TIME` at the start.
    lateness : int
        Microseconds, not negative.
    waiting : int64[w]
        Event times of fills that arrived before and have not been applied.
    arriving : int64[n]
        Event times in order of arrival, microseconds UTC.
    """
    count = len(arriving)
    after = np.maximum.accumulate(np.maximum(arriving - lateness, watermark))
    before = np.concatenate([[np.int64(watermark)], after])[:count]
    late = arriving < before
    moment = np.searchsorted(after, np.concatenate([waiting, arriving]), side="right")
    # A late fill does not move the watermark, so no other fill applies at its moment.
    moment[len(waiting) :][late] = np.flatnonzero(late)
    return Passage(moment, late, before, int(after[-1]) if count else watermark)


@steady
def notionals(price: Int, quantity: Int, point_value: Int, out: Int) -> None:
    """Give R(price x quantity x point value) of each row, or OVERFLOW; see `money.value`."""
    for i in range(price.shape[0]):
        out[i] = value(price[i], quantity[i], point_value[i])
