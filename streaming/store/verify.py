"""Check a whole store: SQLite's own check, and what the store promises of its logs."""

import time

import apsw

from streaming.contracts import TABLES
from streaming.contracts.sql import double_quotes
from streaming.store.connection import damaged
from streaming.store.schema import log_name
from streaming.store.view import View

_STEPS = 10_000


def verify(view: View, seconds: float | None = None) -> bool:
    """Check every page and row of the store.

    Parameters
    ----------
    view
        What is checked; the writer goes on meanwhile.
    seconds
        Stop after this time; None: go on to the end.

    Returns
    -------
    bool
        True: all was checked and is right. False: the time was over before, and no damage was
        found until then.

    Raises
    ------
    StoreDamagedError
        Something is wrong; the message says what.
    """
    db = view.connection
    end = None if seconds is None else time.monotonic() + seconds
    db.set_progress_handler(lambda: end is not None and time.monotonic() > end, _STEPS)
    try:
        _check(view, db)
    except apsw.InterruptError:
        return False
    finally:
        db.set_progress_handler(None)
    return True


def _check(view: View, db: apsw.Connection) -> None:
    found = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        # SQLite's words are of several lines.
        raise damaged(view.path, " ".join("; ".join(found).split()))
    have = view.offsets()
    for table in TABLES.values():
        log, (first, after) = log_name(table), have[table.name]
        rows, low, high = db.execute(
            f'SELECT count(*), min("offset"), max("offset") FROM {double_quotes(log)}'
        ).get
        there = (rows, low, high + 1) if rows else (0, after, after)
        if there != (after - first, first, after):
            raise damaged(
                view.path,
                f"table {log} should have the offsets from {first} to before {after}, and has "
                f"{rows} rows from {low} to {high}",
            )
