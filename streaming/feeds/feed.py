"""What the live engine reads from: batches of rows, each with the place to go on from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.jobs.trading_engine import ReportBatch


class Arrival(NamedTuple):
    """Bars as they came from a source: n rows, in order of arrival.

    `rows` has the columns of `price_1m_history`, of any type that can be read; `source` is a
    file or feed, and `number` int64[n] the rows' numbers in it. `problems` says for some rows
    (by place), whose `ts` or `symbol` is null, why it is.
    """

    rows: pa.Table
    source: str
    number: NDArray[np.int64]
    problems: Mapping[int, str] = MappingProxyType({})


class FeedAlert(NamedTuple):
    """What a person should know of a feed: `ts` is in microseconds UTC."""

    code: str
    message: str
    ts: int


class Batch(NamedTuple):
    """What a feed had to give at one time.

    Attributes
    ----------
    arrivals : sequence of Arrival
        Bars.
    complete_to : int or None
        Microseconds UTC: no bar at or before it will come from this feed any more; None: it
        does not say.
    position : str
        Where to go on after this batch, in the feed's own terms; kept with what came of it.
    reports : sequence of ReportBatch
        Exec reports, as they came.
    quarantine : sequence of pyarrow.Table
        Rows of `quarantine_history`: what came and is no row of any table.
    alerts : sequence of FeedAlert
    """

    arrivals: Sequence[Arrival]
    complete_to: int | None
    position: str
    reports: Sequence[ReportBatch] = ()
    quarantine: Sequence[pa.Table] = ()
    alerts: Sequence[FeedAlert] = ()


class Feed(ABC):
    """A source of bars and exec reports.

    Attributes
    ----------
    name : str
        Under which its position is kept; its watermark, too.
    connected : bool
        False while the feed knows that it cannot get what there is: the clock does not take it
        that nothing has happened then.
    """

    name: str
    connected: bool = True

    @abstractmethod
    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give batch after batch from a position on; None: from the beginning.

        Where there is nothing new for now it gives None, and whoever asks waits a little; it
        ends where nothing will come any more. What an earlier batch gave has been kept, with
        its position, when the next one is asked for.
        """
