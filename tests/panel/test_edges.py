"""Single cases by hand: boundaries without a trade, gaps, and what is refused."""

import numpy as np
import pytest

from streaming.errors import StateError
from streaming.jobs import panel_state
from streaming.jobs.indicator_panel import IndicatorPanel
from streaming.jobs.indicators import IndicatorState
from streaming.jobs.panel import SymbolPanel
from streaming.jobs.strategies import make, select
from streaming.rules.bars import MINUTE_US, Bars, no_bars
from streaming.rules.indicators import close, sma
from streaming.rules.indicators.calls import calls_of
from streaming.rules.indicators.panel import SeriesPanel
from streaming.rules.indicators.series import Call, Plan

from .twins import mirror

HOUR = 60 * MINUTE_US
START = 1_704_067_200_000_000
"""A midnight, UTC."""

NONE = np.empty(0, np.int64)


def bars(*minutes: int, price: int = 100) -> Bars:
    ts = START + MINUTE_US * np.array(minutes, np.int64)
    prices = np.full(len(ts), price * 10**8, np.int64) + np.arange(len(ts)) * 10**8
    return Bars(ts, prices, prices, prices, prices, np.ones(len(ts)))


def closes(panel: IndicatorPanel, name: str, waves) -> list[list[tuple[int, int, float]]]:
    """(code, minute, close) of each row of a timeframe, by wave."""
    row = panel.series(name).row_of[close()]
    return [
        [
            (code, (ts - START) // MINUTE_US, value)
            for code, ts, value in zip(
                *map(np.ndarray.tolist, (w.codes, w.ts, w.now[row])), strict=True
            )
        ]
        for w in waves[name]
    ]


def panel_of(*names: str, timeframes=("M1", "M5", "H1")) -> IndicatorPanel:
    panel = IndicatorPanel([close(one) for one in timeframes])
    panel.add(list(names))
    return panel


def test_an_hour_ends_on_the_clock_though_no_trade_came():
    panel = panel_of("A", "B")
    panel.advance(np.array([0]), bars(50), START + 50 * MINUTE_US)
    early = panel.advance(NONE, no_bars(), START + HOUR - 1)
    assert early["H1"] == []
    on_time = panel.advance(NONE, no_bars(), START + HOUR)
    assert closes(panel, "H1", on_time) == [[(0, 60, 100.0)]]
    assert on_time["M1"] == []
    # Said again, or later, it is no news.
    assert panel.advance(NONE, no_bars(), START + 2 * HOUR)["H1"] == []


def test_a_bar_after_a_gap_ends_the_old_hour_and_its_own():
    panel = panel_of("A", "B")
    panel.advance(np.array([0, 1]), bars(50, 50), 0)
    waves = panel.advance(np.array([1, 0]), bars(180, 175), 0)
    assert closes(panel, "H1", waves) == [[(0, 60, 100.0), (1, 60, 101.0)], [(1, 180, 100.0)]]
    assert closes(panel, "M5", waves) == [[(0, 175, 101.0), (1, 180, 100.0)]]


def test_rows_come_by_code_whatever_the_order_of_the_bars():
    panel = panel_of("A", "B", "C")
    waves = panel.advance(np.array([2, 0, 1]), bars(3, 3, 3), 0)
    assert closes(panel, "M1", waves) == [[(0, 3, 101.0), (1, 3, 102.0), (2, 3, 100.0)]]


def test_an_hour_that_the_clock_ended_is_seen_by_the_next_bar_alone():
    """The bar of 00:58 may not see the hour of 01:00, though both come at once."""
    seen = [mirror("M1", "H1", was) for was in (False, True)]
    panel = SymbolPanel(seen, ["A"], published=False)
    panel.advance(np.array([0]), bars(50), 0)
    fired = []
    for minute, clock in ((58, 60), (61, 61), (62, 62)):
        rows = panel.advance(np.array([0]), bars(minute), START + clock * MINUTE_US)
        fired.append(rows.signals.strategy.tolist())
    assert fired == [[], [0], [0, 1]]


def test_of_two_hours_that_come_at_once_the_older_is_not_seen_too_early():
    """The five minutes to 00:55 end with the bar of 03:00, and so do the hours 01:00 and 03:00."""
    panel = SymbolPanel([mirror("M5", "H1", False)], ["A"], published=False)
    panel.advance(np.array([0]), bars(51), 0)
    rows = panel.advance(np.array([0]), bars(180, price=300), 0)
    assert [len(rows.features[name].ts) for name in ("M5", "H1")] == [2, 2]
    assert rows.signals.ts.tolist() == [START + 3 * HOUR]
    assert rows.signals.confidence.tolist() == [0.3]


def test_late_and_doubled_bars_are_refused_and_change_nothing():
    panel = SymbolPanel(select("all"), ["A", "B"], published=True)
    panel.advance(np.array([0, 1]), bars(4, 5), 0)
    before = panel.states(np.arange(2))
    with pytest.raises(StateError, match=r"bar of B of 2024-01-01T00:05:00\.000000Z came after"):
        panel.advance(np.array([0, 1]), bars(5, 5), 0)
    with pytest.raises(StateError, match="two bars of A in one minute"):
        panel.advance(np.array([0, 1, 0]), bars(6, 6, 7), 0)
    assert panel.states(np.arange(2)) == before
    panel.advance(NONE, no_bars(), START + HOUR)
    with pytest.raises(StateError, match="came after 2024-01-01T01:00"):
        panel.advance(np.array([0]), bars(60), 0)


def test_states_of_other_features_or_strategies_are_refused():
    panel = SymbolPanel([make("sma_cross")], ["A"], published=True)
    bare = SymbolPanel([make("sma_cross")], ["A"], published=False)
    other = SymbolPanel([make("sma_cross", fast=3)], ["A"], published=True)
    with pytest.raises(StateError, match="Indicators of A"):
        panel.load(0, bare.state(0))
    for state in (other.state(0), other.states(np.array([0]))[0]):
        with pytest.raises(StateError, match="other"):
            panel.load(0, state)
    # What was refused has changed nothing.
    assert panel.states(np.array([0])) == SymbolPanel(
        [make("sma_cross")], ["A"], published=True
    ).states(np.array([0]))


def test_a_saved_panel_goes_to_symbols_by_name():
    panel = SymbolPanel(select("all"), ["A", "B", "C"], published=True)
    for minute in range(1, 70):
        panel.advance(np.array([0, 2]), bars(minute, minute), -1)
    data = panel.to_bytes(np.array([2, 0]))
    other = SymbolPanel(select("all"), ["X", "A"], published=True)
    assert other.restore(data).tolist() == [2, 1]
    assert other.symbols == ["X", "A", "C"]
    assert other.states(np.array([1, 2])) == panel.states(np.array([0, 2]))
    assert other.to_bytes(np.array([2, 1])) == data
    assert other.states(np.array([0])) == panel.states(np.array([1]))


def test_a_saved_panel_of_others_is_refused(monkeypatch):
    panel = SymbolPanel([make("sma_cross")], ["A"], published=True)
    data = panel.to_bytes(np.array([0]))
    for other in (
        SymbolPanel([make("sma_cross")], ["B"], published=False),
        SymbolPanel([make("sma_cross", fast=3)], ["B"], published=True),
    ):
        with pytest.raises(StateError, match="other strategies"):
            other.restore(data)
        assert other.symbols == ["B"]
    with pytest.raises(StateError, match="damaged"):
        panel.restore(data[:-1] + b"x")
    monkeypatch.setattr(panel_state, "VERSION", "2")
    with pytest.raises(StateError, match="version 1 of the indicator rules"):
        panel.restore(data)


def test_a_panel_without_symbols_or_strategies_gives_nothing():
    panel = SymbolPanel([], [], published=False)
    rows = panel.advance(NONE, no_bars(), START)
    assert rows.features == {}
    assert len(rows.signals.ts) == 0
    assert panel.history_rows(rows, 0).num_rows == 0
    empty = SymbolPanel(select("all"), [], published=True)
    rows = empty.advance(NONE, no_bars(), START)
    assert all(len(one.ts) == 0 for one in rows.features.values())
    assert all(found == [] for found in empty.by_symbol(rows.signals).values())


def test_many_symbols_that_come_one_by_one_keep_their_state():
    panel = panel_of("A", timeframes=("M1", "H1"))
    for code in range(1, 200):
        panel.advance(np.arange(code), bars(*[code] * code), 0)
        assert panel.add([f"S{code}"]).tolist() == [code]
    assert panel.state(0).timeframes["M1"].series.seen == 199
    assert panel.state(199).to_bytes() == IndicatorState([close("M1"), close("H1")]).to_bytes()
    assert panel.symbols[199] == "S199"


def test_a_state_is_a_copy():
    panel = SymbolPanel(select("all"), ["A"], published=True)
    panel.advance(np.array([0]), bars(1), 0)
    state = panel.state(0)
    data = state.to_bytes()
    panel.advance(np.array([0]), bars(2), 0)
    assert state.to_bytes() == data
    panel.load(0, state)
    panel.advance(np.array([0]), bars(2), 0)
    assert state.to_bytes() == data


def test_a_kernel_of_four_outputs_is_refused():
    call = Call(lambda: None, np.empty(0), slice(0, 0), 4, ())
    with pytest.raises(ValueError, match="over 3 outputs"):
        calls_of(Plan((call,), 0, 0))


def test_the_window_moves_on_without_losing_a_bar():
    """A symbol's row of the table is shorter than a day of minutes."""
    panel = SeriesPanel([sma(3), sma(40)])
    panel.reserve(1)
    prices = np.arange(1, 1500)
    for minute in prices.tolist():
        wave = panel.advance(np.array([0]), bars(minute, price=minute))
        for length in (3, 40):
            value = wave.now[panel.row_of[sma(length)], 0]
            if minute < length:
                assert np.isnan(value)
            else:
                assert value == prices[minute - length : minute].mean()
