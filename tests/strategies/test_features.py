"""Alignment against a naive oracle that looks up each row by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import StateError
from streaming.jobs.features import AlignState, align, features_in
from streaming.jobs.indicators import FeatureRows
from streaming.rules.bars import MINUTE_US
from streaming.rules.indicators import close, ema, rsi

NEEDS = {
    "M1": [close(), rsi(14), close("M1"), ema(9, "M5"), ema(9, "H1"), close("H1")],
    "M5": [close(), rsi(14), ema(9, "M1"), ema(9, "H1")],
    "H1": [rsi(14), close("M1")],
}
LOCAL = sorted({feature.local for feature in features_in(NEEDS)})
"""Every timeframe has them all here."""

SHORT = {"M1": 1, "M5": 3, "H1": 7}
"""Timeframes in minutes, shortened so that a few rows cross many boundaries."""


@st.composite
def histories(draw):
    """Rows of every timeframe over one stretch of minutes: {timeframe: {minute: values}}."""
    minutes = sorted(draw(st.sets(st.integers(1, 60), max_size=30)))
    number = iter(range(1, 100_000))
    history = {}
    for timeframe, length in SHORT.items():
        labels = sorted({-(-minute // length) * length for minute in minutes})
        history[timeframe] = {
            label: {
                # A few NaN, as before warm-up or where volume is unknown.
                feature: np.nan if next(number) % 7 == 0 else float(next(number))
                for feature in LOCAL
            }
            for label in labels
        }
    return history


def batches(history, cuts):
    """The rows that come between any two moments up to which all is known."""
    edges = [0, *sorted(cuts), 1000]
    for start, stop in itertools.pairwise(edges):
        yield {timeframe: _batch(rows, start, stop) for timeframe, rows in history.items()}


def _batch(rows, start, stop):
    inside = [minute for minute in rows if start < minute <= stop]
    earlier = [minute for minute in rows if minute <= start]
    before = {f: rows[earlier[-1]][f] if earlier else np.nan for f in LOCAL}
    held = {f: np.array([before[f], *(rows[m][f] for m in inside)], np.float64) for f in LOCAL}
    return FeatureRows(np.array(inside, np.int64) * MINUTE_US, held)


def as_of(history, anchor, feature, minute):
    """The newest value that may be known at a minute; NaN where there is none."""
    rows = history[feature.timeframe or anchor]
    known = [label for label in rows if minute is not None and label <= minute]
    return rows[max(known)][feature.local] if known else np.nan


def by_hand(history):
    """What every anchor row must see: {anchor: [(minute, now, before)]}."""
    seen = {}
    for anchor, features in NEEDS.items():
        minutes = list(history[anchor])
        seen[anchor] = [
            (
                minute,
                [as_of(history, anchor, feature, minute) for feature in features],
                [as_of(history, anchor, feature, previous) for feature in features],
            )
            for previous, minute in zip([None, *minutes], minutes, strict=False)
        ]
    return seen


def aligned(history, cuts, through_bytes=False):
    state = AlignState(NEEDS)
    seen = {anchor: [] for anchor in NEEDS}
    for rows in batches(history, cuts):
        for anchor, view in align(state, rows).items():
            for row, ts in enumerate(view.ts.tolist()):
                now = [view.now[feature][row] for feature in NEEDS[anchor]]
                before = [view.before[feature][row] for feature in NEEDS[anchor]]
                seen[anchor].append((ts // MINUTE_US, now, before))
        if through_bytes:
            data = state.to_bytes()
            state = AlignState.from_bytes(NEEDS, data)
            assert state.to_bytes() == data
    return seen


@given(history=histories(), cuts=st.sets(st.integers(0, 70), max_size=20))
def test_every_row_sees_what_may_be_known_wherever_the_input_was_cut(history, cuts):
    np.testing.assert_equal(aligned(history, cuts), by_hand(history))


@given(history=histories(), cuts=st.sets(st.integers(0, 70), max_size=10))
def test_state_restored_at_every_cut_changes_nothing(history, cuts):
    np.testing.assert_equal(aligned(history, cuts, through_bytes=True), by_hand(history))


@given(history=histories())
def test_one_row_at_a_time_sees_the_same(history):
    np.testing.assert_equal(aligned(history, range(70)), by_hand(history))


def one_batch():
    minutes = np.arange(1, 8, dtype=np.int64) * MINUTE_US
    rows = {
        timeframe: FeatureRows(
            minutes[length - 1 :: length],
            {f: np.append(np.nan, np.arange(7.0)[length - 1 :: length]) for f in LOCAL},
        )
        for timeframe, length in SHORT.items()
    }
    return align(AlignState(NEEDS), rows)["M1"], rows


def test_the_anchors_own_columns_are_views_and_columns_are_made_once():
    view, rows = one_batch()
    assert np.shares_memory(view.now[close()], rows["M1"].values[close()])
    for feature in NEEDS["M1"]:
        assert view.now[feature] is view.now[feature]
        assert view.before[feature] is view.before[feature]
    slow = ema(9, "H1")
    assert np.shares_memory(view.now[slow], view.before[slow])


def test_a_slow_row_is_new_at_one_anchor_row_alone():
    view, _ = one_batch()
    slow = ema(9, "M5")
    changed = view.now[slow] != view.before[slow]
    changed &= ~(np.isnan(view.now[slow]) & np.isnan(view.before[slow]))
    assert (view.ts[changed] // MINUTE_US).tolist() == [3, 6]


@pytest.mark.parametrize("side", ["now", "before"])
def test_a_feature_that_no_strategy_declared_is_refused(side):
    view, _ = one_batch()
    for stranger in (rsi(7), ema(9, "D1"), ema(9, "M15")):
        with pytest.raises(KeyError, match="no strategy on M1 needs it"):
            getattr(view, side)[stranger]


def test_state_of_other_needs_is_refused():
    data = AlignState(NEEDS).to_bytes()
    other = {**NEEDS, "H1": [rsi(14)]}
    with pytest.raises(StateError, match="other strategies"):
        AlignState.from_bytes(other, data)


def test_features_to_compute_have_timeframes_and_every_anchor_has_rows():
    assert features_in({"M5": [rsi(14), ema(9, "H1"), rsi(14, "M5")]}) == {
        rsi(14, "M5"),
        ema(9, "H1"),
        close("M5"),
    }
