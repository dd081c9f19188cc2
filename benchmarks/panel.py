"""What a live minute costs before any account sees it: `python -m benchmarks.panel`.

All symbols' bars of one minute to feature rows of every published feature on six timeframes,
to the signals of all strategies, and to Arrow rows of `indicator_history`. The symbols start
with 2,000 bars each (some walks, warmed by `SymbolStage` and shared out); the minutes cross
midnight, where every timeframe ends at once. In each minute one symbol in twenty is silent.
"""

import argparse
import gc
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from streaming.jobs.panel import SymbolPanel
from streaming.jobs.strategies import select
from streaming.jobs.symbol_stage import SymbolStage
from streaming.rules.bars import DAY_US, MINUTE_US, Bars
from streaming.rules.units import SCALE

WARM = 2_000
MINUTES = 75
WALKS = 40
CHUNK = 500
MIDNIGHT = 1_704_153_600_000_000 // DAY_US * DAY_US


def walk(seed: int, first: int, count: int) -> Bars:
    """Make a random walk in cents, a bar every minute from `first` on."""
    random = np.random.default_rng(seed)
    moves = random.integers(-6, 7, count)
    close = (20_000 + np.cumsum(moves)) * (SCALE // 100)
    opened = np.concatenate((close[:1], close[:-1]))
    reach = random.integers(0, 5, (2, count)) * (SCALE // 100)
    high, low = np.maximum(opened, close) + reach[0], np.minimum(opened, close) - reach[1]
    ts = first + MINUTE_US * np.arange(count)
    return Bars(ts, opened, high, low, close, random.lognormal(6, 1, count))


def warmed(symbols: int) -> tuple[SymbolPanel, list[Bars]]:
    """Give a panel that has seen 2,000 bars of each symbol, and the walks' next minutes."""
    strategies = select("all")
    stage = SymbolStage(strategies, published=True)
    panel = SymbolPanel(strategies, [f"S{code:05}" for code in range(symbols)], published=True)
    start = MIDNIGHT - (MINUTES - 10) * MINUTE_US
    walks = [walk(seed, start - WARM * MINUTE_US, WARM + MINUTES) for seed in range(WALKS)]
    states = []
    for one in walks[:symbols]:
        states.append(stage.new_state())
        stage.warm_up(states[-1], one.rows(0, WARM), int(one.ts[WARM - 1]))
    for code in range(symbols):
        panel.load(code, states[code % WALKS])
    return panel, [one.rows(WARM, WARM + MINUTES) for one in walks]


def measure(symbols: int) -> None:
    """Take a panel through the minutes and print what each part took."""
    began = time.perf_counter()
    panel, walks = warmed(symbols)
    print(f"{symbols} symbols, {len(panel.strategies)} strategies")
    print(f"  warm-up and load: {time.perf_counter() - began:.1f} s")
    _per_symbol(panel, walks[0])
    columns = [np.stack([one[column] for one in walks], axis=1) for column in range(6)]
    which = np.arange(symbols) % WALKS
    random = np.random.default_rng(1)
    took: dict[str, list[float]] = {"indicators": [], "strategies": [], "Arrow rows": []}
    rows = signals = 0
    cpu: list[float] = []
    gc.collect()
    for minute in range(MINUTES):
        codes = np.flatnonzero(random.random(symbols) < 0.95)
        bars = Bars(*(column[minute][which[codes]] for column in columns))
        inner = _timed(panel)
        worked, start = time.thread_time(), time.perf_counter()
        found = panel.advance(codes, bars, int(walks[0].ts[minute]))
        middle = time.perf_counter()
        rows += panel.history_rows(found, int(walks[0].ts[minute])).num_rows
        end = time.perf_counter()
        cpu.append(time.thread_time() - worked)
        signals += len(found.signals.ts)
        took["indicators"].append(inner[0])
        took["strategies"].append(middle - start - inner[0])
        took["Arrow rows"].append(end - middle)
    took["all"] = np.sum(list(took.values()), axis=0).tolist()
    took["processor"] = cpu
    for name, seconds in took.items():
        p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
        print(
            f"  {name:<11} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   worst {max(seconds) * 1e3:8.2f}"
        )
    peak = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )
    _save_and_restore(panel)
    print(f"  {rows} rows, {signals} signals; resident {peak / 2**20:.0f} MiB")


def _save_and_restore(panel: SymbolPanel) -> None:
    start = time.perf_counter()
    for first in range(0, len(panel.symbols), CHUNK):
        data = panel.to_bytes(np.arange(first, min(first + CHUNK, len(panel.symbols))))
    saved = time.perf_counter() - start
    start = time.perf_counter()
    panel.restore(data)
    restored = time.perf_counter() - start
    print(
        f"  all state to bytes: {saved * 1e3:.0f} ms; the last {CHUNK} symbols at most from bytes: "
        f"{restored * 1e3:.0f} ms ({len(data) / 2**20:.1f} MiB)"
    )


def _per_symbol(panel: SymbolPanel, bars: Bars) -> None:
    """Say what the next minutes of one symbol take without a panel."""
    stage, state = SymbolStage(panel.strategies, published=True), panel.state(0)
    took = []
    for row in range(len(bars)):
        start = time.perf_counter()
        stage.signals(state, bars.rows(row, row + 1), int(bars.ts[row]))
        took.append(time.perf_counter() - start)
    print(f"  one symbol alone: p50 {np.median(took) * 1e3:.2f} ms a minute, without Arrow rows")


def _timed(panel: Any) -> list[float]:
    """Note how long the panel's indicators take in its next call."""
    inner = type(panel._indicators).advance
    took: list[float] = []

    def advance(*given: Any) -> Any:
        start = time.perf_counter()
        found = inner(panel._indicators, *given)
        took.append(time.perf_counter() - start)
        return found

    panel._indicators.advance = advance
    return took


def main() -> None:
    """Measure each number of symbols."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.panel", description=__doc__)
    parser.add_argument("symbols", nargs="*", type=int, default=[200, 10_000])
    for symbols in parser.parse_args().symbols:
        measure(symbols)


if __name__ == "__main__":
    main()
