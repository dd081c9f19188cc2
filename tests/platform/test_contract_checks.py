"""Every rule of every contract, broken in one row: that rule is told, with that row."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from streaming.contracts import ARROW_TYPES, TABLES, Table, Type, empty_table, validate
from streaming.contracts.columns import alternatives
from streaming.rules.bars import MINUTE_US
from streaming.rules.money import LIMIT, SCALE
from contracts.examples import _compare
from good_rows import NOW_US, ROWS, good_rows, with_cell, with_column
from trading_assets.analytics.checks.contracts import SAMPLE, ContractReport, check_rows
from trading_assets.analytics.checks.results import as_check_result

PRICES = TABLES["price_1m_history"]
BAD = 3
"""The row that is spoilt."""


class Corruption(NamedTuple):
    rule: str
    rows: pa.Table
    failing: list[int]
    """Numbers of the rows that break the rule, from 1; empty for the table as a whole."""
    implied: tuple[str, ...] = ()
    """Rules that cannot but break with it: high below low leaves no place for open."""


@pytest.fixture(scope="module", params=TABLES, ids=str)
def table(request) -> Table:
    return TABLES[request.param]


def check(table: Table, rows: pa.Table, **given) -> ContractReport:
    return check_rows(table, rows, now=NOW_US, **given)


def test_good_rows_pass(table):
    report = check(table, good_rows(table))
    assert report.passed and report.rows == ROWS and not report.not_asked, report.summary


def test_no_rows_pass(table):
    assert check(table, empty_table(table)).passed


def test_each_corruption_breaks_its_rule_alone(table):
    asked = set()
    for rule, rows, failing, implied in corruptions(table):
        report = check(table, rows)
        asked.add(rule)
        assert [each.rule for each in report.broken] == [rule, *implied]
        told = report.broken[0]
        assert (list(told.numbers), told.count) == (failing, len(failing)), rule
        if failing:
            assert told.sample.equals(rows.take([number - 1 for number in failing])), rule
        else:
            assert told.found
    every = check(table, good_rows(table)).rules
    assert len(asked) == every, "some rule is never broken here"


def test_rows_that_break_a_rule_are_those_that_import_refuses(table):
    for rule, rows, failing, _ in corruptions(table):
        if (
            rule.startswith(("unique", "columns"))
            or " in order " in rule
            or rule.endswith(("UTF-8", "(18,8)"))
        ):
            continue
        if not failing:  # another type may well be read
            continue
        _, refused = validate(table, rows, "rows", now=NOW_US)
        assert refused["rowNumber"].to_pylist() == failing, rule


def corruptions(table: Table) -> Iterator[Corruption]:
    """Every rule of a contract broken once, in as few cells as it takes."""
    good = good_rows(table)
    names = table.names
    yield Corruption("columns in order", good.select(names[::-1]), [])
    for column in table.columns:
        other = pa.string() if column.type is not Type.TEXT else pa.binary()
        kind = ARROW_TYPES[column.type]
        yield Corruption(
            f"{column.name} is {kind}", with_column(good, column.name, good[column.name].cast(other)
            if column.type is not Type.BOOL else pc.cast(good[column.name], pa.int64())), []
        )  # fmt: skip
        for rule, cell in bad_cells(table, column):
            yield Corruption(rule, with_cell(good, column.name, BAD, cell), [BAD + 1])
        if column.type is Type.TEXT:
            octets = good[column.name].cast(pa.binary()).to_pylist()
            octets[BAD] = b"a\xff"
            odd = pa.array(octets, pa.binary()).view(pa.string())
            yield Corruption(
                f"{column.name} is UTF-8", with_column(good, column.name, odd), [BAD + 1]
            )
    for rule in table.rules:
        rows, implied = broken_row(table, good, rule)
        yield Corruption(rule.words, rows, [BAD + 1], implied)
    yield from broken_keys(table, good)
    if table.ordered_by:
        first = pc.min(good[table.ordered_by]).cast(pa.int64()).as_py()
        rows = good
        for name in [one for rule in table.rules for one in rule.columns]:
            # A row that is older in every way keeps the rules of its cells.
            if table.column(name).type is Type.TIME:
                rows = with_cell(rows, name, BAD, first - MINUTE_US)
        rows = with_cell(rows, table.ordered_by, BAD, first - MINUTE_US)
        name = f"{table.ordered_by} in order within ({', '.join(table.bucket_by)})"
        yield Corruption(name, rows, [BAD + 1])


def bad_cells(table, column):
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
        future = (NOW_US + column.ahead) // MINUTE_US * MINUTE_US + 2 * MINUTE_US
        yield f"{name} is not in the future", future
        if column.minute:
            yield f"{name} is on a whole minute", 17 * MINUTE_US + 1
    scale = SCALE if column.type is Type.MONEY else 1
    for operator, bound in column.bounds:
        over = {">": 0, ">=": -1, "<": 0, "<=": 1}[operator]
        value = bound * scale + over
        yield f"{name} {operator} {bound:g}", float(value) if column.type is Type.DOUBLE else value


def broken_row(table, good, rule):
    """Break one row rule, and of the others as few as can be: the rows, and these others."""
    if type(rule).__name__ != "Compare":
        return with_cell(good, rule.quantity, BAD, 0), ()
    names = sorted({name for one in table.rules for name in one.columns})
    fewest = None
    for numbers in product(range(1, 4), repeat=len(names)):
        tried = dict(zip(names, numbers, strict=True))
        broken = [one.words for one in table.rules if not holds(one, tried)]
        if rule.words in broken and (fewest is None or len(broken) < len(fewest[1])):
            fewest = tried, broken
    tried, broken = fewest
    rows = good
    for name, number in tried.items():
        base, scale = 0, SCALE if table.column(name).type is Type.MONEY else 1
        if table.column(name).type is Type.TIME:
            # Its place among its neighbours in time stays.
            moment = table.ordered_by or name
            base, scale = good[moment][BAD].cast(pa.int64()).as_py(), MINUTE_US
            base -= tried.get(moment, 0) * scale
        rows = with_cell(rows, name, BAD, base + number * scale)
    return rows, tuple(words for words in broken if words != rule.words)


def holds(rule, numbers):
    return _compare(rule.operator, numbers[rule.left], numbers[rule.right])


def broken_keys(table, good):
    key = table.primary_key or table.unique
    if not key:
        return
    rows = good
    if table.unique_where:
        rows = with_column(good, table.unique_where, pa.repeat(pa.scalar(True), ROWS))
    for name in key:
        cells = rows[name].to_pylist()
        cells[BAD] = cells[BAD - 1]
        rows = with_column(rows, name, pa.array(cells, rows.schema.field(name).type))
    where = f" where {table.unique_where}" if table.unique_where else ""
    yield Corruption(f"unique ({', '.join(key)}){where}", rows, [BAD, BAD + 1])


def test_the_right_columns_in_another_number_break_the_first_rule():
    good = good_rows(PRICES)
    first = "columns in order"
    missing = check(PRICES, good.drop_columns(["high"]))
    assert [each.rule for each in missing.broken] == [first]
    assert missing.broken[0].found == "missing high"
    assert "high >= low" in missing.not_asked and "low > 0" not in missing.not_asked
    extra = check(PRICES, good.append_column("more", good["open"]))
    assert [each.found for each in extra.broken] == ["not in it more"]
    twice = check(PRICES, good.append_column("high", good["high"]))
    assert [each.found for each in twice.broken] == ["doubled high"]
    assert "high > 0" in twice.not_asked


def test_text_may_be_packed_in_any_way():
    good = good_rows(PRICES)
    for packed in (good["symbol"].dictionary_encode(), good["symbol"].cast(pa.large_string())):
        assert check(PRICES, with_column(good, "symbol", packed)).passed


def test_of_a_cell_the_first_rule_is_told_and_of_many_rows_a_sample():
    good = good_rows(PRICES, 50)
    spoilt = good
    for row in range(30):
        spoilt = with_cell(spoilt, "open", row, -SCALE)
    report = check(PRICES, spoilt)
    (told,) = report.broken  # not that open is below low as well
    assert (told.rule, told.count, len(told.numbers)) == ("open > 0", 30, SAMPLE)
    assert told.sample.num_rows == SAMPLE


def test_rows_are_numbered_within_their_files_and_order_ends_with_a_file():
    good = good_rows(PRICES)
    swapped = pa.concat_tables([good.slice(3), good.slice(0, 3)])
    files = [("a.parquet", 3), ("b.parquet", 3)]
    assert check(PRICES, swapped, files=files).passed
    assert not check(PRICES, swapped).passed
    assert check(PRICES, swapped, ordered=False).passed
    (told,) = check(PRICES, with_cell(swapped, "open", 4, 0), files=files).broken
    assert (told.files, told.numbers) == (("b.parquet",), (2,))
    with pytest.raises(ValueError, match="price_1m_history: the files have other rows"):
        check(PRICES, good, files=files[:1])


def test_the_newest_row_may_not_be_too_old():
    good = good_rows(PRICES)
    age = (NOW_US - pc.max(good["ts"]).cast(pa.int64()).as_py()) / 1e6
    assert check(PRICES, good, max_age_seconds=age).passed
    (told,) = check(PRICES, good, max_age_seconds=age - 1).broken
    assert (told.numbers, told.rule) == ((ROWS,), f"newest ts at most {age - 1:g} s old")
    (told,) = check(PRICES, empty_table(PRICES), max_age_seconds=120).broken
    assert told.found == "there is no row"


def test_findings_do_not_depend_on_where_the_rows_are_cut(monkeypatch):
    good = good_rows(PRICES, 50)
    spoilt = with_cell(with_cell(good, "open", 30, 0), "symbol", 7, None)
    spoilt = pa.concat_tables([spoilt, spoilt.slice(20, 1)])
    whole = check(PRICES, spoilt)
    monkeypatch.setattr("trading_assets.analytics.checks.contracts._BLOCK", 8)
    in_parts = check(PRICES, spoilt.slice(0))
    told = [(each.rule, each.count, each.numbers) for each in whole.broken]
    assert told == [(each.rule, each.count, each.numbers) for each in in_parts.broken]
    assert len(told) == 4


def test_a_check_result_shows_the_rule_and_the_whole_row():
    spoilt = with_cell(good_rows(PRICES), "open", BAD, -SCALE)
    result = as_check_result(check(PRICES, spoilt), name="contract")
    assert not result.passed and result.severity is dg.AssetCheckSeverity.ERROR
    assert "1 of 6 rows break 'open > 0', the first is row 4" in result.description
    assert "| open > 0 | open | 1 | row 4 |" in result.metadata["failing rules"].value
    (record,) = result.metadata["failing rows"].records
    assert record.data["rule"] == "open > 0" and record.data["open"] == "-1.00000000"
    assert record.data["row number"] == "4" and set(PRICES.names) < set(record.data)
    assert as_check_result(check(PRICES, good_rows(PRICES))).passed
