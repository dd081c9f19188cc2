"""The TradingEngine job: exec reports in; matches, lots, rollup and realised PnL out.

It does no I/O and knows no clock. Choices where the specification is silent:

- Order of arrival is the order of rows, batch after batch. A fill on the watermark is not late.
- Fills of one key with (ts, orderId, fillId) equal apply by side (BUY first), quantity, price
  and fee; fills of different keys too, so that rows come out in one order.
- Repetitions are looked for as fills apply, so that any order of arrival within the lateness
  gives the same. A repetition that differs in side, quantity, price, fee, time or the strategy
  that it names is not applied either, but quarantined and alerted; one that names none agrees
  with any. After `dedupe.ttlDays` an id is that of a new fill. Of the past beyond that before
  the watermark nothing is remembered: so late a fill is applied, and its alert says so. Ids of
  matches and lots differ all the same (`streaming.rules.ids`).
- Signals know an order or not as its fill arrives. Where they do not, the first of its account's
  rows that names a strategy, as fills apply, says whose the order is, until `dedupe.ttlDays`
  have passed since its latest fill. Where a row names another strategy than the order's, the
  order's gets the fill, with an alert. Each fill applied to UNATTRIBUTED is alerted.
- Times in the latest tables are the latest event time of the fills concerned, so that a late
  fill never moves them back.
"""

from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from streaming.contracts import (
    ACCEPTED_TRADE_SIGNAL_HISTORY,
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADE_MATCH_HISTORY,
    empty_table,
)
from streaming.jobs.trading_engine.alerts import alert_table, notice, refuse
from streaming.jobs.trading_engine.applying import apply_fills
from streaming.jobs.trading_engine.attribution import Orders, attributed
from streaming.jobs.trading_engine.changes import Change
from streaming.jobs.trading_engine.fills import Fills, Int, kept_parts
from streaming.jobs.trading_engine.ordering import application_order
from streaming.jobs.trading_engine.refusals import Refusals
from streaming.jobs.trading_engine.reports import REPORTS, ReportBatch, read_reports
from streaming.jobs.trading_engine.state import EngineState
from streaming.jobs.trading_engine.tables import match_table
from streaming.rules.compile import Records
from streaming.rules.intake import NO_TIME, pass_watermark
from streaming.rules.memory import NOBODY, REPEATED

if TYPE_CHECKING:
    from streaming.instruments import Instruments


@dataclass(frozen=True)
class Counts:
    """What became of exec reports: once complete, read = applied + duplicates + quarantined.

    `late` counts arrivals, repetitions among them; `unattributed` counts fills applied.
    """

    read: int = 0
    applied: int = 0
    matches: int = 0
    duplicates: int = 0
    late: int = 0
    unattributed: int = 0
    quarantined: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*(mine + others for mine, others in pairs))


class Outcome(NamedTuple):
    """What a batch gave, each table in its contract's schema.

    `matches` and `alerts` are in the order of application, `quarantine` in the order in which rows
    were refused; the outcomes of parts of a batch, put after each other, are the whole's.
    `fills` are those that were applied, in that order; `taken` are the rows that were taken in,
    repetitions among them, as they came: `exec_report_history`, and the strategy that each names.
    """

    matches: pa.Table
    alerts: pa.Table
    quarantine: pa.Table
    counts: Counts
    fills: Fills
    taken: pa.Table


@dataclass
class _Work:
    """A batch on its way: all fills at hand, which of them apply and when."""

    fills: Fills
    ready: Int
    moment: Int
    refusals: Refusals = field(default_factory=lambda: Refusals(EXEC_REPORT_HISTORY))


