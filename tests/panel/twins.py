"""A panel and, for each of its symbols, the per-symbol code; both take every minute."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from streaming.jobs.panel import PanelRows, SymbolPanel
from streaming.jobs.strategies import Actions, Rows, Strategy, actions
from streaming.jobs.strategies.signals import Signals
from streaming.jobs.symbol_stage import SymbolStage
from streaming.rules.bars import MINUTE_US, Bars, join_bars, no_bars
from streaming.rules.indicators import close


def mirror(anchor: str, source: str, was: bool) -> Strategy:
    """A strategy that acts at every row, as surely as a close of `source` tells it there."""
    one = close() if source == anchor else close(source)

    def signals(self: Strategy, now: Rows, before: Rows) -> Actions:
        seen = (before if was else now)[one]
        return actions(buy=seen > 0.0, sell=False, confidence=seen / 1_000.0)

    body = {
        "id": f"mirror_{anchor}_{source}_{was}",
        "version": 1,
        "family": "trend",
        "buys": "always",
        "sells": "never",
        "anchor": anchor,
        "needs": lambda self: [one],
        "signals": signals,
    }
    made = dataclasses.dataclass(frozen=True, kw_only=True)(type("Mirror", (Strategy,), body))
    return made()


def minutes_of(market: Sequence[Bars]) -> list[int]:
    """Every minute at which some symbol has a bar."""
    return sorted(set(np.concatenate([bars.ts for bars in market]).tolist()))


def at_minute(market: Sequence[Bars], codes: Sequence[int], minute: int) -> dict[int, Bars]:
    """The bar of each symbol that has one at a minute."""
    found = {}
    for code in codes:
        row = int(np.searchsorted(market[code].ts, minute))
        if row < len(market[code]) and market[code].ts[row] == minute:
            found[code] = market[code].rows(row, row + 1)
    return found


class Twins:
    """Feeds both, and checks that rows, signals and states are the same to the bit."""

    def __init__(self, strategies: list[Strategy], symbols: int, *, published: bool) -> None:
        self.strategies, self.published = strategies, published
        self.stage = SymbolStage(strategies, published=published)
        self.panel = SymbolPanel(strategies, _names(0, symbols), published=published)
        self.states = [self.stage.new_state() for _ in range(symbols)]
        self.rows = self.signals = 0

    def list_symbols(self, count: int) -> None:
        """New symbols, that had no bar so far."""
        start = len(self.states)
        codes = self.panel.add(_names(start, count))
        assert codes.tolist() == list(range(start, start + count))
        self.states += [self.stage.new_state() for _ in range(count)]

    def warm_up(self, market: Sequence[Bars], until: int) -> None:
        """Both take the bars before a time at once."""
        for code, twin in enumerate(self.states):
            bars = market[code].rows(0, int(np.searchsorted(market[code].ts, until)))
            self.stage.warm_up(twin, bars, until - MINUTE_US)
            self.panel.load(code, twin)

    def minute(self, bars: dict[int, Bars], complete_to: int) -> PanelRows:
        """Take both through a minute; the order of the bars is that of the dict."""
        codes = np.array(list(bars), np.int64)
        given = self.panel.advance(codes, join_bars(list(bars.values())), complete_to)
        signals = self.panel.by_symbol(given.signals)
        rows = 0
        for code, state in enumerate(self.states):
            one = bars.get(code, no_bars())
            ((features, found),) = self.stage.blocks(state, one, complete_to)
            for timeframe, expected in features.items():
                rows += len(expected.ts)
                mine = given.features[timeframe].codes == code
                assert given.features[timeframe].ts[mine].tolist() == expected.ts.tolist()
                values = given.features[timeframe].values
                assert values.keys() == expected.values.keys()
                for feature, column in expected.values.items():
                    assert values[feature][mine].tobytes() == column.tobytes(), feature
            for strategy, wanted in zip(self.strategies, found, strict=True):
                assert_same_signals(signals[strategy.id][code], wanted)
                self.signals += len(wanted.ts)
        self.rows += rows
        # Nothing of symbols or strategies that are not there.
        assert sum(len(one.ts) for one in given.features.values()) == rows
        found_there = sum(len(one.ts) for by in signals.values() for one in by)
        assert found_there == len(given.signals.ts)
        return given

    def check_states(self) -> None:
        """Saved states are the same bytes."""
        codes = np.arange(len(self.states))
        assert self.panel.states(codes) == [state.to_bytes() for state in self.states]

    def save_and_load(self, code: int) -> None:
        """The symbol's panel state goes through bytes, and its twin's too."""
        (data,) = self.panel.states(np.array([code]))
        self.panel.load(code, data)
        self.states[code] = self.stage.restore(data)

    def restart(self, *, whole: bool) -> None:
        """All states go into a fresh panel, in one piece or symbol by symbol."""
        codes = np.arange(len(self.states))
        saved = self.panel.states(codes)
        pieces = [self.panel.to_bytes(codes[::2]), self.panel.to_bytes(codes[1::2])]
        names = [] if whole else _names(0, len(codes))
        self.panel = SymbolPanel(self.strategies, names, published=self.published)
        if not whole:
            for code, data in enumerate(saved):
                self.panel.load(code, data)
            assert [self.panel.to_bytes(codes[k::2]) for k in (0, 1)] == pieces
            return
        # Symbols come back in another order: by name they go where they were.
        self.panel.add(_names(0, len(codes)))
        for data in reversed(pieces):
            self.panel.restore(data)
        assert self.panel.states(codes) == saved

    def catch_up(self, market: Sequence[Bars], first: int, last: int) -> None:
        """All minutes from `first` to `last` go through `SymbolStage` at once, then back.

        The twins take them minute by minute, so that switching is no part of what they do.
        """
        for code, twin in enumerate(self.states):
            bars = market[code].rows(*np.searchsorted(market[code].ts, [first, last + 1]).tolist())
            state = self.panel.state(code)
            signals = self.stage.signals(state, bars, last)
            self.panel.load(code, state)
            parts = [
                self.stage.signals(twin, bars.rows(row, row + 1), 0) for row in range(len(bars))
            ]
            parts.append(self.stage.signals(twin, no_bars(), last))
            for one, *others in zip(signals, *parts, strict=True):
                columns = (np.concatenate(column) for column in zip(*others, strict=True))
                assert_same_signals(one, Signals._make(columns))


def assert_same_signals(one: Signals, other: Signals) -> None:
    for name, mine, wanted in zip(Signals._fields, one, other, strict=True):
        assert mine.dtype == wanted.dtype, name
        assert mine.tobytes() == wanted.tobytes(), name


def play(
    twins: Twins, market: Sequence[Bars], seed: int, minutes: Sequence[int], *, stir: float
) -> None:
    """Feed minutes in random order of symbols, with clocks, switches and restarts between.

    `stir` is the chance of each of them after a minute. Symbols of the market that the twins
    do not have yet are listed on the way.
    """
    random = np.random.default_rng(seed)
    at = 0
    while at < len(minutes):
        minute = minutes[at]
        at += 1
        after = minutes[at] if at < len(minutes) else minute + MINUTE_US
        # What is known to be complete may lag, or run ahead of the last bar up to the next.
        known = int(random.choice([0, minute - MINUTE_US, minute, after - MINUTE_US]))
        bars = at_minute(market, range(len(twins.states)), minute)
        codes = random.permutation(list(bars)).tolist()
        if random.random() < 0.2:
            # Symbols come in two calls; the minute is complete with the second.
            twins.minute({code: bars[code] for code in codes[:2]}, minute - MINUTE_US)
            codes = codes[2:]
        twins.minute({code: bars[code] for code in codes}, known)
        if random.random() < stir:
            twins.minute({}, after - MINUTE_US)
        if random.random() < stir:
            twins.save_and_load(int(random.integers(len(twins.states))))
        if random.random() < stir:
            stop = min(at + int(random.integers(1, 60)), len(minutes))
            if stop > at:
                twins.catch_up(market, minutes[at], minutes[stop - 1])
            at = stop
        if random.random() < stir:
            twins.check_states()
        if random.random() < stir / 2:
            twins.restart(whole=bool(random.integers(2)))
        if random.random() < stir and len(twins.states) < len(market):
            twins.list_symbols(1)
    twins.check_states()


def _names(start: int, count: int) -> list[str]:
    return [f"S{number}" for number in range(start, start + count)]
