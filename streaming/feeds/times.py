"""Times of files, whatever form they come in, as microseconds UTC.

Understood: typed timestamps; epoch numbers in seconds, milliseconds, microseconds or
nanoseconds, told apart by their size, each value for itself, so that a file may change its
unit halfway (Binance did); and texts such as `2013-10-04 13:30`, `2013/10/04T13:30:00.000Z`,
`2013-10-04 13:30+02:00`, `20131004 133000`, `04.10.2013 13:30` (dots put the day first).
A date without a time of day, or one with slashes and the year last (whose day and month
nobody can tell apart), is no time.

A text or timestamp without a zone is local time of the zone given. In the hour that clocks
repeat it may mean two moments, in the hour they skip none: such a row is refused.
"""

import datetime as dt
import zoneinfo
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.errors import SourceError

Int = NDArray[np.int64]
Problems = dict[int, str]

# Epoch numbers from 1980 to 2200. The ranges of the units do not overlap, nor do they meet
# dates written as numbers (20131004, 201310041330, 20131004133000).
_FROM_S, _TO_S = 315_532_800, 7_258_118_400
_UNITS = ((1, 1_000_000, 1), (1_000, 1_000, 1), (1_000_000, 1, 1), (1_000_000_000, 1, 1_000))

# Zones change their offset at whole quarters of an hour (since 1973 all of them do).
_QUARTER_US = 900_000_000
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (local times are counted from it)

_TIME_OF_DAY = (
    r"[T -]?(?P<h>\d{2}):?(?P<m>\d{2})(?::?(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r" ?(?P<z>[Zz]|UTC|[+-]\d{2}(?::?\d{2})?)?$"
)
_YEAR_FIRST = r"^(?P<y>\d{4})[-/.]?(?P<mo>\d{2})[-/.]?(?P<d>\d{2})" + _TIME_OF_DAY
_DAY_FIRST = r"^(?P<d>\d{2})\.(?P<mo>\d{2})\.(?P<y>\d{4})" + _TIME_OF_DAY
_NUMBER = r"^-?\d+(\.\d*)?$"
# A whole number that surely fits 64 bits.
_WHOLE = r"^-?(\d{1,18}|[0-8]\d{18})$"
# Compact dates of 12 and 14 digits are texts; see the ranges above.
_COMPACT = r"^(19|2[01])\d{10}(\d{2})?$"
# What Arrow's own parser reads just as this module does, ten times as fast.
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?$"


def zone(name: str) -> zoneinfo.ZoneInfo:
    """Give a time zone by its name.

    Raises
    ------
    SourceError
        If there is no such zone.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SourceError(
            f"time zone {name!r}: is not known. Write it as in UTC, Europe/Oslo or "
            "America/New_York."
        ) from error


def utc_micros(column: Any, local: zoneinfo.ZoneInfo) -> tuple[Int, Problems]:
    """Turn a column of times into microseconds UTC.

    Parameters
    ----------
    column
        Timestamps, numbers or texts, n rows.
    local
        Zone of times that name none.

    Returns
    -------
    int64[n]
        Microseconds UTC, rounded up where the source is finer; 0 where there is a problem.
    dict
        For each row whose time cannot be told, why not.

    Raises
    ------
    SourceError
        If the column's type holds no times.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return utc_micros(column.cast(kind.value_type), local)
    if pa.types.is_timestamp(kind):
        micros, problems = _of_timestamps(column)
        if kind.tz is None:
            named = np.zeros(len(micros), np.bool_)
            micros, problems = _from_local(micros, named, problems, local)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        micros, problems = _of_numbers(column)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        micros, problems = _of_texts(column.cast(pa.string()), local)
    else:
        raise SourceError(f"a column of type {kind} holds no times of day")
    return micros, problems


