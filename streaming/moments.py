"""Moments as people write them: ISO dates and times."""

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(text: str) -> int:
    """Read an ISO date or time into microseconds UTC.

    A date is its first instant; a time without a zone is UTC.

    Raises
    ------
    ValueError
        If it is no ISO date or time.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no date or time; write 2014-05-02 or 2014-05-02T13:30Z"
        ) from error
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
