"""Equity metrics: trade matches in; equity curves and their figures for each group out.

Two curves come of the same matches, each labelled. Realised: capital plus the net PnL of
what has been matched. Marked: the same plus what is open at each day's end, at that day's
last close. Fees count where SPEC puts them, in the match, so the fee of a lot that is still
open shows when it closes. Beside them, buy-and-hold of the symbols that the group traded.

The marked curve starts from the capital too: what was open when the window began is marked
at that moment, and only the change from there counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.days import daily_sums, day_bounds, day_of
from streaming.analytics.matches import (
    NO_LOTS,
    CodedMatches,
    OpenLots,
    code_lots,
    code_matches,
    group,
)
from streaming.analytics.statistics import DAYS_PER_YEAR, Figures, figures
from streaming.analytics.trades import MatchArrays, TradeFigures, exposure, trade_figures
from streaming.errors import SettingsError, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

    from streaming.analytics.prices import Prices

Int = NDArray[np.int64]
Capital = int | float | str | Decimal

TZ = "Europe/Oslo"
_LIMIT = 10**18
_LOTS_UNKNOWN = ("lots still open at the end are not known, so not marked",)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One equity curve: daily PnL (int64[days], x 1e8) and what it amounts to."""

    pnl: Int
    figures: Figures


@dataclass(frozen=True, slots=True, eq=False)
class EquityReport:
    """The equity metrics of one group over one window.

    `capital`, `open_pnl` and all PnL are currency x 1e8. `marked` and `buy_and_hold` are None
    without prices, `open_pnl` (what is open at the window's end, marked) without prices or
    open lots. `exposure` is the share of the window's time with a position. `notes` say what
    a reader must know about the figures (symbols without a price, several runs added up).
    """

    name: str
    by: str
    start: date
    end: date
    tz: str
    days_per_year: float
    capital: int
    symbols: tuple[str, ...]
    realised: Curve
    trades: TradeFigures
    exposure: float
    marked: Curve | None = None
    buy_and_hold: Curve | None = None
    open_pnl: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The calendar days of the window."""
        return np.arange(np.datetime64(self.start, "D"), np.datetime64(self.end, "D") + 1)

    def equity(self, curve: Curve) -> Int:
        """Give a curve's equity: the capital, then each day's end (int64[days + 1], x 1e8)."""
        return self.capital + np.concatenate([np.zeros(1, np.int64), np.cumsum(curve.pnl)])


def figures_from_matches(
    matches: MatchArrays,
    *,
    capital: Capital,
    start: date,
    end: date,
    tz: str = TZ,
    days_per_year: float = DAYS_PER_YEAR,
    name: str = "",
) -> EquityReport:
    """Judge the matches of one group by arrays alone: the fast path, realised only.

    Parameters
    ----------
    matches
        All of one group; ascending in `ts` it takes about a millisecond for 10,000.
    capital
        Capital base in currency.
    start, end
        First and last calendar day of the window; every day between counts. Matches
        outside it do not count, but for the exposure of positions that reach into it.
    tz
        IANA time zone of the days.
    days_per_year
        For annualising.
    name
        What the group is called.

    Raises
    ------
    SettingsError
        If the window, the zone or the capital is not valid.
    MoneyError
        If sums could leave int64.
    """
    bounds = day_bounds(start, end, tz)
    base = to_capital(capital)
    pnl = daily_sums(matches.ts, matches.gross - matches.fees, bounds)
    return EquityReport(
        name=name,
        by="",
        start=start,
        end=end,
        tz=tz,
        days_per_year=days_per_year,
        capital=base,
        symbols=(),
        realised=Curve(pnl, figures(pnl, capital=base, start=start, days_per_year=days_per_year)),
        trades=trade_figures(_within(matches, bounds)),
        exposure=exposure(matches.open_ts, matches.ts, int(bounds[0]), int(bounds[-1])),
    )


def equity_metrics(
    matches: "pa.Table | CodedMatches",
    *,
    capital: Capital = 100_000,
    start: date | None = None,
    end: date | None = None,
    tz: str = TZ,
    by: str = "strategy",
    prices: "Prices | None" = None,
    open_lots: "pa.Table | OpenLots | None" = None,
    point_values: Mapping[str, int] | None = None,
    days_per_year: float = DAYS_PER_YEAR,
    names: Sequence[str] = (),
) -> list[EquityReport]:
    """Report the equity metrics of each strategy, account, symbol or run.

    Parameters
    ----------
    matches
        `trade_match_history`: an Arrow table of its types, or coded arrays; rows in any
        order.
    capital
        Capital base of each report, in currency.
    start, end
        First and last calendar day; by default the days of the first and the last match.
    tz
        IANA time zone of the days.
    by
        'strategy', 'account', 'symbol' or 'run'.
    prices
        Where given, curves come marked to market too, with buy-and-hold beside them.
    open_lots
        `open_positions_lots` at the end, for marking what never closed; None: not known,
        and the reports note it. A table without a row: there are none.
    point_values
        Currency per point and unit of each symbol, x 1e8; 1 where not given.
    days_per_year
        For annualising.
    names
        Groups to report even if they never traded.

    Returns
    -------
    list of EquityReport
        One for each group, in the order of their names.

    Raises
    ------
    SettingsError
        If the grouping, zone or capital is not valid.
    SourceError
        If the window has no day, there is neither a match nor a window, or open lots and the
        matches of several runs are given together.
    MoneyError
        If sums could leave int64.
    """
    base = to_capital(capital)
    coded = matches if isinstance(matches, CodedMatches) else code_matches(matches)
    lots = NO_LOTS
    if open_lots is not None:
        lots = open_lots if isinstance(open_lots, OpenLots) else code_lots(open_lots)
    grouped = group(coded, lots, by, names)
    start, end = _window(coded.arrays.ts, start, end, tz)
    bounds = day_bounds(start, end, tz)
    traded = grouped.traded(int(bounds[0]), int(bounds[-1]))
    marked = None
    if prices is not None:
        from streaming.analytics.marked import MarkedGroups  # numba loads here

        marked = MarkedGroups(grouped, traded, prices, bounds, point_values or {})
    reports = []
    for code, rows in enumerate(grouped.parts()[: len(grouped.names)]):
        own = coded.arrays.rows(rows)
        own_lots = lots.open_ts[grouped.lot_group == code]
        realised = daily_sums(own.ts, own.gross - own.fees, bounds)
        curves = {"realised": realised}
        notes = _notes(coded, by, rows)
        if marked is not None:
            curves |= marked.curves(code, realised, base)
            notes += marked.notes(code) + (_LOTS_UNKNOWN if open_lots is None else ())
        judged = {
            label: Curve(pnl, figures(pnl, capital=base, start=start, days_per_year=days_per_year))
            for label, pnl in curves.items()
        }
        reports.append(
            EquityReport(
                name=grouped.names[code],
                by=by,
                start=start,
                end=end,
                tz=tz,
                days_per_year=days_per_year,
                capital=base,
                symbols=tuple(grouped.symbols[symbol] for symbol in np.flatnonzero(traded[code])),
                realised=judged["realised"],
                trades=trade_figures(_within(own, bounds)),
                exposure=exposure(
                    np.concatenate([own.open_ts, own_lots]),
                    np.concatenate([own.ts, np.full(own_lots.size, bounds[-1])]),
                    int(bounds[0]),
                    int(bounds[-1]),
                ),
                marked=judged.get("marked"),
                buy_and_hold=judged.get("buy_and_hold"),
                open_pnl=(
                    marked.open_pnl(code)
                    if marked is not None and open_lots is not None and "marked" in judged
                    else None
                ),
                notes=notes,
            )
        )
    return reports


def to_capital(capital: Capital) -> int:
    """Give a capital base as currency x 1e8.

    Raises
    ------
    SettingsError
        If it is no positive number of at most 8 decimal places below 10 billion.
    """
    try:
        scaled = Decimal(str(capital)).scaleb(8)
    except InvalidOperation:
        scaled = Decimal("NaN")
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or not 0 < scaled < _LIMIT:
        raise SettingsError(
            f"capital must be a positive amount below 10 billion with at most 8 decimal places, "
            f"not {capital}."
        )
    return int(scaled)


def _window(ts: Int, start: date | None, end: date | None, tz: str) -> tuple[date, date]:
    """Give the window: as stated, or from the first match's day to the last one's."""
    if (start is None or end is None) and not ts.size:
        raise SourceError("there is no match, so the window must be stated: start and end.")
    if start is None:
        start = day_of(int(ts.min()), tz)
    if end is None:
        end = day_of(int(ts.max()), tz)
    if end < start:
        raise SourceError(f"the window ends ({end}) before it starts ({start}).")
    return start, end


def _within(matches: MatchArrays, bounds: Int) -> MatchArrays:
    """Give the matches whose time lies in the window."""
    within = (matches.ts > bounds[0]) & (matches.ts <= bounds[-1])
    return matches if bool(within.all()) else matches.rows(within)


def _notes(coded: CodedMatches, by: str, rows: Int) -> tuple[str, ...]:
    runs = np.unique(coded.keys["run"].codes[rows]).size
    if by == "run" or runs < 2:
        return ()
    return (f"matches of {runs} runs are added up",)
