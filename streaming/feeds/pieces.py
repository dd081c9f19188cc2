"""Rows of a source cut into pieces, each row with everything that is told of it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.feeds.feed import Arrival
from streaming.feeds.raw_rows import Refused
from streaming.jobs.trading_engine import ReportBatch


class Piece(NamedTuple):
    """Rows of a source, and lines of it that are none; up to row `last` of the source."""

    rows: Arrival | ReportBatch
    refused: list[Refused]
    last: int = 0

    @property
    def size(self) -> int:
        """How many rows and lines there are."""
        return int(self.rows.rows.num_rows) + len(self.refused)


def cut(pieces: Iterator[Piece], after: int, size: int) -> Iterator[Piece]:
    """Give what comes after a row of the source, in pieces of at most `size` rows."""
    for piece in pieces:
        numbers = _numbers(piece)
        lines = [line for line in piece.refused if line.number > after]
        begin = int(np.searchsorted(numbers, after, side="right"))
        while begin < len(numbers) or lines:
            end = min(begin + size, len(numbers))
            rest = [line.number for line in lines] if end == len(numbers) else []
            last = max([*numbers[:end][-1:].tolist(), *rest])
            mine = [line for line in lines if line.number <= last]
            yield Piece(_slice(piece.rows, begin, end), mine, last)
            lines = lines[len(mine) :]
            begin = end


def _numbers(piece: Piece) -> NDArray[np.int64]:
    number = piece.rows.number
    return np.arange(1, piece.rows.rows.num_rows + 1) if number is None else number


def _slice(rows: Arrival | ReportBatch, begin: int, end: int) -> Arrival | ReportBatch:
    """Give some of the rows; what is told of rows by place moves along."""
    problems = _moved(rows.problems or {}, begin, end)
    part = rows.rows.slice(begin, end - begin)
    number = None if rows.number is None else rows.number[begin:end]
    if isinstance(rows, Arrival):
        return rows._replace(rows=part, number=rows.number[begin:end], problems=problems)
    odd = {
        name: [at - begin for at in places if begin <= at < end]
        for name, places in (rows.not_text or {}).items()
    }
    whole = None if rows.originals is None else rows.originals.slice(begin, end - begin)
    return rows._replace(rows=part, number=number, originals=whole, problems=problems, not_text=odd)


def _moved(problems: Mapping[int, str], begin: int, end: int) -> dict[int, str]:
    return {at - begin: why for at, why in problems.items() if begin <= at < end}
