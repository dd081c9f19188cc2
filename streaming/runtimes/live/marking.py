"""The monitoring's watermark: at which bars open positions are marked.

A bar may be used for marks when its sources are complete up to it: by their own word, by the
clock, or by the largest time seen less `wm.monitor.latenessSec`; and when the engine has decided
it. So with less than `wm.prices.latenessSec` a position is marked at a bar's close before the
signals of that bar are decided; with more it does not wait. A bar that comes later than that is
used all the same, where it is the symbol's newest. Nothing but `unrealized_pnl_latest` rests on it.
"""

from collections.abc import Mapping
from typing import Any

from streaming.jobs.price_rows import PriceRows
from streaming.rules.intake import NO_TIME

Closes = Mapping[str, tuple[int, int]]
"""By symbol, a close (x 1e8) and its bar's time (microseconds UTC)."""


class Marking:
    """How far the sources of bars are complete, as the monitoring sees it.

    Parameters
    ----------
    lateness_us
        `wm.monitor.latenessSec`, in microseconds.

    Attributes
    ----------
    sources : dict
        By source, its watermark, microseconds UTC.
    watermark : int
        The smallest of them; it never falls. Bars below it may be used.
    """

    def __init__(self, lateness_us: int) -> None:
        self._lateness = lateness_us
        self.sources: dict[str, int] = {}
        self.watermark = NO_TIME
        self._marked = NO_TIME

    def join(self, source: str) -> None:
        """Take in a source, where it is not known."""
        self.sources.setdefault(source, self.watermark)

    def leave(self, source: str) -> None:
        """Wait no more for a source."""
        self.sources.pop(source, None)
        self._move()

    def receive(self, source: str, rows: PriceRows) -> None:
        """Take it that rows have come."""
        if len(rows):
            self.complete(source, int(rows.ts.max()) - self._lateness - 1)

    def complete(self, source: str, up_to: int) -> None:
        """Take it that no bar with ts <= `up_to` (microseconds UTC) comes any more."""
        self.join(source)
        self.sources[source] = max(self.sources[source], up_to + 1)
        self._move()

    def pass_by(self, up_to: int) -> None:
        """Take it that all bars with ts <= `up_to` were given before."""
        self.watermark = max(self.watermark, up_to + 1)
        self.sources = {name: max(one, self.watermark) for name, one in self.sources.items()}

    def facts(self) -> dict[str, Any]:
        """Give what a later process goes on with, as JSON values."""
        return {"watermark": self.watermark, "sources": dict(sorted(self.sources.items()))}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on with what a process before has seen."""
        self.sources = dict(facts["sources"])
        self.watermark = self._marked = facts["watermark"]

    def moved(self) -> bool:
        """Tell whether the watermark has moved since this was last asked."""
        then, self._marked = self._marked, self.watermark
        return self._marked > then

    def closes(self, decided: Closes, waiting: PriceRows) -> Closes:
        """Give each symbol's last close that may be used.

        Parameters
        ----------
        decided
            Those of bars that the engine has decided.
        waiting
            Bars that it has not.
        """
        rows = waiting.take(waiting.ts < self.watermark)
        if not len(rows):
            return decided
        closes = dict(decided)
        columns = (rows.symbol.tolist(), rows.price.tolist(), rows.ts.tolist())
        for symbol, price, ts in zip(*columns, strict=True):
            name = rows.symbols[symbol]
            if name not in closes or closes[name][1] < ts:
                closes[name] = (price, ts)
        return closes

    def _move(self) -> None:
        self.watermark = max(self.watermark, min(self.sources.values(), default=NO_TIME))
