"""What holds for every strategy: cuts, truncation, rows, warm-up, NaN, and that it trades."""

import os

import numpy as np
import pytest

from streaming.jobs.strategies import BUY, SELL, make, select
from streaming.jobs.strategies.signals import needs_of, signals_of
from streaming.rules.bars import MINUTE_US, join_bars
from streaming.rules.indicators import ema
from streaming.rules.timeframes import TIMEFRAMES

from .market import lively_market, real_bars, take
from .pipeline import aligned, run

ROSTER = select("all")
IDS = [one.id for one in ROSTER]
# A market is 60 days of 24 strategies in some 35 batches: worth many of the soak's sequences.
MARKETS = max(1, int(os.environ.get("SOAK", "0")) // 10_000)

NEEDS_VOLUME = {"vwap_reversion"}
NEEDS_MANY_DAYS = {"day_trend_entry"}


@pytest.fixture(scope="module")
def bars():
    return lively_market(seed=1)


@pytest.fixture(scope="module")
def signals(bars):
    return run(bars, ROSTER)


@pytest.fixture(scope="module")
def views(bars):
    (view,) = aligned(bars, ROSTER)
    return view


class Rows:
    """Only what a strategy declared, on some of the rows of a view, changed as wanted."""

    def __init__(self, one, view, rows=slice(None)):
        self.ts = view.ts[rows]
        self.columns = {
            (feature, was): view.column((feature, was))[rows]
            for feature in one.features
            for was in (False, True)
        }

    def __len__(self):
        return len(self.ts)

    def column(self, leaf):
        return self.columns[leaf]


def assert_equal(one, other):
    for name, column, wanted in zip(one._fields, one, other, strict=True):
        np.testing.assert_array_equal(column, wanted, err_msg=name)


def check_cuts(bars, whole, random):
    """Cut anywhere, into single rows, and at gaps; what came must be what comes from the whole."""
    cuts = set(random.integers(1, len(bars), 12).tolist())
    for cut in random.integers(1, len(bars) - 6, 3).tolist():
        cuts |= set(range(cut, cut + 6))
    gaps = np.flatnonzero(np.diff(bars.ts) > MINUTE_US) + 1
    cuts |= set(random.choice(gaps, 5).tolist())
    # A feed may know that nothing more comes before the next bar.
    minutes = bars.ts // MINUTE_US
    complete_to = {
        cut: int(random.integers(minutes[cut - 1], minutes[cut])) * MINUTE_US for cut in cuts
    }
    cut_up = run(bars, ROSTER, cuts, complete_to)
    for name in IDS:
        assert_equal(cut_up[name], whole[name])


def check_truncation(bars, whole, random):
    """Put other bars after some row; what was signalled up to it must stay."""
    row = int(random.integers(len(bars) // 2, len(bars) - 1))
    moment = bars.ts[row - 1]
    other = lively_market(seed=1000 + row)
    altered = run(join_bars([bars.rows(0, row), take(other, other.ts > moment)]), ROSTER)
    for name in IDS:
        assert_equal(until(altered[name], moment), until(whole[name], moment))
    assert any(
        len(one.ts) != len(other.ts)
        for one, other in zip(altered.values(), whole.values(), strict=True)
    )


def until(signals, moment):
    return type(signals)(*(column[signals.ts <= moment] for column in signals))


def test_signals_do_not_depend_on_where_the_bars_are_cut(bars, signals):
    check_cuts(bars, signals, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_after_a_moment_changes_what_was_signalled_up_to_it(bars, signals, seed):
    check_truncation(bars, signals, np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(MARKETS))
def test_cuts_and_truncation_on_other_markets(seed):
    random = np.random.default_rng(seed)
    bars = lively_market(seed=100 + seed)
    whole = run(bars, ROSTER)
    check_cuts(bars, whole, random)
    check_truncation(bars, whole, random)


@pytest.mark.parametrize("one", ROSTER, ids=IDS)
class TestEvery:
    def test_looks_at_one_row_at_a_time(self, one, views):
        view = views[one.anchor]
        whole = signals_of(one, view)
        random = np.random.default_rng(7)
        some = random.permutation(len(view.ts))[: len(view.ts) // 2]
        picked = signals_of(one, Rows(one, view, some))
        acted = {ts: (ts, *values) for ts, *values in zip(*whole, strict=True)}
        wanted = [acted[ts] for ts in view.ts[some] if ts in acted]
        assert list(zip(*picked, strict=True)) == wanted
        assert wanted

    def test_buys_and_sells_on_a_lively_market(self, one, signals):
        acted = signals[one.id]
        assert (acted.action == BUY).sum() >= 3
        assert (acted.action == SELL).sum() >= 3
        assert ((acted.confidence >= 0) & (acted.confidence <= 1)).all()
        assert ((acted.size_hint > 0) & (acted.size_hint <= 10**8)).all()
        assert (np.diff(acted.ts) > 0).all()
        assert acted.confidence[acted.action == BUY].max() > 0

    def test_signals_events_and_not_states(self, one, bars, views, signals):
        assert len(signals[one.id].ts) < 0.1 * len(bars)
        assert len(signals[one.id].ts) < 0.2 * len(views[one.anchor])

    def test_an_exit_comes_after_every_entry(self, one, bars, signals):
        acted = signals[one.id]
        bought, sold = acted.ts[acted.action == BUY], acted.ts[acted.action == SELL]
        patience = 15 * 1440 * MINUTE_US
        bought = bought[bought < bars.ts[-1] - patience]
        exits = np.append(sold, np.iinfo(np.int64).max)
        waited = exits[np.searchsorted(sold, bought, side="right")] - bought
        assert len(bought)
        assert waited.max() < patience

    def test_is_silent_until_all_that_it_needs_is_known(self, one, views, signals):
        view = views[one.anchor]
        unknown = np.zeros(len(view), np.bool_)
        for feature in one.features:
            unknown |= np.isnan(view.now[feature])
        assert unknown.any() or all(f.name in ("close", "high", "low") for f in one.features)
        assert not np.isin(view.ts[unknown], signals[one.id].ts).any()

    def test_does_nothing_where_a_feature_is_unknown(self, one, views):
        view = views[one.anchor]
        assert len(signals_of(one, Rows(one, view)).ts)
        for feature in one.features:
            rows = Rows(one, view)
            rows.columns[feature, False] = np.full(len(view.ts), np.nan)
            assert not len(signals_of(one, rows).ts)
        rows = Rows(one, view)
        nothing = np.full(len(view.ts), np.nan)
        rows.columns |= {(feature, True): nothing for feature in one.features}
        assert not len(signals_of(one, rows).ts)

    def test_does_not_write_to_what_it_sees(self, one, views):
        view = views[one.anchor]
        seen = Rows(one, view)
        before = {leaf: column.copy() for leaf, column in seen.columns.items()}
        signals_of(one, seen)
        for leaf, column in seen.columns.items():
            np.testing.assert_array_equal(column, before[leaf])

    def test_takes_no_rows_for_no_actions(self, one, views):
        assert not len(signals_of(one, Rows(one, views[one.anchor], slice(0, 0))).ts)


def test_a_cross_on_h1_fires_once_at_the_first_row_that_may_know_it(bars):
    hourly = make("hour_trend_pullback")
    (views,) = aligned(bars, [hourly])
    view = views["M5"]
    fast, slow = ema(12, "H1"), ema(26, "H1")
    above = view.now[fast] > view.now[slow]
    was_above = view.before[fast] > view.before[slow]
    known = ~np.isnan(view.before[slow])
    seen = known & (above != was_above)

    hour = TIMEFRAMES["H1"] * MINUTE_US
    labels, last = np.unique(-(-bars.ts // hour), return_index=True)
    ends = np.append(last[1:], len(bars.ts)) - 1
    closes = bars.close[ends][labels * hour <= view.ts[-1]]
    over = [quick > calm for quick, calm in zip(_ema(closes, 12), _ema(closes, 26), strict=True)]
    turns = [row for row in range(26, len(over)) if over[row] != over[row - 1]]
    known_at = [view.ts[np.searchsorted(view.ts, labels[row] * hour)] for row in turns]
    assert len(turns) > 5
    assert view.ts[seen].tolist() == known_at


def _ema(values, length):
    """The textbook average, started as the mean of the first `length` values."""
    average, averages = float(np.mean(values[:length])), [np.nan] * (length - 1)
    averages.append(average)
    for value in values[length:]:
        average += (float(value) - average) * 2 / (length + 1)
        averages.append(average)
    return averages


def test_every_strategy_trades_on_the_real_bars(real_bars_folder):
    sides = {name: set() for name in IDS}
    for bars in real_bars(real_bars_folder).values():
        for name, acted in run(bars, ROSTER).items():
            sides[name] |= set(acted.action.tolist())
    assert {name for name in IDS if sides[name] != {BUY, SELL}} == NEEDS_MANY_DAYS


def test_what_needs_volume_is_silent_where_there_is_none(real_bars_folder):
    bars = real_bars(real_bars_folder)["EURUSD.OANDA"]
    silent = {name for name, acted in run(bars, ROSTER).items() if not len(acted.ts)}
    assert silent == NEEDS_VOLUME | NEEDS_MANY_DAYS


def test_parameters_reach_the_signals(bars):
    low, lower = make("rsi_reversion"), make("rsi_reversion", low=20)
    (views,) = aligned(bars, [low])
    bought = [
        set(acted.ts[acted.action == BUY].tolist())
        for acted in (signals_of(one, views["M5"]) for one in (low, lower))
    ]
    assert len(bought[1]) < len(bought[0])
    assert needs_of([low, lower]) == {"M5": set(low.features)}
