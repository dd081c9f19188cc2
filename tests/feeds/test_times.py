"""Every form of time becomes the same microsecond, and what cannot be told is refused."""

import datetime as dt
import zoneinfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import SourceError
from streaming.feeds.times import utc_micros, zone

UTC = zone("UTC")
OSLO = zone("Europe/Oslo")


def micros(*when: int, tz: dt.tzinfo = dt.UTC) -> int:
    return int(dt.datetime(*when, tzinfo=tz).timestamp()) * 1_000_000


NOON = micros(2024, 3, 4, 12, 30)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-04 12:30",
        "2024-03-04T12:30",
        "2024-03-04 12:30:00",
        "2024-03-04T12:30:00Z",
        "2024-03-04T12:30:00.000000Z",
        "2024-03-04 12:30:00.000 UTC",
        "2024-03-04 14:30:00+02:00",
        "2024-03-04 14:30+0200",
        "2024-03-04 07:30-05",
        "2024/03/04 12:30",
        "2024.03.04 12:30:00",
        "20240304 123000",
        "20240304 1230",
        "20240304-12:30:00",
        "20240304123000",
        "202403041230",
        "04.03.2024 12:30:00",
        " 2024-03-04 12:30 ",
        "1709555400",
        "1709555400.0",
        "1709555400000",
        "1709555400000000",
        "1709555400000000000",
    ],
)
def test_a_text_in_any_form_is_that_moment(text):
    for texts in ([text], ["2024-03-04 12:30", text, "1709555400"], [text, "junk", text]):
        got, problems = utc_micros(pa.array(texts), UTC)
        assert got[texts.index(text)] == NOON
        assert list(problems) == [i for i, t in enumerate(texts) if t == "junk"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (None, "empty"),
        ("junk", "no date and time of day"),
        ("2024-03-04", "no date and time of day"),
        ("2024-13-04 12:30", "no date and time of day"),
        ("2024-02-30 12:30", "no date and time of day"),
        ("2023-02-29 12:30", "no date and time of day"),
        ("2024-03-04 24:30", "no date and time of day"),
        ("2024-03-04 12:60", "no date and time of day"),
        ("2024-03-04 12:30:60", "no date and time of day"),
        ("2024-03-04 12:30+25:00", "no date and time of day"),
        ("03/04/2024 12:30", "no date and time of day"),
        ("20240304", "no epoch time"),
        ("0", "before 1970"),
        ("-60", "before 1970"),
        ("99999999999999999999999", "no epoch time"),
        ("2024", "no epoch time"),
    ],
)
def test_a_text_that_is_no_time_is_refused_alone(text, why):
    got, problems = utc_micros(pa.array(["2024-03-04 12:30", text, "2024-03-04 12:30"]), UTC)
    assert got.tolist() == [NOON, 0, NOON]
    assert list(problems) == [1]
    assert why in problems[1]


def test_midnight_may_be_written_as_24_hours():
    got, problems = utc_micros(pa.array(["2024-02-29 24:00", "2024-03-01 00:00:00"]), UTC)
    assert got[0] == got[1]
    assert not problems


def test_fractions_are_kept_and_rounded_up_below_a_microsecond():
    texts = ["2024-03-04 12:30:00.25", "2024-03-04 12:30:00.000000001", "2024-03-04 12:30:00,5"]
    for column in (texts, [*texts, "junk"]):
        got, _ = utc_micros(pa.array(column), UTC)
        assert (got[:3] - NOON).tolist() == [250_000, 1, 500_000]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_typed_timestamps_of_any_unit(unit):
    moments = pa.array([NOON, None]).cast(pa.timestamp("us")).cast(pa.timestamp(unit))
    for column in (moments, moments.cast(pa.timestamp(unit, tz="UTC"))):
        got, problems = utc_micros(column, UTC)
        assert got[0] == NOON
        assert problems == {1: "time is empty"}
    zoned = moments.cast(pa.timestamp(unit, tz="America/New_York"))
    assert utc_micros(zoned, OSLO)[0][0] == NOON


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.uint64(), pa.string()])
def test_the_unit_of_epoch_numbers_is_told_row_by_row(kind):
    numbers = [1709555400, 1709555400_000, 1709555400_000_000]
    got, problems = utc_micros(pa.array(numbers).cast(kind), UTC)
    assert got.tolist() == [NOON] * 3
    assert not problems


def test_nanoseconds_as_text_lose_nothing_beside_a_fraction():
    got, _ = utc_micros(pa.array(["1709555400000001000", "1709555400.5"]), UTC)
    assert got.tolist() == [NOON + 1, NOON + 500_000]


def test_numbers_that_are_no_epoch_are_refused():
    for value in (0, -60, 20240304, 202403041230, 10**19):
        column = pa.array([float(value)]) if value == 10**19 else pa.array([value])
        got, problems = utc_micros(column, UTC)
        assert (got.tolist(), list(problems)) == ([0], [0])
    got, problems = utc_micros(pa.array([float("nan"), float("inf")]), UTC)
    assert list(problems) == [0, 1]


