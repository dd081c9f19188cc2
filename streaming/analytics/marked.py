"""What prices add to a report: the marked curve, and buy-and-hold of the same symbols."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.marking import mark, segments_of
from streaming.analytics.matches import Grouped
from streaming.analytics.prices import NO_CLOSE, DayCloses, Prices
from streaming.errors import MoneyError
from streaming.rules.units import SCALE

Int = NDArray[np.int64]

_FULL = 2.0**62


class MarkedGroups:
    """The marked curves of all groups, and buy-and-hold of what each traded.

    Parameters
    ----------
    grouped
        Matches and lots.
    traded : bool[groups, symbols]
        Which symbols each group had a position in.
    prices
        Closes of the symbols; those that it does not know are named in the notes.
    bounds : int64[days + 1]
        Microseconds UTC, ascending.
    point_values
        Currency per point and unit of each symbol, x 1e8; 1 where not given.
    """

    def __init__(
        self,
        grouped: Grouped,
        traded: NDArray[np.bool_],
        prices: Prices,
        bounds: Int,
        point_values: Mapping[str, int],
    ) -> None:
        self._symbols = grouped.symbols
        self._traded = traded
        self._closes = prices.day_closes(grouped.symbols, bounds)
        # Closes are carried on, so a symbol without one at the end never had one.
        self._unknown = self._closes.close[:, -1] == NO_CLOSE
        values = np.array([point_values.get(name, SCALE) for name in grouped.symbols], np.int64)
        self._misvalued = _misvalued(grouped, values)
        self._marks = mark(
            segments_of(grouped, bounds), self._closes, values, len(grouped.names), grouped.symbols
        )

    def curves(self, group: int, realised: Int, capital: int) -> dict[str, Int]:
        """Give a group's daily PnL 'marked' and of 'buy_and_hold', where they exist.

        Parameters
        ----------
        group
            Its code.
        realised : int64[days]
            Its realised daily PnL, x 1e8.
        capital
            Currency x 1e8, for buy-and-hold.
        """
        curves = {}
        own = self._traded[group]
        unmarkable = self._marks.unpriced[group] & self._unknown | own & self._misvalued
        if not unmarkable.any():
            curves["marked"] = realised + np.diff(self._marks.open_pnl[group])
        held = buy_and_hold(DayCloses(self._closes.close[own], self._closes.first[own]), capital)
        if held is not None:
            curves["buy_and_hold"] = held
        return curves

    def open_pnl(self, group: int) -> int:
        """Give what a group's positions at the window's end have gained, x 1e8."""
        return int(self._marks.open_pnl[group, -1])

    def notes(self, group: int) -> tuple[str, ...]:
        """Name the symbols that a group's curves lack."""
        notes = []
        held = self._marks.unpriced[group]
        blocking = self._names(held & self._unknown)
        if blocking:
            notes.append(f"not marked to market: no prices of {blocking}")
        strange = self._names(self._traded[group] & self._misvalued)
        if strange:
            notes.append(
                "not marked to market: matches were made with another point value than the "
                f"one given (1 unless stated) of {strange}"
            )
        late = self._names(held & ~self._unknown)
        if late:
            notes.append(f"counted at cost until the first close: {late}")
        left_out = self._names(self._traded[group] & self._unknown)
        if left_out:
            notes.append(f"buy-and-hold leaves out, for want of prices: {left_out}")
        return tuple(notes)

    def _names(self, which: NDArray[np.bool_]) -> str:
        return ", ".join(self._symbols[symbol] for symbol in np.flatnonzero(which))


def _misvalued(grouped: Grouped, point_values: Int) -> NDArray[np.bool_]:
    """Tell for which symbols some match's PnL cannot come from the point value given."""
    arrays = grouped.matches.arrays
    gain = grouped.matches.close_price - grouped.matches.open_price
    gain = np.where(arrays.is_long, gain, -gain)
    value = point_values[grouped.symbol] / float(SCALE**2)
    expected = gain.astype(np.float64) * arrays.quantity * value
    # One unit of rounding in the match, and that of doubles here.
    off = np.abs(expected - arrays.gross) > 1.0 + 1e-9 * np.abs(expected)
    misvalued = np.zeros(len(grouped.symbols), np.bool_)
    misvalued[grouped.symbol[off]] = True
    return misvalued


def buy_and_hold(closes: DayCloses, capital: int) -> Int | None:
    """Give the daily PnL of buying equal parts of the capital and holding them.

    Each symbol is bought at its last close at or before the window's start, or at its first
    close within the window where there is none; until then its part is cash. No costs.

    Parameters
    ----------
    closes
        Of the symbols to hold.
    capital
        Currency x 1e8.

    Returns
    -------
    int64[days] or None
        Currency x 1e8, each equity rounded to 1e-8. None where no symbol has a close.
    """
    entry = np.where(closes.close[:, 0] != NO_CLOSE, closes.close[:, 0], closes.first)
    priced = entry != NO_CLOSE
    if not priced.any():
        return None
    close = closes.close[priced]
    bought = entry[priced, np.newaxis]
    growth = np.where(close != NO_CLOSE, close, bought) / bought
    equity = np.rint(growth.mean(axis=0) * capital)
    if float(equity.max()) > _FULL:
        raise MoneyError("buy-and-hold equity does not fit an int64 of 1e-8: capital too large.")
    pnl: Int = np.diff(equity.astype(np.int64))
    return pnl
