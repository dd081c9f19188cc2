"""What a backtest is asked to do, and the runId that this makes.

The runId is a digest of everything that can change a row: sources of the rules, jobs and
this runtime, strategies and parameters, symbols, window, layout, capital, limits, costs,
instruments, weights, the bars and signals read, and the run that it resumes. How it is
computed (threads, slices) and what else is kept beside the matches (trace) is not in it.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from streaming.errors import SettingsError, SourceError
from streaming.instruments import Instruments
from streaming.jobs.strategies.base import Strategy
from streaming.lake import DayInfo
from streaming.rules.fills import RATE_PER_BPS
from streaming.rules.holdings import Rules
from streaming.rules.sizing import NO_LIMIT
from streaming.rules.units import LIMIT, SCALE
from streaming.rules.weights import WeightSchedule
from streaming.runtimes.backtest.sources import sources_digest
from streaming.settings import Settings

LAYOUTS = ("per-strategy", "shared")
SHARED_ACCOUNT = "bt:shared"

_MS_US = 1000

# Settings may be as large as anybody likes; the rules reckon with int64. None of these can
# be told from no limit at all: a billion symbols, three thousand years, 40 billion.
_MOST_PLACES = 10**9
_LONGEST_US = 10**17
_NO_LIMIT_FROM = 4 * LIMIT


@dataclass(frozen=True)
class BacktestRequest:
    """What to run.

    Attributes
    ----------
    strategies
        At least one, ids unique; not looked at where signals are recorded ones.
    symbols
        Sorted; None: all that the lake has.
    start, end
        Microseconds UTC, signals with start < ts <= end; None: from the first, to the last
        bar. A run that resumes another starts where that one ended unless told otherwise.
    layout
        `per-strategy`: each strategy alone in account `bt:<id>`, weight 1; `shared`: all in
        one account, with equal weights or those of `weights`.
    signals
        Recorded signals (Parquet or CSV) to use in place of the strategies'.
    roster
        Who takes part where signals are recorded, and so has its part of a shared account,
        silent or not; signals of others are quarantined. None: those that the file has
        signals of, and those of the run that is resumed.
    resume
        runId or name of the run whose state to go on from.
    rows_after
        Microseconds UTC: trade from `start`, but keep the rows after this time alone. Windows
        asked for like this are those of one backtest; see `continuing`.
    name
        A name to keep with the runId.
    trace
        Keep signals, accepted and rejected signals, order events and exec reports too.
    final_unrealized
        Add the unrealised snapshot at the last prices.
    threads
        How many threads may work; rows do not depend on it.
    """

    settings: Settings
    strategies: tuple[Strategy, ...]
    symbols: tuple[str, ...] | None = None
    start: int | None = None
    end: int | None = None
    layout: str = "per-strategy"
    instruments: Instruments = field(default_factory=Instruments)
    weights: WeightSchedule | None = None
    signals: Path | None = None
    roster: tuple[str, ...] | None = None
    resume: str | None = None
    rows_after: int | None = None
    name: str | None = None
    trace: bool = False
    final_unrealized: bool = False
    threads: int = 2

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise SettingsError(f"Account layout {self.layout!r}: must be one of {LAYOUTS}.")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise SettingsError("The window's end is not after its start.")
        if self.symbols is not None and not self.symbols:
            raise SettingsError("No symbol is named. Name some, or None for all that the lake has.")
        if self.weights is not None and self.layout != "shared":
            raise SettingsError("Weights are for the shared account; alone, each weighs 1.")
        if self.rows_after is not None:
            self._check_rows_after(self.rows_after)
        if self.roster is not None and self.signals is None:
            raise SettingsError("A roster is for recorded signals; strategies name themselves.")
        ids = [one.id for one in self.strategies]
        if self.signals is None and (not ids or len(set(ids)) != len(ids)):
            raise SettingsError(f"Strategies {ids}: name at least one, and none twice.")

    def _check_rows_after(self, rows_after: int) -> None:
        if self.resume is not None or self.signals is not None:
            raise SettingsError(
                "Rows after a time are of a backtest from prices, which finds by itself what to "
                "go on from: leave out the run to resume, and recorded signals."
            )
        if self.end is not None and self.end <= rows_after:
            raise SettingsError("The window's end is not after the time whose rows are kept.")
        if self.start is not None and rows_after < self.start:
            raise SettingsError("The rows kept cannot begin before the window's start.")

    @property
    def capital(self) -> int:
        """Give the account's capital, x 1e8."""
        return to_units(self.settings.account.capital)


