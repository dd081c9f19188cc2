"""When the clock says how far sources of bars are complete, because nothing else does.

Only a clock that nobody sets is relied on: how long ago something came. The wall clock is looked
at once for each newest bar, to see how far behind it is, and that only as far as it may be: so
no jump of the clock makes a minute complete that has not gone by. The rules:

- The market's time, as a source knows it, is that of its newest bar and what has gone by since,
  and the bar's delay, up to the lateness.
- A minute of which bars have come is complete when the market's time is past it by four fifths of
  the lateness, and nothing has come for the other fifth; or when its first bar is as old as that.
  The fifth is what the engine has left, so that rows are final within the lateness of the close.
- Minutes after the newest bar are complete by the same time if nothing has come for four fifths
  of the lateness, and the newest bar was not more than a minute behind: of a source that is
  further behind (files, a replay, a clock that was set wrong) the time cannot be known.
- Of such a source even the newest minute is complete only when nothing has come for as long.
- It, a source that never gave a bar, one that has ended and one that is cut off hold nobody
  up: they are complete as far as the others. A source that is cut off and stands alone is not
  moved: what it missed still comes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from streaming.rules.bars import MINUTE_US

_LIVE_US = MINUTE_US
"""How far behind a source's newest bar may be when it comes."""

_SHARE = 5


@dataclass
class _Source:
    """The newest bar seen: its time, when it came and how far behind; when anything came last."""

    last_at: int
    newest: int | None = None
    newest_at: int = 0
    delay: int = 0

    @property
    def newest_at_wall(self) -> int:
        """What time it was when the newest bar came; 0: none came."""
        return 0 if self.newest is None else self.newest + self.delay


def hold_of(lateness_us: int) -> int:
    """Give how long nothing must have come, of a lateness: microseconds."""
    return lateness_us - lateness_us // _SHARE


class SourceClock:
    """Watches when sources give something.

    Parameters
    ----------
    boot
        Id of the machine's boot, since which `uptime` counts.

    Notes
    -----
    `uptime` is in microseconds, on a clock that nobody sets; all else in microseconds UTC.
    """

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._sources: dict[str, _Source] = {}

    def join(self, source: str, uptime: int) -> None:
        """Watch a source; from now on it has as long as any other to give something."""
        self._sources.setdefault(source, _Source(uptime)).last_at = uptime

    def leave(self, source: str) -> None:
        """Watch a source no more."""
        self._sources.pop(source, None)

    def came(self, source: str, newest: int | None, uptime: int, wall: int) -> None:
        """Note that a source has given something.

        Parameters
        ----------
        newest
            The largest time of its bars, or up to which it says that it is complete.
        wall
            What time it is.
        """
        one = self._sources.setdefault(source, _Source(uptime))
        one.last_at = uptime
        if newest is not None and (one.newest is None or newest > one.newest):
            one.newest, one.newest_at, one.delay = newest, uptime, wall - newest

    def wall(self, uptime: int) -> int:
        """Give what time it is by the clock of when bars last came; 0 where none has.

        Also if that was in the process before, and the clock has been set back since.
        """
        seen = [one for one in self._sources.values() if one.newest is not None]
        return max((one.newest_at_wall + uptime - one.newest_at for one in seen), default=0)

    def looked_at(self, source: str, uptime: int) -> None:
        """Note that what a source gave has been worked on: it could give nothing meanwhile."""
        self._sources[source].last_at = uptime

    def advances(
        self,
        complete: Mapping[str, int],
        uptime: int,
        ended: Collection[str],
        cut: Collection[str],
        lateness_us: int,
    ) -> dict[str, int]:
        """Say of which sources the clock moves the watermark, and up to where they are complete.

        Parameters
        ----------
        complete
            How far each source is, by its own word and its bars.
        ended, cut
            Sources that have ended, and those that are cut off from where their bars come from.
        lateness_us
            Of who asks: `wm.prices.latenessSec` or `wm.monitor.latenessSec`, in microseconds.
        """
        reached, followers = {}, []
        for name, known in complete.items():
            one = self._sources[name]
            idle = uptime - one.last_at >= hold_of(lateness_us)
            # What is cut off has bars that it cannot give now, those of its newest minute too.
            own = None if name in cut else self._own(one, uptime, lateness_us, idle=idle)
            reached[name] = known if own is None else max(known, own)
            behind = one.newest is None or one.delay > _LIVE_US
            if name in ended or (idle and (behind or name in cut)):
                followers.append(name)
        others = [mark for name, mark in reached.items() if name not in followers]
        for name in followers:
            reached[name] = max(reached[name], min(others, default=reached[name]))
        return {name: mark for name, mark in reached.items() if mark > complete[name]}

    @staticmethod
    def _own(one: _Source, uptime: int, lateness: int, *, idle: bool) -> int | None:
        """Give how far a source is complete by the time that has gone by."""
        if one.newest is None:
            return None
        if one.delay > _LIVE_US:
            return one.newest if idle else None
        gone, hold = uptime - one.newest_at, hold_of(lateness)
        settled = one.newest + min(one.delay, lateness) + gone - hold
        if idle and settled >= one.newest:
            return max(settled // MINUTE_US * MINUTE_US, one.newest)
        quiet = settled >= one.newest and uptime - one.last_at >= lateness - hold
        # A bar from the future has to wait for its time.
        aged = gone >= hold and one.delay >= 0
        return one.newest if quiet or aged else None

    def facts(self) -> dict[str, Any]:
        """Give what a later process of the same boot goes on with, as JSON values."""
        seen = {
            name: [one.newest, one.newest_at, one.delay]
            for name, one in sorted(self._sources.items())
            if one.newest is not None
        }
        return {"boot": self._boot, "newest": seen}

    def restore(self, facts: Mapping[str, Any], uptime: int) -> None:
        """Go on with what a process before has seen, if the machine was not started anew since."""
        if not self._boot or facts["boot"] != self._boot:
            return
        for name, (newest, newest_at, delay) in facts["newest"].items():
            self._sources[name] = _Source(uptime, newest, newest_at, delay)
