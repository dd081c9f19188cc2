"""The service over feeds that come, go idle, are cut off and return, on a clock set by hand."""

import pytest

from streaming.contracts import RISK_ALERTS_HISTORY, WATERMARK_HISTORY
from streaming.rules.bars import MINUTE_US

from .test_service import dump, same
from .timed import MINUTES, SECOND, Timed, came


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


@pytest.mark.parametrize("hours", [pytest.param(1, marks=pytest.mark.slow), -1])
def test_started_again_while_the_clock_is_off_by_an_hour_all_bars_are_taken(live, rows, hours):
    """Each time after a quarter of an hour without an engine: what it missed comes at once."""

    def make(clock):
        return [Timed(clock, "a", rows, came(rows))]

    end = int(rows.ts[-1]) + 10 * SECOND
    steady, _ = live(make, end)
    times = [int(rows.ts[0]) + minute * MINUTE_US for minute in (0, 10, 25, 30, 45)]
    live(make, times[1], "off.db")
    live(make, times[3], "off.db", begin=times[2], off=3600 * hours)
    path, _ = live(make, end, "off.db", begin=times[4])
    left, right = without_ticks(dump(steady)), without_ticks(dump(path))
    assert right["quarantine_history"].num_rows == right["risk_alerts_history"].num_rows == 0
    for name in ("price_1m_history", "accepted_trade_signal_history", "trade_match_history"):
        assert left[name].num_rows
        assert left[name].equals(right[name]), name


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
