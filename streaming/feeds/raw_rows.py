"""Rows of any file as they are read, and lines of it that are no rows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import Table, quarantine_rows


class Refused(NamedTuple):
    """A line that has no place in the file's columns: number, line and reason."""

    number: int
    line: str
    reason: str


class RawBatch(NamedTuple):
    """Rows of a file: the file's own columns, each row's number, and lines left out.

    Rows are counted from 1, without the header and without empty lines. `done` is the part
    of the file that has been read, 0 to 1. `not_text` says by column which rows (by
    position) hold bytes there that are not UTF-8; they are escaped.
    """

    rows: pa.Table
    number: NDArray[np.int64]
    refused: list[Refused]
    done: float
    not_text: Mapping[str, list[int]] = MappingProxyType({})


def line_rows(table: Table, source: str, lines: Sequence[Refused]) -> pa.Table:
    """Give the quarantine rows of lines that do not fit their file's columns.

    Parameters
    ----------
    table
        What the file's rows were meant for.
    source
        The file's name.
    """
    rows = pa.table({"line": pa.array([line.line for line in lines], pa.string())})
    numbers = np.array([line.number for line in lines], np.int64)
    return quarantine_rows(table, source, rows, numbers, [line.reason for line in lines])
