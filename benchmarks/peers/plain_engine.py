"""P4's yardstick: gate, sizing, next-bar fills and FIFO in plain Python, lots in deques.

The same rules as the product's (SPEC section 3, its defaults but for the number of open
symbols), on Python's own integers, written as one would to be quick without a compiler.
It makes no order or match ids, which ours does: that much less to do. Every minute has its
bar, so no reservation ends before its order is filled. Its matches must equal ours row for
row.
"""

import argparse
import hashlib
from collections import deque
from typing import NamedTuple

from benchmarks.contender import Work, serve
from benchmarks.inputs import SCALE, bars, digest, signals

CAPITAL = 100_000 * SCALE
SLIPPAGE_BPS = 1
FEE_BPS = 1


class Match(NamedTuple):
    """One matched segment; money and units x 1e8, bars as indices."""

    account: int
    symbol: int
    opened: int
    closed: int
    units: int
    pnl: int
    fees: int
    long: bool


class Position:
    """One (account, symbol): its lots, what is pending, and its exposure at cost."""

    __slots__ = ("cost", "exposure", "lots", "net", "pending_buy", "pending_sell", "reserved")

    def __init__(self) -> None:
        # A lot is [remaining, price, fee, quantity, fee taken, bar].
        self.lots: deque[list[int]] = deque()
        self.net = 0
        self.cost = 0
        self.exposure = 0
        self.pending_buy = 0
        self.pending_sell = 0
        self.reserved = 0


class Engine:
    """Accounts of one strategy each, long only, filled at the next bar's close.

    Parameters
    ----------
    closes : list of list of int
        For each symbol its closes x 1e8, one a minute.
    places : int
        Symbols that an account may have open or pending at once.
    """

    def __init__(self, closes: list[list[int]], accounts: int, places: int) -> None:
        self.closes = closes
        self.places = places
        self.positions = [[Position() for _ in closes] for _ in range(accounts)]
        self.gross = [0] * accounts
        self.held = [0] * accounts
        self.orders: deque[tuple[int, int, int, int, int]] = deque()
        self.matches: list[Match] = []
        self.fills = self.rejected = 0

    def run(self, rows: list[tuple[int, int, int, int, int]]) -> None:
        """Take (bar, account, symbol, side, size) in order and fill all orders to the end."""
        orders = self.orders
        for bar, account, symbol, side, size in rows:
            # At equal time, fills come before signals.
            while orders and orders[0][0] <= bar:
                self._fill(*orders.popleft())
            if side > 0:
                self._buy(bar, account, symbol, size)
            else:
                self._sell(bar, account, symbol, size)
        while orders:
            self._fill(*orders.popleft())

    def _buy(self, bar: int, account: int, symbol: int, size: int) -> None:
        position = self.positions[account][symbol]
        fresh = position.net == 0 and position.pending_buy == 0
        if fresh and self.held[account] >= self.places:
            self.rejected += 1
            return
        price = self.closes[symbol][bar]
        notional = min(
            rounded(CAPITAL * size, SCALE),
            CAPITAL - position.exposure - position.reserved,
            CAPITAL - self.gross[account],
        )
        units = notional * SCALE // price
        if units <= 0:
            self.rejected += 1
            return
        reserved = rounded(units * price, SCALE)
        position.pending_buy += 1
        position.reserved += reserved
        self.gross[account] += reserved
        self.held[account] += fresh
        self.orders.append((bar + 1, account, symbol, units, reserved))

    def _sell(self, bar: int, account: int, symbol: int, size: int) -> None:
        position = self.positions[account][symbol]
        left = position.net - position.pending_sell
        wanted = position.net if size == SCALE else size * position.net // SCALE
        units = min(wanted, left)
        if units <= 0:
            self.rejected += 1
            return
        position.pending_sell += units
        self.orders.append((bar + 1, account, symbol, -units, 0))

    def _fill(self, bar: int, account: int, symbol: int, signed: int, reserved: int) -> None:
        position = self.positions[account][symbol]
        close = self.closes[symbol][bar]
        slip = rounded(close * SLIPPAGE_BPS, 10_000)
        if signed > 0:
            price, units = close + slip, signed
            position.pending_buy -= 1
            position.reserved -= reserved
        else:
            price, units = close - slip, -signed
            position.pending_sell -= units
        fee = rounded(rounded(price * units, SCALE) * FEE_BPS, 10_000)
        self.fills += 1
        self._match(position, account, symbol, bar, signed, price, fee)
        net = position.net = position.net + signed
        exposure = 0
        if net:
            exposure = rounded(rounded(position.cost, abs(net)) * abs(net), SCALE)
        self.gross[account] += exposure - position.exposure - reserved
        position.exposure = exposure
        if net == 0 and position.pending_buy == 0:
            self.held[account] -= 1

    def _match(
        self,
        position: Position,
        account: int,
        symbol: int,
        bar: int,
        signed: int,
        price: int,
        fee: int,
    ) -> None:
        lots = position.lots
        long = position.net > 0
        quantity = left = abs(signed)
        taken = 0
        if position.net and long != (signed > 0):
            while left and lots:
                lot = lots[0]
                remaining, lot_price, lot_fee, lot_quantity, lot_taken, opened = lot
                units = remaining if remaining < left else left
                left -= units
                remaining -= units
                lot_share = rounded(lot_fee * (lot_quantity - remaining), lot_quantity)
                share = rounded(fee * (quantity - left), quantity)
                gain = price - lot_price if long else lot_price - price
                pnl = rounded(gain * units, SCALE)
                fees = lot_share - lot_taken + share - taken
                self.matches.append(Match(account, symbol, opened, bar, units, pnl, fees, long))
                position.cost -= lot_price * units
                taken = share
                if remaining:
                    lot[0], lot[4] = remaining, lot_share
                else:
                    lots.popleft()
        if left:
            lots.append([left, price, fee, quantity, taken, bar])
            position.cost += price * left


def rounded(numerator: int, divisor: int) -> int:
    """Divide exactly and round halves to the even neighbour."""
    quotient, rest = divmod(numerator, divisor)
    twice = 2 * rest
    if twice > divisor or (twice == divisor and quotient & 1):
        return quotient + 1
    return quotient


def rows_digest(rows: list[tuple[int, ...]]) -> str:
    """Give a digest of (account, symbol, opened, closed, units, pnl, fees), in any order."""
    text = "\n".join(",".join(map(str, row)) for row in sorted(rows))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def prepare(count: int, bars_: int, symbols: int, accounts: int = 20) -> Work:
    """Turn arrays into Python lists, which this engine is quickest with."""
    markets = [bars(bars_, symbol).close for symbol in range(symbols)]
    given = signals(count, bars_, symbols, accounts)
    rows = list(zip(*(column.tolist() for column in given), strict=True))
    closes = [market.tolist() for market in markets]

    def run() -> Engine:
        engine = Engine(closes, accounts, symbols)
        engine.run(rows)
        return engine

    return Work(run, _facts, len(rows), digest(*markets, *given))


def _facts(engine: Engine) -> dict[str, int | str]:
    return {
        "fills": engine.fills,
        "matches": len(engine.matches),
        "rejected": engine.rejected,
        "digest": rows_digest([match[:7] for match in engine.matches]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--bars", type=int, required=True, dest="bars_")
    parser.add_argument("--symbols", type=int, required=True)
    serve(prepare, {"count": 4_000, "bars_": 2_000, "symbols": 2}, **vars(parser.parse_args()))
