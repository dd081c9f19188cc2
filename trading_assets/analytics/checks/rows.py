"""The rows that a check looks at: those of the partitions of its run, or of all of them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import (
    INDICATOR_HISTORY,
    QUARANTINE_HISTORY,
    Table,
    arrow_schema,
)
from streaming.errors import LakeError
from streaming.runtimes.runs import Run, find_run
from trading_assets.analytics.records import Records
from trading_assets.platform import Platform

Files = list[tuple[str, pa.Table]]
"""Files of a table, in order: name and rows of each."""


class Keys:
    """The partitions that a check looks at.

    Parameters
    ----------
    tags
        Of the run: a partition, a range of them, or neither.
    """

    def __init__(self, tags: Mapping[str, str]) -> None:
        key = tags.get("dagster/partition")
        self._first = key or tags.get("dagster/asset_partition_range_start")
        self._last = key or tags.get("dagster/asset_partition_range_end")

    def __str__(self) -> str:
        if self._first is None or self._last is None:
            return "all"
        return self._first if self._first == self._last else f"{self._first} to {self._last}"

    def __contains__(self, key: str) -> bool:
        """Tell whether a partition, `2024-02` or `2024-02|ema_cross`, is among them."""
        if self._first is None or self._last is None:
            return True
        ends = zip(self._first.split("|"), self._last.split("|"), strict=True)
        parts = key.split("|")
        # A range of days is one of months too, and the other way round: whole ones count.
        return all(
            first[: len(part)] <= part[: len(first)] and part[: len(last)] <= last[: len(part)]
            for part, (first, last) in zip(parts, ends, strict=False)
        )


def prices(platform: Platform, keys: Keys) -> Files:
    """Read the bars of days.

    Raises
    ------
    LakeError
        If a file cannot be read. So of all that follow.
    """
    lake = platform.lake()
    return [
        (f"day={info.day}", _read(lake.day_file(info.day), "Import that day again."))
        for info in lake.days()
        if info.day.isoformat() in keys
    ]


def indicators(platform: Platform, keys: Keys) -> Files:
    """Read the indicators of months."""
    root = platform.folders.lake / INDICATOR_HISTORY.name
    return [
        (
            f"{path.parent.name}/{path.name}",
            _read(path, "Delete its folder and materialise that month again."),
        )
        for path in sorted(root.glob("month=*/timeframe=*.parquet"))
        if path.parent.name.removeprefix("month=") in keys
    ]


def quarantine(platform: Platform) -> Files:
    """Read all refused rows."""
    root = platform.folders.lake / QUARANTINE_HISTORY.name
    return [
        (f"{path.parent.name}/{path.name}", _read(path, "Delete it and import its source again."))
        for path in sorted(root.glob("*/*.parquet"))
    ]


def of_runs(table: Table, runs: Iterable[Run]) -> Files:
    """Read a table of runs: by run, then month, then strategy."""
    files: Files = []
    for run in runs:
        remedy = f"Delete {run.folder} and materialise that partition again."
        paths = sorted((run.folder / table.name).glob("*/*.parquet"))
        single = run.folder / f"{table.name}.parquet"
        paths += [single] if single.exists() else []
        files += [
            (f"{run.id}/{path.relative_to(run.folder)}", _read(path, remedy)) for path in paths
        ]
    return files


def by_types(table: Table, files: Files) -> tuple[Files, Files]:
    """Part the files that have the table's columns from those that have others.

    The first begin with one without a row.
    """
    fields = [pa.field(one.name, one.type) for one in arrow_schema(table)]
    schema = pa.schema(fields)
    fit, odd = [("", schema.empty_table())], []
    for name, rows in files:
        if [pa.field(one.name, one.type) for one in rows.schema] == fields:
            # A file may say of a column that it can be empty: the rows are what counts.
            fit.append((name, pa.Table.from_arrays(rows.columns, schema=schema)))
        else:
            odd.append((name, rows))
    return fit, odd


def runs_of(platform: Platform, asset: str, keys: Keys) -> Iterator[Run]:
    """Give the runs that an asset's partitions stand for, by month, then strategy."""
    lake = platform.lake()
    for record in Records(platform.folders.partitions, asset).all():
        key = f"{record.month}|{record.strategy}" if record.strategy else record.month
        if record.run_id is not None and key in keys:
            yield find_run(lake, record.run_id)


def _read(path: Path, remedy: str) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: cannot be read ({error}). {remedy}") from error
