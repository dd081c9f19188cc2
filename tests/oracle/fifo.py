"""FIFO lots of one (account, strategy, symbol): a deque, oldest first."""

from collections import deque
from dataclasses import dataclass

from oracle.money import SCALE, fee_share, fit, half_even, product


@dataclass(frozen=True)
class Fill:
    """One fill: `qty` is signed (bought positive); `name` is whatever identifies it."""

    name: object
    qty: int
    price: int
    fee: int = 0
    ts: int = 0


@dataclass(frozen=True)
class Match:
    """One segment in which units bought meet units sold."""

    opened_by: Fill
    closed_by: Fill
    qty: int
    pnl: int
    fees: int

    @property
    def direction(self) -> str:
        return "LONG" if self.opened_by.qty > 0 else "SHORT"

    @property
    def buy(self) -> Fill:
        return self.opened_by if self.opened_by.qty > 0 else self.closed_by

    @property
    def sell(self) -> Fill:
        return self.closed_by if self.opened_by.qty > 0 else self.opened_by

    @property
    def ts(self) -> int:
        """The event time of the later of both fills (a late fill may close a newer lot)."""
        return max(self.opened_by.ts, self.closed_by.ts)


@dataclass
class Lot:
    """What is left of one fill: the units from `used` to |fill.qty|.

    `updated` is the event time of the last fill that changed the lot.
    """

    fill: Fill
    used: int
    updated: int

    @property
    def left(self) -> int:
        return abs(self.fill.qty) - self.used


class Book:
    """The lots of one key, all long or all short."""

    def __init__(self, point_value: int = SCALE) -> None:
        self.point_value = point_value
        self.lots: deque[Lot] = deque()
        self.realized_pnl = 0
        self.fees = 0

    def apply(self, fill: Fill) -> list[Match]:
        """Match a fill with the open lots, oldest first; what is left opens a lot."""
        assert fill.qty != 0
        size = abs(fill.qty)
        used = 0
        matches = []
        while used < size and self.lots and (self.lots[0].fill.qty > 0) != (fill.qty > 0):
            lot = self.lots[0]
            qty = min(size - used, lot.left)
            buy, sell = (fill, lot.fill) if fill.qty > 0 else (lot.fill, fill)
            pnl = product(sell.price - buy.price, qty, self.point_value)
            fees = fit(
                fee_share(lot.fill.fee, abs(lot.fill.qty), lot.used, lot.used + qty)
                + fee_share(fill.fee, size, used, used + qty)
            )
            matches.append(Match(lot.fill, fill, qty, pnl, fees))
            self.realized_pnl += pnl
            self.fees += fees
            lot.used += qty
            lot.updated = max(lot.updated, fill.ts)
            used += qty
            if lot.left == 0:
                self.lots.popleft()
        if used < size:
            self.lots.append(Lot(fill, used, fill.ts))
        fit(self.net)
        return matches

    @property
    def net(self) -> int:
        """Units held: positive long, negative short, 0 flat."""
        held = sum(lot.left for lot in self.lots)
        return held if not self.lots or self.lots[0].fill.qty > 0 else -held

    @property
    def avg_price(self) -> int:
        """R(sum(price x units left) / sum(units left)) of the open lots; 0 when flat."""
        held = sum(lot.left for lot in self.lots)
        cost = sum(lot.fill.price * lot.left for lot in self.lots)
        return half_even(cost, held) if held else 0

    def rollup(self) -> tuple[str, int, int] | None:
        """(side, netQty, avgPrice), or None when flat."""
        if self.net == 0:
            return None
        return ("LONG" if self.net > 0 else "SHORT", self.net, self.avg_price)
