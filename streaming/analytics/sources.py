"""Where matches come from: files, or a run in a lake; and what that says about measuring them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from streaming.analytics.days import day_of
from streaming.analytics.equity import TZ, Capital, EquityReport, equity_metrics
from streaming.analytics.files import load_matches
from streaming.analytics.prices import LakePrices
from streaming.analytics.statistics import DAYS_PER_YEAR
from streaming.contracts import QUARANTINE_HISTORY, empty_table
from streaming.errors import LakeError
from streaming.rules.money import to_money

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
        that of all its accounts. Parameters and errors are those of `equity_metrics`;
        `advance` hears of progress.
        """
        if self.window is not None:
            # The window's first moment is the one after its start.
            start = start or day_of(self.window[0] + 1, tz)
            end = end or day_of(self.window[1], tz)
        if capital is None and self.capital is not None:
            capital = self.capital * (self.accounts if by == "run" else 1)
        return equity_metrics(
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
    loaded = load_matches(paths)
    return Source(
        loaded.matches,
        loaded.open_lots,
        None if lake is None else _opened(lake),
        quarantine=loaded.quarantine,
        duplicates=loaded.duplicates,
    )


def from_run(lake: Path, run: str) -> Source:
    """Read the matches of a run.

    Parameters
    ----------
    lake
        Folder of the lake.
    run
        runId, or the beginning of one, or a name.

    Raises
    ------
    RunError
        If there is no such run.
    LakeError
        If there is no lake in that folder, or a file is damaged.
    """
    from streaming.runtimes.backtest.definition import SHARED_ACCOUNT
    from streaming.runtimes.runs import find_run

    opened = _opened(lake)
    found = find_run(opened, run)
    strategies = sorted(found.facts["figures"])
    shared = found.definition["layout"] == "shared"
    accounts = [SHARED_ACCOUNT] if shared else [f"bt:{name}" for name in strategies]
    window = found.facts["window"]
    return Source(
        found.matches(),
        found.open_lots(),
        opened,
        window=(_micros(window["start"]), _micros(window["completeTo"])),
        capital=Decimal(found.definition["account"]["capital"]).scaleb(-8),
        accounts=len(accounts),
        groups={"strategy": strategies, "account": accounts, "run": [found.id]},
        point_values={name: to_money(text) for name, text in found.facts["pointValues"].items()},
    )


def _opened(folder: Path) -> "Lake":
    from streaming.lake import Lake

    if not folder.is_dir():
        raise LakeError(f"{folder}: there is no such folder. `trading import` makes a lake.")
    return Lake(folder)


def _micros(text: str) -> int:
    """Read a time that a run's facts hold."""
    return int(np.datetime64(text.removesuffix("Z"), "us").astype(np.int64))