def to_units(amount: Decimal) -> int:
    """Give a setting's amount x 1e8; settings hold no more places than that."""
    return int(amount * SCALE)


def account_rules(settings: Settings) -> Rules:
    """Turn the settings of an account into the numbers that the rules take."""
    gate = settings.tradepicker
    capital = settings.account.capital
    limits = settings.limits
    return Rules(
        max_open=min(gate.max_open_positions, _MOST_PLACES),
        sell_requires_long=int(gate.sell_requires_long),
        reserve_on_open=int(gate.reserve_on_open),
        ttl=min(gate.reservation_ttl_ms * _MS_US, _LONGEST_US),
        gate_per_strategy=int(gate.key == "account+strategy"),
        capital=to_units(capital),
        order_limit=_limit(limits.per_order * capital),
        symbol_limit=_limit(limits.per_symbol * capital),
        gross_limit=_limit(limits.gross * capital),
        slippage=_rate(settings.costs.slippage_bps),
        fee_rate=_rate(settings.costs.fee_bps),
    )


def _limit(amount: Decimal) -> int:
    units = to_units(amount)
    return units if units < _NO_LIMIT_FROM else NO_LIMIT


def _rate(bps: Decimal) -> int:
    """Give a rate x 1e8; settings hold no more places than that."""
    return int(bps * RATE_PER_BPS)


def bars_digest(days: Iterable[DayInfo], symbols: Iterable[str]) -> str:
    """Give the digest of some symbols' bars on some days, from what their footers say."""
    wanted = sorted(symbols)
    lines = [
        f"{info.day} {symbol} {rows} {content}\n"
        for info in days
        for symbol in wanted
        if symbol in info.symbols
        for rows, content in (info.symbols[symbol],)
    ]
    return hashlib.blake2b("".join(lines).encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Give the digest of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}).") from error


def time_text(ts: int | None) -> str | None:
    """Write a time (microseconds UTC) as ISO 8601, to the second where it is whole."""
    if ts is None:
        return None
    seconds, rest = divmod(ts, 1_000_000)
    return f"{np.datetime64(ts, 'us') if rest else np.datetime64(seconds, 's')}Z"


def weights_digest(request: BacktestRequest, complete_to: int) -> str | None:
    """Give the digest of the weights that a request's signals take up to a time."""
    if request.weights is None:
        return None
    # Recorded signals may name any strategy.
    names = None if request.signals else [one.id for one in request.strategies]
    return request.weights.digest(names, complete_to)


def define(
    request: BacktestRequest,
    symbols: list[str],
    bars: str,
    signals: str | None,
    resumes: str | None,
    complete_to: int,
) -> dict[str, Any]:
    """Give what defines a run, as JSON values.

    Parameters
    ----------
    symbols
        Those that take part, sorted.
    bars, signals
        Digests of what is read.
    resumes
        runId of the run whose state this one goes on from.
    complete_to
        Microseconds UTC: weights that take effect later decide nothing.
    """
    return {
        "sources": sources_digest(),
        "strategies": [
            {"id": one.id, "version": one.version, "params": one.params}
            for one in sorted(request.strategies, key=lambda one: one.id)
            if request.signals is None
        ],
        "roster": None if request.roster is None else sorted(set(request.roster)),
        "symbols": symbols,
        "start": time_text(request.start),
        "end": time_text(request.end),
        "layout": request.layout,
        "account": account_rules(request.settings)._asdict(),
        "instruments": request.instruments.digest,
        "weights": weights_digest(request, complete_to),
        "bars": bars,
        "signals": signals,
        "resumes": resumes,
    }


def run_id(definition: dict[str, Any]) -> str:
    """Give the runId (20 hex digits) of a definition."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
