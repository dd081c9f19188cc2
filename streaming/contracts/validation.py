"""Validation: a batch from anywhere becomes good rows, and refused rows with a reason each.

No row is lost: rows in = good + quarantine. Whole columns are checked at once; only rows
that fail cost Python time. Whether rows are unique is not asked here.
"""

import re
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts.arrow import Array, arrow_schema, money_array, time_array
from streaming.contracts.cells import Cells, plain, read_cells
from streaming.contracts.columns import Column, Type, alternatives
from streaming.contracts.quarantine import json_cells, quarantine_rows, shown
from streaming.contracts.rowrules import BROKEN, HOLDS, RowRule
from streaming.contracts.table import Table
from streaming.contracts.words import NOT_A_FLAG, NOT_A_NUMBER, NOT_A_TIME, NOT_TEXT
from streaming.errors import ContractError
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import SCALE

Mask = NDArray[np.bool_]
Row = Mapping[str, Any]
Finding = tuple[Mask, Callable[[Row], str]]
"""Rows that break a rule, and what to say of such a row."""

_CONTROL = "\x00-\x1f\x7f"

_EMPTY = "is empty"
_CONTROLS = "has control characters"
_BLANKS_AROUND = "has blanks around it"

_BLOCK = 1 << 18
"""Rows checked at a time: bounds the memory of what is computed on the way."""


_QUOTED = (NOT_A_NUMBER, NOT_A_FLAG, NOT_A_TIME, NOT_TEXT)
"""Findings about a cell that is not even of the kind: its text stands in quotes."""


class Validated(NamedTuple):
    """A batch, split; together all of its rows, each part in the batch's order.

    `good` has the table's Arrow schema, `quarantine` that of quarantine_history.
    """

    good: pa.Table
    quarantine: pa.Table


def validate(
    table: Table,
    batch: "pa.Table | pa.RecordBatch",
    source: str,
    first_row: int = 1,
    *,
    now: int | None = None,
    naive_is_utc: bool = False,
    not_text: Mapping[str, Sequence[int]] | None = None,
) -> Validated:
    """Split a batch into rows that keep the table's contract and rows that do not.

    Parameters
    ----------
    table : Table
        The contract.
    batch : pyarrow.Table or RecordBatch
        Rows with at least the table's columns that may not be null, in any order and of
        any type that can be read (see `cells.read_cells`). Other columns do not matter
        here, but quarantine keeps them.
    source : str
        File or feed that the batch came from, for quarantine.
    first_row : int
        The number of the batch's first row in that source.
    now : int, optional
        Microseconds UTC against which times are found to lie in the future; the clock
        unless given. A time may be ahead of it by as much as its column says.
    naive_is_utc : bool
        Times without a zone are UTC; otherwise they are refused.
    not_text : mapping, optional
        By column, the rows (by place in the batch) whose text stands for bytes that are none.

    Returns
    -------
    Validated
        Doubles in MONEY columns have been rounded half-even to 1e-8; text and decimals that
        do not fit DECIMAL(18,8) exactly are refused, never rounded. NaN in a nullable
        DOUBLE column has become null.

    Raises
    ------
    ContractError
        A column is missing, doubled, or of a type that cannot be read.
    """
    if isinstance(batch, pa.RecordBatch):
        batch = pa.Table.from_batches([batch])
    columns = _columns_of(table, batch, source)
    now = clock.time_ns() // 1000 if now is None else now
    schema = arrow_schema(table)
    good: list[pa.RecordBatch] = []
    refused: list[pa.Table] = []
    for start in range(0, max(batch.num_rows, 1), _BLOCK):
        block = batch.slice(start, _BLOCK)
        try:
            cells = {
                column.name: _read(column, block, columns[column.name], naive_is_utc)
                for column in table.columns
            }
            for name, places in (not_text or {}).items():
                if name in cells and table.column(name).type is Type.TEXT:
                    here = [at - start for at in places if start <= at < start + _BLOCK]
                    cells[name].refused.update(dict.fromkeys(here, NOT_TEXT))
        except ContractError as error:
            raise ContractError(f"{source}: {error} ({table.name}).") from None
        failed = _first_findings(_findings(table, cells, now), block.num_rows)
        arrays = [_array(column, cells[column.name]) for column in table.columns]
        kept = pa.RecordBatch.from_arrays(arrays, schema=schema)
        if failed:
            keep = np.ones(block.num_rows, np.bool_)
            keep[list(failed)] = False
            kept = kept.filter(pa.array(keep))
            number = first_row + start
            refused.append(_quarantine(table, source, block, number, failed, cells, now))
        good.append(kept)
    nothing = quarantine_rows(table, source, batch.slice(0, 0), [], [])
    return Validated(pa.Table.from_batches(good, schema), pa.concat_tables([nothing, *refused]))


