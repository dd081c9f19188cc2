"""The clock moves what nothing else moves: soon enough, never back, never ahead of the market."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.rules.bars import MINUTE_US
from streaming.runtimes.live.clock import SourceClock

SECOND = 1_000_000
LATENESS, HOLD, QUIET = 5 * SECOND, 4 * SECOND, SECOND
BASE = 1_700_000_040 * SECOND // MINUTE_US * MINUTE_US
STEP = SECOND // 4


class Market:
    """Time as it really goes by; sources whose watermarks the clock moves."""

    def __init__(self, names="a"):
        self.clock = SourceClock("boot")
        self.time, self.offset = BASE, 0
        self.complete = dict.fromkeys(names, 0)
        for name in names:
            self.clock.join(name, self.uptime)

    @property
    def uptime(self):
        return self.time - BASE + 77 * SECOND

    def bar(self, name, ts):
        self.clock.came(name, ts, self.uptime, self.time + self.offset)
        self.complete[name] = max(self.complete[name], ts - LATENESS - 1)

    def look(self, ended=(), cut=()):
        moved = self.clock.advances(self.complete, self.uptime, ended, cut, LATENESS)
        assert all(mark > self.complete[name] for name, mark in moved.items())
        self.complete |= moved
        return moved

    def passes(self, seconds, **words):
        for _ in range(round(seconds * SECOND / STEP)):
            self.time += STEP
            self.look(**words)


def minute(number):
    return BASE + number * MINUTE_US


@settings(max_examples=200, deadline=None)
@given(
    traded=st.lists(st.booleans(), min_size=1, max_size=12),
    delays=st.lists(st.integers(0, 4), min_size=12, max_size=12),
)
def test_minutes_are_complete_within_the_lateness_of_their_close(traded, delays):
    market = Market()
    market.bar("a", minute(0))
    for number, (trades, delay) in enumerate(zip(traded, delays, strict=False), 1):
        came_at = minute(number) + delay * STEP if trades else None
        while market.time < minute(number) + 10 * SECOND:
            market.time += STEP
            if market.time == came_at:
                market.bar("a", minute(number))
            market.look()
            if market.time >= minute(number) + LATENESS:
                assert market.complete["a"] >= minute(number)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_clock_is_never_ahead_of_the_market_wherever_the_wall_clock_jumps(data):
    market = Market("ab")
    newest = {"a": 0, "b": 0}
    jumps = st.sampled_from([0, 0, 0, 3600, -3600, 30, -30])
    for _ in range(data.draw(st.integers(1, 60))):
        market.time += data.draw(st.integers(1, 40)) * STEP
        market.offset = data.draw(jumps) * SECOND
        name = data.draw(st.sampled_from("ab"))
        if data.draw(st.booleans()):
            behind = data.draw(st.sampled_from([0, 0, 1, 2, 30]))
            closed = (market.time - behind * MINUTE_US) // MINUTE_US * MINUTE_US
            newest[name] = max(newest[name], closed)
            market.bar(name, closed)
        market.look()
        # A wrong wall clock can be off by the lateness, of which only a fifth is left over.
        assert max(market.complete.values()) <= market.time + QUIET


def test_a_jump_of_an_hour_makes_no_minute_complete_and_holds_none_up():
    for jump in (3600 * SECOND, -3600 * SECOND):
        market = Market()
        market.bar("a", minute(0))
        market.offset = jump
        market.passes(20 * 60)
        assert market.complete["a"] == minute(19)


def test_a_bar_from_the_future_waits_for_its_time():
    market = Market()
    market.bar("a", minute(3))
    market.passes(60)
    assert market.complete["a"] < minute(3)
    market.passes(130)
    assert market.complete["a"] == minute(3)


def test_what_is_behind_is_complete_to_its_newest_bar_and_no_further():
    market = Market()
    market.bar("a", minute(-600))
    market.passes(3600)
    assert market.complete["a"] == minute(-600)


def test_what_is_behind_and_still_comes_is_waited_for():
    """Its minutes may be cut anywhere, and the work on each part take long."""
    market = Market()
    for _ in range(9):
        market.bar("a", minute(-600))
        market.passes(3)
        assert market.complete["a"] < minute(-600)
        market.time += 10 * SECOND
        market.clock.looked_at("a", market.uptime)
        assert not market.look()
    market.passes(4)
    assert market.complete["a"] == minute(-600)


def test_idle_ended_and_silent_sources_hold_nobody_up():
    market = Market("abc")
    market.bar("b", minute(-600))
    market.bar("a", minute(0))
    market.passes(30)
    assert market.complete == dict.fromkeys("abc", minute(0))
    market.passes(60)
    assert market.complete == dict.fromkeys("abc", minute(1))


def test_a_source_that_ended_holds_nobody_up_from_then_on():
    market = Market("ab")
    market.bar("b", minute(-600))
    market.bar("a", minute(0))
    assert market.look(ended={"b"}) == {"b": minute(0) - LATENESS - 1}


def test_what_is_cut_off_and_alone_is_not_moved():
    market = Market("ab")
    market.bar("a", minute(0))
    market.bar("b", minute(0))
    market.passes(600, cut={"a", "b"})
    assert market.complete["a"] == minute(0) - LATENESS - 1
    market.passes(4, cut={"a"})
    assert market.complete["b"] == minute(10)
    assert market.complete["a"] == minute(10)


def test_rows_that_trickle_in_are_waited_for_as_long_as_there_is_time():
    market = Market()
    market.time += SECOND // 4
    for _ in range(14):
        market.bar("a", minute(0))
        market.passes(0.25)
        assert market.complete["a"] < minute(0)
    market.passes(1)
    assert market.complete["a"] == minute(0)


def test_a_process_after_goes_on_with_what_was_seen_unless_the_machine_started_anew():
    market = Market()
    market.bar("a", minute(0))
    market.passes(90)
    facts = market.clock.facts()
    for boot, reached in (("boot", minute(3)), ("another", minute(1))):
        later = Market()
        later.complete, later.time = {"a": minute(1)}, minute(3) + 2 * SECOND
        later.clock = SourceClock(boot)
        later.clock.restore(facts, later.uptime)
        later.clock.join("a", later.uptime)
        later.passes(30)
        assert later.complete["a"] == reached
