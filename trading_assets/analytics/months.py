"""Backtests month by month: each a window of one continuous backtest of its strategy.

A month takes the newest state that helps from the lake and trades in silence through any
months between, so months in any order, alone or many at once, give the rows of one backtest
over all of them (`streaming.runtimes.backtest.continuing`). Knows no Dagster.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from streaming.errors import LakeError, TradingError
from streaming.instruments import Instruments
from streaming.jobs.strategies import make, select
from streaming.lake import Lake
from streaming.runtimes.runs import Run
from streaming.settings import Settings
from trading_assets.analytics.partitions import month_bounds
from trading_assets.analytics.sound_prices import SoundPrices

if TYPE_CHECKING:
    from streaming.runtimes.backtest import BacktestRequest

# The runtime brings numba: only where a month is run.

ALL = ""
"""In place of a strategy: all of them, in the shared account."""


@dataclass(frozen=True)
class Plan:
    """What the months are run with.

    Attributes
    ----------
    settings, instruments
        As they hold, with what a person overrode.
    symbols
        None: all that have prices by the month's end.
    params
        Parameters of strategies that differ from the declared ones, by strategy.
    threads
        How many strategies are run side by side.
    """

    settings: Settings
    instruments: Instruments = field(default_factory=Instruments)
    symbols: tuple[str, ...] | None = None
    params: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    threads: int = 2


@dataclass(frozen=True)
class Month:
    """What became of one month of one strategy.

    Attributes
    ----------
    run
        None: there are no prices up to the month's end yet, or it failed.
    error
        Why it failed; "" where it did not.
    """

    month: str
    strategy: str
    run: Run | None
    seconds: float
    error: str = ""


def run_months(
    lake: Lake, plan: Plan, keys: Iterable[tuple[str, str]], prices: SoundPrices
) -> Iterator[Month]:
    """Run months of strategies.

    Parameters
    ----------
    lake
        Prices in, runs out.
    plan
        What they are run with.
    keys
        (month, strategy); the strategy is `ALL` for the shared account.
    prices
        What is asked whether the bars before a month's end can be trusted. A month that
        rests on others fails, also where it was run when they were sound.

    Yields
    ------
    Month
        One for each key, by month, then strategy, as soon as it is known. One that fails
        stops none of the others.
    """
    with ThreadPoolExecutor(max(plan.threads, 1)) as pool:
        for month, group in groupby(sorted(set(keys)), key=lambda key: key[0]):
            of_month = list(group)
            try:
                prices.require(month_bounds(month)[1])
            except LakeError as error:
                for _, strategy in of_month:
                    yield Month(month, strategy, None, 0.0, str(error))
                continue
            # Later months go on from earlier ones: within a month they are side by side.
            yield from pool.map(lambda key: _run_month(lake, plan, *key), of_month)


def request_of(plan: Plan, month: str, strategy: str) -> "BacktestRequest":
    """Give the request of one month: what `trading backtest --rows-after` would run."""
    from streaming.runtimes.backtest import BacktestRequest

    begin, end = month_bounds(month)
    shared = strategy == ALL
    chosen = select("all") if shared else [make(strategy)]
    strategies = [make(one.id, **plan.params.get(one.id, {})) for one in chosen]
    return BacktestRequest(
        settings=plan.settings,
        strategies=tuple(strategies),
        symbols=plan.symbols,
        rows_after=begin,
        end=end,
        layout="shared" if shared else "per-strategy",
        instruments=plan.instruments,
        final_unrealized=True,
        # What a check of the gate and of fees needs; it does not change the matches.
        trace=shared,
        threads=1,
    )


def _run_month(lake: Lake, plan: Plan, month: str, strategy: str) -> Month:
    from streaming.runtimes.backtest import run_backtest

    begun = time.perf_counter()
    try:
        request = request_of(plan, month, strategy)
        if not _has_prices(lake, request):
            return Month(month, strategy, None, time.perf_counter() - begun)
        run = run_backtest(lake, request)
    except TradingError as error:
        return Month(month, strategy, None, time.perf_counter() - begun, str(error))
    return Month(month, strategy, run, time.perf_counter() - begun)


def run_of_today(lake: Lake, plan: Plan, month: str, strategy: str) -> str | None:
    """Give the runId that a month has as things are now; None: there are no prices for it."""
    from streaming.runtimes.backtest.run import planned_run

    request = request_of(plan, month, strategy)
    return planned_run(lake, request) if _has_prices(lake, request) else None


def _has_prices(lake: Lake, request: "BacktestRequest") -> bool:
    """Tell whether any bar comes after the month's start, and any before its end."""
    days = lake.days()
    if request.symbols is not None:
        wanted = set(request.symbols)
        if wanted - {name for info in days for name in info.symbols}:
            return True  # the run says which of them nobody knows
        days = [info for info in days if not wanted.isdisjoint(info.symbols)]
    begin, end = request.rows_after or 0, request.end or 0
    return bool(days) and days[0].first_ts <= end and days[-1].last_ts > begin


def overridden(settings: Settings, **changes: Mapping[str, object]) -> Settings:
    """Give settings with some values of some sections replaced, checked like any others.

    Parameters
    ----------
    **changes
        By section, the values by attribute: `costs={"fee_bps": Decimal(2)}`.
    """
    sections = {}
    for name, values in changes.items():
        section = getattr(settings, name)
        sections[name] = type(section)(**{**section.model_dump(), **values})
    return settings.model_copy(update=sections)
