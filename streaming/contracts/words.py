"""One cell's text as a number, flag or moment, exactly: the slow path of `cells`.

Arrow reads whole columns of well-formed text; what it refuses comes here cell by cell,
either to be read after all (blanks around it, zeros beyond the eighth place) or to be told
what is wrong with it.
"""

import re

import numpy as np

from streaming.rules.units import LIMIT

BLANKS = " \t\n\v\f\r"

DOES_NOT_FIT = "does not fit DECIMAL(18,8)"
NOT_A_NUMBER = "is not a number"
NOT_FINITE = "is not finite"
NOT_WHOLE = "is not a whole number"
NOT_A_FLAG = "is not true or false"
NOT_A_TIME = "is not a time"
NOT_TEXT = "is not UTF-8"
NO_ZONE = "has no time zone"
TOO_FINE = "is finer than a microsecond"

_NUMBER = re.compile(r"([+-]?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?)([0-9]+))?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?"
    r"(?: ?([Zz])|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)


class Refused(Exception):  # noqa: N818  # a finding about a cell, not an error of the program
    """A cell cannot be read; the text says what is wrong with it."""


def scaled_number(text: str, places: int, limit: int) -> int:
    """Read a decimal number as an integer x 10**places.

    Parameters
    ----------
    text : str
        Digits with an optional sign, point and exponent; blanks around it do not count.
    places : int
        Decimal places kept; zeros beyond them do not count.
    limit : int
        The first magnitude, after scaling, that does not fit.

    Raises
    ------
    Refused
        Not a number, not finite, more places than that, or `limit` or above.
    """
    word = text.strip(BLANKS)
    found = _NUMBER.fullmatch(word)
    if found is None:
        raise Refused(NOT_FINITE if _NOT_FINITE.fullmatch(word) else NOT_A_NUMBER)
    sign, whole, after, only, exponent_sign, exponent = found.groups()
    fraction = after or only or ""
    digits = ((whole or "") + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 0
    power = (exponent or "").lstrip("0") or "0"
    if len(power) > 6:  # whatever its sign, no amount has such an exponent
        raise Refused(DOES_NOT_FIT)
    shift = -int(power) if exponent_sign == "-" else int(power)
    shift += places - len(fraction) + len(digits) - len(significant)
    if shift < 0 or len(significant) + shift > len(str(limit)):
        raise Refused(DOES_NOT_FIT)
    size: int = int(significant) * 10**shift
    if size >= limit:
        raise Refused(DOES_NOT_FIT)
    return -size if sign == "-" else size


def units(text: str) -> int:
    """Read an amount as an integer x 1e8; see `scaled_number`."""
    return scaled_number(text, 8, LIMIT)


def whole_number(text: str) -> int:
    """Read an int64; `1.0` and `1e3` are whole numbers."""
    try:
        return scaled_number(text, 0, 2**63)
    except Refused as refused:
        reason = str(refused)
    raise Refused(NOT_WHOLE if reason == DOES_NOT_FIT else reason)


def double(text: str) -> float:
    """Read a float64; not-a-number and infinities are read, for the rules to refuse."""
    word = text.strip(BLANKS)
    if _NUMBER.fullmatch(word) or _NOT_FINITE.fullmatch(word):
        return float(word)
    raise Refused(NOT_A_NUMBER)


def flag(text: str) -> bool:
    """Read true, false, 1 or 0, in any case."""
    found = _FLAGS.get(text.strip(BLANKS).lower())
    if found is None:
        raise Refused(NOT_A_FLAG)
    return found


def micros(text: str, *, naive_is_utc: bool) -> int:
    """Read an ISO 8601 time as microseconds UTC.

    `2013-10-07T13:31:00.25+02:00`, with a blank for the T, a bare date (midnight), hours
    or minutes alone, `Z` for UTC. Without a zone it is UTC where `naive_is_utc`.

    Raises
    ------
    Refused
        Not a time, without a zone, or finer than a microsecond.
    """
    found = _TIME.fullmatch(text.strip(BLANKS))
    if found is None:
        raise Refused(NOT_A_TIME)
    day, hour, minute, second, fraction, utc, sign, off_hour, off_minute = found.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise Refused(TOO_FINE)
    try:
        stamp = np.datetime64(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}", "us")
    except ValueError:
        raise Refused(NOT_A_TIME) from None
    if not (utc or sign or naive_is_utc):
        raise Refused(NO_ZONE)
    offset = int(off_hour or 0) * 60 + int(off_minute or 0)
    if int(off_hour or 0) > 23 or int(off_minute or 0) > 59:
        raise Refused(NOT_A_TIME)
    moment = int(stamp.astype(np.int64)) + int(fraction.ljust(6, "0"))
    return moment - (-offset if sign == "-" else offset) * 60_000_000
