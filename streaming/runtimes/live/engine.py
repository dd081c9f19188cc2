"""One tick of the live engine: what has arrived in, changes of every table out.

The engine knows no store, feed or clock: it is handed rows, the time up to which a source is
complete, and the wall clock; what it gives back is committed at once, together with its state.
Results do not depend on how the input was cut into ticks, but for `calcTs`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streaming.brokers.broker import PAPER
from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    INDICATOR_HISTORY,
    INDICATOR_LATEST,
    ORDER_EVENT_HISTORY,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    STRATEGY_WEIGHTS_LATEST,
    UNREALIZED_PNL_LATEST,
    Table,
    arrow_schema,
)
from streaming.feeds.feed import Arrival, Batch
from streaming.instruments import Instruments
from streaming.jobs.allocator import last_closes, market_of
from streaming.jobs.broker_reports import alert_rows
from streaming.jobs.price_intake import Held, PriceIntake, Received
from streaming.jobs.price_rows import PriceRows, no_rows, rows_of_table, table_of_rows
from streaming.jobs.prices import check_prices
from streaming.jobs.strategies.base import Strategy
from streaming.jobs.trading_engine import EngineState, Orders, ReportBatch, TradingEngine
from streaming.rules.bars import Bars, no_bars
from streaming.rules.intake import NO_TIME
from streaming.runtimes.backtest.definition import account_rules
from streaming.runtimes.live.book import AccountBook
from streaming.runtimes.live.decisions import write_decisions
from streaming.runtimes.live.engine_rows import late_alerts, latest_rows
from streaming.runtimes.live.fed_reports import FedReports
from streaming.runtimes.live.halts import Halts
from streaming.runtimes.live.marking import Closes, Marking
from streaming.runtimes.live.outputs import (
    empty_positions,
    write_outcome,
    write_positions,
    written,
)
from streaming.runtimes.live.reports import Meet, Owners, Reports, broker_source
from streaming.runtimes.live.series import Series
from streaming.runtimes.live.tick import READ_TABLES, Input, Tick
from streaming.runtimes.live.weights import PublishedWeights
from streaming.settings import Settings

__all__ = ["LiveEngine", "LivePlan", "Tick"]

_SECOND_US = 1_000_000


@dataclass(frozen=True)
class LivePlan:
    """What the engine runs.

    Attributes
    ----------
    settings, instruments
        As they hold.
    strategies
        At least one, ids unique.
    account
        accountId; the paper account is `paper:<account>`.
    broker
        Whose the account's orders are: "paper" for the simulated broker of the rules, or the
        name of a `Broker`.
    """

    settings: Settings
    strategies: tuple[Strategy, ...]
    instruments: Instruments = field(default_factory=Instruments)
    account: str = "live"
    broker: str = PAPER


class LiveEngine:
    """The state of everything that trades, and its passage from tick to tick.

    Attributes
    ----------
    account : str
        accountId of the one that trades.
    prices : PriceIntake
    series : Series
    book : AccountBook
    weights : PublishedWeights
    halts : Halts
    fills : EngineState
        Of the simulated accounts.
    reports, external : Reports
        What is reported of the account that trades, where a broker fills it, and of accounts
        that trade elsewhere, each with the TradingEngine's state of them.
    fed : FedReports
        Takes the exec reports of feeds.
    meet : function
        Called before the signals of a time are decided with the tick, the bars up to then
        that are new, that time and the wall clock: to take in what a broker has to say.
    closes : dict
        By symbol, the last close (x 1e8) and its time (microseconds UTC).
    marking : Marking
        Says which closes open positions are marked at, where `marks` says that a table has them.
    done_to : int
        Microseconds UTC: everything up to it is decided.
    trading : TradingEngine
        Applies fills; `fill_settings` is what its state is made with.
    written : list of str
        The tables of positions that are written.
    definition : dict
        What a store that this engine has begun must be gone on with, as JSON values.
    """

    def __init__(self, plan: LivePlan) -> None:
        settings = plan.settings
        self._settings = settings
        self._lateness = settings.wm.engine.lateness_sec * _SECOND_US
        self._instruments = plan.instruments
        self._broker = broker_source(plan.broker)
        self.account = plan.account
        strategies = tuple(sorted(plan.strategies, key=lambda one: one.id))
        self._strategies = {one.id: one for one in strategies}
        self.trading = TradingEngine(plan.instruments)
        self.prices = PriceIntake(settings.wm.prices.lateness_sec * _SECOND_US)
        self.series = Series(strategies, intrabar=settings.indicators.intrabar)
        self.halts = Halts(plan.account, settings)
        self.book = AccountBook(
            plan.account,
            list(self._strategies),
            account_rules(settings),
            plan.instruments,
            brokered=plan.broker != PAPER,
            lead=self.halts.lead,
        )
        self.weights = PublishedWeights(list(self._strategies))
        self.fill_settings = (settings.wm.engine.lateness_sec, settings.dedupe.ttl_days)
        self.fills = EngineState(*self.fill_settings)
        self.written = written(settings)
        self.reports = Reports(self.trading, EngineState(*self.fill_settings), self.book)
        self.external = Reports(self.trading, EngineState(*self.fill_settings), None)
        self.fed = FedReports(plan.account, plan.broker, self.reports, self.external)
        self.meet: Meet = lambda tick, bars, complete_to, now: None
        self.closes: dict[str, tuple[int, int]] = {}
        self.marking = Marking(settings.wm.monitor.lateness_sec * _SECOND_US)
        self.marks = settings.engine.outputs == "full" and settings.monitoring.export != "metrics"
        self.done_to = NO_TIME - 1
        self.definition: dict[str, Any] = {
            "account": plan.account,
            "strategies": {one.id: one.params_hash for one in strategies},
        }
        if plan.broker != PAPER:
            self.definition["broker"] = plan.broker

    def join(self, tick: Tick, source: str) -> None:
        """Wait for a source of bars from now on."""
        self.marking.join(source)
        if source not in self.prices.sources:
            tick.inputs.append(Input(source, PRICE_1M_HISTORY, 0, self.prices.join(source)))

    def leave(self, tick: Tick, source: str) -> None:
        """Wait no more for a source of bars."""
        self._leave(source)
        tick.inputs.append(Input(source, PRICE_1M_HISTORY, 0, None))

    def receive(self, tick: Tick, source: str, came: Arrival, now: int, held: Held) -> int | None:
        """Take bars as they came, in order of arrival.

        Parameters
        ----------
        tick
            Receives what is to be stored.
        source
            Whose watermark they move.
        now
            The wall clock, microseconds UTC.
        held
            Looks up bars that were stored before.

        Returns
        -------
        int or None
            The largest time of those that keep their contract; None: not one does.
        """
        good, refused = check_prices(
            came.rows,
            came.source,
            came.number,
            now=now,
            problems=came.problems,
            symbols=self._instruments.symbols,
        )
        known = self.prices.join(source)
        received = self._take_in(tick, source, good, came.source, held)
        for piece in received.pieces:
            if piece.rows or piece.complete_to > known:
                tick.inputs.append(Input(source, PRICE_1M_HISTORY, *piece))
                self.marking.complete(source, piece.complete_to)
            known = piece.complete_to
        refused = pa.concat_tables([refused, received.conflicts])
        if refused.num_rows:
            tick.inputs.append(Input(source, QUARANTINE_HISTORY, refused.num_rows, known))
        tick.append(QUARANTINE_HISTORY, refused)
        tick.quarantined += refused.num_rows
        return int(good.ts.max()) if len(good) else None

    def _take_in(
        self, tick: Tick, source: str, rows: PriceRows, place: str, held: Held
    ) -> Received:
        received = self.prices.receive(source, rows, place, held)
        self.marking.receive(source, received.rows)
        tick.append(PRICE_1M_HISTORY, table_of_rows(received.rows).cast(_PRICES))
        tick.append(RISK_ALERTS_HISTORY, late_alerts(self.account, table_of_rows(received.late)))
        tick.duplicates += received.duplicates
        late = received.late
        names = (late.symbols[code] for code in late.symbol.tolist())
        tick.late_bars += list(zip(names, late.ts.tolist(), strict=True))
        return received

    def again(self, tick: Tick, one: Input, rows: pa.Table, owners: Owners) -> None:
        """Take in what was taken in before, as the store has recorded it.

        Parameters
        ----------
        rows
            Those of the input's table: bars, exec reports, refused rows, alerts, or changes of
            what was published.
        owners
            See `note`.
        """
        if one.table in READ_TABLES:
            self.publish(tick, one.table, rows)
            return
        if one.table is UNREALIZED_PNL_LATEST and one.complete_to is not None:
            self.complete_marks(tick, one.source, one.complete_to)
            return
        if one.table is EXEC_REPORT_HISTORY:
            taker = self.reports if one.source == self._broker else self.fed
            taker.again(tick, one, rows, owners)
            return
        if one.table is ORDER_EVENT_HISTORY:
            self.reports.take_events(tick, one.source, rows, owners)
            return
        if one.table is not PRICE_1M_HISTORY:
            tick.take_in(one.source, one.table, rows, one.complete_to)
            return
        tick.inputs.append(one)
        if one.complete_to is None:
            self._leave(one.source)
        else:
            self.prices.join(one.source)
            self.marking.join(one.source)
            self._take_in(tick, one.source, rows_of_table(rows), "store", lambda asked: no_rows())
            if one.complete_to > 0:
                self._complete(one.source, one.complete_to)

    def complete(self, tick: Tick, source: str, up_to: int) -> None:
        """Take it that a source gives no bar with ts <= `up_to` (microseconds UTC) any more."""
        known = self.prices.join(source)
        complete_to = self._complete(source, up_to)
        if complete_to > known:
            tick.inputs.append(Input(source, PRICE_1M_HISTORY, 0, complete_to))

    def complete_marks(self, tick: Tick, source: str, up_to: int) -> None:
        """Take it, for marks alone, that a source gives no bar with ts <= `up_to` any more."""
        self.marking.complete(source, up_to)
        tick.inputs.append(Input(source, UNREALIZED_PNL_LATEST, 0, up_to))

    def _complete(self, source: str, up_to: int) -> int:
        self.marking.complete(source, up_to)
        return self.prices.complete(source, up_to)

    def _leave(self, source: str) -> None:
        self.prices.leave(source)
        self.marking.leave(source)

    def note(self, tick: Tick, source: str, batch: Batch, owners: Owners, now: int) -> None:
        """Take a feed's exec reports in; keep what it could not use, and what it says of that.

        Parameters
        ----------
        owners
            Knows the orders that were sent.
        now
            The wall clock, microseconds UTC.
        """
        known = self.prices.join(source)
        for refused in batch.quarantine:
            tick.take_in(source, QUARANTINE_HISTORY, refused, known)
            tick.quarantined += refused.num_rows
        for code, message, ts in batch.alerts:
            words = pa.chunked_array([pa.array([message], pa.string())])
            told = alert_rows(self.account, code, words, np.array([ts], np.int64))
            tick.take_in(source, RISK_ALERTS_HISTORY, told, known)
        for reports in batch.reports:
            self.fed.take(tick, source, reports, owners, now)

    def warm_up(self, bars: Mapping[str, Bars], complete_to: int) -> None:
        """Let the features see bars from before the start; nothing is traded or written.

        Parameters
        ----------
        bars
            By symbol, ascending, all later than any before.
        complete_to
            Microseconds UTC.
        """
        self.book.include(list(bars))
        for name, one in bars.items():
            if len(one):
                self.series.warm_up(name, one, complete_to)
                self.closes[name] = (int(one.close[-1]), int(one.ts[-1]))
        self.done_to = max(self.done_to, complete_to)
        self.prices.pass_by(self.done_to)
        self.marking.pass_by(self.done_to)

    def publish(self, tick: Tick, table: Table, changes: pa.Table) -> None:
        """Take in what was published: changes of one of `READ_TABLES`."""
        if not changes.num_rows:
            return
        tick.inputs.append(Input(table.name, table, changes.num_rows, None))
        if table is STRATEGY_WEIGHTS_LATEST:
            self.weights.take(changes)
        else:
            self.halts.take(tick, changes, self.book.trader, self.done_to)

    def write_anew(self, tick: Tick, held: Callable[[Table], pa.Table]) -> None:
        """Write the tables of positions anew, where other settings wrote them before.

        Parameters
        ----------
        held
            Gives the rows that a latest table has.
        """
        empty_positions(tick, held)
        for state in (self.fills, self.reports.state, self.external.state):
            state.publish_anew()
            self._write_positions(tick, state)

    def advance(self, tick: Tick, now: int) -> None:
        """Decide everything up to the smallest watermark of the sources of prices.

        Parameters
        ----------
        tick
            Receives what is to be stored.
        now
            The wall clock, microseconds UTC.
        """
        bars, complete_to = self.prices.ready()
        marked = self.marking.moved() and self.marks
        tick.complete_to = self.done_to
        self.meet(tick, bars, max(complete_to, self.done_to), now)
        if complete_to <= self.done_to:
            if marked:
                self._write_positions(tick, self.fills)
                self.reports.unwritten = self.external.unwritten = True
            for told in (self.reports, self.external):
                if told.unwritten:
                    self._write_reported(tick, told)
            return
        tick.complete_to = self.done_to = complete_to
        tick.bars = sum(len(one) for one in bars.values())
        self.book.include(list(bars))
        symbols = self.book.symbols
        worked = self.series.work(symbols, bars, complete_to, now)
        tick.append(INDICATOR_HISTORY, worked.indicators)
        tick.replace(INDICATOR_LATEST, latest_rows(INDICATOR_LATEST, worked.indicators))
        known = np.array([self.closes.get(name, (0, 0))[0] for name in symbols], np.int64)
        every = {name: bars.get(name, no_bars()) for name in symbols}
        market = market_of(symbols, every, known, complete_to)
        # What a broker has not told by now, though it is of a time so long past, is late.
        self.reports.complete(tick, self._broker, complete_to - self._lateness)
        weights = self.weights.schedule()
        ordered = self.book.follow(market, worked.signals, weights, self.reports.reported_to)
        traded = self.book.advance(market, worked.signals, weights)
        closes = last_closes(market).tolist()
        for name, close in zip(symbols, closes, strict=True):
            if name in bars:
                self.closes[name] = (close, int(bars[name].ts[-1]))
        self.weights.forget(complete_to)
        ended = self.halts.ended()
        reports = write_decisions(tick, ordered, traded, self._strategies, ended)
        self.halts.write(tick)
        self._apply_fills(tick, reports, complete_to, now)
        self._write_positions(tick, self.fills)
        for told in (self.reports, self.external):
            self._write_reported(tick, told)

    def _apply_fills(self, tick: Tick, reports: pa.Table, complete_to: int, now: int) -> None:
        """Let the TradingEngine apply what the simulated broker filled."""
        batch = ReportBatch(reports, "simulated broker")
        # Whatever the clock says, fills of what is complete are not of the future.
        now = max(now, complete_to)
        write_outcome(tick, self.trading.step(self.fills, batch, Orders(), now=now))
        write_outcome(tick, self.trading.complete(self.fills, complete_to))

    def _write_reported(self, tick: Tick, reports: Reports) -> None:
        self._write_positions(tick, reports.state)
        reports.unwritten = False

    @property
    def states(self) -> tuple[EngineState, ...]:
        """The TradingEngine's, one for each set of accounts."""
        return self.fills, self.reports.state, self.external.state

    @property
    def marked_at(self) -> Closes:
        """The closes that open positions are marked at."""
        if not self.marks:
            return self.closes
        return self.marking.closes(self.closes, self.prices.waiting)

    def _write_positions(self, tick: Tick, state: EngineState) -> None:
        write_positions(tick, self.trading, state, self._settings, self.marked_at)


_PRICES = arrow_schema(PRICE_1M_HISTORY)
