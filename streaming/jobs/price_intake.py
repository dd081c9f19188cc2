"""Bars as they arrive: what is new, what came before, what is late, and what may be used.

Each source has a watermark: the largest `ts` seen from it less `wm.prices.latenessSec`. It may
say how far it is complete, which moves its watermark at once, and so may the clock. The smallest
of them is the engine's: a bar waits until that is past it, so that bars within the lateness are
used in order of time; one that comes after is late: it is kept in `price_1m_history`, and
nothing is computed again. A source that is new begins at the engine's watermark.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY, RISK_ALERTS_HISTORY
from streaming.jobs.price_rows import WRITTEN, PriceRows, merge, no_rows, stack
from streaming.jobs.prices import conflict_rows
from streaming.rules.bars import Bars
from streaming.rules.intake import NO_TIME, Int, Mask, pass_watermark

READS = ()
WRITES = (PRICE_1M_HISTORY, QUARANTINE_HISTORY, RISK_ALERTS_HISTORY)

Held = Callable[[PriceRows], PriceRows]
"""Gives the rows that are kept already of the symbols and times asked for."""


class Piece(NamedTuple):
    """Rows written, and how far (microseconds UTC) their source was complete after them."""

    rows: int
    complete_to: int


class Received(NamedTuple):
    """What became of rows that arrived.

    Attributes
    ----------
    rows : PriceRows
        New ones, in order of arrival: they go to `price_1m_history`, late ones too.
    late : PriceRows
        Those of them that came after the watermark had passed them.
    duplicates : int
        Rows that were kept before, and equal.
    conflicts : pyarrow.Table
        Rows of `quarantine_history`: kept before, and different.
    pieces : list of Piece
        The new rows, cut behind each row that was not written and yet moved the watermark.
    """

    rows: PriceRows
    late: PriceRows
    duplicates: int
    conflicts: pa.Table
    pieces: list[Piece]


class PriceIntake:
    """What the sources of bars keep from batch to batch.

    Parameters
    ----------
    lateness_us
        `wm.prices.latenessSec`, in microseconds.

    Attributes
    ----------
    sources : dict
        By source, its watermark, microseconds UTC.
    watermark : int
        The smallest of them, microseconds UTC: bars below it are late. It never falls: new
        sources begin there, and where all have left it stays.
    waiting : PriceRows
        Bars that the watermark has not passed.
    """

    def __init__(self, lateness_us: int) -> None:
        self._lateness = lateness_us
        self.sources: dict[str, int] = {}
        self.watermark = NO_TIME
        self.waiting = no_rows()
        # Late ones since `ready`: they may not have been stored yet.
        self._late = no_rows()

    def join(self, source: str) -> int:
        """Take in a source, where it is not known; give the time that it is complete to."""
        return self.sources.setdefault(source, self.watermark) - 1

    def leave(self, source: str) -> None:
        """Wait no more for a source."""
        self.sources.pop(source, None)
        self._move()

    def receive(self, source: str, rows: PriceRows, place: str, held: Held) -> Received:
        """Take rows that keep their contract, in order of arrival.

        Parameters
        ----------
        source
            Whose watermark they move.
        place
            File or feed, for quarantine.
        held
            Asked for those below the watermark: all others that were kept are waiting, or came
            since `ready`.
        """
        self.join(source)
        others = [mark for name, mark in self.sources.items() if name != source]
        passage = pass_watermark(self.sources[source], self._lateness, _NONE, rows.ts)
        others_at = min(others, default=passage.watermark)
        before = np.maximum(np.minimum(passage.before, others_at), self.watermark)
        below = rows.ts < self.watermark
        kept = held(rows.take(below)) if below.any() else no_rows()
        # Some that are asked for may be waiting, too.
        known = stack([self.waiting, self._late])
        merged = merge(merge(known, kept).rows if len(kept) else known, rows)
        written = merged.fate == WRITTEN
        late = written & (rows.ts < before)
        self.sources[source] = passage.watermark
        self._move()
        self.waiting = stack([self.waiting, rows.take(written & ~late)])
        self._late = stack([self._late, rows.take(late)])
        after = np.append(passage.before[1:], passage.watermark)[: len(rows)]
        return Received(
            rows.take(written),
            rows.take(late),
            merged.duplicates,
            conflict_rows(place, merged.conflicts, merged.kept),
            _pieces(written, passage.before, after, passage.watermark),
        )

    def complete(self, source: str, up_to: int) -> int:
        """Take it that no bar with ts <= `up_to` comes from a source any more; else it is late.

        Returns
        -------
        int
            The time that the source is complete to now.
        """
        self.join(source)
        self.sources[source] = max(self.sources[source], up_to + 1)
        self._move()
        return self.sources[source] - 1

    def pass_by(self, up_to: int) -> None:
        """Take it that all bars with ts <= `up_to` were given before."""
        self.watermark = max(self.watermark, up_to + 1)
        self.sources = {name: max(one, self.watermark) for name, one in self.sources.items()}

    def ready(self) -> tuple[dict[str, Bars], int]:
        """Give the bars that the watermark has passed, by symbol, and the time they reach to.

        Returns
        -------
        dict of symbol to Bars
            Ascending in time; symbols without a bar are not in it.
        int
            Microseconds UTC, inclusive: all bars up to it have been given.
        """
        passed = self.waiting.ts < self.watermark
        rows = self.waiting.take(passed)
        self._late = no_rows()
        self.waiting = self.waiting.take(~passed)
        return bars_by_symbol(rows), self.watermark - 1

    def _move(self) -> None:
        self.watermark = max(self.watermark, min(self.sources.values(), default=NO_TIME))


_NONE = np.empty(0, np.int64)


def _pieces(written: Mask, before: Int, after: Int, watermark: int) -> list[Piece]:
    """Cut rows behind those that were not written and moved the watermark, and at the end."""
    so_far = np.cumsum(written)
    cuts = np.flatnonzero(~written & (after > before))
    ends = [*so_far[cuts].tolist(), int(np.count_nonzero(written))]
    marks = [*after[cuts].tolist(), watermark]
    starts = [0, *ends[:-1]]
    return [
        Piece(end - start, mark - 1) for start, end, mark in zip(starts, ends, marks, strict=True)
    ]


def bars_by_symbol(rows: PriceRows) -> dict[str, Bars]:
    """Give rows, each (symbol, ts) once and in any order, as bars in order of time."""
    order = np.lexsort((rows.ts, rows.symbol))
    rows = rows.take(order)
    ends = np.flatnonzero(np.diff(rows.symbol)) + 1
    found = {}
    for begin, end in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
        if begin < end:
            columns = (
                one[begin:end]
                for one in (rows.ts, rows.open, rows.high, rows.low, rows.price, rows.volume)
            )
            found[rows.symbols[rows.symbol[begin]]] = Bars._make(columns)
    return found
