"""Replay: the lake's bars as a feed, as fast as they can be taken or at a chosen speed."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from streaming.errors import SourceError
from streaming.feeds.feed import Arrival, Batch, Feed
from streaming.jobs.price_rows import PriceRows, rows_of_bars, table_of_rows
from streaming.lake import Lake
from streaming.rules.bars import DAY_US

ROWS = 100_000
"""Bars of a batch at full speed, where a minute has not more than that."""

WAIT_SECONDS = 0.5
"""How long to wait at a speed before saying that there is nothing yet."""

_SECOND_US = 1_000_000


class LakeReplay(Feed):
    """The bars of a lake, in order of time.

    Parameters
    ----------
    lake
        Where the bars are.
    symbols
        Whose; all of them have prices. None: all that the lake has, and will have.
    start, end
        Microseconds UTC: bars with start < ts <= end; None: from the first, to the last.
    speed
        How many seconds of the market go by in one; None: as fast as can be. At a speed each
        minute is a batch, and comes when its time has gone by.
    sleep, clock
        For tests: wait some seconds; monotonic seconds.
    """

    name = "replay"

    def __init__(
        self,
        lake: Lake,
        symbols: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
        speed: float | None = None,
        *,
        rows: int = ROWS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lake = lake
        self._symbols = None if symbols is None else sorted(symbols)
        self._start = start
        self._end = end
        facts = f"{start} {' '.join(self._symbols or [])}"
        self._what = hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()
        self._speed = speed
        self._rows = rows
        self._sleep = sleep
        self._clock = clock

    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give the bars after a position: the time up to which they were given, and of what.

        Raises
        ------
        SourceError
            If the position is of another replay: other symbols, another start.
        LakeError
            If a file of the lake is damaged.
        """
        after = self._start if position is None else self._time(position)
        began: tuple[float, int] | None = None
        for rows in self._days(after):
            for part in self._cut(rows):
                last = int(part.ts[-1])
                if self._speed is not None:
                    began = began or (self._clock(), last)
                    due = began[0] + (last - began[1]) / _SECOND_US / self._speed
                    while (left := due - self._clock()) > 0:
                        self._sleep(min(left, WAIT_SECONDS))
                        yield None
                arrival = Arrival(table_of_rows(part), self.name, part.number)
                yield Batch([arrival], last, f"{last} {self._what}")
        if self._end is not None and (after is None or after < self._end):
            yield Batch([], self._end, f"{self._end} {self._what}")

    def _days(self, after: int | None) -> Iterator[PriceRows]:
        """Give each day's bars, in order of time, then symbol."""
        for info in self._lake.days():
            begin = (np.datetime64(info.day, "us")).astype(np.int64).item()
            if info.last_ts <= (after or 0) or (self._end is not None and begin >= self._end):
                continue
            wanted = [
                name for name in info.symbols if self._symbols is None or name in self._symbols
            ]
            first = max(begin, begin if after is None else after)
            last = begin + DAY_US if self._end is None else min(begin + DAY_US, self._end)
            rows = rows_of_bars(self._lake.bars(wanted, first, last), self.name)
            if len(rows):
                yield rows.take(np.argsort(rows.ts, kind="stable"))

    def _cut(self, rows: PriceRows) -> Iterator[PriceRows]:
        """Cut a day between minutes."""
        ends = np.append(np.flatnonzero(np.diff(rows.ts)) + 1, len(rows))
        begin = 0
        for at, end in enumerate(ends.tolist()):
            last = at + 1 == len(ends)
            if self._speed is not None or last or ends[at + 1] - begin > self._rows:
                yield rows.take(slice(begin, end))
                begin = end

    def _time(self, position: str) -> int:
        time_text, _, what = position.partition(" ")
        if what != self._what or not time_text.isdigit():
            raise SourceError(
                "The store was begun by a replay of other symbols or with another start. Go on "
                "with those, or begin a new store."
            )
        return int(time_text)
