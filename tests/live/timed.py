"""Feeds whose rows come at their times, on a clock set by hand."""

import numpy as np

from streaming.feeds.feed import Arrival, Batch, Feed
from streaming.jobs.price_rows import table_of_rows
from streaming.store import Clock

SECOND = 1_000_000


MINUTES = 60


class HandClock(Clock):
    """Time goes by when it is slept; the wall clock may be off."""

    def __init__(self, now):
        self.now, self.off = now, 0

    def wall(self):
        return self.now + self.off * SECOND

    def uptime(self):
        return self.now - 10**12

    def sleep(self, seconds):
        self.now += max(round(seconds * SECOND), SECOND // 4)


class Timed(Feed):
    """Gives rows when their time has come: `came` is when each comes, microseconds UTC."""

    def __init__(self, clock, name, rows, came, cut=()):
        self.name, self._clock, self._rows, self._came, self._cut = name, clock, rows, came, cut

    @property
    def connected(self):
        return not any(begin <= self._clock.now < end for begin, end in self._cut)

    def batches(self, position):
        at = int(position or 0)
        while at < len(self._rows):
            if not self.connected:
                yield None
                continue
            here = int(np.searchsorted(self._came, self._clock.now, side="right"))
            if here <= at:
                yield None
                continue
            rows, at = self._rows.take(slice(at, here)), here
            yield Batch([Arrival(table_of_rows(rows), self.name, rows.number)], None, str(at))


def came(rows, seconds=0.5):
    return rows.ts + round(seconds * SECOND)
