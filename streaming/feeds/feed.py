"""What the live engine reads from: batches of bars, each with the place to go on from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Arrival(NamedTuple):
    """Bars as they came from a source: n rows, in order of arrival.

    `rows` has the columns of `price_1m_history`, of any type that can be read; `source` is a
    file or feed, and `number` int64[n] the rows' numbers in it.
    """

    rows: pa.Table
    source: str
    number: NDArray[np.int64]


class Batch(NamedTuple):
    """What a feed had to give at one time.

    Attributes
    ----------
    arrivals : list of Arrival
    complete_to : int or None
        Microseconds UTC: no bar at or before it will come from this feed any more; None: it
        does not say.
    position : str
        Where to go on after this batch, in the feed's own terms; kept with what came of it.
    """

    arrivals: list[Arrival]
    complete_to: int | None
    position: str


class Feed(ABC):
    """A source of bars.

    Attributes
    ----------
    name : str
        Under which its position is kept.
    """

    name: str

    @abstractmethod
    def batches(self, position: str | None) -> Iterator[Batch | None]:
        """Give batch after batch from a position on; None: from the beginning.

        Where there is nothing new for now it gives None; it ends where nothing will come any
        more.
        """
