"""The rows of many partitions held against their contract, some at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from streaming.contracts import Table
from streaming.errors import LakeError
from trading_assets.analytics.checks.contracts import (
    SAMPLE,
    BrokenRule,
    ContractReport,
    check_rows,
)
from trading_assets.analytics.checks.rows import Files, Part, by_types

_ROWS = 1 << 20
"""Rows held in memory at a time, unless one partition has more."""


@dataclass(frozen=True)
class PartsReport:
    """What a look at partitions gave.

    Attributes
    ----------
    report
        On all rows that could be read.
    faults
        By partition, why its files cannot be read, or that they are not what was written.
    failed
        Keys of all partitions that did not pass, for whatever reason.
    """

    report: ContractReport
    faults: dict[str, str]
    failed: set[str]

    @property
    def summary(self) -> str:
        """What is wrong first, in a sentence or two; or that nothing is."""
        if not self.faults:
            return self.report.summary
        more = f" And {len(self.faults) - 1} more partitions." if len(self.faults) > 1 else ""
        broken = "" if self.report.passed else f" {self.report.summary}"
        return next(iter(self.faults.values())) + more + broken


def check_parts(table: Table, parts: Sequence[Part], *, snapshots: bool = False) -> PartsReport:
    """Hold all rows of partitions against the contract of their table.

    Keys are held to be unique among the partitions that are read together: a million rows.

    Parameters
    ----------
    table, snapshots
        As for `check_rows`.
    """
    faults: dict[str, str] = {}
    reports: list[ContractReport] = []
    failed: set[str] = set()
    for batch in _batches(parts, faults):
        owner = {name: key for key, files in batch for name, _ in files}
        fit, odd = by_types(table, [one for _, files in batch for one in files])
        of_batch = [
            _named(check_rows(table, rows, files=[(name, rows.num_rows)]), name)
            for name, rows in odd
        ]
        of_batch.append(
            check_rows(
                table,
                pa.concat_tables([rows for _, rows in fit]),
                files=[(name, rows.num_rows) for name, rows in fit],
                snapshots=snapshots,
            )
        )
        reports += of_batch
        failed |= {owner[name] for one in of_batch for name in one.failing_files}
    for part in parts:
        if part.key not in failed and part.key not in faults:
            try:
                part.require()
            except LakeError as error:
                faults[part.key] = str(error)
    return PartsReport(_joined(reports), faults, failed | set(faults))


def _batches(parts: Sequence[Part], faults: dict[str, str]) -> Iterator[list[tuple[str, Files]]]:
    """Read partitions, some at a time; of those that cannot be read, keep the reason."""
    batch: list[tuple[str, Files]] = []
    rows = 0
    for part in parts:
        try:
            if not part.files:
                # Nothing to read: nothing was written, or all of it was lost.
                part.require()
            files = part.read()
        except LakeError as error:
            faults[part.key] = str(error)
            continue
        batch.append((part.key, files))
        rows += sum(one.num_rows for _, one in files)
        if rows >= _ROWS:
            yield batch
            batch, rows = [], 0
    yield batch


def _named(report: ContractReport, file: str) -> ContractReport:
    """Say of what is wrong with a file as a whole, which one it is."""
    broken = [one if one.numbers else replace(one, found=f"{file}: {one.found}")
              for one in report.broken]  # fmt: skip
    return replace(report, broken=tuple(broken), failing_files=(file,) if broken else ())


def _joined(reports: Sequence[ContractReport]) -> ContractReport:
    """Make one report of several on the same table; each rule has its first rows."""
    broken: dict[str, BrokenRule] = {}
    for one in (rule for report in reports for rule in report.broken):
        before = broken.get(one.rule)
        broken[one.rule] = one if before is None else _both(before, one)
    first = reports[0]
    return replace(
        first,
        rows=sum(one.rows for one in reports),
        rules=max(one.rules for one in reports),
        broken=tuple(broken.values()),
        not_asked=tuple(dict.fromkeys(name for one in reports for name in one.not_asked)),
        seconds=sum(one.seconds for one in reports),
        failing_files=tuple(name for one in reports for name in one.failing_files),
    )


def _both(one: BrokenRule, other: BrokenRule) -> BrokenRule:
    return replace(
        one,
        count=one.count + other.count,
        numbers=(one.numbers + other.numbers)[:SAMPLE],
        files=(one.files + other.files)[:SAMPLE],
        sample=pa.concat_tables([one.sample, other.sample], promote_options="permissive").slice(
            0, SAMPLE
        )
        if one.numbers and other.numbers
        else one.sample,
        found=one.found or other.found,
    )
