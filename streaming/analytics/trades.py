"""Figures of trades: what the matches say about winning, losing, holding and paying.

A trade is the matches closed by one order: the sell order where a LONG closes, the buy order
where a SHORT does. It wins or loses by its net PnL (fees taken off); one that ends at
exactly 0 is neither. Money is added up in integers, so no figure depends on the order of
the rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.analytics.days import checked_sum_range

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_SCALE = 1e8
_SECOND_US = 1_000_000
_HALF = 32


@dataclass(frozen=True, slots=True)
class MatchArrays:
    """Trade matches as arrays of one length n, in any order; ascending `ts` is fastest.

    `ts` (matchTimestamp) and `open_ts` are microseconds UTC; `quantity`, `gross`
    (realizedPnl) and `fees` are x 1e8; `is_long` tells the side that opened; `closing` is
    any integer that is the same for the matches of one closing order, and differs
    between orders (of different accounts, strategies, symbols or runs too).
    """

    ts: Int
    open_ts: Int
    quantity: Int
    gross: Int
    fees: Int
    is_long: Bool
    closing: Int

    def __len__(self) -> int:
        return int(self.ts.size)

    def rows(self, which: slice | Int | Bool) -> "MatchArrays":
        """Give the rows of a slice, an index or a mask."""
        return MatchArrays(
            self.ts[which],
            self.open_ts[which],
            self.quantity[which],
            self.gross[which],
            self.fees[which],
            self.is_long[which],
            self.closing[which],
        )


@dataclass(frozen=True, slots=True)
class SideFigures:
    """The trades of one direction: how many, and what they earned (money x 1e8)."""

    trades: int
    wins: int
    win_rate: float | None
    net_pnl: int
    fees: int


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """What the trades of a window amount to. Undefined figures are None.

    Sums (`gross_pnl`, `fees`, `net_pnl`) are currency x 1e8, exact; averages
    (`expectancy`, `average_win`, `average_loss`) are doubles in currency. `profit_factor`
    is what winners won over what losers lost, `payoff` the average of the same, `fee_share`
    fees over the gross profit of the trades that had one. `holding_seconds` is the mean over
    trades of a trade's holding time, which is the mean over its matches weighted by quantity.
    """

    matches: int
    trades: int
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None
    payoff: float | None
    expectancy: float | None
    average_win: float | None
    average_loss: float | None
    gross_pnl: int
    fees: int
    net_pnl: int
    fee_share: float | None
    holding_seconds: float | None
    long: SideFigures
    short: SideFigures


def trade_figures(matches: MatchArrays) -> TradeFigures:
    """Judge the trades that matches belong to.

    Parameters
    ----------
    matches
        The matches of the window, all of one group.

    Raises
    ------
    MoneyError
        If the sums could leave int64.
    """
    checked_sum_range(matches.gross, "gross PnL")
    checked_sum_range(matches.fees, "fees")
    if not bool((matches.closing[1:] >= matches.closing[:-1]).all()):
        matches = matches.rows(np.argsort(matches.closing, kind="stable"))
    starts = _starts(matches.closing)
    gross = _sums(matches.gross, starts)
    fees = _sums(matches.fees, starts)
    net = gross - fees
    is_long = matches.is_long[starts]
    count = int(starts.size)
    wins, losses = int(np.count_nonzero(net > 0)), int(np.count_nonzero(net < 0))
    # Clipping and multiplying by masks is several times faster than picking rows by them.
    profit, loss = int(np.maximum(net, 0).sum()), -int(np.minimum(net, 0).sum())
    gross_profit = int(np.maximum(gross, 0).sum())
    all_fees = int(fees.sum())
    holding = _holding_seconds(matches, starts)
    return TradeFigures(
        matches=len(matches),
        trades=count,
        wins=wins,
        losses=losses,
        win_rate=_ratio(wins, count),
        profit_factor=_ratio(profit, loss),
        payoff=_ratio(profit * losses, loss * wins),
        expectancy=_ratio(int(net.sum()), count * _SCALE),
        average_win=_ratio(profit, wins * _SCALE),
        average_loss=_ratio(-loss, losses * _SCALE),
        gross_pnl=int(gross.sum()),
        fees=all_fees,
        net_pnl=int(net.sum()),
        fee_share=_ratio(all_fees, gross_profit),
        holding_seconds=_ratio(holding, count),
        long=_side(net, fees, is_long),
        short=_side(net, fees, ~is_long),
    )


def exposure(open_ts: Int, close_ts: Int, start: int, end: int) -> float:
    """Give the share of a window's time in which there is a position.

    Parameters
    ----------
    open_ts, close_ts : int64[n]
        Each segment's opening and closing, microseconds UTC, in any order; time that
        segments share counts once.
    start, end
        The window, microseconds UTC, end > start.
    """
    if open_ts.size == 0:
        return 0.0
    if not bool((open_ts[1:] >= open_ts[:-1]).all()):
        order = np.argsort(open_ts, kind="stable")
        open_ts, close_ts = open_ts[order], close_ts[order]
    opened = np.clip(open_ts, start, end)
    closed = np.clip(close_ts, start, end)
    reached = np.maximum.accumulate(closed)
    opened[1:] = np.maximum(opened[1:], reached[:-1])
    return int(np.maximum(closed - opened, 0).sum()) / (end - start)


def _starts(sorted_codes: Int) -> Int:
    """Give the places at which a new code begins."""
    if sorted_codes.size == 0:
        return np.empty(0, np.int64)
    changes = np.flatnonzero(sorted_codes[1:] != sorted_codes[:-1]) + 1
    return np.concatenate([np.zeros(1, np.int64), changes])


def _sums(values: Int, starts: Int) -> Int:
    """Add up the values from each start to the next."""
    return np.add.reduceat(values, starts) if starts.size else np.empty(0, np.int64)


def _holding_seconds(matches: MatchArrays, starts: Int) -> float:
    """Add up the trades' holding times, each weighted by quantity.

    Every match's part is rounded to a microsecond, so that the sum is one of integers.
    """
    if not starts.size:
        return 0.0
    # A trade of more than 92 billion units would not fit an int64; its two halves do.
    high = _sums(matches.quantity >> _HALF, starts)
    low = _sums(matches.quantity & ((1 << _HALF) - 1), starts)
    units = high * float(1 << _HALF) + low
    sizes = np.diff(np.append(starts, len(matches)))
    held = (matches.ts - matches.open_ts) * (matches.quantity / np.repeat(units, sizes))
    return int(np.rint(held).astype(np.int64).sum()) / _SECOND_US


def _side(net: Int, fees: Int, which: Bool) -> SideFigures:
    """Judge the trades of one direction."""
    count = int(np.count_nonzero(which))
    wins = int(np.count_nonzero(which & (net > 0)))
    return SideFigures(
        trades=count,
        wins=wins,
        win_rate=_ratio(wins, count),
        net_pnl=int((net * which).sum()),
        fees=int((fees * which).sum()),
    )


def _ratio(part: float, whole: float) -> float | None:
    """Divide, or give None where there is nothing to divide by."""
    return part / whole if whole else None
