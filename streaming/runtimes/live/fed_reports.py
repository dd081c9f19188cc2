"""Exec reports that feeds bring: fills of a broker or desk that the engine does not trade with.

Choices where the specification is silent:

- They are of accounts that trade elsewhere, each under its own name, and of the account that
  trades here where a `Broker` fills it: then a row beside the broker's own is the same fill said
  twice. Accounts whose fills are the simulated broker's have no others: a row that claims one is
  quarantined, and so is one of any other paper account, which would end up in the scores.
- Accounts that trade elsewhere have a watermark of their own, for all feeds together: the largest
  time of their fills less `wm.engine.latenessSec`. Bars do not move it, so that results do not
  depend on which of the two came first. Where nothing came for as long, the clock moves it to the
  newest fill.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from streaming.brokers.broker import PAPER
from streaming.contracts import (
    ARROW_TYPES,
    EXEC_REPORT_HISTORY,
    QUARANTINE_HISTORY,
    Type,
    quarantine_rows,
)
from streaming.contracts.keys import ACCOUNT
from streaming.jobs.paper_broker import PREFIX
from streaming.jobs.trading_engine import ReportBatch
from streaming.runtimes.live.reports import Owners, Reports
from streaming.runtimes.live.tick import Input, Tick


class FedReports:
    """Hands each exec report of a feed to the state of its account, or refuses it.

    Parameters
    ----------
    account
        The one that trades.
    broker
        Whose its orders are: see `LivePlan`.
    brokered, external
        The reports of that account, where a `Broker` fills it, and those of all others.
    """

    def __init__(self, account: str, broker: str, brokered: Reports, external: Reports) -> None:
        self._account = account
        self._broker = broker
        self._brokered = brokered
        self._external = external

    @property
    def waiting(self) -> bool:
        """Whether fills wait for the watermark, which nothing but the clock may move."""
        return len(self._external.state.waiting) > 0

    def take(self, tick: Tick, source: str, batch: ReportBatch, owners: Owners, now: int) -> None:
        """Take exec reports in, in order of arrival; see `Reports.take`."""
        claimed = _claimed(batch)
        why = {at: reason for at, name in enumerate(claimed) if (reason := self._refusal(name))}
        if why:
            refused = _refused(batch.take(np.array(list(why), np.int64)), list(why.values()))
            tick.take_in(source, QUARANTINE_HISTORY, refused, self._external.reported_to)
            tick.quarantined += refused.num_rows
            batch = batch.take(np.delete(np.arange(len(claimed)), list(why)))
        for reports, part in self._routed(batch):
            reports.take(tick, source, part, owners, now)

    def complete(self, tick: Tick, source: str) -> None:
        """Take it, by the clock, that no fill up to the newest will come any more."""
        waiting = self._external.state.waiting
        if len(waiting):
            self._external.declared(tick, source, int(waiting.ts.max()))

    def again(self, tick: Tick, one: Input, rows: pa.Table, owners: Owners) -> None:
        """Take in what was taken in before, as a store has recorded it."""
        mine = one.rows and self._is_brokered(rows.column(ACCOUNT.name)[0].as_py())
        (self._brokered if mine else self._external).again(tick, one, rows, owners)

    def _routed(self, batch: ReportBatch) -> Iterator[tuple[Reports, ReportBatch]]:
        mine = np.array([self._is_brokered(name) for name in _claimed(batch)], np.bool_)
        for reports, places in ((self._brokered, mine), (self._external, ~mine)):
            if places.any():
                yield reports, batch.take(np.flatnonzero(places))

    def _is_brokered(self, account: str | None) -> bool:
        return account == self._account and self._broker != PAPER

    def _refusal(self, account: str | None) -> str | None:
        """Say why the fills of an account are not taken; None: they are."""
        if account is None:
            return None  # the contract says what is wrong
        if account.startswith(PREFIX):
            return (
                f"accountId {account}: fills of paper accounts are the simulated broker's; give "
                "those of another broker under an account of its own"
            )
        if account == self._account and self._broker == PAPER:
            return (
                f"accountId {account}: its fills are the simulated broker's (live.broker = "
                f"{PAPER}); give those of another broker under an account of its own"
            )
        return None


def _claimed(batch: ReportBatch) -> list[str | None]:
    """Give the account that each row names."""
    column = batch.rows.column(ACCOUNT.name).to_pylist()
    return [None if name is None else str(name) for name in column]


def _refused(batch: ReportBatch, why: list[str]) -> pa.Table:
    """Give the quarantine rows of reports that no account takes."""
    rows = batch.rows if batch.originals is None else batch.originals
    number = np.arange(1, rows.num_rows + 1) if batch.number is None else batch.number
    # Feeds have read the times.
    times = batch.rows.column("ts").cast(ARROW_TYPES[Type.TIME]).cast(pa.int64()).to_pylist()
    return quarantine_rows(EXEC_REPORT_HISTORY, batch.source, rows, number, why, times)
