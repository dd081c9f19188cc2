"""The indicators job: all timeframes of a symbol at once, with restarts in between."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.contracts import INDICATOR_HISTORY
from streaming.contracts.arrow import arrow_schema
from streaming.contracts.validation import validate
from streaming.errors import SettingsError, StateError
from streaming.jobs import indicators as job
from streaming.jobs.indicators import FeatureRows, IndicatorState, indicator_history_rows, step
from streaming.rules import indicators
from streaming.rules.bars import MINUTE_US, Bars, no_bars
from streaming.rules.indicators import PUBLISHED_FEATURES, Feature, advance, close, new_series, sma
from streaming.rules.timeframes import TIMEFRAMES, aggregate

from .samples import pieces, some_bars

BARS = some_bars(31, 4000, gaps=0.3)
NEEDS = [feature.on(timeframe) for feature in PUBLISHED_FEATURES for timeframe in TIMEFRAMES]


def together(parts: list[dict[str, FeatureRows]]) -> dict[str, dict[str, np.ndarray]]:
    """Join the rows of consecutive steps, each column as its bits."""
    joined = {}
    for name, first in parts[0].items():
        columns = {"ts": np.concatenate([part[name].ts for part in parts])}
        for feature in first.values:
            column = np.concatenate([part[name].values[feature] for part in parts])
            columns[feature.column] = column.view(np.int64)
        joined[name] = columns
    return joined


def assert_same(one: dict[str, dict[str, np.ndarray]], other: dict) -> None:
    assert list(one) == list(other)
    for name, columns in one.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(values, other[name][column], f"{name} {column}")


def run(state: IndicatorState, bars: Bars, complete_to: int = 0) -> dict[str, FeatureRows]:
    return step(state, bars, complete_to)


@pytest.fixture(scope="module")
def at_once() -> dict[str, dict[str, np.ndarray]]:
    return together([run(IndicatorState(NEEDS), BARS)])


@settings(max_examples=12)
@given(data=st.data(), at=st.lists(st.integers(0, len(BARS)), max_size=5))
def test_cuts_restarts_and_the_clock_change_no_row(at_once, data, at):
    state, parts, done = IndicatorState(NEEDS), [], 0
    for piece in pieces(BARS, at):
        done += len(piece)
        limit = int(BARS.ts[done]) - 1 if done < len(BARS) else int(BARS.ts[-1])
        clock = data.draw(st.integers(0, limit) | st.just(limit))
        parts.append(run(state, piece, clock))
        saved = state.to_bytes()
        state = IndicatorState.from_bytes(saved)
        assert state.to_bytes() == saved
        assert state.clock == max(clock, state.clock)
    assert_same(together(parts), at_once)


def test_many_short_batches_give_the_same(at_once):
    state = IndicatorState(NEEDS)
    parts = [run(state, piece) for piece in pieces(BARS, list(range(0, len(BARS), 17)))]
    assert_same(together(parts), at_once)


def test_a_timeframe_computes_on_its_own_bars(at_once):
    for name, minutes in TIMEFRAMES.items():
        bars = BARS if minutes == 1 else aggregate(no_bars(), BARS, 0, minutes)[0]
        alone = advance(new_series(PUBLISHED_FEATURES), bars, PUBLISHED_FEATURES)
        np.testing.assert_array_equal(at_once[name]["ts"], bars.ts)
        for feature, values in alone.items():
            np.testing.assert_array_equal(
                at_once[name][feature.column], values.view(np.int64), f"{name} {feature}"
            )


def test_later_bars_change_no_row_before_them(at_once):
    half = 2000
    first = together([run(IndicatorState(NEEDS), BARS.rows(0, half))])
    for name, columns in first.items():
        for column, values in columns.items():
            np.testing.assert_array_equal(values, at_once[name][column][: len(values)])
        assert at_once[name]["ts"][len(columns["ts"]) :].min(initial=2**62) > BARS.ts[half - 1]


def test_carry_is_the_row_before():
    state = IndicatorState([close("M1"), close("M5")])
    first, second = (run(state, piece) for piece in pieces(BARS.rows(0, 60), [31]))
    assert all(np.isnan(column[0]) for column in first["M1"].held.values())
    for name in ("M1", "M5"):
        assert second[name].held[close()][0] == first[name].values[close()][-1]


def test_anchors_without_features_give_rows_too():
    state = IndicatorState([sma(3, "H1")], ["M5"])
    rows = run(IndicatorState.from_bytes(state.to_bytes()), BARS)
    assert list(rows) == ["M5", "H1"]
    assert rows["M5"].values == {}
    assert (rows["M5"].ts % (5 * MINUTE_US) == 0).all()


def test_a_feature_without_timeframe_is_one_of_m1():
    assert IndicatorState([close(), sma(5, "D1")]).needs == (close("M1"), sma(5, "D1"))


def test_bars_out_of_order_are_refused():
    state = IndicatorState([close()])
    swapped = Bars(*(column[[0, 2, 1]] for column in BARS))
    with pytest.raises(StateError, match="Sort the bars"):
        run(state, swapped)
    doubled = Bars(*(column[[0, 1, 1]] for column in BARS))
    with pytest.raises(StateError, match="drop duplicates"):
        run(state, doubled)


def test_late_bars_are_refused():
    state = IndicatorState([close()])
    run(state, BARS.rows(0, 5))
    with pytest.raises(StateError, match="Late bars"):
        run(state, BARS.rows(4, 6))
    run(state, no_bars(), int(BARS.ts[6]))
    with pytest.raises(StateError, match="complete"):
        run(state, BARS.rows(6, 7))
    assert len(run(state, BARS.rows(7, 8))["M1"].ts) == 1


def test_damaged_or_older_state_is_refused(monkeypatch):
    saved = IndicatorState([sma(5)]).to_bytes()
    with pytest.raises(StateError, match="damaged"):
        IndicatorState.from_bytes(saved[:-1] + b"x")
    monkeypatch.setattr(job, "VERSION", "2")
    with pytest.raises(StateError, match="version 1 of the indicator rules"):
        IndicatorState.from_bytes(saved)


def test_unknown_timeframes_are_refused():
    with pytest.raises(SettingsError, match="W1"):
        IndicatorState([close()], ["W1"])


def test_history_rows_fit_the_contract():
    needs = [close("H1"), sma(5, "H1"), Feature("sma", (3,), "H1")]
    rows = run(IndicatorState(needs), BARS)["H1"]
    calc_ts = int(BARS.ts[-1]) + 2_000_000
    table = indicator_history_rows("SPY", "H1", rows, calc_ts)
    assert table.schema.equals(arrow_schema(INDICATOR_HISTORY))
    checked = validate(INDICATOR_HISTORY, table, "test")
    assert (checked.good.num_rows, checked.quarantine.num_rows) == (len(rows.ts), 0)
    assert table["close"].to_pylist() == rows.values[close()].tolist()
    assert table["sma_5"].to_pylist() == [None] * 4 + rows.values[sma(5)][4:].tolist()
    assert table["sma_10"].null_count == len(rows.ts)
    assert table["barTs"].cast(pa.int64()).to_pylist() == rows.ts.tolist()
    assert set(table["calcTs"].cast(pa.int64()).to_pylist()) == {calc_ts}
    assert set(table["final"].to_pylist()) == {True}
    assert set(table["indicatorVersion"].to_pylist()) == {indicators.VERSION}
    assert indicator_history_rows("SPY", "H1", rows, calc_ts, final=False)["final"][0].as_py() is (
        False
    )
