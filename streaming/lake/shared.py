"""A lake that keeps what it read last, for runs side by side over the same bars."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from streaming.lake.lake import Lake
from streaming.lake.lock import WAIT_SECONDS
from streaming.rules.bars import Bars

_Key = tuple[tuple[str, ...] | None, int | None, int | None, tuple[str, ...]]


class SharedLake(Lake):
    """A `Lake` whose reads of bars are shared between threads and kept for a while.

    Parameters
    ----------
    root, wait_seconds
        As for `Lake`.
    most_rows
        How many bars are kept at most, 48 bytes each; the last read is kept whatever its size.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        wait_seconds: float = WAIT_SECONDS,
        most_rows: int = 8_000_000,
    ) -> None:
        super().__init__(root, wait_seconds=wait_seconds)
        self._most_rows = most_rows
        self._kept: OrderedDict[_Key, dict[str, Bars]] = OrderedDict()
        self._turn = Lock()

    def bars(
        self,
        symbols: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> dict[str, Bars]:
        """Read bars with start < ts <= end; see `Lake.bars`.

        What was read is given again only while the files of those days are what they were.
        """
        # One at a time: who wants the same shortly after finds it.
        with self._turn:
            content = tuple(
                f"{info.day} {digest}"
                for info in self.days()
                if (start is None or info.last_ts > start) and (end is None or info.first_ts <= end)
                for name, (_, digest) in info.symbols.items()
                if symbols is None or name in symbols
            )
            key = (None if symbols is None else tuple(symbols), start, end, content)
            if key not in self._kept:
                self._kept[key] = super().bars(symbols, start, end)
                while len(self._kept) > 1 and self._rows() > self._most_rows:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return dict(self._kept[key])

    def _rows(self) -> int:
        return sum(len(bars) for found in self._kept.values() for bars in found.values())