def _columns_of(table: Table, batch: pa.Table, source: str) -> dict[str, int | None]:
    """Find the table's columns in the batch: positions, None for a nullable one not there."""
    found: dict[str, int | None] = {}
    for column in table.columns:
        at = [i for i, name in enumerate(batch.column_names) if name == column.name]
        if len(at) > 1:
            raise ContractError(
                f"{source}: column {column.name} of {table.name} is there {len(at)} times."
            )
        if not at and not column.nullable:
            others = [name for name in batch.column_names if name not in table.names]
            near = get_close_matches(column.name, others, 1)
            hint = f"Is it {near[0]}?" if near else f"There is: {', '.join(batch.column_names)}."
            raise ContractError(
                f"{source}: column {column.name} of {table.name} is missing. {hint}"
            )
        found[column.name] = at[0] if at else None
    return found


def _read(column: Column, block: pa.Table, at: int | None, naive_is_utc: bool) -> Cells:
    if at is None:
        array: Array = pa.nulls(block.num_rows)
    else:
        chunks = [plain(chunk) for chunk in block.column(at).chunks]
        array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.nulls(0)])
    cells = read_cells(column, array, naive_is_utc=naive_is_utc)
    if column.type is Type.DOUBLE and column.nullable:
        return cells._replace(null=cells.null | np.isnan(cells.values))
    return cells


def _array(column: Column, cells: Cells) -> Any:
    """Give a column's cells as the contract's Arrow type; refused rows leave later."""
    null = cells.null if cells.null.any() else None
    if column.type is Type.TEXT:
        return cells.values
    if column.type is Type.MONEY:
        return money_array(cells.values, null)
    if column.type is Type.TIME:
        return time_array(cells.values, null)
    return pa.array(cells.values, mask=null)


def _findings(table: Table, cells: Mapping[str, Cells], now: int) -> Iterator[Finding]:
    """Check every rule, columns first, in the table's order."""
    for column in table.columns:
        yield from _column_findings(column, cells[column.name], now)
    for rule in table.rules:
        sides = [cells[name] for name in rule.columns]
        values = {
            name: np.asarray(side.values) for name, side in zip(rule.columns, sides, strict=True)
        }
        known = ~np.logical_or.reduce([side.null for side in sides])
        yield known & ~rule.holds(values), _complains(rule)


def _complains(rule: RowRule) -> Callable[[Row], str]:
    return lambda row: rule.complaint({name: shown(row[name]) for name in rule.columns})


def _column_findings(column: Column, cells: Cells, now: int) -> Iterator[Finding]:
    name = column.name

    def says(words: str, *, quoted: bool = False) -> Callable[[Row], str]:
        quote = "'" if quoted else ""
        return lambda row: f"{name} {quote}{shown(row[name])}{quote} {words}"

    if not column.nullable:
        yield cells.null, lambda _: f"{name} is missing"
    by_words: dict[str, list[int]] = {}
    for at, words in cells.refused.items():
        by_words.setdefault(words, []).append(at)
    for words, rows in by_words.items():
        mask = np.zeros(len(cells.null), np.bool_)
        mask[rows] = True
        yield mask, says(words, quoted=words in _QUOTED)
    known = ~cells.null
    values = cells.values
    if column.type is Type.TEXT:
        for mask, words in text_findings(column, values):
            yield known & mask, says(words, quoted=True)
    elif column.type is Type.DOUBLE:
        yield known & ~np.isfinite(values), says("is not finite")
    elif column.type is Type.TIME:
        yield known & (values < 0), says("is before 1970")
        yield known & (values > now + column.ahead), says("lies in the future")
        if column.minute:
            yield known & (values % MINUTE_US != 0), says("is not on a whole minute")
    for operator, bound in column.bounds:
        scale = SCALE if column.type is Type.MONEY else 1
        holds = HOLDS[operator](values, bound * scale)
        yield known & ~holds, says(f"{BROKEN[operator]} {bound:g}")


