"""What is measured, against whom, and what is to be reached: the table of the benchmark.

Each function gives one workload for a `Scale`: the contenders, the comparisons between
them with their targets, and which of their findings must be equal.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.inputs import YEAR_BARS
from benchmarks.session import Contender


@dataclass(frozen=True)
class Comparison:
    """A ratio with its target.

    Attributes
    ----------
    ours, peer : str
        Names of contenders; no peer: the figure itself is held against the target.
    measure : str
        `speed`: units per second, ours over the peer's, at least `reach`.
        `time`: seconds, ours over the peer's, at most `reach`.
        `memory`: peak MiB, ours over the peer's (or ours alone), at most `reach`.
    note : str
        What a reader of the row must know.
    """

    ours: str
    peer: str | None
    measure: Literal["speed", "time", "memory"]
    reach: float
    note: str = ""


@dataclass(frozen=True)
class Agreement:
    """Findings that contenders must share, each within a relative tolerance."""

    contenders: tuple[str, ...]
    findings: tuple[str, ...]
    tolerance: float = 0.0


@dataclass(frozen=True)
class Workload:
    """One row group of the table."""

    code: str
    title: str
    unit: str
    contenders: list[Contender]
    comparisons: list[Comparison]
    agreements: list[Agreement] = field(default_factory=list)


@dataclass(frozen=True)
class Scale:
    """Sizes of the inputs: the issue's own, or small ones that only show that all works."""

    fills: tuple[int, ...] = (1_000_000, 10_000_000)
    keys: int = 1_000
    year: int = YEAR_BARS
    nautilus_bars: int = 100_000
    symbols: int = 50
    strategies: int = 20
    signals: int = 500_000
    growth_symbols: int = 5


FULL = Scale()
QUICK = Scale(
    fills=(100_000,),
    year=28_800,
    nautilus_bars=10_000,
    symbols=4,
    signals=20_000,
    growth_symbols=2,
)


def p1(scale: Scale) -> list[Workload]:
    """FIFO matching against vectorbt, for each number of fills."""
    return [_fifo(count, scale.keys) for count in scale.fills]


def _fifo(count: int, keys: int) -> Workload:
    size = {"count": count, "keys": keys}
    one, two = "ours, 1 thread", "ours, 2 threads"
    whole, kernel = "vectorbt-rust from_orders+exit_trades", "vectorbt numba exit_trades kernel"
    return Workload(
        "P1",
        f"FIFO, {_short(count)} fills, {keys:,} keys",
        "fills",
        [
            Contender(one, "project", "own.fifo", {**size, "threads": 1}),
            Contender(two, "project", "own.fifo", {**size, "threads": 2}),
            Contender(whole, "vbt", "peers.vectorbt_fifo", {**size, "part": "whole"}),
            Contender(kernel, "vbt", "peers.vectorbt_fifo", {**size, "part": "kernel"}),
        ],
        [
            Comparison(two, whole, "speed", 5.0, "ours exact, with ids and fee shares"),
            Comparison(one, whole, "speed", 5.0, "ours exact, with ids and fee shares"),
            Comparison(one, kernel, "speed", 0.7, "the kernel's records are made beforehand"),
            Comparison(two, kernel, "speed", 1.0, "the kernel's records are made beforehand"),
        ],
        [
            Agreement((one, two, whole, kernel), ("closing_fills", "closed_units")),
            # vectorbt adds up floats.
            Agreement((one, two, whole, kernel), ("profit",), 1e-6),
        ],
    )


def p2(scale: Scale) -> list[Workload]:
    """Run one SMA cross from arrays to metrics against raptorbt and nautilus."""
    ours, raptor, nautilus = "ours", "raptorbt single", "nautilus_trader"
    fewer = "ours on nautilus's bars"
    few = scale.nautilus_bars
    return [
        Workload(
            "P2",
            f"one SMA cross, {scale.year:,} bars, arrays to metrics",
            "bars",
            [
                Contender(ours, "project", "own.cross", {"count": scale.year}),
                Contender(
                    raptor,
                    "misc",
                    "peers.raptorbt_cross",
                    {"count": scale.year, "symbols": 1, "pairs": 1},
                ),
                Contender(fewer, "project", "own.cross", {"count": few}),
                Contender(nautilus, "nt", "peers.nautilus_cross", {"count": few}),
            ],
            [
                Comparison(ours, raptor, "speed", 3.0),
                Comparison(
                    ours,
                    nautilus,
                    "speed",
                    1_000.0,
                    f"nautilus runs {few:,} bars and no metrics; speeds compared",
                ),
            ],
            [Agreement((ours, raptor), ("trades",)), Agreement((fewer, nautilus), ("trades",))],
        )
    ]


