"""Rows of bars that are not complete: what they say, and that nothing else changes."""

import numpy as np
import pyarrow.compute as pc
import pytest

from streaming.contracts import INDICATOR_HISTORY
from streaming.jobs.indicators import IndicatorState, step
from streaming.rules.bars import MINUTE_US
from streaming.rules.indicators import PUBLISHED_FEATURES
from streaming.rules.timeframes import TIMEFRAMES
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.settings import load_settings

from .conftest import by_row, histories, latest, ticks

ON = load_settings(environ={"TRADING__INDICATORS__INTRABAR": "true"})
OFF = load_settings(environ={})


def made(strategies, stream, ends, settings):
    return list(ticks(LiveEngine(LivePlan(settings, strategies)), stream, ends))


@pytest.fixture(scope="module")
def part(stream):
    return stream.take(slice(0, 400))


@pytest.fixture(scope="module")
def with_them(strategies, part):
    return made(strategies, part, [len(part)], ON)


def test_final_rows_signals_and_matches_are_the_same_without_them(strategies, part, with_them):
    there = histories(with_them)
    rows = there["indicator_history"]
    final = pc.field("final")
    assert rows.filter(~final).num_rows > 100
    there["indicator_history"] = rows.filter(final)
    assert by_row(there) == by_row(histories(made(strategies, part, [len(part)], OFF)))


def test_they_do_not_depend_on_the_ticks(strategies, part, with_them):
    ends = sorted(np.random.default_rng(2).choice(len(part), 25, replace=False).tolist())
    cut = made(strategies, part, [*ends, len(part)], ON)
    assert by_row(histories(cut)) == by_row(histories(with_them))
    assert latest(cut) == latest(with_them)


def test_each_says_what_the_bar_would_if_it_ended_there(market, part, with_them):
    """The oracle computes every one from the symbol's first bar, as if no more would come."""
    rows = histories(with_them)["indicator_history"].to_pylist()
    needs = [one.on(name) for one in PUBLISHED_FEATURES for name in TIMEFRAMES]
    checked = 0
    for place, name in enumerate(part.symbols):
        times = part.ts[part.symbol == place]
        found = [row for row in rows if row["symbol"] == name and not row["final"]]
        of_five = [row for row in found if row["timeframe"] == "M5"]
        inside = [ts for ts in times.tolist() if ts % (5 * MINUTE_US)]
        ends = [-(-ts // (5 * MINUTE_US)) * 5 * MINUTE_US for ts in inside]
        assert [round(row["barTs"].timestamp()) * 1_000_000 for row in of_five] == ends
        for ts, row in list(zip(inside, of_five, strict=True))[::9]:
            bars = market[name]
            bars = bars.rows(0, int((bars.ts <= ts).sum()))
            state = IndicatorState(needs)
            step(state, bars, ts)
            end = round(row["barTs"].timestamp()) * 1_000_000
            whole = step(state, bars.rows(0, 0), end)["M5"]
            assert whole.ts.tolist() == [end]
            for one in PUBLISHED_FEATURES:
                value = whole.values[one][-1]
                assert row[one.column] == (None if np.isnan(value) else value), one
            checked += 1
    assert checked > 20


def test_the_newest_row_is_in_the_latest_table(with_them):
    held = latest(with_them)["indicator_latest"]
    assert {row["final"] for key, row in held.items() if key[1] == "M1"} == {True}
    assert {row["final"] for key, row in held.items() if key[1] == "D1"} == {False}
    assert INDICATOR_HISTORY.unique_where == "final"
