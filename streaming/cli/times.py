"""Times, amounts and names as people write them on the command line."""

from datetime import UTC, datetime

import typer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(text: str | None, option: str) -> int | None:
    """Read an ISO date or time into microseconds UTC; a date is its first instant.

    Raises
    ------
    typer.BadParameter
        If it is no ISO date or time.
    """
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no date or time; write 2014-05-02 or 2014-05-02T13:30Z",
            param_hint=option,
        ) from error
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
