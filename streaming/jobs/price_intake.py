"""Bars as they arrive: what is new, what came before, what is late, and what may be used.

A source's watermark is the largest `ts` seen less `wm.prices.latenessSec`. A bar waits until
the watermark is past it, so that bars within the lateness are used in order of time; one that
comes after that is late: it is kept in `price_1m_history`, and nothing is computed again. A
source may say how far it is complete, which moves the watermark at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY, RISK_ALERTS_HISTORY
from streaming.jobs.price_rows import WRITTEN, PriceRows, merge, no_rows, stack
from streaming.jobs.prices import conflict_rows
from streaming.rules.bars import Bars
from streaming.rules.intake import NO_TIME, pass_watermark

READS = ()
WRITES = (PRICE_1M_HISTORY, QUARANTINE_HISTORY, RISK_ALERTS_HISTORY)

Held = Callable[[PriceRows], PriceRows]
"""Gives the rows that are kept already of the symbols and times asked for."""


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
    """

    rows: PriceRows
    late: PriceRows
    duplicates: int
    conflicts: pa.Table


class PriceIntake:
    """What one source of bars keeps from batch to batch.

    Parameters
    ----------
    lateness_us
        `wm.prices.latenessSec`, in microseconds.

    Attributes
    ----------
    watermark : int
        Microseconds UTC; bars below it are late.
    waiting : PriceRows
        Bars that the watermark has not passed.
    """

    def __init__(self, lateness_us: int) -> None:
        self._lateness = lateness_us
        self.watermark = NO_TIME
        self.waiting = no_rows()

    def receive(self, rows: PriceRows, source: str, held: Held) -> Received:
        """Take rows that keep their contract, in order of arrival.

        Parameters
        ----------
        source
            File or feed, for quarantine.
        held
            Asked for those below the watermark: all others that were kept are waiting.
        """
        below = rows.ts < self.watermark
        kept = held(rows.take(below)) if below.any() else no_rows()
        passage = pass_watermark(self.watermark, self._lateness, np.empty(0, np.int64), rows.ts)
        merged = merge(stack([self.waiting, kept]), rows)
        written = merged.fate == WRITTEN
        late = written & passage.late
        self.watermark = passage.watermark
        self.waiting = stack([self.waiting, rows.take(written & ~passage.late)])
        return Received(
            rows.take(written),
            rows.take(late),
            merged.duplicates,
            conflict_rows(source, merged.conflicts, merged.kept),
        )

    def complete(self, up_to: int) -> None:
        """Take it that no bar with ts <= `up_to` will come any more; one that does is late."""
        self.watermark = max(self.watermark, up_to + 1)

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
        self.waiting = self.waiting.take(~passed)
        return bars_by_symbol(rows), self.watermark - 1


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
