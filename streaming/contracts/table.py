"""What a table is: its columns, keys and rules, from which everything else is made.

`log_table` defines a history table (rows are only appended), `latest_table` one that holds
the current state by primary key (rows are replaced and deleted). A definition that
contradicts itself raises ValueError on import.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from streaming.contracts.columns import Column, Type
from streaming.contracts.rowrules import RowRule

Kind = Literal["log", "latest"]


@dataclass(frozen=True)
class Table:
    """One table of the platform.

    Attributes
    ----------
    name, kind, description : str
        Kind is "log" (append-only) or "latest" (upserts and deletes by primary key).
    columns : tuple of Column
        In the order of the specification.
    primary_key : tuple of str
        Columns of the primary key; empty for a log.
    unique : tuple of str
        Columns that no two rows share; for a log only, empty where nothing is promised.
    unique_where : str or None
        A BOOL column: only rows in which it is true must be unique.
    bucket_by : tuple of str
        Rows that agree in these columns stay in order when the table is shared out over
        machines. For a latest table part of its primary key.
    buckets : int
        How many shares; cannot be changed on a Fluss primary-key table once it exists.
    ordered_by : str or None
        The event time of a log's rows, never null.
    ttl_days : int
        Days for which Fluss keeps the log (or changelog); the lake keeps history for good.
    rules : tuple of RowRule
        Rules that tie the cells of one row to each other.
    """

    name: str
    kind: Kind
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    unique: tuple[str, ...]
    unique_where: str | None
    bucket_by: tuple[str, ...]
    buckets: int
    ordered_by: str | None
    ttl_days: int
    rules: tuple[RowRule, ...]

    def __post_init__(self) -> None:
        if len(self._by_name) != len(self.columns):
            raise ValueError(f"{self.name}: a column is defined twice")
        named = [*self.primary_key, *self.unique, *self.bucket_by]
        named += [column for rule in self.rules for column in rule.columns]
        named += [name for name in (self.unique_where, self.ordered_by) if name]
        for name in named:
            if name not in self._by_name:
                raise ValueError(f"{self.name}: no column {name}")
        for name in (*self.primary_key, *self.bucket_by):
            if self.column(name).nullable:
                raise ValueError(f"{self.name}: key column {name} may be null")
        if self.ordered_by is not None:
            moment = self.column(self.ordered_by)
            if moment.type is not Type.TIME or moment.nullable:
                raise ValueError(f"{self.name}: {moment.name} is no time that is always there")
        if self.kind == "latest" and not (
            self.primary_key and set(self.bucket_by) <= set(self.primary_key)
        ):
            raise ValueError(f"{self.name}: bucket_by must be part of the primary key")
        if self.buckets < 1 or self.ttl_days < 1:
            raise ValueError(f"{self.name}: buckets and ttl_days must be at least 1")

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._by_name)

    def column(self, name: str) -> Column:
        """Give a column by name; KeyError where there is none."""
        return self._by_name[name]

    @property
    def event_time(self) -> str | None:
        """The column that dates a row: `ordered_by`, else the first time; None without any."""
        times = (column.name for column in self.columns if column.type is Type.TIME)
        return self.ordered_by or next(times, None)


def _names(columns: Iterable[Column | str]) -> tuple[str, ...]:
    return tuple(column if isinstance(column, str) else column.name for column in columns)


def log_table(
    name: str,
    description: str,
    columns: Sequence[Column],
    *,
    bucket_by: Sequence[Column | str],
    ordered_by: str | None,
    ttl_days: int,
    unique: Sequence[Column | str] = (),
    unique_where: str | None = None,
    buckets: int = 4,
    rules: Sequence[RowRule] = (),
) -> Table:
    """Define a history table: rows are appended and never change."""
    return Table(
        name=name,
        kind="log",
        description=description,
        columns=tuple(columns),
        primary_key=(),
        unique=_names(unique),
        unique_where=unique_where,
        bucket_by=_names(bucket_by),
        buckets=buckets,
        ordered_by=ordered_by,
        ttl_days=ttl_days,
        rules=tuple(rules),
    )


def latest_table(
    name: str,
    description: str,
    *,
    key: Sequence[Column],
    columns: Sequence[Column],
    bucket_by: Sequence[Column | str] | None = None,
    buckets: int = 4,
    ttl_days: int = 7,
    rules: Sequence[RowRule] = (),
) -> Table:
    """Define a table of the current state: the key's columns first, one row for each key.

    `bucket_by` is the whole key unless given; `ttl_days` is how long changes can be read.
    """
    return Table(
        name=name,
        kind="latest",
        description=description,
        columns=(*key, *columns),
        primary_key=_names(key),
        unique=(),
        unique_where=None,
        bucket_by=_names(key if bucket_by is None else bucket_by),
        buckets=buckets,
        ordered_by=None,
        ttl_days=ttl_days,
        rules=tuple(rules),
    )
