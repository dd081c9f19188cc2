"""One account at a broker, and its passage from one stretch of time to the next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.account_state import AccountState, columns_of, records_of
from streaming.rules.brokered import (
    ASKED,
    END,
    ENDS,
    EXCESS,
    EXPIRY,
    LIVE,
    LIVE_ORDER,
    REPORT,
    STRAYS,
    Followed,
    claim_live,
    follow,
)
from streaming.rules.compile import Records, steady
from streaming.rules.decisions import Signals
from streaming.rules.executions import BREACHES, ENDED, FILLED, FILLS, MATCHES
from streaming.rules.fifo import MATCH
from streaming.rules.gate import Gates
from streaming.rules.holdings import Holdings, Instruments, Rules
from streaming.rules.intake import NO_TIME
from streaming.rules.memory import EMPTY, UNATTRIBUTED

Int = NDArray[np.int64]


class BrokeredOutcome(NamedTuple):
    """What a stretch of time gave.

    Attributes
    ----------
    code, quantity, fills, matches, opened_by, closed_by
        As in `streaming.rules.account.Outcome`; the fills are those that counted.
    breaches : ENDED[...]
        Fills that took the account past its limit on open symbols.
    asked : ENDED[...]
        Orders whose reservation is over: the broker is to be asked to cancel them.
    ended : ENDED[...]
        Orders that the broker ended before they were filled.
    strays, excess : ENDED[...]
        Fills of no live order (unknown, or over already), and fills of more than was left.
    """

    code: NDArray[np.int8]
    quantity: Int
    fills: Records
    matches: Records
    opened_by: Records
    closed_by: Records
    breaches: Records
    asked: Records
    ended: Records
    strays: Records
    excess: Records


@steady
def _claim_orders(rules: Rules, orders: Records, gates: Gates, held: Holdings) -> None:
    symbols = held.used.shape[0] - 1
    for i in range(orders.shape[0]):
        claim_live(orders[i], symbols, 1, rules, gates, held)


class BrokeredAccount(AccountState):
    """One account whose fills a broker reports.

    Fills of orders that nobody knows are positions of UNATTRIBUTED, whose code is the number of
    strategies: they take a place like any other.

    Attributes
    ----------
    decided_to : int
        Microseconds UTC: all signals up to it are decided.
    pending : REPORT[p]
        Reports that do not count yet, in the order in which they were told.
    """

    kind = "brokered account"
    version = 1
    order = LIVE_ORDER
    claim_orders = staticmethod(_claim_orders)

    def __init__(
        self,
        name: str,
        strategies: list[str],
        symbols: list[str],
        rules: Rules,
        instruments: Instruments,
    ) -> None:
        super().__init__(name, strategies, symbols, rules, instruments, (UNATTRIBUTED,))
        self.decided_to = NO_TIME
        self.pending = np.empty(0, REPORT)

    def tell(self, reports: Records) -> None:
        """Take reports in, REPORT[n] as they were told, each fill once; they count in time."""
        self.pending = np.concatenate([self.pending, reports])

    def advance(self, signals: Signals, reported_to: int, complete_to: int) -> BrokeredOutcome:
        """Take the account to `complete_to` (microseconds UTC, inclusive).

        Parameters
        ----------
        signals
            Those after the last `complete_to` up to this one, in the order of
            `rank_signals`; every one has a `ref_price`.
        reported_to
            Later reports may still be followed by earlier ones: they have to wait. Those of a
            time that is decided count at once.

        Raises
        ------
        MoneyError
            If a fill or position does not fit DECIMAL(18,8). The account is then lost.
        """
        told = self.pending
        counts_now = told["ts"] <= min(reported_to, complete_to)
        self.pending = told[~counts_now]
        told = told[counts_now]
        at = np.maximum(told["ts"], self.decided_to)
        order = np.lexsort((told["kind"], at))
        told, at = told[order], at[order]
        out = self._buffers(len(signals.ts), len(told))
        failed = follow(
            signals,
            told,
            at,
            complete_to,
            self.rules,
            self.instruments,
            self._gates,
            self._holdings(),
            self.lots.next_ref,
            out,
        )
        if failed >= 0:
            raise self._does_not_fit(told[failed], "See whether the broker's report is right.")
        self.decided_to = max(self.decided_to, complete_to)
        counts = out.counts
        passage = self._pass(out.fills[: counts[FILLS]], out.matches[: counts[MATCHES]])
        live = out.live[: counts[LIVE]]
        self.waiting = live[live["quantity"] != 0]
        return BrokeredOutcome(
            out.code,
            out.quantity,
            *passage,
            out.breaches[: counts[BREACHES]],
            out.asked[: counts[ASKED]],
            out.ended[: counts[ENDS]],
            out.strays[: counts[STRAYS]],
            out.excess[: counts[EXCESS]],
        )

    def _buffers(self, signals: int, reports: int) -> Followed:
        """Make room for what may come of so many signals and reports."""
        self.lots.reserve(reports)
        before = len(self.waiting)
        orders = before + signals
        live = np.zeros(orders, LIVE_ORDER)
        live[:before] = self.waiting
        counts = np.zeros(9, np.int64)
        counts[LIVE] = before
        return Followed(
            np.zeros(signals, np.int8),
            np.zeros(signals, np.int64),
            np.empty(reports, FILLED),
            np.empty(reports + self.lots.open_count(), MATCH),
            np.empty(reports, ENDED),
            np.empty(orders, ENDED),
            np.empty(reports, ENDED),
            np.empty(reports, ENDED),
            np.empty(reports, ENDED),
            live,
            np.empty(orders + 1, EXPIRY),
            np.full(1 << (2 * orders + 1).bit_length(), EMPTY, np.int64),
            counts,
        )

    def _more(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return columns_of(self.pending, "pending."), {"decided_to": self.decided_to}

    def _take_more(
        self, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], places: Int
    ) -> None:
        self.decided_to = facts["decided_to"]
        self.pending = records_of(REPORT, arrays, "pending.")
        fills = self.pending["kind"] != END
        self.pending["symbol"][fills] = places[self.pending["symbol"][fills]]