def p3(scale: Scale) -> list[Workload]:
    """Run all strategies over all symbols from the lake against raptorbt's batch."""
    ours, raptor = "ours", "raptorbt batch"
    size = {"count": scale.year, "symbols": scale.symbols}
    own = {**size, "strategies": scale.strategies, "lake-count": scale.year}
    return [
        Workload(
            "P3",
            f"{scale.symbols} symbols x {scale.year:,} bars x {scale.strategies} strategies",
            "strategy-bars",
            [
                Contender(ours, "project", "own.backtest", own),
                Contender(
                    raptor, "misc", "peers.raptorbt_cross", {**size, "pairs": scale.strategies}
                ),
            ],
            [
                Comparison(ours, raptor, "speed", 3.0, "ours from Parquet, raptorbt from arrays"),
                Comparison(ours, None, "memory", 4_096.0, "peak MiB of the process"),
            ],
        )
    ]


def p4(scale: Scale) -> list[Workload]:
    """Gate, size, fill and match with no rejection against plain Python with deques."""
    ours, plain = "ours", "plain Python with deques"
    size = {"count": scale.signals, "bars": scale.year, "symbols": scale.symbols}
    return [
        Workload(
            "P4",
            f"gate + fill + FIFO, {scale.signals:,} signals, none rejected",
            "signals",
            [
                Contender(ours, "project", "own.gate", size),
                Contender(plain, "project", "peers.plain_engine", size),
            ],
            [Comparison(ours, plain, "speed", 10.0)],
            [Agreement((ours, plain), ("fills", "matches", "rejected", "digest"))],
        )
    ]


def p5(scale: Scale) -> list[Workload]:
    """Compute five indicators against TA-Lib and polars."""
    one, two, talib, polars = "ours, 1 thread", "ours, 2 threads", "TA-Lib", "polars"
    size = {"count": scale.year, "symbols": scale.symbols}
    names = ("sma", "ema", "rsi", "atr", "upper", "lower")
    return [
        Workload(
            "P5",
            f"SMA EMA RSI ATR Bollinger, {scale.symbols} x {scale.year:,} bars",
            "bars",
            [
                Contender(one, "project", "own.indicators", {**size, "threads": 1}),
                Contender(two, "project", "own.indicators", {**size, "threads": 2}),
                Contender(talib, "own", "peers.indicators", {**size, "library": "talib"}),
                Contender(polars, "own", "peers.indicators", {**size, "library": "polars"}),
            ],
            [
                Comparison(one, talib, "speed", 1.0, "TA-Lib on one thread too"),
                Comparison(two, talib, "speed", 1.0, "TA-Lib on one thread"),
                Comparison(one, polars, "speed", 5.0, "polars on its own threads"),
            ],
            [Agreement((one, two, talib, polars), names, 1e-9)],
        )
    ]


START = """
from benchmarks.own.start import first_result
print(first_result())
"""


def p9(scale: Scale) -> list[Workload]:
    """Start a process and get the first kernel result, against importing vectorbt."""
    ours, peer = "ours, to a first match", "import vectorbt"
    return [
        Workload(
            "P9",
            "process start to a first line, warm caches",
            "starts",
            [
                Contender(ours, "project", START, whole=True),
                Contender(peer, "vbt", "import vectorbt; print('imported')", whole=True),
            ],
            [Comparison(ours, peer, "time", 0.25)],
        )
    ]


def p10(scale: Scale) -> list[Workload]:
    """Backtest ten times the bars: time in proportion, memory flat."""
    few, many = "N bars", "10 N bars"
    count = scale.year // 10
    size = {"symbols": scale.growth_symbols, "strategies": scale.strategies}
    lake = {"lake-count": scale.year}
    return [
        Workload(
            "P10",
            f"backtest, {scale.growth_symbols} symbols, N = {count:,} bars each",
            "strategy-bars",
            [
                Contender(few, "project", "own.backtest", {**size, **lake, "count": count}),
                Contender(many, "project", "own.backtest", {**size, **lake, "count": scale.year}),
            ],
            [
                Comparison(many, few, "time", 10.5),
                Comparison(many, few, "memory", 1.2, "peak resident memory of the process"),
            ],
        )
    ]


WORKLOADS: dict[str, Callable[[Scale], list[Workload]]] = {
    "P1": p1,
    "P2": p2,
    "P3": p3,
    "P4": p4,
    "P5": p5,
    "P9": p9,
    "P10": p10,
}


def _short(count: int) -> str:
    return f"{count // 1_000_000}M" if count >= 1_000_000 else f"{count:,}"
