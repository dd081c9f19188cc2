"""The work of one run, slice of time by slice of time.

Within a slice the symbols run side by side, then the accounts; while the accounts trade one
slice, the symbols begin the next, and the one after that is read. Rows depend on none of that.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.contracts import TRADE_MATCH_HISTORY
from streaming.jobs import allocator_rows as rows
from streaming.jobs.allocator import (
    Market,
    Taken,
    advance,
    instruments_of,
    last_closes,
    market_of,
)
from streaming.jobs.strategies.signals import Signals
from streaming.jobs.symbol_stage import SymbolStage
from streaming.jobs.symbols import SymbolState
from streaming.lake import DayInfo, Lake
from streaming.rules.account import Account
from streaming.rules.bars import DAY_US, Bars
from streaming.runtimes.backtest.accounts import accounts_of
from streaming.runtimes.backtest.definition import (
    BacktestRequest,
    account_rules,
    time_text,
)
from streaming.runtimes.backtest.recorded import Recording
from streaming.runtimes.backtest.resuming import Saved, bars_known
from streaming.runtimes.backtest.slices import day_end, plan
from streaming.runtimes.backtest.store import RunWriter
from streaming.runtimes.backtest.tally import Tally
from streaming.runtimes.backtest.window import Window

Int = NDArray[np.int64]
Progress = Callable[[float, float, str], None]

_Slice = tuple[int, int, bool]
"""A slice (first, last] and whether it lies before the window."""

_Traded = tuple[Account, Taken, dict[str, rows.Owned]]
"""An account, what it did in a slice, and that as rows of tables."""


class _Part(NamedTuple):
    """A slice that has begun; `found` waits for its signals."""

    last: int
    silent: bool
    market: Market
    found: Callable[[], dict[str, list[Signals]]]


class Pipeline:
    """The work of one run."""

    def __init__(
        self,
        lake: Lake,
        request: BacktestRequest,
        symbols: list[str],
        window: Window,
        saved: Saved,
        days: list[DayInfo],
        keep_after: int | None,
        recording: Recording | None,
    ) -> None:
        self._lake = lake
        self._request = request
        self._symbols = symbols
        self._window = window
        self._days = days
        self._saved = saved
        self._recording = recording
        made = () if recording else tuple(sorted(request.strategies, key=lambda one: one.id))
        self._strategies = {one.id: one for one in made}
        self._stage = SymbolStage(made)
        self._states: dict[str, SymbolState] = {}
        names = list(self._strategies)
        if recording:
            # A strategy that is silent from now on may have orders and positions all the same.
            roster = request.roster or ()
            names = sorted({*recording.names(), *saved.strategies, *roster})
        facts = instruments_of(symbols, request.instruments)
        rules = account_rules(request.settings)
        self._accounts = accounts_of(request.layout, names, symbols, rules, facts)
        for account in self._accounts:
            if account.name in saved.accounts:
                account.restore(saved.accounts[account.name])
        self._last_close = np.array(
            [saved.closes.get(name, (0, 0))[0] for name in symbols], np.int64
        )
        self._last_ts = np.array([saved.closes.get(name, (0, 0))[1] for name in symbols], np.int64)
        zone = request.settings.metrics.timezone
        start = window.begin if keep_after is None else keep_after
        self._tally = Tally(names, start, window.complete_to, zone, keep_after)

    def run(self, run: str, writer: RunWriter, progress: Progress | None) -> dict[str, Any]:
        """Work through all slices; give the run's figures and counts."""
        slices = [
            (first, last, first < self._window.start)
            for begin, end in self._stretches()
            for first, last in plan(self._days, self._symbols, begin, end)
        ]
        span = max(slices[-1][1] - slices[0][0], 1)
        with (
            ThreadPoolExecutor(1) as reader,
            ThreadPoolExecutor(max(self._request.threads, 1)) as pool,
        ):
            try:
                self._start_symbols(pool)
                begun = self._begun(reader, pool, slices)
                following = next(begun, None)
                while following is not None:
                    part = following
                    trading = self._trading(pool, part, run)
                    # Its signals wait for nothing that this slice's trading gives, so they keep
                    # the threads busy while this slice's rows are written.
                    following = next(begun, None)
                    self._write(trading, writer)
                    if progress is not None:
                        done = part.last - slices[0][0]
                        progress(done, span, (time_text(part.last) or "")[:10])
            except BaseException:
                reader.shutdown(wait=False, cancel_futures=True)
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._finish(writer)
        metrics = self._request.settings.metrics
        figures = self._tally.figures(self._request.capital, metrics.days_per_year)
        counts = self._recording.counts() if self._recording else None
        return {"figures": figures, "recordedSignals": counts}

    def _stretches(self) -> list[tuple[int, int]]:
        """Give the stretch before the window's start, if any, and the one after it."""
        begin, start, end = self._window
        return [(begin, start), (start, end)] if begin < start else [(begin, end)]

    def _start_symbols(self, pool: ThreadPoolExecutor) -> None:
        """Restore each symbol's state, or warm it up to where the run begins."""
        saved = self._saved

        def start(name: str) -> SymbolState:
            if name in saved.symbols:
                return self._stage.restore(saved.symbols[name])
            state = self._stage.new_state()
            if saved.run is not None and name not in saved.closes:
                # New to the run that is resumed, but its first bar may be older than that.
                for last, bars in self._history(name, saved.complete_to):
                    if len(bars):
                        place = self._symbols.index(name)
                        self._last_close[place], self._last_ts[place] = bars.close[-1], bars.ts[-1]
                    if not self._recording:
                        self._stage.warm_up(state, bars, last)
            return state

        states = dict(zip(self._symbols, pool.map(start, self._symbols), strict=True))
        self._states = {} if self._recording else states

    def _history(self, name: str, end: int) -> Iterator[tuple[int, Bars]]:
        """Read a symbol's bars up to a time, a slice at a time: (end of the slice, bars)."""
        days = [info for info in self._days if name in info.symbols]
        begin = day_end(days[0].day) - DAY_US
        for first, last in plan(days, [name], min(begin, end), end):
            yield last, self._lake.bars([name], first, last)[name]

    def _begun(
        self, reader: ThreadPoolExecutor, pool: ThreadPoolExecutor, slices: list[_Slice]
    ) -> Iterator[_Part]:
        """Begin slice after slice: its symbols are at work when it is given."""
        reading = reader.submit(self._lake.bars, self._symbols, *slices[0][:2])
        for number, (first, last, warming) in enumerate(slices):
            bars = reading.result()
            if number + 1 < len(slices):
                reading = reader.submit(self._lake.bars, self._symbols, *slices[number + 1][:2])
            market = market_of(self._symbols, bars, self._last_close, last)
            silent = warming and self._saved.run is None
            found = self._signals(pool, bars, first, last, silent)
            self._last_close = last_closes(market)
            for place, name in enumerate(self._symbols):
                if len(bars[name]):
                    self._last_ts[place] = bars[name].ts[-1]
            yield _Part(last, silent, market, found)

    def _signals(
        self, pool: ThreadPoolExecutor, bars: dict[str, Bars], first: int, last: int, silent: bool
    ) -> Callable[[], dict[str, list[Signals]]]:
        """Begin on the slice's signals; the call gives those of each strategy on each symbol."""
        if self._recording:
            recorded = self._recording.between(first, last, self._symbols)
            return lambda: recorded

        def work(name: str) -> list[Signals]:
            if silent:
                self._stage.warm_up(self._states[name], bars[name], last)
                return []
            return self._stage.signals(self._states[name], bars[name], last)

        pending = pool.map(work, self._symbols)

        def found() -> dict[str, list[Signals]]:
            by_symbol = list(pending)
            if silent:
                return {}
            return {
                name: [signals[place] for signals in by_symbol]
                for place, name in enumerate(self._strategies)
            }

        return found

    def _trading(self, pool: ThreadPoolExecutor, part: _Part, run: str) -> Iterator[_Traded]:
        """Wait for a slice's signals, and begin to take all accounts through it."""
        found = part.found()
        if part.silent:
            return iter(())

        def work(account: Account) -> _Traded:
            taken = advance(account, part.market, found, self._request.weights)
            tables = {TRADE_MATCH_HISTORY.name: rows.match_rows(account, taken, run)}
            if self._request.trace:
                tables |= rows.trace_rows(account, taken, self._strategies, run)
            return account, taken, tables

        return pool.map(work, self._accounts)

    def _write(self, trading: Iterator[_Traded], writer: RunWriter) -> None:
        """Write what the accounts did in a slice."""
        for account, taken, tables in trading:
            self._tally.add(account, taken)
            for table, owned in tables.items():
                for strategy, part in rows.by_strategy(account, owned):
                    writer.append(table, strategy, part)

    def _finish(self, writer: RunWriter) -> None:
        """Write what is open, the snapshot at the last prices, and the state."""
        writer.close()
        writer.put("open_positions_lots", rows.together(rows.lot_rows, self._accounts))
        if self._request.final_unrealized:
            writer.put(
                "unrealized_pnl_latest",
                rows.together(
                    lambda account: rows.unrealized_rows(account, self._last_close, self._last_ts),
                    self._accounts,
                ),
            )
        if self._recording:
            writer.put_parts("quarantine_history", self._recording.refused.parts())
        writer.put_state(
            "accounts",
            {one.name: one.to_bytes() for one in self._accounts},
            strategies=list(self._tally.strategies),
        )
        closes = zip(self._last_close.tolist(), self._last_ts.tolist(), strict=True)
        writer.put_state(
            "symbols",
            {name: state.to_bytes() for name, state in self._states.items()},
            complete_to=self._window.complete_to,
            end=self._window.complete_to if self._request.end is None else self._request.end,
            closes=dict(zip(self._symbols, closes, strict=True)),
            bars=bars_known(self._lake, self._days, self._symbols, self._window.complete_to),
        )
