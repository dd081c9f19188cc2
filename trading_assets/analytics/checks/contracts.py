"""Whether the rows of a table keep its contract; and where not, which rule, which rows."""

import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streaming.contracts import Table
from trading_assets.analytics.checks.frames import (
    newest_frame,
    readable,
    rows_frame,
    schema_frame,
    whole_frame,
)
from trading_assets.analytics.checks.rules import Rule, rules_of
from trading_assets.analytics.checks.suites import failing_rows

Rows = NDArray[np.int64]

SAMPLE = 20
"""Failing rows of a rule that a report shows."""

_BLOCK = 1 << 18
"""Rows whose cells are checked at a time: bounds the memory."""


@dataclass(frozen=True)
class BrokenRule:
    """A rule that does not hold.

    Attributes
    ----------
    rule : str
        What should hold: "high >= low".
    columns : tuple of str
        Columns that it reads.
    count : int
        Rows that break it; 0 for a rule about the table as a whole (its columns, a type).
    numbers : tuple of int
        Numbers of the first of them, from 1, within their file where files are known.
    files : tuple of str
        The file of each of these, where known; else empty.
    sample : pyarrow.Table
        These rows whole, as they are.
    found : str
        For a rule about the table as a whole: what is there instead.
    """

    rule: str
    columns: tuple[str, ...]
    count: int
    numbers: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    sample: pa.Table = field(default_factory=lambda: pa.table({}), repr=False)
    found: str = ""


@dataclass(frozen=True)
class ContractReport:
    """What a check of a table's rows gave.

    Attributes
    ----------
    table : str
        Name of the table.
    rows : int
        Rows checked.
    rules : int
        Rules asked for.
    broken : tuple of BrokenRule
        Rules that do not hold, in the order of the contract.
    not_asked : tuple of str
        Rules that could not be asked, because a column is missing or of another type; the
        rule that says so is among the broken ones.
    seconds : float
        How long it took.
    failing_files : tuple of str
        The files that have a row that breaks a rule, where files are known.
    """

    table: str
    rows: int
    rules: int
    broken: tuple[BrokenRule, ...]
    not_asked: tuple[str, ...]
    seconds: float
    failing_files: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return not self.broken

    @property
    def summary(self) -> str:
        """One sentence: how many rows, and the first rule that is broken, with its first row."""
        if self.passed:
            return f"{self.table}: {self.rows:,} rows keep {self.rules} rules."
        first = self.broken[0]
        more = f" ({len(self.broken) - 1} more rules are broken)" if len(self.broken) > 1 else ""
        if not first.numbers:
            return f"{self.table}: breaks {first.rule!r}: {first.found}{more}."
        file = f"{first.files[0]}, " if first.files else ""
        return (
            f"{self.table}: {first.count:,} of {self.rows:,} rows break {first.rule!r}, the first "
            f"is {file}row {first.numbers[0]:,}{more}."
        )


def check_rows(
    table: Table,
    rows: pa.Table,
    *,
    now: int | None = None,
    files: Sequence[tuple[str, int]] = (),
    ordered: bool = True,
    snapshots: bool = False,
    max_age_seconds: float | None = None,
) -> ContractReport:
    """Hold rows against the contract of their table.

    Of each cell only the first rule that it breaks is told; a rule that ties cells to each
    other is asked only where each of them is good by itself, and so are uniqueness and
    order. Of rows that share a key all are told.

    Parameters
    ----------
    table : Table
        The contract.
    rows : pyarrow.Table
        All rows that the table has, or a part of them that can be judged by itself.
    now : int, optional
        Microseconds UTC; the clock unless given.
    files : sequence of (name, rows), optional
        The files that `rows` is made of, in order. Order is asked for within each.
    ordered : bool
        False for live logs: they are in order of arrival.
    snapshots : bool
        Whether each file is the whole table at a moment of its own: then keys are unique
        within files.
    max_age_seconds : float, optional
        How old the newest row may be; for live tables.

    Raises
    ------
    CheckCrashed
        The check itself failed; nothing is known of the rows.
    ValueError
        `files` do not add up to the rows.
    """
    began = clock.perf_counter()
    now = clock.time_ns() // 1000 if now is None else now
    if files and sum(count for _, count in files) != rows.num_rows:
        raise ValueError(f"{table.name}: the files have other rows than the {rows.num_rows} given")
    rules = rules_of(table, now, ordered=ordered, max_age_seconds=max_age_seconds)
    asked, not_asked = _askable(table, rules, rows)
    failing = dict(_failing(table, asked, rows, files, now, snapshots))
    broken = tuple(
        _told(rule, failing[rule.name], rows, files) for rule in rules if rule.name in failing
    )
    return ContractReport(
        table.name,
        rows.num_rows,
        len(asked),
        broken,
        not_asked,
        clock.perf_counter() - began,
        _failing_files(list(failing.values()), files),
    )


