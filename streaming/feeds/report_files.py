"""Exec reports in files: rows as they came, times in any form that files use.

A file has the columns of `exec_report_history`, and `strategyId` where it says whose a fill is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import ARROW_TYPES, Type, time_array
from streaming.errors import SourceError
from streaming.feeds.raw_rows import RawBatch, Refused
from streaming.feeds.tabular import open_rows
from streaming.feeds.times import utc_micros, zone
from streaming.jobs.trading_engine import ReportBatch
from streaming.jobs.trading_engine.fills import whole


class FileRows(NamedTuple):
    """A batch of a file, lines of it that are no rows, and how much of it is read: 0 to 1."""

    batch: ReportBatch
    refused: list[Refused]
    done: float


def read_report_file(path: Path, name: str | None = None) -> Iterator[FileRows]:
    """Read a file's exec reports, batch by batch; see `read_file`.

    Raises
    ------
    SourceError
        If the file, or its column of times, makes no sense.
    """
    for part in read_file(path, name):
        try:
            yield part._replace(batch=with_times(part.batch))
        except SourceError as error:
            raise SourceError(f"{path}, {error}") from error


def read_file(path: Path, name: str | None = None) -> Iterator[FileRows]:
    """Read a file's rows as they are; the members of a zip one after the other.

    Parameters
    ----------
    name
        What the rows' source is called; the file's name unless given.

    Raises
    ------
    SourceError
        If the file cannot be read, or has no rows.
    """
    before = 0
    with open_rows(path, header=lambda cells: None) as members:
        for at, member in enumerate(members):
            last = before
            for raw in member.batches():
                number = raw.number + before
                refused = [line._replace(number=before + line.number) for line in raw.refused]
                last = max([last, *number[-1:].tolist(), *(line.number for line in refused)])
                batch = report_batch(raw._replace(number=number), name or path.name)
                yield FileRows(batch, refused, (at + raw.done) / len(members))
            before = last
    if before == 0:
        raise SourceError(f"{path}: has columns but no rows.")


def report_batch(raw: RawBatch, source: str) -> ReportBatch:
    """Give rows as they were read as a batch of reports."""
    return ReportBatch(raw.rows, source, raw.number, not_text=raw.not_text)


def with_times(batch: ReportBatch) -> ReportBatch:
    """Read a batch's times; those that name no zone are UTC.

    Raises
    ------
    SourceError
        If the column holds no times; the message begins with the column.
    """
    rows = batch.rows
    if rows.column_names.count("ts") != 1:
        return batch  # the contract says what is wrong
    at = rows.column_names.index("ts")
    try:
        times, problems = _times(whole(rows.column(at)))
    except SourceError as error:
        raise SourceError(f"column 'ts': {error}.") from error
    return batch._replace(rows=rows.set_column(at, "ts", times), originals=rows, problems=problems)


def _times(column: Any) -> tuple[Any, dict[int, str]]:
    """Read times, UTC where they name no zone: timestamps, and why some rows have none."""
    if pa.types.is_string(column.type):
        try:
            # What most files have, and all at once.
            return column.cast(ARROW_TYPES[Type.TIME]), {}
        except pa.ArrowInvalid:
            pass
    micros, problems = utc_micros(column, zone("UTC"))
    unknown = np.zeros(len(micros), np.bool_)
    unknown[list(problems)] = True
    return time_array(micros, unknown), problems
