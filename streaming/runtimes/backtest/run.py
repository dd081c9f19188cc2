"""Run a backtest: from the lake's prices, or recorded signals, to trade matches.

Time is cut into slices. While one slice is worked on, the next is read; within a slice
the symbols run side by side, then the accounts. Rows depend on none of that.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.contracts import TRADE_MATCH_HISTORY
from streaming.errors import RunError
from streaming.jobs.strategies.signals import Signals
from streaming.lake import DayInfo, Lake, sweep
from streaming.rules.account import Account
from streaming.rules.bars import MINUTE_US, Bars
from streaming.runtimes.backtest import rows
from streaming.runtimes.backtest.books import (
    Market,
    Taken,
    accounts_of,
    advance,
    instruments_of,
    last_closes,
    market_of,
)
from streaming.runtimes.backtest.definition import (
    BacktestRequest,
    account_rules,
    bars_digest,
    define,
    file_digest,
    run_id,
    time_text,
)
from streaming.runtimes.backtest.recorded import Recording, read_recording
from streaming.runtimes.backtest.resuming import Saved, no_state, resume
from streaming.runtimes.backtest.slices import DAY_US, day_end, plan
from streaming.runtimes.backtest.store import RunWriter, new_run
from streaming.runtimes.backtest.symbols import SymbolStage, SymbolState
from streaming.runtimes.backtest.tally import Tally
from streaming.runtimes.runs import RUNS, Run, check_name, find_run, give_name, runs

Int = NDArray[np.int64]
Progress = Callable[[float, float, str], None]


class Window(NamedTuple):
    """Times of a run, microseconds UTC.

    `begin`: bars after it are read; `start`: signals after it count; `complete_to`: the end,
    or the last bar where the lake ends before that.
    """

    begin: int
    start: int
    complete_to: int


def run_backtest(lake: Lake, request: BacktestRequest, progress: Progress | None = None) -> Run:
    """Run a backtest and keep it in the lake; a run that is there already is given back.

    Parameters
    ----------
    lake
        Prices in, the run out.
    request
        What to run.
    progress
        Told (rows done, rows in all, the time reached) after each slice.

    Raises
    ------
    RunError
        If there are no prices, a symbol is unknown, the run to resume does not fit, or the
        name stands for another run.
    """
    days = lake.days()
    symbols = _symbols(lake, request, days)
    saved = resume(lake, request, symbols) if request.resume else no_state()
    window = _window(lake, request, days, symbols, saved)
    read = [
        info for info in days if window.begin < info.last_ts and info.first_ts <= window.complete_to
    ]
    definition = define(
        request,
        symbols,
        bars_digest(read, symbols),
        None if request.signals is None else file_digest(request.signals),
        saved.run,
    )
    run = run_id(definition)
    if request.name is not None:
        check_name(lake, request.name, run)
    options = {"trace": request.trace, "finalUnrealized": request.final_unrealized}
    if not _is_there(lake, run, options):
        sweep(lake.root / RUNS)
        # Rows of an earlier window are that run's, those between it and the start nobody's.
        keep_after = None if window.start == saved.end else window.start
        with new_run(lake.root, run, keep_after) as writer:
            backtest = _Backtest(lake, request, symbols, window, saved, days)
            figures = backtest.run(run, writer, progress)
            writer.put_facts(
                {
                    "runId": run,
                    "definition": definition,
                    "options": options,
                    "window": {
                        "start": time_text(window.start),
                        "end": time_text(request.end),
                        "completeTo": time_text(window.complete_to),
                    },
                    "rows": writer.rows,
                    "figures": figures,
                }
            )
    if request.name is not None:
        give_name(lake, request.name, run)
    return find_run(lake, run)


def _is_there(lake: Lake, run: str, options: dict[str, bool]) -> bool:
    """Tell whether the run exists and keeps all that is asked for."""
    for known in runs(lake):
        if known.id == run:
            return all(known.facts["options"][name] for name, wanted in options.items() if wanted)
    return False


def _symbols(lake: Lake, request: BacktestRequest, days: list[DayInfo]) -> list[str]:
    known = {name for info in days for name in info.symbols}
    if not known:
        raise RunError(f"{lake.root}: has no prices. Import some with `trading import`.")
    wanted = sorted(known) if request.symbols is None else sorted(set(request.symbols))
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 3)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise RunError(f"{lake.root}: has no prices of symbol {name!r}.{hint}")
        if name not in request.instruments:
            raise RunError(
                f"Symbol {name!r} is not in the instruments file. Add it, or leave it out."
            )
    return wanted


def _window(
    lake: Lake, request: BacktestRequest, days: list[DayInfo], symbols: list[str], saved: Saved
) -> Window:
    mine = [info for info in days if not info.symbols.keys().isdisjoint(symbols)]
    last_day = mine[-1]
    tail = lake.bars(
        [name for name in symbols if name in last_day.symbols], day_end(last_day.day) - DAY_US
    )
    known_to = max(int(bars.ts[-1]) for bars in tail.values() if len(bars))
    end = known_to if request.end is None else min(request.end, known_to)
    begin = (
        min(info.first_ts for info in mine) - MINUTE_US if saved.run is None else saved.complete_to
    )
    start = begin if saved.run is None else saved.end
    if request.start is not None:
        start = request.start if saved.run is None else max(request.start, saved.end)
    if request.start is not None and saved.run is not None and request.start < saved.end:
        raise RunError(
            f"Run {saved.run} ended at {time_text(saved.end)}: what resumes it cannot start "
            f"before, at {time_text(request.start)}."
        )
    if end <= begin or end <= start:
        raise RunError(
            f"{lake.root}: has no prices between {time_text(max(begin, start))} and "
            f"{time_text(request.end) or 'its end'}; the last bar of these symbols is of "
            f"{time_text(known_to)}."
        )
    return Window(begin, max(start, begin) if saved.run is None else start, end)


class _Backtest:
    """The work of one run."""

    def __init__(
        self,
        lake: Lake,
        request: BacktestRequest,
        symbols: list[str],
        window: Window,
        saved: Saved,
        days: list[DayInfo],
    ) -> None:
        self._lake = lake
        self._request = request
        self._symbols = symbols
        self._window = window
        self._days = days
        self._saved = saved
        self._recording = self._recorded()
        made = () if self._recording else tuple(sorted(request.strategies, key=lambda one: one.id))
        self._strategies = {one.id: one for one in made}
        self._stage = SymbolStage(made)
        self._states: dict[str, SymbolState] = {}
        names = sorted(self._recording.signals) if self._recording else list(self._strategies)
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
        self._tally = Tally(names, window.start, window.complete_to, zone)

    def _recorded(self) -> Recording | None:
        if self._request.signals is None:
            return None
        first: dict[str, int] = {}
        for info in self._days:
            new = [name for name in self._symbols if name in info.symbols and name not in first]
            if new:
                bars = self._lake.bars(new, day_end(info.day) - DAY_US, day_end(info.day))
                first |= {name: int(bars[name].ts[0]) for name in new}
        return read_recording(self._request.signals, first)

    def run(self, run: str, writer: RunWriter, progress: Progress | None) -> dict[str, Any]:
        """Work through all slices; give the run's figures."""
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
            self._start_symbols(pool)
            ahead = reader.submit(self._lake.bars, self._symbols, slices[0][0], slices[0][1])
            for number, (first, last, warming) in enumerate(slices):
                bars = ahead.result()
                if number + 1 < len(slices):
                    following = slices[number + 1]
                    ahead = reader.submit(
                        self._lake.bars, self._symbols, following[0], following[1]
                    )
                market = market_of(self._symbols, bars, self._last_close, last)
                silent = warming and self._saved.run is None
                found = self._signals(pool, bars, first, last, silent)
                if not silent:
                    self._trade(pool, market, found, run, writer)
                self._last_close = last_closes(market)
                for place, name in enumerate(self._symbols):
                    if len(bars[name]):
                        self._last_ts[place] = bars[name].ts[-1]
                if progress is not None:
                    progress(last - slices[0][0], span, (time_text(last) or "")[:10])
        self._finish(writer)
        settings = self._request.settings
        return self._tally.figures(self._request.capital, settings.metrics.days_per_year)

    def _stretches(self) -> list[tuple[int, int]]:
        """Give the stretch before the window's start, if any, and the one after it."""
        begin, start, end = self._window
        return [(begin, start), (start, end)] if begin < start else [(begin, end)]

    def _start_symbols(self, pool: ThreadPoolExecutor) -> None:
        """Restore each symbol's state, or warm it up to where the run begins."""
        if self._recording:
            return

        def start(name: str) -> SymbolState:
            if name in self._saved.symbols:
                return self._stage.restore(self._saved.symbols[name])
            state = self._stage.new_state()
            if self._saved.run is not None:
                # New to the run that is resumed, but its first bar may be older than that.
                bars = self._lake.bars([name], None, self._saved.complete_to)[name]
                self._stage.warm_up(state, bars, self._saved.complete_to)
            return state

        self._states = dict(zip(self._symbols, pool.map(start, self._symbols), strict=True))

    def _signals(
        self, pool: ThreadPoolExecutor, bars: dict[str, Bars], first: int, last: int, silent: bool
    ) -> dict[str, list[Signals]]:
        """Give the slice's signals of each strategy on each symbol."""
        if self._recording:
            return self._recording.between(first, last, self._symbols)

        def work(name: str) -> list[Signals]:
            if silent:
                self._stage.warm_up(self._states[name], bars[name], last)
                return []
            return self._stage.signals(self._states[name], bars[name], last)

        by_symbol = list(pool.map(work, self._symbols))
        if silent:
            return {}
        return {
            name: [found[place] for found in by_symbol]
            for place, name in enumerate(self._strategies)
        }

    def _trade(
        self,
        pool: ThreadPoolExecutor,
        market: Market,
        found: dict[str, list[Signals]],
        run: str,
        writer: RunWriter,
    ) -> None:
        """Take all accounts through the slice and write what they did."""

        def work(account: Account) -> tuple[Account, Taken, dict[str, rows.Owned]]:
            taken = advance(account, market, found, self._request.weights)
            tables = {TRADE_MATCH_HISTORY.name: rows.match_rows(account, taken, run)}
            if self._request.trace:
                tables |= rows.trace_rows(account, taken, self._strategies, run)
            return account, taken, tables

        for account, taken, tables in pool.map(work, self._accounts):
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
            writer.put("quarantine_history", self._recording.quarantine)
        writer.put_state("accounts", {one.name: one.to_bytes() for one in self._accounts})
        closes = zip(self._last_close.tolist(), self._last_ts.tolist(), strict=True)
        writer.put_state(
            "symbols",
            {name: state.to_bytes() for name, state in self._states.items()},
            complete_to=self._window.complete_to,
            end=self._window.complete_to if self._request.end is None else self._request.end,
            closes=dict(zip(self._symbols, closes, strict=True)),
        )