def text_faults(column: Column) -> list[str]:
    """Give the words of everything that `text_findings` may find in a column."""
    if column.one_of:
        return [f"is not {alternatives(column.one_of)}"]
    faults = [] if column.nullable else [_EMPTY]
    if column.key:
        faults += [_CONTROLS, *([_odd_letters(column)] if column.without else []), _BLANKS_AROUND]
    return faults


def text_findings(column: Column, texts: Any) -> Iterator[tuple[Mask, str]]:
    """Check texts (an Arrow array): rows that break a rule, and the words that follow the value."""

    def mask(answers: Any) -> Mask:
        return np.asarray(answers.fill_null(False))

    if column.one_of:
        yield (
            ~mask(pc.is_in(texts, pa.array(column.one_of))),
            f"is not {alternatives(column.one_of)}",
        )
        return
    if not column.nullable:
        yield mask(pc.equal(texts, pa.scalar(""))), _EMPTY
    if column.key:
        # Identifiers are joined with control characters between them where they are hashed.
        wrong = mask(pc.match_substring_regex(texts, f"[{_CONTROL}{re.escape(column.without)}]"))
        if wrong.any():
            control = mask(pc.match_substring_regex(texts, f"[{_CONTROL}]"))
            yield control, _CONTROLS
            if column.without:
                yield wrong & ~control, _odd_letters(column)
        yield mask(pc.match_substring_regex(texts, "^ | $")), _BLANKS_AROUND


def _odd_letters(column: Column) -> str:
    return f"has {column.never} in it, as none has"


def _first_findings(findings: Iterator[Finding], rows: int) -> dict[int, Callable[[Row], str]]:
    """Give the failing rows in order, each with what its first finding says of it."""
    failed: dict[int, Callable[[Row], str]] = {}
    met = np.zeros(rows, np.bool_)
    for mask, says in findings:
        fresh = mask & ~met
        if fresh.any():
            failed.update(dict.fromkeys(map(int, np.flatnonzero(fresh)), says))
            met |= fresh
    return dict(sorted(failed.items()))


def _quarantine(
    table: Table,
    source: str,
    block: pa.Table,
    first_row: int,
    failed: Mapping[int, Callable[[Row], str]],
    cells: Mapping[str, Cells],
    now: int,
) -> pa.Table:
    rows = np.fromiter(failed, np.int64, len(failed))
    originals = block.take(rows)
    seen = {
        name: json_cells(originals.column(name))
        for name in table.names
        if name in block.column_names
    }
    reasons = [
        says({name: column[i] for name, column in seen.items()})
        for i, says in enumerate(failed.values())
    ]
    event_times = _valid_times(table, cells, rows, now)
    return quarantine_rows(table, source, originals, rows + first_row, reasons, event_times)


def _valid_times(
    table: Table, cells: Mapping[str, Cells], rows: NDArray[np.int64], now: int
) -> list[int | None] | None:
    """Give the refused rows' own event times, None for those that cannot be true."""
    if table.event_time is None:
        return None
    ahead = table.column(table.event_time).ahead
    moments = cells[table.event_time]
    return [
        value if not null and row not in moments.refused and 0 <= value <= now + ahead else None
        for row, value, null in zip(
            rows.tolist(), moments.values[rows].tolist(), moments.null[rows].tolist(), strict=True
        )
    ]
