"""What a check looks at: the partitions of a table on the disk, and which of them this time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import INDICATOR_HISTORY, QUARANTINE_HISTORY, Table, arrow_schema
from streaming.errors import LakeError, TradingError
from streaming.runtimes.runs import Run
from trading_assets.analytics.records import Records, run_of
from trading_assets.analytics.sound_prices import SoundPrices
from trading_assets.platform import Platform

Files = list[tuple[str, pa.Table]]
"""Files of a table, in order: name and rows of each."""


class Keys:
    """The partitions of a check's run.

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


def _nothing() -> None:
    """Find nothing wrong."""


@dataclass(frozen=True)
class Part:
    """A partition of a table on the disk.

    Attributes
    ----------
    key
        Its partition key; of what has no partitions, the file's name.
    files
        By the name that people are told, where each of its files is, in order.
    remedy
        What mends a file that cannot be read.
    as_written
        Raises a LakeError that says so if the files are not those that were written.
    run
        The run that the partition stands for, if it is one of runs.
    """

    key: str
    files: Mapping[str, Path]
    remedy: str
    as_written: Callable[[], None] = _nothing
    run: Run | None = None

    def read(self) -> Files:
        """Read all of its files.

        Raises
        ------
        LakeError
            If one cannot be read.
        """
        return [(name, _read(path, self.remedy)) for name, path in self.files.items()]

    def require(self) -> None:
        """Refuse it, by its key, if it is not as it was written.

        Raises
        ------
        LakeError
            Says what is not.
        """
        try:
            self.as_written()
        except LakeError as error:
            raise LakeError(f"Partition {self.key}: {error}") from error

    def found_run(self) -> Run:
        """Give its run, or raise the LakeError that says why there is none."""
        if self.run is None:
            self.require()
            raise LakeError(f"Partition {self.key} stands for no run. {self.remedy}")
        return self.run


def prices(platform: Platform) -> list[Part]:
    """Give the days of prices.

    Raises
    ------
    LakeError
        If a day's footer cannot be read.
    """
    lake = platform.lake()
    sound = SoundPrices(lake, platform.folders.verdicts)

    days = lake.days()

    @cache
    def faults() -> dict[str, str]:
        return sound.faults([info.day.isoformat() for info in days])

    def as_imported(day: str) -> None:
        if day in faults():
            raise LakeError(faults()[day])

    return [
        Part(
            info.day.isoformat(),
            {f"day={info.day}": lake.day_file(info.day)},
            "Import that day again.",
            partial(as_imported, info.day.isoformat()),
        )
        for info in days
    ]


def indicators(platform: Platform) -> list[Part]:
    """Give the months of indicators."""
    root = platform.folders.lake / INDICATOR_HISTORY.name

    def as_computed(month: str) -> None:
        # It brings numba: only where it is asked.
        from trading_assets.analytics.indicator_months import require_as_computed

        require_as_computed(platform.lake(), month)

    return [
        Part(
            folder.name.removeprefix("month="),
            {f"{folder.name}/{path.name}": path for path in _parquet(folder)},
            "Materialise that month again.",
            partial(as_computed, folder.name.removeprefix("month=")),
        )
        for folder in sorted(root.glob("month=*"))
    ]


def quarantine(platform: Platform) -> list[Part]:
    """Give the files of refused rows."""
    root = platform.folders.lake / QUARANTINE_HISTORY.name
    names = {f"{path.parent.name}/{path.name}": path for path in sorted(root.glob("*/*.parquet"))}
    remedy = "Delete it and import its source again."
    return [Part(name, {name: path}, remedy) for name, path in names.items()]


def of_runs(platform: Platform, asset: str, *tables: str) -> list[Part]:
    """Give tables of the runs that an asset's partitions stand for, by month, then strategy.

    A partition whose run cannot be found has no file, and says so where it is asked.

    Raises
    ------
    LakeError
        If a partition's record is damaged.
    """
    lake = platform.lake()
    parts = []
    for record in Records(platform.folders.partitions, asset).all():
        try:
            run = run_of(lake, record)
        except TradingError as error:
            parts.append(Part(record.key, {}, "", partial(_refuse, str(error))))
            continue
        if run is not None:
            paths = [path for name in tables for path in _files_of(run, name)]
            files = {f"{run.id}/{path.relative_to(run.folder)}": path for path in paths}
            remedy = "Materialise that partition again."
            parts.append(
                Part(record.key, files, remedy, partial(_run_as_written, run, tables), run)
            )
    return parts


def runs_of(platform: Platform, asset: str, keys: Keys) -> Iterator[Run]:
    """Give the runs that some of an asset's partitions stand for, by month, then strategy.

    Raises
    ------
    LakeError
        If one cannot be found; names the partition.
    """
    for part in of_runs(platform, asset):
        if part.key in keys:
            yield part.found_run()


def _refuse(why: str) -> None:
    raise LakeError(why)


def _run_as_written(run: Run, tables: tuple[str, ...]) -> None:
    for name in tables:
        run.require_as_written(name)


def _files_of(run: Run, table: str) -> list[Path]:
    single = run.folder / f"{table}.parquet"
    return [
        *sorted((run.folder / table).glob("*/*.parquet")),
        *([single] if single.exists() else []),
    ]


def _parquet(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


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


def _read(path: Path, remedy: str) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: cannot be read ({error}). {remedy}") from error
