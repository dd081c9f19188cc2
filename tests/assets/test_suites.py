"""Suites hold every rule of a table, keep nothing, and never call their own crash bad data."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from streaming.contracts import TABLES
from trading_assets.analytics.checks.rules import Rule, rules_of
from trading_assets.analytics.checks.suites import CheckCrashed, expectation_suite, failing_rows

from .good_rows import NOW_US

PRICES = TABLES["price_1m_history"]


@pytest.mark.parametrize("name", TABLES)
def test_a_suite_has_one_expectation_for_each_rule(name):
    table = TABLES[name]
    rules = [rule.name for rule in rules_of(table, NOW_US)]
    assert len(set(rules)) == len(rules)
    suite = expectation_suite(table, NOW_US)
    assert [each.meta["rule"] for each in suite.expectations] == rules
    for column in table.columns:
        assert any(column.name in rule.columns for rule in rules_of(table, NOW_US)[1:])
    for rule in table.rules:
        assert rule.words in rules


def test_a_crash_inside_an_expectation_is_no_bad_data():
    rule = Rule("nosuch > 0", ("nosuch",), "rows", "ExpectColumnValuesToBeBetween",
                {"column": "nosuch", "min_value": 0})  # fmt: skip
    with pytest.raises(CheckCrashed, match="price_1m_history: the rule 'nosuch > 0' could not"):
        failing_rows(PRICES, "rows", [rule], pd.DataFrame({"open": [1, 2]}))


def test_a_crash_of_a_metric_is_no_bad_data():
    rule = Rule("open > 0", ("open",), "rows", "ExpectColumnValuesToBeBetween",
                {"column": "open", "min_value": 0})  # fmt: skip
    odd = pd.DataFrame({"open": pd.Series([1, "one"], dtype=object)})
    with pytest.raises(CheckCrashed, match="open > 0"):
        failing_rows(PRICES, "rows", [rule], odd)


def test_great_expectations_is_imported_only_where_it_is_used_and_writes_nothing(tmp_path):
    code = """
import sys, trading_assets.analytics.checks.results
from streaming.contracts import TABLES, empty_table
assert "great_expectations" not in sys.modules and "pandas" not in sys.modules
from trading_assets.analytics.checks.contracts import check_rows
table = TABLES["price_1m_history"]
assert check_rows(table, empty_table(table)).passed
assert "great_expectations" in sys.modules
"""
    home, temp = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temp.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "TMPDIR": str(temp),
        "MPLCONFIGDIR": "/dev/null",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "TRADING_CACHE_DIR": str(tmp_path / "kernels"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Calculating Metrics" not in done.stderr
    assert [*home.rglob("*"), *temp.rglob("*")] == []
