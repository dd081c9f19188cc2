"""The service over feeds that come, go idle, are cut off and return, on a clock set by hand."""

import numpy as np
import pytest
from runtimes.markets import START, walk

from streaming.contracts import INDICATOR_HISTORY, RISK_ALERTS_HISTORY, WATERMARK_HISTORY
from streaming.feeds.feed import Batch, Feed
from streaming.jobs.price_rows import rows_of_bars
from streaming.rules.bars import MINUTE_US
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import Clock, TableStore

from .conftest import arrival
from .test_service import dump, same

SECOND = 1_000_000


class HandClock(Clock):
    """Time goes by when it is slept; the wall clock may be off."""

    def __init__(self, now):
        self.now, self.off = now, 0

    def wall(self):
        return self.now + self.off * SECOND

    def uptime(self):
        return self.now - 10**12

    def sleep(self, seconds):
        self.now += max(round(seconds * SECOND), SECOND // 4)


class Timed(Feed):
    """Gives rows when their time has come: `came` is when each comes, microseconds UTC."""

    def __init__(self, clock, name, rows, came, cut=()):
        self.name, self._clock, self._rows, self._came, self._cut = name, clock, rows, came, cut

    @property
    def connected(self):
        return not any(begin <= self._clock.now < end for begin, end in self._cut)

    def batches(self, position):
        at = int(position or 0)
        while at < len(self._rows):
            if not self.connected:
                yield None
                continue
            here = int(np.searchsorted(self._came, self._clock.now, side="right"))
            if here <= at:
                yield None
                continue
            rows, at = self._rows.take(slice(at, here)), here
            yield Batch([arrival(rows)], None, str(at))


MINUTES, BEFORE = 60, 600


@pytest.fixture(scope="module")
def bars():
    """Minutes of three symbols, in most of them a bar; the first are for the features only."""
    rng = np.random.default_rng(5)
    traded = [np.flatnonzero(rng.random(BEFORE + MINUTES) < 0.9) for _ in range(3)]
    return {
        name: walk(rng, START + MINUTE_US * (1 + minutes - BEFORE))
        for name, minutes in zip(("ADA", "BEE", "CAT"), traded, strict=True)
    }


@pytest.fixture(scope="module")
def rows(bars):
    """The last of them, as they come."""
    every = rows_of_bars(bars, "feed")
    every = every.take(np.argsort(every.ts, kind="stable"))
    return every.take(every.ts > START)


@pytest.fixture
def live(tmp_path, strategies, bars, rows):
    """Run feeds that `make(clock)` gives over a store from before the first bar until a time."""

    def warm_up(engine):
        old = {name: one.rows(0, int((one.ts <= START).sum())) for name, one in bars.items()}
        engine.warm_up(old, START)

    def run(make, until, name="live.db", begin=None, watch=lambda clock: None):
        clock = HandClock(int(rows.ts[0]) - 20 * SECOND if begin is None else begin)
        path = tmp_path / name
        store = TableStore(path, holder="test", lease_seconds=0.0)
        store.heartbeat = lambda: None  # it costs as much as a commit
        plan = LivePlan(Settings(), strategies)
        service = LiveService(store, plan, warm_up=warm_up, clock=clock, sleep=clock.sleep)
        finals = {}
        for tick in service.run(*make(clock), until_end=False):
            watch(clock)
            for change in tick.changes if tick else []:
                if change.table is INDICATOR_HISTORY:
                    for one in change.rows.select(["timeframe", "barTs"]).to_pylist():
                        finals[one["timeframe"], one["barTs"].timestamp()] = clock.now
            if clock.now >= until:
                break
        service.close()
        store.close()
        return path, finals

    return run


def came(rows, seconds=0.5):
    return rows.ts + round(seconds * SECOND)


def without_ticks(tables):
    """What does not tell how the input was cut: but for the order of input itself."""
    return {name: one for name, one in tables.items() if name != "watermark_history"}


def test_rows_are_final_within_five_seconds_of_the_close_also_without_a_trade(live, rows):
    quiet = rows.take((rows.ts - rows.ts[0]) // MINUTE_US % 5 < 2)
    end = int(rows.ts[-1])
    _, finals = live(lambda clock: [Timed(clock, "a", quiet, came(quiet))], end)
    of_five = [at for (name, at) in finals if name == "M5"]
    assert len(of_five) > 8
    for (_, closed), at in finals.items():
        assert closed * SECOND < at <= closed * SECOND + 5 * SECOND


def test_an_idle_source_holds_nobody_up_and_its_advances_are_stored(live, rows):
    one = rows.take(rows.symbol == 0)
    other = rows.take((rows.symbol != 0) & (rows.ts < rows.ts[0] + 10 * MINUTE_US))
    path, finals = live(
        lambda clock: [Timed(clock, "a", one, came(one)), Timed(clock, "b", other, came(other))],
        int(rows.ts[-1]) + 6 * SECOND,
    )
    assert max(at for name, at in finals if name == "M1") * SECOND == rows.ts[-1]
    for (_, closed), at in finals.items():
        assert at <= closed * SECOND + 5 * SECOND
    inputs = dump(path)[WATERMARK_HISTORY.name].to_pylist()
    idle = [row for row in inputs if row["source"] == "b" and row["rows"] == 0]
    assert len(idle) > 40
    assert idle[-1]["completeTo"].timestamp() * SECOND == rows.ts[-1]


def test_two_sources_give_what_one_gives(live, rows):
    end = int(rows.ts[-1]) + 10 * SECOND
    whole, _ = live(lambda clock: [Timed(clock, "a", rows, came(rows))], end)
    parts = [rows.take(rows.symbol % 2 == part) for part in (0, 1)]
    shared, _ = live(
        lambda clock: [
            Timed(clock, name, part, came(part, after))
            for name, part, after in zip("ab", parts, (0.2, 2.0), strict=True)
        ],
        end,
        "shared.db",
    )
    left, right = dump(whole), dump(shared)
    for name in ("trade_match_history", "accepted_trade_signal_history", "indicator_history"):
        assert right[name].num_rows
        assert left[name].drop(["offset"]).equals(right[name].drop(["offset"])), name


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_by_an_hour_and_back_leaves_all_as_it_is(live, rows, hours):
    end = int(rows.ts[-1]) + 10 * SECOND
    quiet = rows.take((rows.ts - rows.ts[0]) // MINUTE_US % 5 < 3)

    def jump(clock):
        minute = (clock.now - int(rows.ts[0])) // MINUTE_US
        clock.off = 3600 * hours * (minute // 7 % 2)

    def make(clock):
        return [Timed(clock, "a", quiet, came(quiet))]

    steady, _ = live(make, end)
    jumping, _ = live(make, end, "jumping.db", watch=jump)
    same(dump(jumping), dump(steady))


def test_a_feed_that_is_cut_off_and_returns_with_all_it_missed_leaves_all_as_it_is(live, rows):
    end = int(rows.ts[-1]) + 10 * SECOND
    away = [(int(rows.ts[0]) + at * MINUTE_US, int(rows.ts[0]) + (at + 7) * MINUTE_US)
            for at in (10, 30)]  # fmt: skip
    steady, _ = live(lambda clock: [Timed(clock, "a", rows, came(rows))], end)
    cut, _ = live(lambda clock: [Timed(clock, "a", rows, came(rows), away)], end, "cut.db")
    left, right = dump(steady), dump(cut)
    assert not right[RISK_ALERTS_HISTORY.name].num_rows
    for name in ("price_1m_history", "trade_match_history", "accepted_trade_signal_history"):
        assert left[name].equals(right[name]), name


def test_stopped_and_started_again_at_every_tick_it_goes_on(live, rows, strategies):
    """Also where only the clock moves what is complete: the next process has seen it, too."""
    quiet = rows.take((rows.ts - rows.ts[0]) // MINUTE_US % 9 < 2)
    end = int(rows.ts[-1])
    times = [int(rows.ts[0]) + minute * MINUTE_US - 20 * SECOND for minute in range(0, MINUTES, 7)]
    for begin, until in zip(times, [*times[1:], end], strict=True):
        path, finals = live(
            lambda clock: [Timed(clock, "a", quiet, came(quiet))], until, begin=begin
        )
    del finals
    steady, _ = live(lambda clock: [Timed(clock, "a", quiet, came(quiet))], end, "steady.db")
    left, right = without_ticks(dump(steady)), without_ticks(dump(path))
    for name in ("price_1m_history", "trade_match_history", "indicator_history"):
        assert left[name].equals(right[name]), name
