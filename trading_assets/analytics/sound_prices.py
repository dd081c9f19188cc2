"""Whether the bars that something rests on are sound as they are now: asked before they are read.

A check of Dagster blocks what follows in its own run alone. A backtest that is started later,
or after the history of checks was deleted, asks here. Knows no Dagster.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import LakeError
from streaming.lake import Lake
from streaming.lake.verifying import verify_day
from trading_assets.analytics.verdicts import Verdicts

_SHOWN = 3


class SoundPrices:
    """The days of a lake whose bars keep their contract, and are those that were imported.

    Parameters
    ----------
    lake
        Where the bars are.
    verdicts
        `Folders.verdicts`: a day is looked at once for as long as its file stays the same.
    """

    def __init__(self, lake: Lake, verdicts: Path) -> None:
        self._lake = lake
        self._verdicts = Verdicts(verdicts, f"{PRICE_1M_HISTORY.name}.sound")

    def require(self, until: int | None) -> None:
        """Refuse bars up to a time if a day of them is not sound.

        Parameters
        ----------
        until
            Microseconds UTC: the end of what is about to be computed. All days that begin
            before are asked, for features and positions rest on the first bar on. None: all.

        Raises
        ------
        LakeError
            Names the days, what is wrong with each of the first, and what to do.
        """
        days = [
            info.day.isoformat()
            for info in self._lake.days()
            if until is None or info.first_ts <= until
        ]
        faults = self.faults(days)
        if faults:
            shown = [f"day={day}: {why}" for day, why in list(faults.items())[:_SHOWN]]
            more = f" And {len(faults) - _SHOWN} more days." if len(faults) > _SHOWN else ""
            raise LakeError(
                f"{PRICE_1M_HISTORY.name}: {len(faults)} of the {len(days)} days that this rests "
                f"on cannot be trusted, so nothing is computed of them. {' '.join(shown)}{more}"
            )

    def faults(self, days: list[str]) -> dict[str, str]:
        """Say what is wrong with days (YYYY-MM-DD), by day; sound ones are not in it."""
        files = {day: [self._path(day)] for day in days}
        asked = self._verdicts.unknown(files)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            told = dict(zip(asked, pool.map(self._fault, asked), strict=True))
        self._verdicts.passed({day: asked[day] for day, why in told.items() if not why})
        return {day: why for day, why in told.items() if why}

    def _path(self, day: str) -> Path:
        return self._lake.day_file(date.fromisoformat(day))

    def _fault(self, day: str) -> str:
        try:
            verify_day(self._path(day))
        except LakeError as error:
            return str(error)
        return ""
