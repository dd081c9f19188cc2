"""Timeframes: which bars make an interval, how it is labelled, and when it is finished."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.errors import SettingsError
from streaming.rules.bars import MINUTE_US, Bars, join_bars, no_bars
from streaming.rules.timeframes import TIMEFRAMES, aggregate, check_timeframe

from .samples import some_bars

MIDNIGHT = 1_700_006_400_000_000
"""2023-11-15 00:00 UTC."""


def naive(bars: Bars, complete_to: int, minutes: int) -> list[tuple]:
    """Finished intervals, each from a list of its bars."""
    length = minutes * MINUTE_US
    groups: dict[int, list[tuple]] = {}
    for row in zip(*(column.tolist() for column in bars), strict=True):
        groups.setdefault(math.ceil(row[0] / length) * length, []).append(row)
    clock = max([complete_to, *bars.ts[-1:].tolist()])
    merged = []
    for boundary, rows in groups.items():
        known = [row[5] for row in rows if not math.isnan(row[5])]
        merged.append(
            (
                boundary,
                rows[0][1],
                max(row[2] for row in rows),
                min(row[3] for row in rows),
                rows[-1][4],
                sum(known) if known else None,
            )
        )
    return [row for row in merged if row[0] <= clock]


def rows_of(bars: Bars) -> list[tuple]:
    volume = [None if math.isnan(amount) else amount for amount in bars.volume]
    return list(zip(*(column.tolist() for column in bars[:5]), volume, strict=True))


def bars_at(*minutes: int, volume: float = 1.0) -> Bars:
    """Bars at these minutes after midnight; each price tells the minute."""
    ts = MIDNIGHT + MINUTE_US * np.array(minutes, np.int64)
    price = 1000 + np.array(minutes, np.int64)
    return Bars(ts, price, price + 5, price - 5, price + 1, np.full(len(minutes), volume))


@pytest.mark.parametrize("minutes", TIMEFRAMES.values())
@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 3))
def test_any_cut_gives_the_naive_intervals(minutes, data, seed):
    bars = some_bars(seed, 1500, gaps=0.3)
    edges = sorted(data.draw(st.lists(st.integers(0, len(bars)), max_size=6)))
    partial, parts, clock = no_bars(), [], 0
    for start, stop in zip([0, *edges], [*edges, len(bars)], strict=True):
        piece = bars.rows(start, stop)
        # Up to here, and no further, may be declared complete before the next bar comes.
        limit = int(bars.ts[stop]) - 1 if stop < len(bars) else int(bars.ts[-1])
        clock = max(clock, data.draw(st.integers(0, limit) | st.just(limit)))
        finished, partial = aggregate(partial, piece, clock, minutes)
        parts.append(finished)
        assert rows_of(join_bars(parts)) == naive(bars.rows(0, stop), clock, minutes)
        assert len(partial) <= 1


def test_a_bar_on_the_boundary_is_the_last_of_its_interval():
    finished, partial = aggregate(no_bars(), bars_at(56, 60, 61), 0, 60)
    assert rows_of(finished) == [(MIDNIGHT + 60 * MINUTE_US, 1056, 1065, 1051, 1061, 2.0)]
    assert rows_of(partial) == [(MIDNIGHT + 120 * MINUTE_US, 1061, 1066, 1056, 1062, 1.0)]


def test_the_day_holds_its_midnight_at_the_end():
    finished, partial = aggregate(no_bars(), bars_at(-1, 0, 1), 0, 1440)
    assert finished.ts.tolist() == [MIDNIGHT]
    assert partial.ts.tolist() == [MIDNIGHT + 1440 * MINUTE_US]


def test_the_end_of_the_input_finishes_nothing():
    finished, partial = aggregate(no_bars(), bars_at(1, 2, 59), 0, 60)
    assert len(finished) == 0
    assert partial.close.tolist() == [1060]


def test_the_clock_alone_finishes_an_interval_at_its_boundary():
    _, partial = aggregate(no_bars(), bars_at(1, 2, 50), 0, 60)
    boundary = MIDNIGHT + 60 * MINUTE_US
    finished, partial = aggregate(partial, no_bars(), boundary - 1, 60)
    assert (len(finished), len(partial)) == (0, 1)
    finished, partial = aggregate(partial, no_bars(), boundary, 60)
    assert finished.ts.tolist() == [boundary]
    assert len(partial) == 0
    finished, partial = aggregate(partial, no_bars(), boundary + 1, 60)
    assert (len(finished), len(partial)) == (0, 0)


def test_an_interval_without_bars_makes_no_bar():
    finished, _ = aggregate(no_bars(), bars_at(3, 17, 18, 31), MIDNIGHT + 35 * MINUTE_US, 5)
    assert ((finished.ts - MIDNIGHT) // MINUTE_US).tolist() == [5, 20, 35]


def test_unknown_volume_is_not_zero():
    unknown = bars_at(1, 2, volume=math.nan)
    finished, _ = aggregate(no_bars(), unknown, MIDNIGHT + 5 * MINUTE_US, 5)
    assert np.isnan(finished.volume).all()
    some = join_bars([unknown, bars_at(3, 4, volume=2.5)])
    finished, _ = aggregate(no_bars(), some, MIDNIGHT + 5 * MINUTE_US, 5)
    assert finished.volume.tolist() == [5.0]


@pytest.mark.parametrize("wrong", ["M2", "h1", "", "D7", None])
def test_an_unknown_timeframe_is_named(wrong):
    with pytest.raises(SettingsError, match="M1, M5, M15, H1, H4, D1"):
        check_timeframe(wrong)


def test_the_near_timeframe_is_suggested():
    with pytest.raises(SettingsError, match="Did you mean H1"):
        check_timeframe("h1")
