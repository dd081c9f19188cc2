"""The cut law and truncation: batches, restarts and later bars change no feature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import StateError
from streaming.rules.bars import Bars, no_bars
from streaming.rules.indicators import (
    INDICATORS,
    PUBLISHED_FEATURES,
    Feature,
    advance,
    new_series,
    rsi,
    sma,
)

from .samples import pieces, some_bars, wild_bars

ROWS = 300
EDGES = {1: [(1,), (2,), (5,)], 2: [(2, 1.0)], 3: [(1, 2, 1), (3, 8, 4)]}
FEATURES = sorted(
    {
        *PUBLISHED_FEATURES,
        *(
            Feature(name, params)
            for indicator in INDICATORS
            for params in EDGES.get(len(indicator.params), [])
            if params[0] >= indicator.least
            for name in indicator.features
        ),
    }
)
SERIES = {
    "ordinary": some_bars(21, ROWS),
    "no volume": some_bars(22, ROWS, volumes=False),
    "large numbers": some_bars(23, ROWS, level=10**17, tick=10**13),
    "wild": wild_bars(24, ROWS),
}

cuts = st.lists(st.integers(0, ROWS), max_size=8)


def whole(bars: Bars) -> dict[Feature, np.ndarray]:
    return advance(new_series(FEATURES), bars, FEATURES)


def in_pieces(bars: Bars, at: list[int]) -> dict[Feature, np.ndarray]:
    state = new_series(FEATURES)
    parts = []
    for piece in pieces(bars, at):
        before = state.carry
        parts.append(advance(state, piece, FEATURES))
        newest = {f: v[-1] for f, v in parts[-1].items()} if len(piece) else before
        assert repr(state.carry) == repr({f: float(newest[f]) for f in state.features})
    return {f: np.concatenate([part[f] for part in parts]) for f in FEATURES}


def assert_same_bits(one: dict[Feature, np.ndarray], other: dict[Feature, np.ndarray]) -> None:
    for feature in FEATURES:
        same = one[feature].view(np.int64) == other[feature].view(np.int64)
        both_nan = np.isnan(one[feature]) & np.isnan(other[feature])
        assert (same | both_nan).all(), f"{feature}: row {np.flatnonzero(~(same | both_nan))[0]}"


@pytest.mark.parametrize("kind", SERIES)
@settings(max_examples=25)
@given(at=cuts)
def test_features_do_not_depend_on_where_the_bars_are_cut(kind, at):
    assert_same_bits(in_pieces(SERIES[kind], at), whole(SERIES[kind]))


@pytest.mark.parametrize("kind", SERIES)
def test_one_bar_at_a_time_gives_the_same(kind):
    assert_same_bits(in_pieces(SERIES[kind], list(range(ROWS))), whole(SERIES[kind]))


def test_blocks_inside_a_batch_give_the_same():
    # Kernels work through long batches in blocks of 2,048 rows, or 8 windows.
    bars = some_bars(25, 9000)
    assert_same_bits(in_pieces(bars, [1, 2, 2047, 2050, 6000]), whole(bars))


def test_quiet_bars_beside_wild_ones_keep_their_values():
    # A wild price makes its block take the slow way; its neighbours must not notice.
    quiet = some_bars(26, ROWS)
    loud = Bars(*(column.copy() for column in quiet))
    for column in loud[1:5]:
        column[-1] = 10**18 - 1
    one, other = whole(quiet), whole(loud)
    assert_same_bits({f: v[:-1] for f, v in one.items()}, {f: v[:-1] for f, v in other.items()})


@settings(max_examples=25)
@given(keep=st.integers(0, ROWS), seed=st.integers(0, 5))
def test_later_bars_never_change_earlier_rows(keep, seed):
    bars = SERIES["ordinary"]
    other = some_bars(100 + seed, ROWS, level=3 * 10**10, moves=40)
    altered = Bars(
        bars.ts,
        *(np.concatenate((a[:keep], b[keep:])) for a, b in zip(bars[1:], other[1:], strict=True)),
    )
    one, two = whole(bars), whole(altered)
    assert_same_bits({f: v[:keep] for f, v in one.items()}, {f: v[:keep] for f, v in two.items()})


def test_no_bars_give_no_rows_and_change_nothing():
    state = new_series(FEATURES)
    assert all(len(column) == 0 for column in advance(state, no_bars(), FEATURES).values())
    assert state.seen == 0
    assert all(np.isnan(value) for value in state.carry.values())


def test_the_features_asked_for_beside_it_do_not_change_a_feature():
    bars = SERIES["ordinary"]
    together = whole(bars)
    for feature in FEATURES:
        alone = advance(new_series([feature]), bars, [feature])
        np.testing.assert_array_equal(alone[feature], together[feature])


def test_columns_may_be_read_only_or_strided():
    bars = SERIES["ordinary"]
    strided = Bars(*(np.repeat(column, 2)[::2] for column in bars))
    frozen = Bars(*(column.copy() for column in bars))
    for column in frozen:
        column.flags.writeable = False
    assert_same_bits(whole(strided), whole(bars))
    assert_same_bits(whole(frozen), whole(bars))


def test_a_series_is_refused_for_other_features():
    state = new_series([sma(5)])
    with pytest.raises(StateError, match="rsi_14"):
        advance(state, SERIES["ordinary"], [sma(5), rsi(14)])
