"""What an account has lost in a day, and the limit at which it opens nothing more.

The day's PnL is what the account has gained since the last bar of the day before: realised, net
of the fees that its matches carry, and unrealised at the last closes. Midnight belongs to the day
that ends. It is looked at whenever a bar or a signal has its time, after the fills of that time
and before its signals: so it depends on what happened, and not on how the input was cut. An
unrealised PnL that does not fit DECIMAL(18,8) counts as the largest that does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.jobs.allocator import Market
from streaming.jobs.fifo_rows import unrealized
from streaming.rules.account_state import AccountState
from streaming.rules.compile import Records
from streaming.rules.decisions import Signals
from streaming.rules.orders import BarTable
from streaming.rules.rollup import average_prices
from streaming.rules.units import LIMIT, OVERFLOW

Int = NDArray[np.int64]

Midnight = Callable[[int], int]


class DailyLoss:
    """The PnL of a day against its limit.

    Parameters
    ----------
    limit
        Currency x 1e8, positive: a day's PnL of minus that, or less, is too much.
    midnight
        Gives the end (microseconds UTC) of the day that an instant belongs to.

    Attributes
    ----------
    over : bool
        Whether the limit was reached in the present day, and nobody has lifted that.
    """

    def __init__(self, limit: int, midnight: Midnight) -> None:
        self._limit = limit
        self._midnight = midnight
        self._ends: int | None = None
        self._began = 0
        self._worth = 0
        self._realized = 0
        self.over = False

    @property
    def ends(self) -> int:
        """When the present day ends, microseconds UTC."""
        return 0 if self._ends is None else self._ends

    @property
    def pnl(self) -> int:
        """The day's PnL (since it was last lifted) when it was last looked at, x 1e8."""
        return self._worth - self._began

    def book(self, matches: Records) -> None:
        """Count what matches (MATCH[n]) have realised, less their fees."""
        self._realized += sum(matches["pnl"].tolist()) - sum(matches["fees"].tolist())

    def look(self, ts: int, unrealized_pnl: int) -> bool:
        """Look at the account at a time (microseconds UTC): tell if it has just lost too much.

        Times ascend. The first of a day ends what was `over` on the day before.
        """
        worth = self._realized + unrealized_pnl
        if self._ends is None or ts > self._ends:
            self._began = worth if self._ends is None else self._worth
            self._ends = self._midnight(ts)
            self.over = False
        self._worth = worth
        if self.over or self.pnl > -self._limit:
            return False
        self.over = True
        return True

    def lift(self) -> None:
        """Let the account open again; from here on it may lose as much once more."""
        if self.over:
            self.over = False
            self._began = self._worth

    def facts(self) -> dict[str, Any]:
        """Give all as JSON values."""
        return {
            "ends": self._ends,
            "began": self._began,
            "worth": self._worth,
            "realized": self._realized,
            "over": self.over,
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Take over what `facts` gave."""
        self._ends = facts["ends"]
        self._began, self._worth = facts["began"], facts["worth"]
        self._realized, self.over = facts["realized"], facts["over"]


class Moment(NamedTuple):
    """A time (microseconds UTC) at which something came: the bars and the signals of it."""

    ts: int
    bars: BarTable
    signals: Signals


def moments(market: Market, signals: Signals) -> Iterator[Moment]:
    """Give the times of a slice at which there is a bar or a signal, ascending.

    Parameters
    ----------
    signals
        In the order of `rank_signals`; those of a moment know of no bar after it.
    """
    table = market.table
    symbols = np.arange(len(table.start), dtype=np.int64)
    order = np.argsort(table.ts, kind="stable")
    symbol = np.repeat(symbols[:-1], np.diff(table.start))[order]
    ts, close = table.ts[order], table.close[order]
    times = np.unique(np.concatenate([ts, signals.ts]))
    bars, rows = (
        np.searchsorted(of, np.append(times, np.iinfo(np.int64).max)) for of in (ts, signals.ts)
    )
    for at, now in enumerate(times.tolist()):
        few = slice(bars[at], bars[at + 1])
        # A symbol has one bar at a time, and equal times are in the order of the symbols.
        start = np.searchsorted(symbol[few], symbols)
        yield Moment(now, BarTable(start, ts[few], close[few]), _cut(signals, rows[at : at + 2]))


def nothing_at(market: Market, signals: Signals) -> tuple[BarTable, Signals]:
    """Give no bars and no signals, of a slice's symbols."""
    table = market.table
    none = BarTable(np.zeros_like(table.start), table.ts[:0], table.close[:0])
    return none, _cut(signals, np.zeros(2, np.int64))


def _cut(signals: Signals, rows: Int) -> Signals:
    part = Signals._make(column[rows[0] : rows[1]] for column in signals)
    return part._replace(next_bar=np.zeros(len(part.ts), np.int64))


def open_pnl(account: AccountState, closes: Int) -> int:
    """Give the unrealised PnL (x 1e8) of an account.

    Parameters
    ----------
    closes : int64[symbols]
        Last closes, x 1e8; 0 where there was none: then nothing is gained or lost.
    """
    books = account.lots.books
    held = np.flatnonzero(books["net"])
    price = closes[held % len(closes)] if len(held) else closes[:0]
    books, price = books[held[price > 0]], price[price > 0]
    pnl = unrealized(books, price)
    wide = pnl == OVERFLOW
    if wide.any():
        sign = np.sign(price - average_prices(books)) * np.sign(books["net"])
        pnl[wide] = sign[wide] * (LIMIT - 1)
    return sum(pnl.tolist())