class TradingEngine:
    """Fills in; matches, lots, rollup and realised PnL out.

    Parameters
    ----------
    instruments
        Symbols and their point values; fills of symbols that are not among them are refused.
    run_id
        What `runId` of the matches says; null unless given.
    """

    reads = (EXEC_REPORT_HISTORY, ACCEPTED_TRADE_SIGNAL_HISTORY)
    writes = (
        TRADE_MATCH_HISTORY,
        OPEN_POSITIONS_LOTS,
        OPEN_POSITIONS_ROLLUP,
        REALIZED_PNL_LATEST,
        RISK_ALERTS_HISTORY,
        QUARANTINE_HISTORY,
    )

    def __init__(self, instruments: "Instruments", *, run_id: str | None = None) -> None:
        self._instruments = instruments
        self._run_id = run_id

    def step(self, state: EngineState, batch: ReportBatch, orders: Orders, *, now: int) -> Outcome:
        """Take exec reports in, and apply what the watermark passes.

        Parameters
        ----------
        state
            Changed in place.
        batch
            In order of arrival; column `strategyId` says whose an order is where `orders` does not.
        orders
            The orders that are known.
        now
            The clock, microseconds UTC: a fill of the future is refused.

        Raises
        ------
        ContractError
            If a column is missing or there twice; the state is as it was.
        """
        refusals = Refusals(EXEC_REPORT_HISTORY)
        part = len(state.parts)
        came = read_reports(batch, part, state, orders, self._instruments, refusals, now)
        fills = came.fills
        passage = pass_watermark(state.watermark, state.lateness, state.waiting.ts, fills.ts)
        fills = replace(fills, watermark=np.where(passage.late, passage.before, NO_TIME))
        # Moments as places among all rows of the batch, those refused above included.
        moment = np.concatenate([fills.place, [batch.rows.num_rows]])[passage.moment]
        state.parts.append(came.part)
        work = _Work(
            state.waiting.followed_by(fills),
            np.flatnonzero(passage.moment < len(fills)),
            moment,
            refusals,
        )
        counts = Counts(read=batch.rows.num_rows, late=int(np.count_nonzero(passage.late)))
        outcome = self._advance(state, work, passage.watermark, counts)
        return outcome._replace(taken=came.rows)

    def complete(self, state: EngineState, up_to: int | None = None) -> Outcome:
        """Take it that no fill with ts <= `up_to` will come any more; without it, none at all.

        `up_to` is in microseconds UTC. Fills up to then are applied, and the watermark is past
        it: a fill that comes all the same is late.
        """
        waiting = state.waiting
        if up_to is None:
            up_to = int(waiting.ts.max()) if len(waiting) else state.watermark - 1
        watermark = max(state.watermark, up_to + 1)
        ready = np.flatnonzero(waiting.ts < watermark)
        work = _Work(waiting, ready, np.zeros(len(waiting), np.int64))
        return self._advance(state, work, watermark, Counts())

    def changes(self, state: EngineState) -> dict[str, Change]:
        """Give the changelog of lots, rollup and realised PnL since it was last asked for.

        By the table's name; a net effect, such as a store commits once for a batch. What is
        saved as bytes counts as asked for: commit both together.
        """
        return state.changes()

    def _advance(self, state: EngineState, work: _Work, watermark: int, counts: Counts) -> Outcome:
        """Apply the fills that are ready and keep the others."""
        ready, moment = work.fills.take(work.ready), work.moment[work.ready]
        order = application_order(state, ready, moment)
        moment = moment[order]
        fills = attributed(state, ready.take(order), self._instruments)
        first_ref = state.lots.next_ref
        applied = apply_fills(state, fills)
        matches = self._match_rows(state, fills.take(applied.places), applied.matches, first_ref)
        done = np.zeros(len(fills), np.bool_)
        done[applied.places] = True
        alerts = [
            *refuse(state, fills, applied, moment, work.refusals),
            *notice(state, fills, done),
        ]
        counts += Counts(
            applied=len(applied.places),
            matches=len(applied.matches),
            duplicates=int(np.count_nonzero(applied.verdicts == REPEATED)),
            unattributed=int(np.count_nonzero(done & (fills.strategy == NOBODY))),
            quarantined=len(work.refusals),
        )
        outcome = Outcome(
            matches,
            alert_table(state, fills, alerts),
            work.refusals.table(),
            counts,
            fills.take(applied.places),
            empty_table(REPORTS),
        )
        state.watermark = watermark
        state.memory.forget(watermark)
        state.orders.forget(watermark)
        waits = np.ones(len(work.fills), np.bool_)
        waits[work.ready] = False
        state.parts, state.waiting = kept_parts(state.parts, work.fills.take(np.flatnonzero(waits)))
        return outcome

    def _match_rows(
        self, state: EngineState, fills: Fills, matches: Records, first_ref: int
    ) -> pa.Table:
        """Note the fills behind the lots that are open now, and give the matches' rows."""
        before = state.openings
        openings = before.followed_by(fills, first_ref)
        shift = len(before.ref) - first_ref
        opened, closed = matches["open_ref"] + shift, matches["close_ref"] + shift
        older = np.flatnonzero(matches["open_ref"] < first_ref)
        opened[older] = before.places(matches["open_ref"][older])
        np.subtract.at(openings.opened, closed, np.abs(matches["quantity"]))
        np.maximum.at(openings.updated, opened, openings.ts[closed])
        when = np.maximum(openings.ts[opened], openings.ts[closed])
        np.maximum.at(state.last_match, openings.key[closed], when)
        rows = match_table(state, matches, openings, opened, closed, self._run_id)
        _, lots = state.lots.open_lots()
        state.openings = openings.take(openings.places(np.sort(lots["ref"])))
        return rows
