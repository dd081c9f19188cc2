"""The rules of a table's contract, as expectations to be asked of data frames.

Every rule is made from the table's definition; none is written down here again. A rule is
asked in one of four stages, each of its own data frame (see `frames`):

| stage | a row of the frame is |
|---|---|
| schema | the table: the Arrow type of each column |
| rows | a row of the table |
| whole | a row of the table: its key, and its step in time from the row before |
| newest | the table: the age of its newest row |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from streaming.contracts import ARROW_TYPES, Column, Table, Type
from streaming.contracts.validation import text_faults
from streaming.rules.units import SCALE

Stage = Literal["schema", "rows", "whole", "newest"]

_LARGEST = float(np.finfo(np.float64).max)
_BOUND = {">": "min_value", ">=": "min_value", "<": "max_value", "<=": "max_value"}
_STRICT = {">": {"strict_min": True}, "<": {"strict_max": True}}

KEY = "key"
STEP = "step"
AGE = "age"


@dataclass(frozen=True)
class Rule:
    """One rule, and the expectation that asks for it.

    Attributes
    ----------
    name : str
        What holds of good rows: "high >= low".
    columns : tuple of str
        Columns of the table that it reads.
    stage : str
        Which frame it is asked of.
    expectation : str
        Class of Great Expectations.
    arguments : dict
        What the expectation is told.
    """

    name: str
    columns: tuple[str, ...]
    stage: Stage
    expectation: str
    arguments: dict[str, Any] = field(repr=False)


def rules_of(
    table: Table, now: int, *, ordered: bool = True, max_age_seconds: float | None = None
) -> list[Rule]:
    """Give the rules of a table; of one column or row, those that come first matter first.

    Parameters
    ----------
    table : Table
        The contract.
    now : int
        Microseconds UTC: against it times are found to lie in the future.
    ordered : bool
        Whether a log's rows must be in order of event time within what it is bucketed by.
        Live logs are in order of arrival.
    max_age_seconds : float, optional
        How old the newest row may be; for live tables.
    """
    rules = [
        Rule(
            "columns in order",
            tuple(table.names),
            "schema",
            "ExpectTableColumnsToMatchOrderedList",
            {"column_list": table.names},
        )
    ]
    for column in table.columns:
        kind = str(ARROW_TYPES[column.type])
        rules.append(_one_of(f"{column.name} is {kind}", column, "schema", [kind]))
    for column in table.columns:
        rules += _cell_rules(column, now)
    rules += [_kept(rule.words, rule.columns) for rule in table.rules]
    key = table.primary_key or table.unique
    if key:
        where = f" where {table.unique_where}" if table.unique_where else ""
        columns = (*key, *([table.unique_where] if table.unique_where else []))
        name = f"unique ({', '.join(key)}){where}"
        rules.append(Rule(name, columns, "whole", "ExpectColumnValuesToBeUnique", {"column": KEY}))
    if ordered and table.ordered_by:
        name = f"{table.ordered_by} in order within ({', '.join(table.bucket_by)})"
        columns = (table.ordered_by, *table.bucket_by)
        rules.append(_between(name, columns, "whole", STEP, min_value=0))
    if max_age_seconds is not None and table.event_time:
        name = f"newest {table.event_time} at most {max_age_seconds:g} s old"
        most = round(max_age_seconds * 1_000_000)
        rules.append(_between(name, (table.event_time,), "newest", AGE, max_value=most))
    return rules


def _cell_rules(column: Column, now: int) -> Iterator[Rule]:
    name = column.name
    if column.type is Type.TEXT:
        yield _kept(f"{name} is UTF-8", (name,))
    if not column.nullable:
        yield Rule(
            f"{name} is there",
            (name,),
            "rows",
            "ExpectColumnValuesToNotBeNull",
            {"column": name},
        )
    if column.one_of:
        words = text_faults(column)[0].removeprefix("is not ")
        yield _one_of(f"{name} is {words}", column, "rows", list(column.one_of))
    elif column.type is Type.TEXT:
        for fault in text_faults(column):
            yield _kept(fault_rule(name, fault), (name,))

    def within(what: str, **bounds: Any) -> Rule:
        return _between(f"{name} {what}", (name,), "rows", name, **bounds)

    if column.type is Type.MONEY:
        yield _kept(fits_rule(name), (name,))
    if column.type is Type.DOUBLE:
        yield within("is finite", min_value=-_LARGEST, max_value=_LARGEST)
    if column.type is Type.TIME:
        yield within("is not before 1970", min_value=0)
        yield within("is not in the future", max_value=now + column.ahead)
        if column.minute:
            yield _kept(minute_rule(name), (name,))
    scale = SCALE if column.type is Type.MONEY else 1
    for operator, bound in column.bounds:
        limit = {_BOUND[operator]: bound * scale} | _STRICT.get(operator, {})
        yield within(f"{operator} {bound:g}", **limit)


def fault_rule(column: str, fault: str) -> str:
    """Name the rule that forbids a fault of a text: "symbol never has blanks around it"."""
    return f"{column} never {fault}"


def fits_rule(column: str) -> str:
    """Name the rule that an amount fits its type."""
    return f"{column} fits DECIMAL(18,8)"


def minute_rule(column: str) -> str:
    """Name the rule that a time lies on a whole minute."""
    return f"{column} is on a whole minute"


def _one_of(name: str, column: Column, stage: Stage, values: list[str]) -> Rule:
    arguments = {"column": column.name, "value_set": values}
    return Rule(name, (column.name,), stage, "ExpectColumnValuesToBeInSet", arguments)


def _kept(name: str, columns: tuple[str, ...]) -> Rule:
    """Ask for a rule that the contract's own code has checked: the column of its name is true."""
    arguments = {"column": name, "value_set": [True]}
    return Rule(name, columns, "rows", "ExpectColumnValuesToBeInSet", arguments)


def _between(name: str, columns: tuple[str, ...], stage: Stage, of: str, **bounds: Any) -> Rule:
    arguments = {"column": of, **bounds}
    return Rule(name, columns, stage, "ExpectColumnValuesToBeBetween", arguments)
