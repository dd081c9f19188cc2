"""Rows that keep a contract, and rows that break one rule each, made from the definitions.

`naive` is the oracle: it reads and checks one row of texts in plain Python with Decimal,
knowing the definitions but none of the code under test.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any, NamedTuple

import pyarrow as pa

from streaming.contracts import Column, Table, Type

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT = Decimal(10) ** -8

Texts = dict[str, str | None]


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def good_texts(table: Table, seed: int) -> Texts:
    """One row that keeps the contract, every cell as a text; another for another seed."""
    row: Texts = {column.name: _good_text(column, seed) for column in table.columns}
    for _ in range(len(table.rules) ** 2):  # enough swaps to sort
        for rule in table.rules:
            if type(rule).__name__ == "Compare":
                left, right = row[rule.left], row[rule.right]
                if not _compare(rule.operator, _number(table, rule.left, left),
                                _number(table, rule.right, right)):  # fmt: skip
                    row[rule.left], row[rule.right] = right, left
            else:
                sign = "" if row[rule.side] == "LONG" else "-"
                row[rule.quantity] = sign + row[rule.quantity].lstrip("-")
    return row


def _good_text(column: Column, seed: int) -> str | None:
    mixed = (seed * 2654435761 + len(column.name) * 97 + sum(map(ord, column.name))) % 1_000_003
    if column.nullable and mixed % 5 == 0:
        return None
    if column.one_of:
        return column.one_of[mixed % len(column.one_of)]
    match column.type:
        case Type.TEXT:
            return f"{column.name}-{mixed}"
        case Type.MONEY:
            return str(Decimal(mixed + 1) / 128)  # seven places
        case Type.DOUBLE:
            low, high = 0 if column.gt is None and column.ge is None else 1, 1_000_003
            return repr((mixed + low) / high)
        case Type.TIME:
            return stamp(NOW - timedelta(minutes=mixed + 1))
        case Type.BOOL:
            return ["true", "False", "1", "0"][mixed % 4]
        case Type.INT:
            return str(mixed + 1)


class Breakage(NamedTuple):
    """One rule broken: what it is called, how to break it, a pattern of the reason."""

    label: str
    apply: Callable[[Texts], None]
    words: str


def breakages(table: Table) -> Iterator[Breakage]:
    """Every rule of the contract, broken once."""
    for column in table.columns:
        for label, text, words in _bad_texts(column):

            def apply(row: Texts, name: str = column.name, text: str | None = text) -> None:
                row[name] = text

            yield Breakage(
                f"{column.name} {label}", apply, "^" + re.escape(f"{column.name} {words}")
            )
    for rule in table.rules:
        left, *_, right = rule.columns
        yield Breakage(rule.words, _break(table, rule), rf"^{left} \S+ (is|does).* {right} \S+$")


def _bad_texts(column: Column) -> Iterator[tuple[str, str | None, str]]:
    if not column.nullable:
        yield "null", None, "is missing"
    if column.one_of:
        yield "word", "NEITHER", "'NEITHER' is not " + column.one_of[0]
    elif column.type is Type.TEXT:
        if not column.nullable:
            yield "empty", "", "'' is empty"
        if column.key:
            yield "control", "a\x1fb", "'a\x1fb' has control characters"
            if column.without:
                odd = f"a{column.without[0]}b"
                yield "letter", odd, f"'{odd}' has {column.never} in it"
            yield "before", " a", "' a' has blanks around it"
            yield "behind", "a ", "'a ' has blanks around it"
    if column.type in (Type.MONEY, Type.DOUBLE, Type.INT):
        yield "word", "abc", "'abc' is not a number"
        yield "underscore", "1_000", "'1_000' is not a number"
        yield "comma", "1,5", "'1,5' is not a number"
        yield "empty", "", "'' is not a number"
        for operator, bound in column.bounds:
            over = {">": bound, ">=": bound - 1, "<": bound, "<=": bound + 1}[operator]
            yield operator, str(over), str(over)
    if column.type is Type.MONEY:
        yield "places", "1.123456789", "1.123456789 does not fit DECIMAL(18,8)"
        yield "digits", "10000000000", "10000000000 does not fit DECIMAL(18,8)"
        yield "exponent", "1e99999999999999999999", "1e99999999999999999999 does not fit"
        yield "nan", "NaN", "NaN is not finite"
        yield "infinite", "-inf", "-inf is not finite"
    if column.type is Type.DOUBLE:
        yield "infinite", "1e400", "1e400 is not finite"
        if not column.nullable:
            yield "nan", "nan", "nan is not finite"
    if column.type is Type.INT:
        yield "fraction", "1.5", "1.5 is not a whole number"
        yield "digits", str(2**63), f"{2**63} is not a whole number"
    if column.type is Type.BOOL:
        yield "word", "maybe", "'maybe' is not true or false"
    if column.type is Type.TIME:
        future = NOW + timedelta(microseconds=column.ahead) + timedelta(minutes=1)
        yield "word", "yesterday", "'yesterday' is not a time"
        yield "day", "2013-02-29T00:00:00Z", "'2013-02-29T00:00:00Z' is not a time"
        yield "zone", "2013-10-07T13:31:00", "2013-10-07T13:31:00 has no time zone"
        yield "fine", "2013-10-07T13:31:00.0000001Z", "2013-10-07T13:31:00.0000001Z is finer"
        yield "old", "1969-12-31T23:59:00Z", "1969-12-31T23:59:00Z is before 1970"
        yield "future", stamp(future), f"{stamp(future)} lies in the future"
        if column.minute:
            yield "minute", "2013-10-07T13:31:01Z", "2013-10-07T13:31:01Z is not on a whole minute"


def _break(table: Table, rule: Any) -> Callable[[Texts], None]:
    """Break one row rule and none that is checked before it."""

    def apply(row: Texts) -> None:
        if type(rule).__name__ != "Compare":
            row[rule.quantity] = "0" if row[rule.side] == "SHORT" else "-1"
            return
        earlier = table.rules[: table.rules.index(rule)]
        names = sorted({name for one in table.rules for name in one.columns})
        for numbers in product(range(1, 6), repeat=len(names)):
            tried = dict(zip(names, numbers, strict=True))
            if _holds(rule, tried) or not all(_holds(one, tried) for one in earlier):
                continue
            for name, number in tried.items():
                dated = table.column(name).type is Type.TIME
                row[name] = stamp(NOW - timedelta(days=9 - number)) if dated else str(number)
            return
        raise AssertionError(f"{rule.words} cannot be broken first")

    return apply


def _holds(rule: Any, numbers: dict[str, int]) -> bool:
    return _compare(rule.operator, numbers[rule.left], numbers[rule.right])


def naive(table: Table, row: Texts) -> tuple[dict[str, Any] | None, str]:
    """Read one row: its values and "", or None and the columns that are to blame."""
    values: dict[str, Any] = {}
    for column in table.columns:
        try:
            values[column.name] = _naive_cell(column, row[column.name])
        except ValueError:
            return None, column.name
    for rule in table.rules:
        if any(values[name] is None for name in rule.columns):
            continue
        if type(rule).__name__ == "Compare":
            holds = _compare(rule.operator, values[rule.left], values[rule.right])
        else:
            holds = values[rule.quantity] * (1 if values[rule.side] == "LONG" else -1) > 0
        if not holds:
            return None, rule.columns[0]
    return values, ""


def _naive_cell(column: Column, text: str | None) -> Any:
    value = None if text is None else _naive_value(column, text)
    if value is None:
        if column.nullable:
            return None
        raise ValueError
    for operator, bound in column.bounds:
        if not _compare(operator, value, Decimal(bound)):
            raise ValueError
    return value


def _naive_value(column: Column, text: str) -> Any:
    if column.type is Type.TEXT:
        bad = (column.one_of and text not in column.one_of) or (not column.nullable and not text)
        bad = bad or any(letter in column.without for letter in text)
        if bad or (column.key and (text != text.strip() or any(ord(c) < 32 for c in text))):
            raise ValueError
        return text
    if column.type is Type.BOOL:
        return (
            {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            if (text.lower() in ("true", "1", "false", "0"))
            else _no()
        )
    if column.type is Type.TIME:
        return _naive_time(column, text)
    if "_" in text or "," in text or not text:
        raise ValueError
    number = _decimal(text)
    if column.type is Type.DOUBLE:
        if number.is_nan() and column.nullable:
            return None
        value = float(text)
        return value if number.is_finite() and abs(value) != float("inf") else _no()
    if not number.is_finite() or number.adjusted() > 20:
        raise ValueError
    if column.type is Type.INT:
        return int(number) if number == int(number) and abs(number) < 2**63 else _no()
    fits = number % EXACT == 0 and abs(number) < 10**10
    return number.quantize(EXACT) if fits else _no()


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError from None


def _naive_time(column: Column, text: str) -> datetime:
    _, _, fraction = text.partition(".")
    if len(fraction.rstrip("Z").rstrip("0")) > 6:
        raise ValueError
    moment = datetime.fromisoformat(text)  # ValueError where it is none
    if moment.tzinfo is None or moment < EPOCH:
        raise ValueError
    if moment > NOW + timedelta(microseconds=column.ahead):
        raise ValueError
    if column.minute and (moment.second or moment.microsecond):
        raise ValueError
    return moment


def _no() -> Any:
    raise ValueError


def _number(table: Table, name: str, text: str | None) -> Any:
    assert text is not None
    return datetime.fromisoformat(text) if table.column(name).type is Type.TIME else Decimal(text)


def _compare(operator: str, left: Any, right: Any) -> bool:
    return {
        ">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right,
    }[operator]  # fmt: skip


def as_texts(table: Table, rows: list[Texts]) -> pa.Table:
    """Rows as a table of texts, as a CSV file without types gives them."""
    return pa.table(
        {name: pa.array([row[name] for row in rows], pa.string()) for name in table.names}
    )
