"""Matches to measure, with what is known about how; read from files."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from streaming.analytics.days import day_bounds, day_of
from streaming.analytics.equity import TZ, Capital, EquityReport, equity_metrics
from streaming.analytics.files import load_matches
from streaming.analytics.matches import GROUPS
from streaming.analytics.prices import LakePrices
from streaming.analytics.statistics import DAYS_PER_YEAR
from streaming.contracts import OPEN_POSITIONS_LOTS, QUARANTINE_HISTORY, empty_table
from streaming.contracts.arrow import time_values
from streaming.errors import SourceError

if TYPE_CHECKING:
    from streaming.lake import Lake

DEFAULT_CAPITAL = 100_000

Advance = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Source:
    """Matches, and what is known about how to measure them.

    Attributes
    ----------
    matches, open_lots
        `trade_match_history`, and `open_positions_lots` at the end (None: not known).
    lake
        Where the prices are; None: nothing is marked to market.
    window
        Microseconds UTC, after the first and up to the second; None: the matches' own days.
    capital
        Currency of each account; None: as asked for.
    accounts
        How many accounts have that capital.
    groups
        Names that took part, by the names of `matches.GROUPS`, even without a match.
    point_values
        Currency per point and unit of each symbol, x 1e8, where it is not 1.
    quarantine, duplicates
        Rows refused, and the number that came again unchanged.
    """

    matches: pa.Table
    open_lots: pa.Table | None = None
    lake: "Lake | None" = None
    window: tuple[int, int] | None = None
    capital: Decimal | None = None
    accounts: int = 1
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    point_values: Mapping[str, int] = field(default_factory=dict)
    quarantine: pa.Table = field(default_factory=lambda: empty_table(QUARANTINE_HISTORY))
    duplicates: int = 0

    def reports(
        self,
        *,
        capital: Capital | None = None,
        start: date | None = None,
        end: date | None = None,
        tz: str = TZ,
        by: str = "strategy",
        days_per_year: float = DAYS_PER_YEAR,
        point_values: Mapping[str, int] | None = None,
        advance: Advance | None = None,
    ) -> list[EquityReport]:
        """Report the equity metrics; what is not stated is as the source has it.

        Without a stated capital, a report has that of an account, and one of a whole run
        that of all its accounts. Matches outside the source's own window, which nobody asked
        to leave out, are counted in the notes. Parameters and errors are those of
        `equity_metrics`; `advance` hears of progress.

        Raises
        ------
        SourceError
            If every match was refused.
        """
        if not self.matches.num_rows:
            self._check_refused()
        stated = (start is not None, end is not None)
        if self.window is not None:
            # The window's first moment is the one after its start.
            start = start or day_of(self.window[0] + 1, tz)
            end = end or day_of(self.window[1], tz)
        if capital is None and self.capital is not None:
            capital = self.capital * (self.accounts if by == "run" else 1)
        reports = equity_metrics(
            self.matches,
            capital=DEFAULT_CAPITAL if capital is None else capital,
            start=start,
            end=end,
            tz=tz,
            by=by,
            prices=LakePrices(self.lake, advance) if self.lake is not None else None,
            open_lots=self.open_lots,
            point_values={**self.point_values, **(point_values or {})},
            days_per_year=days_per_year,
            names=self.groups.get(by, ()),
        )
        outside = self._outside(reports[0], stated) if reports else {}
        return [
            replace(report, notes=(*outside.get(report.name, ()), *report.notes))
            for report in reports
        ]

    def joint_accounts(self, by: str) -> int | None:
        """Give the number of accounts that reports by `by` share; None: each has its own."""
        return None if by == "run" else self.accounts

    def _check_refused(self) -> None:
        """Refuse to measure nothing because every match was refused, and say why they were."""
        names = self.quarantine["tableName"]
        refused = self.quarantine.filter(pc.not_equal(names, OPEN_POSITIONS_LOTS.name))
        if refused.num_rows:
            first = refused.slice(0, 1).to_pylist()[0]
            raise SourceError(
                "There is no match to measure: every row was refused, "
                f"{refused.num_rows:,} in all. The first is "
                f"{first['source']}, row {first['rowNumber']}: {first['reason']}."
            )

    def _outside(self, report: EquityReport, stated: tuple[bool, bool]) -> dict[str, list[str]]:
        """Count each group's matches beyond the days that were not stated but the source's."""
        bounds = day_bounds(report.start, report.end, report.tz)
        ts = time_values(self.matches["matchTimestamp"])
        sides = [
            (ts <= bounds[0], f"before {report.start}, the first day of the run,"),
            (ts > bounds[-1], f"after {report.end}, the last day of the run,"),
        ]
        notes: dict[str, list[str]] = {}
        for (beyond, words), asked in zip(sides, stated, strict=True):
            if asked or not beyond.any():
                continue
            names = self.matches[GROUPS[report.by]].filter(pa.array(beyond)).to_pylist()
            for name, count in Counter(name or "" for name in names).items():
                what, verb = ("match", "does") if count == 1 else ("matches", "do")
                notes.setdefault(name, []).append(f"{count:,} {what} {words} {verb} not count")
        return notes


def from_files(paths: Sequence[Path], lake: Path | None = None) -> Source:
    """Read matches from files.

    Parameters
    ----------
    paths
        As `load_matches` takes them.
    lake
        Folder of the lake whose prices to mark with.

    Raises
    ------
    SourceError, ContractError
        As `load_matches`.
    LakeError
        If there is no lake in that folder.
    """
    from streaming.lake import Lake

    loaded = load_matches(paths)
    tables = [table for table in (loaded.matches, loaded.open_lots) if table is not None]
    accounts = {name for table in tables for name in table["accountId"].unique().to_pylist()}
    return Source(
        loaded.matches,
        loaded.open_lots,
        None if lake is None else Lake.existing(lake),
        accounts=max(len(accounts), 1),
        quarantine=loaded.quarantine,
        duplicates=loaded.duplicates,
    )