def _of_timestamps(column: Any) -> tuple[Int, Problems]:
    values = _int64(column)
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[column.type.unit]
    if per_second <= 1_000_000:
        factor = 1_000_000 // per_second
        limit = np.iinfo(np.int64).max // factor
        values = np.clip(values, -limit, limit) * factor
    else:
        # Up, so that a time just past the minute is not taken for the minute.
        values = -(-values // 1_000)
    return values, _missing(column)


def _of_numbers(column: Any) -> tuple[Int, Problems]:
    whole = pa.types.is_integer(column.type)
    if whole:
        values = column.cast(pa.int64(), safe=False).fill_null(0).to_numpy()
    else:
        values = column.cast(pa.float64()).fill_null(0.0).to_numpy()
    micros = np.zeros(len(values), np.int64)
    told = np.zeros(len(values), np.bool_)
    for unit, times, divided in _UNITS:
        inside = (values >= _FROM_S * unit) & (values < _TO_S * unit)
        chosen = values[inside]
        if not whole:
            chosen = np.ceil(np.round(chosen * times / divided, 3)).astype(np.int64)
        elif divided > 1:
            chosen = -(-chosen // divided)
        else:
            chosen = chosen * times
        micros[inside] = chosen
        told |= inside
    problems = _missing(column)
    for row in np.flatnonzero(~told).tolist():
        if row not in problems:
            problems[row] = _not_an_epoch(column[row].as_py())
    return micros, problems


def _not_an_epoch(value: object) -> str:
    if isinstance(value, (int, float)) and value <= 0:
        return f"time {value} lies before 1970"
    return (
        f"time {value} is no epoch time between 1980 and 2200 in seconds, milliseconds, "
        "microseconds or nanoseconds"
    )


def _of_texts(column: Any, local: zoneinfo.ZoneInfo) -> tuple[Int, Problems]:
    texts = pc.utf8_trim_whitespace(column.fill_null(""))
    quick = _of_iso_texts(texts)
    if quick is not None:
        micros, zoned = quick
        return _from_local(micros, np.full(len(micros), zoned), {}, local)
    numeric = _mask(pc.match_substring_regex(texts, _NUMBER))
    numeric &= ~_mask(pc.match_substring_regex(texts, _COMPACT))
    micros = np.zeros(len(texts), np.int64)
    named = numeric.copy()
    problems: Problems = {}
    if numeric.any():
        rows = np.flatnonzero(numeric)
        micros[rows], wrong = _of_number_texts(texts.take(pa.array(rows)))
        problems |= {int(rows[row]): why for row, why in wrong.items()}
    if not numeric.all():
        rows = np.flatnonzero(~numeric)
        micros[rows], named[rows], wrong = _of_written_texts(texts.take(pa.array(rows)))
        problems |= {int(rows[row]): why for row, why in wrong.items()}
    return _from_local(micros, named, problems, local)


def _of_iso_texts(texts: Any) -> tuple[Int, bool] | None:
    """Read texts that are all written, and valid, as Arrow has it; None where one is not."""
    if not _mask(pc.match_substring_regex(texts, _ISO)).all():
        return None
    for zoned in (False, True):
        try:
            times = texts.cast(pa.timestamp("ns", tz="UTC" if zoned else None))
        except pa.ArrowInvalid:
            continue
        return _of_timestamps(times)[0], zoned
    return None


def _of_number_texts(texts: Any) -> tuple[Int, Problems]:
    # Each for itself: as doubles, whole nanoseconds would lose their last digits.
    whole = pc.match_substring_regex(texts, _WHOLE)
    micros, problems = _of_numbers(pc.if_else(whole, texts, "0").cast(pa.int64()))
    parts = np.flatnonzero(~_mask(whole))
    if len(parts):
        micros[parts], wrong = _of_numbers(texts.take(pa.array(parts)).cast(pa.float64()))
        for row in parts.tolist():
            problems.pop(row, None)
        problems |= {int(parts[row]): why for row, why in wrong.items()}
    return micros, problems


def _of_written_texts(texts: Any) -> tuple[Int, NDArray[np.bool_], Problems]:
    """Read dates and times of day; also say which rows name their zone."""
    year_first = pc.extract_regex(texts, _YEAR_FIRST)
    day_first = pc.extract_regex(texts, _DAY_FIRST)
    matched = _mask(pc.is_valid(year_first)) | _mask(pc.is_valid(day_first))

    def part(name: str) -> Any:
        found = pc.coalesce(pc.struct_field(year_first, name), pc.struct_field(day_first, name))
        return pc.fill_null(found, "")

    def number(name: str) -> Int:
        found = part(name)
        numbers: Int = pc.utf8_lpad(found, 1, "0").cast(pa.int64()).to_numpy()
        return numbers

    year, month, day = number("y"), number("mo"), number("d")
    hour, minute, second = number("h"), number("m"), number("s")
    nanos = pc.utf8_rpad(part("f"), 9, "0").cast(pa.int64()).to_numpy()
    offset, zoned, zone_ok = _offsets(part("z"))
    midnight = (hour == 24) & (minute == 0) & (second == 0) & (nanos == 0)
    days, date_ok = _civil_days(year, month, day)
    valid = matched & date_ok & zone_ok & (second < 60) & (minute < 60) & ((hour < 24) | midnight)
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset
    micros = np.where(valid, seconds * 1_000_000 - (-nanos // 1_000), 0)
    problems = {
        row: f"time {texts[row].as_py()!r} is no date and time of day"
        if texts[row].as_py()
        else "time is empty"
        for row in np.flatnonzero(~valid).tolist()
    }
    return micros, zoned, problems


def _civil_days(year: Int, month: Int, day: Int) -> tuple[Int, NDArray[np.bool_]]:
    """Give days since 1970 of dates, and whether there is such a date."""
    month_ok = (month >= 1) & (month <= 12) & (year >= 1)
    # The count of whole months since 1970 is how numpy counts them.
    months = np.where(month_ok, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return first + day - 1, month_ok & (day >= 1) & (day <= following - first)


def _offsets(texts: Any) -> tuple[Int, NDArray[np.bool_], NDArray[np.bool_]]:
    """Give the offset from UTC in seconds, whether there is one, and whether it can be."""
    distinct = texts.dictionary_encode()
    seconds, valid = [], []
    for text in distinct.dictionary.to_pylist():
        digits = text[1:].replace(":", "")
        written = text[:1] in ("+", "-")
        hours, minutes = (int(digits[:2]), int(digits[2:] or 0)) if written else (0, 0)
        seconds.append((-1 if text[:1] == "-" else 1) * (hours * 60 + minutes) * 60)
        valid.append(hours < 24 and minutes < 60)
    codes = distinct.indices.to_numpy()
    named = np.array([text != "" for text in distinct.dictionary.to_pylist()], np.bool_)
    return np.array(seconds, np.int64)[codes], named[codes], np.array(valid, np.bool_)[codes]


def _from_local(
    micros: Int, named: NDArray[np.bool_], problems: Problems, local: zoneinfo.ZoneInfo
) -> tuple[Int, Problems]:
    """Turn local times into UTC, but for rows that name their zone."""
    if local.key == "UTC" or named.all():
        return micros, problems
    known = ~named
    known[list(problems)] = False
    quarters, place = np.unique(micros // _QUARTER_US, return_inverse=True)
    earlier, later = (
        np.array([_both_offsets(int(quarter), local) for quarter in quarters], np.int64)
        .reshape(-1, 2)
        .T
    )
    unclear = np.flatnonzero(known & (earlier != later)[place])
    for row in unclear.tolist():
        clock = (_EPOCH + dt.timedelta(microseconds=int(micros[row]))).isoformat(" ")
        twice = earlier[place[row]] > later[place[row]]
        what = "happens twice" if twice else "does not exist"
        problems[row] = f"time {clock} {what} in {local.key}, where the clocks change"
    shifted = micros - np.where(known, earlier[place], 0)
    shifted[unclear] = 0
    return shifted, problems


def _both_offsets(quarter: int, local: zoneinfo.ZoneInfo) -> tuple[int, int]:
    """Give the two offsets from UTC (microseconds) that a local time may mean."""
    try:
        clock = _EPOCH + dt.timedelta(microseconds=quarter * _QUARTER_US)
        found = [clock.replace(tzinfo=local, fold=fold).utcoffset() for fold in (0, 1)]
    except OverflowError:
        return 0, 0
    first, second = [int((one or dt.timedelta()) / dt.timedelta(microseconds=1)) for one in found]
    return first, second


def _missing(column: Any) -> Problems:
    if not column.null_count:
        return {}
    return dict.fromkeys(np.flatnonzero(_mask(column.is_null())).tolist(), "time is empty")


def _int64(column: Any) -> Int:
    values: Int = column.cast(pa.int64()).fill_null(0).to_numpy()
    return values


def _mask(array: Any) -> NDArray[np.bool_]:
    return np.array(array, dtype=np.bool_)
