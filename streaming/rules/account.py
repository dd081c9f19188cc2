"""One account of the simulated broker, and its passage from one stretch of time to the next."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.account_state import AccountState
from streaming.rules.compile import Records, steady
from streaming.rules.decisions import Signals
from streaming.rules.executions import BREACHES, ENDED, FILLED, FILLS, MATCHES
from streaming.rules.fifo import MATCH
from streaming.rules.gate import Gates
from streaming.rules.holdings import Holdings, Rules, claim
from streaming.rules.orders import ORDER, BarTable
from streaming.rules.simulation import CANCELLED, WAITING, Outputs, simulate

Int = NDArray[np.int64]


class Outcome(NamedTuple):
    """What a stretch of time gave.

    Attributes
    ----------
    code : int8[signals]
        Decision on each signal, as numbered in `streaming.rules.gate.CODES`.
    quantity : int64[signals]
        Units x 1e8 of the order, 0 where there is none.
    fills : FILLED[f]
    matches : MATCH[m]
        In order of application.
    opened_by, closed_by : FILLED[m]
        The fills that each match's refs name.
    cancelled, breaches : ENDED[...]
        Orders that were cancelled; fills that broke the limit on open symbols.
    """

    code: NDArray[np.int8]
    quantity: Int
    fills: Records
    matches: Records
    opened_by: Records
    closed_by: Records
    cancelled: Records
    breaches: Records


@steady
def _claim_orders(rules: Rules, orders: Records, gates: Gates, held: Holdings) -> None:
    symbols = held.used.shape[0] - 1
    for i in range(orders.shape[0]):
        order = orders[i]
        claim(order, order["strategy"] * symbols + order["symbol"], 1, rules, gates, held)


class Account(AccountState):
    """One account of the simulated broker; see `AccountState` for its parameters."""

    kind = "account"
    version = 1
    order = ORDER
    claim_orders = staticmethod(_claim_orders)

    def cancel_openings(self, ts: int) -> Records:
        """End the live orders that open or add, at a time: ENDED[n] by (ts, orderId) of theirs."""
        opens = self.waiting["opens"] != 0
        over = np.sort(self.waiting[opens], order=["ts", "id_high", "id_low"])
        self._open(self.lots, self.waiting[~opens], self._open_refs, self._open_fills)
        ended = np.zeros(len(over), ENDED)
        for name in ("id_high", "id_low", "strategy", "symbol"):
            ended[name] = over[name]
        ended["ts"] = ts
        return ended

    def advance(self, signals: Signals, bars: BarTable, complete_to: int) -> Outcome:
        """Take the account to `complete_to` (microseconds UTC, inclusive).

        Parameters
        ----------
        signals
            Those after the last `complete_to` up to this one, in the order of
            `rank_signals`; every one has a `ref_price`.
        bars
            All bars after the last `complete_to` up to this one.

        Raises
        ------
        MoneyError
            If a fill or position does not fit DECIMAL(18,8). The account is then lost.
        """
        count = len(signals.ts)
        orders = count + len(self.waiting)
        self.lots.reserve(orders)
        waiting = np.empty(orders, ORDER)
        waiting[: len(self.waiting)] = self.waiting
        counts = np.zeros(6, np.int64)
        counts[WAITING] = len(self.waiting)
        out = Outputs(
            np.zeros(count, np.int8),
            np.zeros(count, np.int64),
            np.empty(orders, FILLED),
            np.empty(orders + self.lots.open_count(), MATCH),
            np.empty(orders, ENDED),
            np.empty(orders, ENDED),
            np.empty(orders + 1, ORDER),
            waiting,
            counts,
        )
        failed = simulate(
            signals,
            bars,
            complete_to,
            self.rules,
            self.instruments,
            self._gates,
            self._holdings(),
            self.lots.next_ref,
            out,
        )
        if failed >= 0:
            raise self._does_not_fit(
                out.heap[0],
                "Lower the capital, set limits, or see whether the instrument's tick size suits "
                "its price.",
            )
        passage = self._pass(out.fills[: counts[FILLS]], out.matches[: counts[MATCHES]])
        self.waiting = waiting[: counts[WAITING]].copy()
        return Outcome(
            out.code,
            out.quantity,
            *passage,
            out.cancelled[: counts[CANCELLED]],
            out.breaches[: counts[BREACHES]],
        )
