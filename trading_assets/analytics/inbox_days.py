"""What the lake is to have of each day of prices: written down when files are imported.

`imported/days/2024-03.json` holds, by day and symbol, how many bars there were. The lake may
have more (`trading import` writes to it, too); where it has fewer, a file was lost, and a check
says so. Whoever writes this holds the inbox's lock.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import LakeError
from streaming.jobs.price_rows import PriceRows
from streaming.lake import DayInfo, Lake, atomic_file
from streaming.lake.atomic import read_errors
from trading_assets.analytics.inbox_ledger import WAIT_SECONDS, alone
from trading_assets.platform import Folders

_EPOCH = dt.date(1970, 1, 1)

Counts = dict[str, int]
"""Bars by symbol."""

Lost = dict[dt.date, dict[str, tuple[int, int]]]
"""By day and symbol, how many bars there are and how many there were."""


def note_days(
    folder: Path, lake: Lake, days: Iterable[dt.date], fewer: Collection[dt.date] = ()
) -> None:
    """Write down what the lake has of days that were just written to.

    Parameters
    ----------
    folder
        `Folders.imported_days`.
    lake
        The lake.
    days
        The days. What was lost of them before stays lost: no number goes down.
    fewer
        Those of which bars were taken out on purpose: they count as they are.
    """
    held = {info.day: _counts(info) for info in lake.days()}
    for month, group in groupby(sorted({*days, *fewer}), key=_month):
        path = folder / f"{month}.json"
        noted = _read(path)
        before = json.dumps(noted)
        for day in group:
            now, then = held.get(day, {}), {} if day in fewer else noted.get(day.isoformat(), {})
            counts = {name: max(now.get(name, 0), then.get(name, 0)) for name in {*now, *then}}
            noted[day.isoformat()] = dict(sorted(counts.items()))
            if not counts:
                del noted[day.isoformat()]
        if json.dumps(noted) != before:
            with atomic_file(path) as partial:
                partial.write_text(json.dumps(noted), encoding="utf-8")


def noted_days(folder: Path) -> set[dt.date]:
    """Give the days of which something was written down.

    Raises
    ------
    LakeError
        If it is damaged.
    """
    files = folder.glob("[0-9]*.json")
    return {dt.date.fromisoformat(key) for path in files for key in _read(path)}


def lost_bars(folder: Path, lake: Lake) -> Lost:
    """Give by day and symbol how many bars there are and were, where they are fewer.

    Raises
    ------
    LakeError
        If what was written down, or a file of the lake, is damaged.
    """
    held = {info.day: _counts(info) for info in lake.days()}
    lost: Lost = {}
    for path in sorted(folder.glob("[0-9]*.json")):
        for key, then in sorted(_read(path).items()):
            day = dt.date.fromisoformat(key)
            now = held.get(day, {})
            missing = {
                name: (now.get(name, 0), count)
                for name, count in then.items()
                if now.get(name, 0) < count
            }
            if missing:
                lost[day] = missing
    return lost


def take_out(
    folders: Folders,
    lake: Lake,
    first: dt.date,
    last: dt.date,
    symbols: Collection[str] = (),
    *,
    wait_seconds: float = WAIT_SECONDS,
) -> dict[dt.date, int]:
    """Take bars out of the lake: the files that brought them count as imported still.

    So only files that are said to replace bring them back. What had been lost of these days is
    given up as well.

    Parameters
    ----------
    folders, lake
        The data folder, and its lake.
    first, last
        UTC days.
    symbols
        Of these symbols; none: of all.
    wait_seconds
        How long to wait for another process that works on the inbox.

    Returns
    -------
    dict
        By day, how many bars went; days without any are left out.

    Raises
    ------
    LakeError
        If the lake is damaged, full, or written by another process for too long. Whole days
        were done; the same call again does what is left.
    """

    def chosen(bars: PriceRows) -> NDArray[np.bool_]:
        wanted = [not symbols or name in symbols for name in bars.symbols]
        return np.array(wanted, np.bool_)[bars.symbol]

    taken = {}
    with alone(folders, wait_seconds):
        with lake.writing(PRICE_1M_HISTORY.name):
            for day in [info.day for info in lake.days() if first <= info.day <= last]:
                taken[day] = lake.take_out((day - _EPOCH).days, chosen)
        every = [first + dt.timedelta(days=at) for at in range((last - first).days + 1)]
        note_days(folders.imported_days, lake, (), fewer=every)
    return {day: count for day, count in taken.items() if count}


def _month(day: dt.date) -> str:
    return f"{day:%Y-%m}"


def _counts(info: DayInfo) -> Counts:
    return {name: rows for name, (rows, _) in info.symbols.items()}


def _read(path: Path) -> dict[str, Counts]:
    try:
        with read_errors(path):
            if not path.exists():
                return {}
            noted: dict[str, Counts] = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(counts, dict) for counts in noted.values()):
            raise ValueError("it holds no counts by day")
    except (ValueError, AttributeError) as error:
        raise LakeError(
            f"{path}: is damaged ({error}). Delete it: bars that the lake loses in that month are "
            "then not noticed before its files are imported again."
        ) from error
    return noted
