"""Calendar days: midnights, long and short days, exact daily sums."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.analytics.days import daily_pnl, day_bounds, day_index, day_of
from streaming.errors import MoneyError, SettingsError

OSLO = "Europe/Oslo"
HOUR = 3_600_000_000


def us(text):
    """Give an ISO time as microseconds UTC."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def test_the_day_the_clock_goes_back_has_25_hours():
    bounds = day_bounds(date(2013, 10, 26), date(2013, 10, 28), OSLO)
    assert list(np.diff(bounds) // HOUR) == [24, 25, 24]
    assert bounds[1] == us("2013-10-26T22:00:00+00:00")
    assert bounds[2] == us("2013-10-27T23:00:00+00:00")


def test_the_day_the_clock_goes_forward_has_23_hours():
    bounds = day_bounds(date(2014, 3, 29), date(2014, 3, 31), OSLO)
    assert list(np.diff(bounds) // HOUR) == [24, 23, 24]
    assert bounds[1] == us("2014-03-29T23:00:00+00:00")
    assert bounds[2] == us("2014-03-30T22:00:00+00:00")


def test_bounds_run_on_over_new_year():
    whole = day_bounds(date(2012, 12, 30), date(2015, 1, 2), OSLO)
    assert whole.size == (date(2015, 1, 2) - date(2012, 12, 30)).days + 2
    assert (np.diff(whole) > 0).all()
    assert list(day_bounds(date(2013, 12, 31), date(2014, 1, 1), OSLO)) == [
        us("2013-12-30T23:00:00+00:00"),
        us("2013-12-31T23:00:00+00:00"),
        us("2014-01-01T23:00:00+00:00"),
    ]


@pytest.mark.parametrize(
    ("tz", "day", "start", "hours"),
    [
        # The clock skips midnight itself: the day begins at 01:00, the instant of the change.
        ("America/Sao_Paulo", date(2017, 10, 15), "2017-10-15T03:00:00+00:00", 23),
        # Midnight comes twice: the day begins at the first.
        ("America/Havana", date(2013, 11, 3), "2013-11-03T04:00:00+00:00", 25),
        ("Asia/Kathmandu", date(2020, 1, 1), "2019-12-31T18:15:00+00:00", 24),
        ("UTC", date(2020, 1, 1), "2020-01-01T00:00:00+00:00", 24),
    ],
)
def test_zones_that_change_at_midnight_or_lie_between_hours(tz, day, start, hours):
    bounds = day_bounds(day, day, tz)
    assert bounds[0] == us(start)
    assert bounds[1] - bounds[0] == hours * HOUR


@given(
    ts=st.integers(us("1990-01-01T00:00:00+00:00"), us("2037-01-01T00:00:00+00:00")),
    tz=st.sampled_from([OSLO, "UTC", "America/New_York", "Asia/Tokyo", "Pacific/Auckland"]),
)
def test_a_day_is_what_the_zone_says_and_midnight_is_of_the_day_that_ends(ts, tz):
    # An instant one microsecond earlier is never a midnight that the day must give away.
    before = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts - 1)
    assert day_of(ts, tz) == before.astimezone(ZoneInfo(tz)).date()


def test_an_event_at_midnight_belongs_to_the_day_that_ends():
    midnight = us("2013-10-27T23:00:00+00:00")
    assert day_of(midnight, OSLO) == date(2013, 10, 27)
    assert day_of(midnight + 1, OSLO) == date(2013, 10, 28)
    ts = np.array([midnight, midnight + 1])
    days, pnl = daily_pnl(ts, np.array([5, 7]), date(2013, 10, 27), date(2013, 10, 28), OSLO)
    assert list(pnl) == [5, 7]
    assert list(days) == [np.datetime64("2013-10-27"), np.datetime64("2013-10-28")]


def test_events_outside_the_window_do_not_count():
    bounds = day_bounds(date(2020, 5, 1), date(2020, 5, 2), "UTC")
    ts = np.array([bounds[0], bounds[0] + 1, bounds[2], bounds[2] + 1])
    _, pnl = daily_pnl(ts, np.array([1, 10, 100, 1000]), date(2020, 5, 1), date(2020, 5, 2), "UTC")
    assert list(pnl) == [10, 100]
    assert list(day_index(ts, bounds)) == [-1, 0, 1, 2]


def test_no_events_are_idle_days():
    none = np.empty(0, np.int64)
    _, pnl = daily_pnl(none, none, date(2014, 3, 29), date(2014, 3, 31), OSLO)
    assert list(pnl) == [0, 0, 0]


@given(
    st.lists(
        st.tuples(
            st.integers(us("2013-10-24T00:00:00+00:00"), us("2013-10-31T00:00:00+00:00")),
            st.integers(-(10**17), 10**17),
        ),
        max_size=40,
    )
)
def test_daily_sums_are_exact_and_ignore_the_order_of_rows(rows):
    start, end = date(2013, 10, 26), date(2013, 10, 29)
    expected = dict.fromkeys([start + timedelta(days=k) for k in range(4)], 0)
    for ts, net in rows:
        day = (
            (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts - 1))
            .astimezone(ZoneInfo(OSLO))
            .date()
        )
        if day in expected:
            expected[day] += net
    ts = np.array([row[0] for row in rows], np.int64)
    net = np.array([row[1] for row in rows], np.int64)
    for order in (slice(None), slice(None, None, -1)):
        _, pnl = daily_pnl(ts[order], net[order], start, end, OSLO)
        assert [int(x) for x in pnl] == list(expected.values())


def test_sums_that_would_wrap_are_refused():
    ts = np.arange(1, 11)
    with pytest.raises(MoneyError, match="does not fit"):
        daily_pnl(ts, np.full(10, 10**18 - 1), date(1970, 1, 1), date(1970, 1, 1), "UTC")


def test_wrong_windows_and_zones_are_refused_by_name():
    with pytest.raises(SettingsError, match="ends \\(2020-01-01\\) before it starts"):
        day_bounds(date(2020, 1, 2), date(2020, 1, 1), OSLO)
    with pytest.raises(SettingsError, match="'Europe/Olso' is unknown"):
        day_bounds(date(2020, 1, 1), date(2020, 1, 1), "Europe/Olso")
