"""The rows that a check looks at: those of the partitions of its run, or of all of them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import (
    INDICATOR_HISTORY,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    Table,
    arrow_schema,
)
from streaming.errors import LakeError
from streaming.runtimes.runs import Run, find_run
from trading_assets.analytics.records import Records
from trading_assets.platform import Platform

Rows = tuple[pa.Table, list[tuple[str, int]]]
"""Rows, and the files that they are from: name and number of rows of each, in order."""


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


def prices(platform: Platform, keys: Keys) -> Rows:
    """Read the bars of days.

    Raises
    ------
    LakeError
        If a file cannot be read. So of all that follow.
    """
    lake = platform.lake()
    paths = {
        f"day={info.day}": lake.day_file(info.day)
        for info in lake.days()
        if info.day.isoformat() in keys
    }
    return _joined(PRICE_1M_HISTORY, paths, "Import that day again.")


def indicators(platform: Platform, keys: Keys) -> Rows:
    """Read the indicators of months."""
    root = platform.folders.lake / INDICATOR_HISTORY.name
    parts, files = [arrow_schema(INDICATOR_HISTORY).empty_table()], []
    for path in sorted(root.glob("month=*/timeframe=*.parquet")):
        if path.parent.name.removeprefix("month=") in keys:
            part = _read(path, "Delete its folder and materialise that month again.")
            # A file holds symbol after symbol, each in order of time.
            for _, place in groupby(part["symbol"].to_pylist()):
                files.append((f"{path.parent.name}/{path.name}", len(list(place))))
            parts.append(part)
    return pa.concat_tables(parts), files


def quarantine(platform: Platform) -> Rows:
    """Read all refused rows."""
    root = platform.folders.lake / QUARANTINE_HISTORY.name
    paths = {f"{path.parent.name}/{path.name}": path for path in sorted(root.glob("*/*.parquet"))}
    return _joined(QUARANTINE_HISTORY, paths, "Delete it and import its source again.")


def of_runs(table: Table, runs: Iterable[Run]) -> Rows:
    """Read a table of runs: by run, then month, then strategy."""
    paths: dict[str, Path] = {}
    for run in runs:
        single = run.folder / f"{table.name}.parquet"
        found = sorted((run.folder / table.name).glob("*/*.parquet"))
        for path in [*found, single] if single.exists() else found:
            paths[f"{run.id}/{path.relative_to(run.folder)}"] = path
    return _joined(table, paths, "Delete the folder of that run and materialise its month again.")


def runs_of(platform: Platform, asset: str, keys: Keys) -> Iterator[Run]:
    """Give the runs that an asset's partitions stand for, by month, then strategy."""
    lake = platform.lake()
    for record in Records(platform.folders.partitions, asset).all():
        key = f"{record.month}|{record.strategy}" if record.strategy else record.month
        if record.run_id is not None and key in keys:
            yield find_run(lake, record.run_id)


def _joined(table: Table, paths: Mapping[str, Path], remedy: str) -> Rows:
    parts = {name: _read(path, remedy) for name, path in paths.items()}
    rows = [(name, part.num_rows) for name, part in parts.items()]
    return pa.concat_tables([arrow_schema(table).empty_table(), *parts.values()]), rows


def _read(path: Path, remedy: str) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: cannot be read ({error}). {remedy}") from error