def _askable(table: Table, rules: list[Rule], rows: pa.Table) -> tuple[list[Rule], tuple[str, ...]]:
    """Split off the rules that need a column that is missing, doubled or of another type."""
    names = rows.column_names
    once = {name for name in names if names.count(name) == 1}
    fit = {column.name for column in readable(table, rows)}
    asked: list[Rule] = []
    not_asked: list[str] = []
    for position, rule in enumerate(rules):
        needs = fit if rule.stage != "schema" else once
        if position == 0 or needs >= set(rule.columns):
            asked.append(rule)
        else:
            not_asked.append(rule.name)
    return asked, tuple(not_asked)


def _failing(
    table: Table,
    rules: list[Rule],
    rows: pa.Table,
    files: Sequence[tuple[str, int]],
    now: int,
    snapshots: bool,
) -> Iterator[tuple[str, Rows]]:
    """Give the rules that do not hold, each with the rows that break it, ascending."""
    yield from ((name, _NONE) for name in failing_rows(table, "schema", rules, schema_frame(rows)))
    columns = readable(table, rows)
    parts: dict[str, list[Rows]] = {}
    bad: dict[str, list[Rows]] = {}
    by_name = {rule.name: rule for rule in rules}
    for start in range(0, rows.num_rows, _BLOCK):
        frame = rows_frame(table, columns, rows.slice(start, _BLOCK))
        found = failing_rows(table, "rows", rules, frame)
        for name, at in _causes(found, by_name, len(frame)):
            parts.setdefault(name, []).append(at + start)
            if len(by_name[name].columns) == 1:
                bad.setdefault(by_name[name].columns[0], []).append(at + start)
    yield from ((name, np.concatenate(at)) for name, at in parts.items())
    stages = {rule.stage for rule in rules}
    if "whole" in stages and rows.num_rows:
        of = np.repeat(np.arange(len(files)), [count for _, count in files])
        of = of if files else np.zeros(rows.num_rows, np.int64)
        joined = {name: np.concatenate(at) for name, at in bad.items()}
        wanted = [rule for rule in rules if rule.stage == "whole"]
        told = {rule.arguments["column"] for rule in wanted}
        frame = whole_frame(table, rows, of, joined, told, snapshots=snapshots)
        yield from failing_rows(table, "whole", wanted, frame).items()
    if "newest" in stages:
        frame, newest = newest_frame(table, rows, now)
        yield from ((name, newest) for name in failing_rows(table, "newest", rules, frame))


_NONE = np.empty(0, np.int64)


def _causes(
    found: dict[str, Rows], rules: dict[str, Rule], rows: int
) -> Iterator[tuple[str, Rows]]:
    """Leave out what follows from another finding: of a cell, and of cells tied together."""
    bad: dict[str, NDArray[np.bool_]] = {}
    for name, at in found.items():
        columns = rules[name].columns
        for column in columns:
            if column in bad:
                at = at[~bad[column][at]]
        if len(columns) == 1:
            bad.setdefault(columns[0], np.zeros(rows, np.bool_))[at] = True
        if len(at):
            yield name, at


def _told(rule: Rule, at: Rows, rows: pa.Table, files: Sequence[tuple[str, int]]) -> BrokenRule:
    if not len(at):
        return BrokenRule(rule.name, rule.columns, 0, found=_instead(rule, rows))
    first = at[:SAMPLE]
    names: tuple[str, ...] = ()
    numbers = first + 1
    if files:
        ends = np.cumsum([count for _, count in files])
        which = np.searchsorted(ends, first, side="right")
        names = tuple(files[i][0] for i in which)
        numbers = first - (ends - [count for _, count in files])[which] + 1
    sample = rows.take(pa.array(first))
    return BrokenRule(
        rule.name, rule.columns, len(at), tuple(map(int, numbers)), names, sample=sample
    )


def _failing_files(failing: list[Rows], files: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    if not failing or not files:
        return ()
    if not all(map(len, failing)):
        # A rule about the table as a whole is broken by all of them.
        return tuple(name for name, _ in files)
    ends = np.cumsum([count for _, count in files])
    which = np.unique(np.searchsorted(ends, np.concatenate(failing), side="right"))
    return tuple(files[i][0] for i in which)


def _instead(rule: Rule, rows: pa.Table) -> str:
    if rule.stage == "newest":
        return "there is no row"
    if len(rule.columns) == 1:
        return f"it is {rows.schema.field(rule.columns[0]).type}"
    here = rows.column_names
    missing = [name for name in rule.columns if name not in here]
    extra = [name for name in here if name not in rule.columns]
    twice = sorted({name for name in here if here.count(name) > 1})
    told = [
        f"{words} {', '.join(names)}"
        for words, names in (("missing", missing), ("not in it", extra), ("doubled", twice))
        if names
    ]
    return "; ".join(told) or f"the order is {', '.join(here)}"
