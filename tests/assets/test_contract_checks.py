"""Every rule of every contract, broken in one row: that rule is told, with that row."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from streaming.contracts import ARROW_TYPES, TABLES, Table, Type, empty_table, validate
from streaming.rules.units import SCALE
from trading_assets.analytics.checks.contracts import SAMPLE, ContractReport, check_rows
from trading_assets.analytics.checks.results import as_check_result
from trading_assets.analytics.checks.rules import rules_of

from .corruptions import corruptions, spoilt_rows
from .good_rows import NOW_US, ROWS, good_rows, with_cell, with_column

PRICES = TABLES["price_1m_history"]
BAD = 3
"""The row that is spoilt."""


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


def test_each_corruption_breaks_its_rule_and_no_other(table):
    """Every second row is spoilt, each in its own way: none may hide or cause another."""
    spoilt, expected = spoilt_rows(table)
    report = check(table, spoilt)
    assert {each.rule: (each.count, each.numbers) for each in report.broken} == {
        rule: (len(numbers), tuple(sorted(numbers))) for rule, numbers in expected.items()
    }
    for told in report.broken:
        shown = spoilt.take([number - 1 for number in told.numbers])
        for name in table.names:  # NaN is not equal to itself
            same = told.sample[name].equals(shown[name])
            assert same or str(told.sample[name]) == str(shown[name])
    assert not as_check_result(report).passed
    # Nothing is left that no corruption breaks, apart from what concerns all rows.
    rules = {rule.name for rule in rules_of(table, NOW_US) if rule.stage != "schema"}
    assert rules == set(expected)


def test_a_corruption_alone_fails_alone():
    for rule, spoil, implied in corruptions(PRICES):
        spoilt = spoil(good_rows(PRICES), BAD)
        assert [each.rule for each in check(PRICES, spoilt).broken] == [rule, *implied]


def test_rows_that_break_a_rule_are_those_that_import_refuses(table):
    """Rules between rows apart, and damage below what types can say."""
    apart = ("unique", "in order within", "is UTF-8", "fits DECIMAL")
    ways = [each for each in corruptions(table) if not any(one in each.rule for one in apart)]
    spoilt, expected = spoilt_rows(table, ways)
    _, refused = validate(table, spoilt, "rows", now=NOW_US)
    assert set(refused["rowNumber"].to_pylist()) == {
        one for each in expected.values() for one in each
    }


def test_a_column_of_another_type_is_told_and_its_rules_are_not_asked(table):
    good = good_rows(table)
    for column in table.columns:
        other = {Type.TEXT: pa.binary(), Type.BOOL: pa.int64()}.get(column.type, pa.string())
        good = with_column(good, column.name, good[column.name].cast(other))
    report = check(table, good)
    kinds = [f"{column.name} is {ARROW_TYPES[column.type]}" for column in table.columns]
    assert [each.rule for each in report.broken] == kinds
    assert {each.found for each in report.broken} <= {"it is binary", "it is string", "it is int64"}
    every = [rule.name for rule in rules_of(table, NOW_US) if rule.stage != "schema"]
    assert list(report.not_asked) == every


def test_columns_in_another_order_are_told(table):
    (told,) = check(table, good_rows(table).select(table.names[::-1])).broken
    assert told.rule == "columns in order" and told.found.startswith("the order is ")


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