def test_a_column_of_another_type_is_refused():
    with pytest.raises(SourceError, match="bool holds no times"):
        utc_micros(pa.array([True]), UTC)
    with pytest.raises(SourceError, match="date32"):
        utc_micros(pa.array([dt.date(2024, 3, 4)]), UTC)


@pytest.mark.parametrize("name", ["", "Europe/Osloo", "../etc/passwd", "CEST5"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(SourceError, match="is not known"):
        zone(name)


def _minutes_of_local_day(day: dt.date) -> list[tuple[str, int]]:
    """Every minute of a local day, by counting UTC minutes: its text and its UTC time."""
    begin = dt.datetime.combine(day, dt.time(), OSLO).astimezone(dt.UTC)
    end = dt.datetime.combine(day + dt.timedelta(1), dt.time(), OSLO).astimezone(dt.UTC)
    minutes = int((end - begin).total_seconds()) // 60
    moments = [begin + dt.timedelta(minutes=m) for m in range(minutes)]
    return [
        (m.astimezone(OSLO).strftime("%Y-%m-%d %H:%M"), int(m.timestamp()) * 1_000_000)
        for m in moments
    ]


@pytest.mark.parametrize(
    ("day", "hours"),
    [(dt.date(2024, 3, 31), 23), (dt.date(2024, 10, 27), 25), (dt.date(2024, 6, 1), 24)],
)
@pytest.mark.parametrize("junk", [[], ["junk"]])
def test_days_of_23_and_25_hours(day, hours, junk):
    minutes = _minutes_of_local_day(day)
    assert len(minutes) == hours * 60
    texts = [text for text, _ in minutes]
    typed = pa.array(texts).cast(pa.timestamp("us"))
    for column in (pa.array(texts + junk), typed):
        got, problems = utc_micros(column, OSLO)
        twice = {i for i, text in enumerate(texts) if texts.count(text) == 2}
        assert len(twice) == (120 if hours == 25 else 0)
        assert set(problems) - {len(texts)} == twice
        assert all("happens twice in Europe/Oslo" in problems[i] for i in twice)
        for i, (_, want) in enumerate(minutes):
            assert got[i] == (0 if i in twice else want)


def test_an_hour_that_the_clocks_skip_does_not_exist():
    texts = ["2024-03-31 01:59", "2024-03-31 02:00", "2024-03-31 02:59", "2024-03-31 03:00"]
    got, problems = utc_micros(pa.array(texts), OSLO)
    assert list(problems) == [1, 2]
    assert "does not exist in Europe/Oslo" in problems[1]
    assert got[3] - got[0] == 60_000_000


def test_a_time_that_names_its_zone_does_not_care_for_the_files():
    texts = ["2024-10-27 02:30+01:00", "2024-10-27 02:30+02:00", "2024-10-27 04:30", "1709555400"]
    got, problems = utc_micros(pa.array(texts), OSLO)
    assert got[0] - got[1] == 3_600_000_000
    assert got.tolist()[2:] == [micros(2024, 10, 27, 3, 30), NOON]
    assert not problems


@settings(max_examples=150)
@given(
    when=st.datetimes(dt.datetime(1973, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001
    name=st.sampled_from(
        ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Monrovia", "Asia/Amman"]
    ),
    junk=st.booleans(),
)
def test_local_times_agree_with_pythons_zones(when, name, junk):
    local = zoneinfo.ZoneInfo(name)
    when = when.replace(microsecond=0)
    texts = [when.isoformat(" "), *["junk"] * junk]
    got, problems = utc_micros(pa.array(texts), local)
    first, second = (when.replace(tzinfo=local, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        assert 0 in problems
    else:
        assert got[0] == int(first.timestamp()) * 1_000_000


def test_nothing_is_no_problem():
    for kind in (pa.string(), pa.int64(), pa.float64(), pa.timestamp("us")):
        got, problems = utc_micros(pa.array([], kind), OSLO)
        assert (len(got), problems) == (0, {})


@settings(max_examples=100)
@given(
    texts=st.lists(
        st.sampled_from(
            ["2024-03-04 12:30", "2024-03-04T12:30:00Z", "1709555400", "1709555400.5", "junk", ""]
        ),
        max_size=8,
    )
)
def test_what_a_text_becomes_does_not_depend_on_its_neighbours(texts):
    got, problems = utc_micros(pa.array(texts, pa.string()), OSLO)
    for i, text in enumerate(texts):
        alone, problem = utc_micros(pa.array([text]), OSLO)
        assert got[i] == alone[0]
        assert problems.get(i) == problem.get(0)


def test_dictionaries_are_taken():
    got, _ = utc_micros(pa.array(["2024-03-04 12:30"] * 2).dictionary_encode(), UTC)
    np.testing.assert_array_equal(got, NOON)
