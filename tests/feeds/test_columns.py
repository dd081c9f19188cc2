"""Columns are found by the names files use, and never guessed between two."""

import pytest

from streaming.errors import SourceError
from streaming.feeds.columns import find_columns, parse_mapping

PLAIN = ["time", "open", "high", "low", "close", "volume"]


def test_usual_names_are_found_in_any_case():
    for time in ("ts", "Time", "TIMESTAMP", "date", "DateTime", "open_time", "Open time", "<TIME>"):
        found = find_columns("f", [time, "Open", "HIGH", "low", "Close", "Vol", "Ticker"], {})
        assert found == ((time,), "Open", "HIGH", "low", "Close", "Vol", "Ticker")
    assert find_columns("f", ["symbol", "ts", "open", "high", "low", "price"], {}).close == "price"


def test_only_a_time_called_open_time_says_that_it_is_the_open():
    assert find_columns("f", ["open_time", *PLAIN[1:]], {}).says_open
    assert find_columns("f", ["Open Time", *PLAIN[1:]], {}).says_open
    assert not find_columns("f", PLAIN, {}).says_open


def test_a_mapping_wins_and_may_differ_in_case():
    names = ["a", "b", "c", "d", "Last", "close", "n"]
    mapping = parse_mapping("ts=a, open=b,high=c,low=d,close=last,volume=,symbol=n")
    found = find_columns("f", names, mapping)
    assert found == (("a",), "b", "c", "d", "Last", None, "n")


def test_date_and_time_may_be_two_columns():
    names = ["<DATE>", "<TIME>", "open", "high", "low", "close"]
    with pytest.raises(SourceError, match=r"could each be ts.*ts=<DATE>\+<TIME>"):
        find_columns("f", names, {})
    assert find_columns("f", names, {"ts": "<DATE>+<TIME>"}).ts == ("<DATE>", "<TIME>")


@pytest.mark.parametrize("missing", ["time", "open", "high", "low", "close"])
def test_a_missing_column_is_named_with_what_there_is(missing):
    names = [name for name in PLAIN if name != missing]
    field = "ts" if missing == "time" else missing
    with pytest.raises(SourceError, match=rf"f: has no column {field}; .*'volume'.*{field}=NAME"):
        find_columns("f", names, {})


@pytest.mark.parametrize("doubled", PLAIN)
def test_a_doubled_column_is_named(doubled):
    with pytest.raises(SourceError, match=f"column '{doubled}' is there 2 times"):
        find_columns("f", [*PLAIN, doubled], {})
    field = "ts" if doubled == "time" else doubled
    with pytest.raises(SourceError, match=f"column '{doubled}' is there 2 times"):
        find_columns("f", [*PLAIN, doubled], {field: doubled})


def test_a_doubled_column_that_nobody_needs_is_no_matter():
    assert find_columns("f", [*PLAIN, "x", "x"], {}).open == "open"


def test_two_columns_that_could_be_one_are_refused_unless_one_has_the_tables_own_name():
    with pytest.raises(SourceError, match="'date' and 'timestamp' could each be ts"):
        find_columns("f", ["date", "timestamp", *PLAIN[1:]], {})
    assert find_columns("f", ["date", "ts", *PLAIN[1:]], {}).ts == ("ts",)
    with pytest.raises(SourceError, match="cannot stand for two things"):
        find_columns("f", PLAIN, {"open": "close"})


def test_a_mapped_column_must_be_there():
    with pytest.raises(SourceError, match=r"no column 'Last' \(given for close\).*'time'"):
        find_columns("f", PLAIN, {"close": "Last"})


@pytest.mark.parametrize("text", ["close", "clse=x", "ts=", "ts=a,ts=b", "price=a,close=b", "=x"])
def test_a_mapping_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError):
        parse_mapping(text)


@pytest.mark.parametrize("doubled", ["open", "high", "low", "close", "volume", "symbol"])
def test_a_column_doubled_but_for_case_is_named(doubled):
    names = [*PLAIN, "symbol", doubled.title()]
    with pytest.raises(SourceError, match=f"'{doubled}' is there 2 times, as .*{doubled.title()}"):
        find_columns("f", names, {})
    found = find_columns("f", names, {doubled: doubled})
    assert getattr(found, doubled) == doubled
