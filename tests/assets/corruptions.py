"""Every way to break one rule of a contract in one row, made from the definitions."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import pyarrow as pa
from contracts.examples import _compare

from streaming.contracts import Table, Type
from streaming.contracts.columns import alternatives
from streaming.rules.bars import MINUTE_US
from streaming.rules.units import LIMIT, SCALE

from .good_rows import NOW_US, good_rows, with_cell, with_column


class Corruption(NamedTuple):
    """One way to break a rule in one row."""

    rule: str
    spoil: Callable[[pa.Table, int], pa.Table]
    implied: tuple[str, ...] = ()
    """Rules that cannot but break with it: high below low leaves no place for open."""


def spoilt_rows(table, ways=None):
    """Rows of which each second is spoilt in another way; and by rule the numbers of these."""
    ways = list(corruptions(table)) if ways is None else ways
    return spoil_each_second(good_rows(table, 2 * len(ways) + 2), ways)


def spoil_each_second(
    rows: pa.Table, ways: Sequence[Corruption]
) -> tuple[pa.Table, dict[str, list[int]]]:
    """Spoil each second row in another way; give by rule the numbers of those that break it."""
    expected: dict[str, list[int]] = {}
    for at, (rule, spoil, implied) in enumerate(ways):
        row = 2 * at + 1
        rows = spoil(rows, row)
        for name in (rule, *implied):
            expected.setdefault(name, []).append(row + 1)
        if rule.startswith("unique"):
            expected[rule].append(row)
    return rows, expected


def corruptions(table: Table, now: int = NOW_US) -> Iterator[Corruption]:
    """Every rule of a contract that one row can break, in every way that there is."""
    for column in table.columns:
        for rule, cell in bad_cells(column, now):

            def spoil(rows, row, name=column.name, cell=cell):
                return with_cell(rows, name, row, cell)

            yield Corruption(rule, spoil)
        if column.type is Type.TEXT:

            def spoil(rows, row, name=column.name):
                octets = rows[name].cast(pa.binary()).to_pylist()
                octets[row] = b"a\xff"
                return with_column(rows, name, pa.array(octets, pa.binary()).view(pa.string()))

            yield Corruption(f"{column.name} is UTF-8", spoil)
    for rule in table.rules:
        yield broken_row(table, rule)
    key = table.primary_key or table.unique
    if key:
        where = f" where {table.unique_where}" if table.unique_where else ""

        def spoil(rows, row):
            for name in key:
                rows = with_cell(rows, name, row, rows[name][row - 1].as_py())
            for at in (row - 1, row) if table.unique_where else ():
                rows = with_cell(rows, table.unique_where, at, True)
            return rows

        yield Corruption(f"unique ({', '.join(key)}){where}", spoil)
    if table.ordered_by:

        def spoil(rows, row):
            """Take a row to before the first one, with all of its times."""
            back = us(rows, table.ordered_by, row) - us(rows, table.ordered_by, 0)
            for column in table.columns:
                if column.type is Type.TIME and rows[column.name][row].is_valid:
                    moment = us(rows, column.name, row) - back - MINUTE_US
                    rows = with_cell(rows, column.name, row, moment)
            return rows

        yield Corruption(
            f"{table.ordered_by} in order within ({', '.join(table.bucket_by)})", spoil
        )


def us(rows, name, row):
    return rows[name][row].cast(pa.int64()).as_py()


def bad_cells(column, now):
    name = column.name
    if not column.nullable:
        yield f"{name} is there", None
    if column.one_of:
        yield f"{name} is {alternatives(column.one_of)}", "NEITHER"
    elif column.type is Type.TEXT:
        if not column.nullable:
            yield f"{name} never is empty", ""
        if column.key:
            yield f"{name} never has control characters", "a\x1fb"
            yield f"{name} never has blanks around it", "a "
            if column.without:
                yield f"{name} never has {column.never} in it, as none has", 'a"b'
    if column.type is Type.MONEY:
        yield f"{name} fits DECIMAL(18,8)", LIMIT
        # Its low 64 bits alone would be a fine amount.
        yield f"{name} fits DECIMAL(18,8)", 2**64 + SCALE
        yield f"{name} fits DECIMAL(18,8)", -(2**64)
    if column.type is Type.DOUBLE:
        yield f"{name} is finite", float("inf")
        if not column.nullable:
            yield f"{name} is finite", float("nan")
    if column.type is Type.TIME:
        yield f"{name} is not before 1970", -MINUTE_US
        future = (now + column.ahead) // MINUTE_US * MINUTE_US + 2 * MINUTE_US
        yield f"{name} is not in the future", future
        if column.minute:
            yield f"{name} is on a whole minute", 17 * MINUTE_US + 1
    scale = SCALE if column.type is Type.MONEY else 1
    for operator, bound in column.bounds:
        over = {">": 0, ">=": -1, "<": 0, "<=": 1}[operator]
        value = bound * scale + over
        yield f"{name} {operator} {bound:g}", float(value) if column.type is Type.DOUBLE else value


def broken_row(table, rule):
    """Break one row rule, and of the others as few as can be."""
    if type(rule).__name__ != "Compare":
        return Corruption(rule.words, lambda rows, row: with_cell(rows, rule.quantity, row, 0))
    names = sorted({name for one in table.rules for name in one.columns})
    fewest = None
    for numbers in product(range(1, 4), repeat=len(names)):
        tried = dict(zip(names, numbers, strict=True))
        broken = [one.words for one in table.rules if not holds(one, tried)]
        if rule.words in broken and (fewest is None or len(broken) < len(fewest[1])):
            fewest = tried, broken
    tried, broken = fewest

    def spoil(rows, row):
        moment = table.ordered_by or rule.left
        for name, number in tried.items():
            base, scale = 0, SCALE if table.column(name).type is Type.MONEY else 1
            if table.column(name).type is Type.TIME:
                # Its place among its neighbours in time stays.
                base, scale = us(rows, moment, row), MINUTE_US
                number -= tried[moment]
            rows = with_cell(rows, name, row, base + number * scale)
        return rows

    return Corruption(rule.words, spoil, tuple(one for one in broken if one != rule.words))


def holds(rule, numbers):
    return _compare(rule.operator, numbers[rule.left], numbers[rule.right])
