"""Trading time: how long a calendar was open between two moments."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


class Sessions(NamedTuple):
    """When a calendar is open: from `opens` to `closes`, microseconds UTC, ascending."""

    opens: Int
    closes: Int

    def between(self, since: int, until: int) -> int:
        """Give the microseconds of trading time from one moment to another; 0 backwards."""
        return max(self._before(until) - self._before(since), 0)

    def _before(self, ts: int) -> int:
        begun = int(np.searchsorted(self.opens, ts, side="right"))
        if begun == 0:
            return 0
        whole = int((self.closes[: begun - 1] - self.opens[: begun - 1]).sum())
        return whole + min(ts, int(self.closes[begun - 1])) - int(self.opens[begun - 1])


@cache
def sessions_of(calendar: str) -> Sessions:
    """Give the sessions of a calendar of exchange_calendars, from 20 years ago to a year ahead.

    Pauses at noon are no trading time.
    """
    # Two seconds and pandas: only for those who name a calendar.
    import exchange_calendars

    found = exchange_calendars.get_calendar(calendar)
    opens, closes = found.opens_nanos // 1000, found.closes_nanos // 1000
    paused = found.break_starts_nanos > 0
    resumed = found.break_ends_nanos[paused] // 1000
    return Sessions(
        np.sort(np.concatenate([opens, resumed])),
        np.sort(np.concatenate([closes, found.break_starts_nanos[paused] // 1000])),
    )


def trading_time(calendar: str | None, since: int, until: int) -> int:
    """Give the microseconds of trading time between two moments (microseconds UTC).

    Parameters
    ----------
    calendar
        Code of exchange_calendars; None: always open.
    """
    if calendar is None:
        return max(until - since, 0)
    return sessions_of(calendar).between(since, until)
