"""Trading time agrees with the library's own minutes, over holidays, half days and pauses."""

import exchange_calendars
import numpy as np
import pytest

from streaming.monitoring.sessions import trading_time

MINUTE = 60_000_000

# The library is as of pandas 3, which says what pandas 4 will refuse.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("code", ["XNYS", "XHKG", "XOSL", "24/7", "24/5"])
def test_trading_time_is_the_librarys_count_of_minutes(code):
    calendar = exchange_calendars.get_calendar(code)
    rng = np.random.default_rng(7)
    first = np.datetime64("2019-01-01", "us").astype(np.int64)
    # The library labels a minute by its beginning.
    minutes = calendar.minutes_nanos // 1000
    for _ in range(300):
        since = int(first + rng.integers(0, 4 * 365 * 1440) * MINUTE)
        until = int(since + rng.integers(0, 20 * 1440) * MINUTE)
        count = np.searchsorted(minutes, until) - np.searchsorted(minutes, since)
        assert trading_time(code, since, until) == count * MINUTE


def test_without_a_calendar_time_is_time_and_backwards_it_is_none():
    assert trading_time(None, 5, 12) == 7
    assert trading_time(None, 12, 5) == 0
    assert trading_time("XNYS", 1_711_969_200_000_000, 1_711_000_000_000_000) == 0


def test_before_the_calendar_begins_nothing_is_known_and_nothing_counted():
    assert trading_time("XNYS", 0, 10**12) == 0
