"""Times as options of a command."""

import typer

from streaming.moments import micros_of


def to_micros(text: str | None, option: str) -> int | None:
    """Read an option's ISO date or time into microseconds UTC; a date is its first instant.

    Raises
    ------
    typer.BadParameter
        If it is no ISO date or time.
    """
    if text is None:
        return None
    try:
        return micros_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
