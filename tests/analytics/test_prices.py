"""Closing prices at days' ends: from series, and from the lake."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from analytics.books import money, random_book, us
from streaming.analytics.days import day_bounds
from streaming.analytics.prices import LakePrices, SeriesPrices
from streaming.contracts import PRICE_1M_HISTORY, arrow_schema
from streaming.lake import Lake

HOUR = 3_600_000_000


def test_a_close_at_the_bound_is_that_days_and_stale_ones_are_carried_on():
    bounds = np.array([0, 100, 200, 300, 400])
    series = {"X": (np.array([50, 100, 201, 300]), np.array([1, 2, 3, 4]))}
    closes = SeriesPrices(series).day_closes(["X", "none"], bounds)
    assert closes.close.tolist() == [[0, 2, 2, 4, 4], [0, 0, 0, 0, 0]]
    assert closes.first.tolist() == [1, 0]


def test_the_first_close_is_the_first_within_the_window():
    bounds = np.array([100, 200])
    for ts, first in (([50, 100], 0), ([50, 101], 2), ([200, 201], 1), ([201, 202], 0)):
        closes = SeriesPrices({"X": (np.array(ts), np.array([1, 2]))}).day_closes(["X"], bounds)
        assert closes.first.tolist() == [first], ts


def write_bars(lake, series):
    """Write closes into a lake as bars without range."""
    schema = arrow_schema(PRICE_1M_HISTORY)
    for symbol, (ts, close) in series.items():
        flat = money([int(x) for x in close])
        columns = dict.fromkeys(("open", "high", "low", "price"), flat)
        columns["symbol"] = pa.array([symbol] * len(ts))
        columns["ts"] = pa.array(ts, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        columns["volume"] = pa.array([1.0] * len(ts))
        columns["source"] = pa.array(["test"] * len(ts))
        lake.write_prices(pa.table([columns[name] for name in schema.names], schema=schema))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2013, 10, 25), date(2013, 10, 30)),
        (date(2013, 10, 27), date(2013, 10, 28)),
        (date(2013, 9, 1), date(2013, 12, 24)),  # several reads, mostly without a bar
        (date(2013, 11, 20), date(2013, 11, 21)),  # after the last bar: all closes are old
    ],
)
def test_the_lake_gives_the_closes_of_the_bars_written_to_it(tmp_path, start, end):
    _, _, series = random_book(11)
    late = us("2013-10-29T12:00")
    series["LATE"] = (np.array([late, late + HOUR]), np.array([7, 8]))
    lake = Lake(tmp_path)
    write_bars(lake, series)
    bounds = day_bounds(start, end, "Europe/Oslo")
    names = ["Z", "LATE", "none", "X", "Y"]
    heard = []
    found = LakePrices(lake, lambda *args: heard.append(args)).day_closes(names, bounds)
    expected = SeriesPrices(series).day_closes(names, bounds)
    np.testing.assert_array_equal(found.close, expected.close)
    np.testing.assert_array_equal(found.first, expected.first)
    assert heard[-1][:2] == (bounds.size - 1, bounds.size - 1)


def test_a_bar_at_the_windows_first_moment_is_the_close_before_it(tmp_path):
    bounds = day_bounds(date(2013, 10, 25), date(2013, 10, 26), "UTC")
    start = int(bounds[0])
    series = {"X": (np.array([start]), np.array([7])), "Y": (np.array([start + HOUR]), [8])}
    lake = Lake(tmp_path)
    write_bars(lake, series)
    closes = LakePrices(lake).day_closes(["X", "Y"], bounds)
    assert closes.close.tolist() == [[7, 7, 7], [0, 8, 8]]
    assert closes.first.tolist() == [0, 8]


def test_an_empty_lake_has_no_closes(tmp_path):
    bounds = day_bounds(date(2013, 10, 25), date(2013, 10, 26), "UTC")
    closes = LakePrices(Lake(tmp_path)).day_closes(["X"], bounds)
    assert closes.close.tolist() == [[0, 0, 0]]
