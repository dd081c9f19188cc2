"""The intake of recorded fills, against the oracle and by hand: order, lateness, doubles."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ids as oracle_ids
from oracle import samples, strategies
from oracle.dedupe import UNATTRIBUTED, Intake
from oracle.ids import BUY
from oracle.money import LIMIT, SCALE

from streaming.rules.intake import (
    DIFFERENT,
    ENTRY,
    FRESH,
    NO_TIME,
    REPEATED,
    FillMemory,
    notionals,
    pass_watermark,
)
from streaming.rules.money import OVERFLOW

SECOND = 1_000_000
LATENESS = 5 * SECOND
WORD = 2**64
ORDERS = {"o1": "s", "o2": "t", "o10": "s"}


def key_of(row):
    return (row.account, ORDERS.get(row.order_id, UNATTRIBUTED), row.symbol)


class Fast:
    """The rules of the intake, put together as plainly as can be."""

    def __init__(self, ttl, cut_memory=False):
        self.ttl = ttl
        self.cut_memory = cut_memory
        self.watermark = NO_TIME
        self.waiting = []  # (row, the watermark as it arrived)
        self.memory = FillMemory(ttl)
        self.verdicts = []
        self.late = 0

    def arrive(self, rows):
        waiting = np.array([row.ts for row, _ in self.waiting], np.int64)
        arriving = np.array([row.ts for row in rows], np.int64)
        passage = pass_watermark(self.watermark, LATENESS, waiting, arriving)
        every = [*self.waiting, *zip(rows, passage.before.tolist(), strict=True)]
        moments = passage.moment.tolist()
        ready = sorted(
            (moment, row.ts, row.order_id, row.fill_id, row.content(), before, number)
            for number, (moment, (row, before)) in enumerate(zip(moments, every, strict=True))
            if moment < len(rows)
        )
        self.late += int(passage.late.sum())
        self.watermark = passage.watermark
        self.apply([every[item[-1]] for item in ready])
        self.waiting = [
            item for moment, item in zip(moments, every, strict=True) if moment == len(rows)
        ]
        self.memory.forget(self.watermark)
        if self.cut_memory:
            self.memory = FillMemory.from_arrays(self.ttl, self.memory.arrays(self.watermark))

    def end(self):
        order = sorted(
            self.waiting,
            key=lambda item: (item[0].ts, item[0].order_id, item[0].fill_id, item[0].content()),
        )
        self.apply(order)
        self.waiting = []

    def apply(self, items):
        names = [
            oracle_ids.fill_id(oracle_ids.position_id(*key_of(row)), row.order_id, row.fill_id)
            for row, _ in items
        ]
        verdicts, earlier = self.memory.sift(
            np.array([divmod(name, WORD) for name in names], np.uint64).reshape(-1, 2),
            *(
                np.array([value(row) for row, _ in items], np.int64)
                for value in (
                    lambda row: row.ts,
                    lambda row: row.qty if row.side == BUY else -row.qty,
                    lambda row: row.price,
                    lambda row: row.fee,
                )
            ),
            np.array([before - self.ttl for _, before in items], np.int64),
        )
        for (row, _), verdict, entry in zip(items, verdicts.tolist(), earlier, strict=True):
            first = None if verdict == FRESH else (int(entry["ts"]), int(entry["price"]))
            self.verdicts.append((row, verdict, first))


def run_fast(rows, ttl, parts, cut_memory=False):
    fast = Fast(ttl, cut_memory)
    for part in parts:
        fast.arrive(rows[part])
    fast.end()
    return fast


def run_oracle(rows, ttl):
    intake = Intake(ORDERS, LATENESS, ttl)
    for row in rows:
        intake.arrive(row)
    return intake.end()


def check(rows, ttl, parts, cut_memory=False):
    fast, out = run_fast(rows, ttl, parts, cut_memory), run_oracle(rows, ttl)
    assert [row for row, verdict, _ in fast.verdicts if verdict == FRESH] == [
        row for _, row in out.applied
    ]
    assert [row for row, verdict, _ in fast.verdicts if verdict == DIFFERENT] == [
        row for _, row in out.differing
    ]
    repeated = [row for row, verdict, _ in fast.verdicts if verdict == REPEATED]
    assert len(repeated) == sum(out.duplicates.values())
    assert all(first == (row.ts, row.price) for row, v, first in fast.verdicts if v == REPEATED)
    assert fast.late == out.late


TTL = st.sampled_from([0, SECOND, 3 * SECOND, 10 * SECOND, 7 * 24 * 3600 * SECOND])


@settings(max_examples=200)
@given(strategies.arrivals(), TTL, st.booleans(), st.data())
def test_any_cut_gives_what_the_oracle_gives(rows, ttl, cut_memory, data):
    check(rows, ttl, data.draw(strategies.cuts(len(rows))), cut_memory)


def test_many_seeded_arrivals_and_a_growing_memory():
    rng = Random(2)
    for _ in range(40):
        rows = samples.arrivals(rng, longest=400)
        ttl = rng.choice([SECOND, 5 * SECOND, 7 * 24 * 3600 * SECOND])
        check(rows, ttl, samples.cuts(rng, len(rows)), cut_memory=rng.random() < 0.5)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 6), st.data())
def test_a_fill_applies_when_the_watermark_is_past_it(times, lateness, data):
    cut = data.draw(st.integers(0, len(times)))
    first = pass_watermark(NO_TIME, lateness, np.empty(0, np.int64), np.array(times[:cut], "i8"))
    waiting = [
        time for time, moment in zip(times, first.moment.tolist(), strict=False) if moment == cut
    ]
    rest = times[cut:]
    found = pass_watermark(
        first.watermark, lateness, np.array(waiting, np.int64), np.array(rest, np.int64)
    )
    watermark = max([NO_TIME, *(time - lateness for time in times[:cut])])
    assert first.watermark == watermark
    before, late, after = [], [], []
    for time in rest:
        before.append(watermark)
        late.append(time < watermark)
        watermark = max(watermark, time - lateness)
        after.append(watermark)
    assert (found.before.tolist(), found.late.tolist()) == (before, late)
    assert found.watermark == watermark
    moments = [
        next((place for place, mark in enumerate(after) if mark > time), len(rest))
        for time in waiting
    ]
    moments += [
        place
        if late[place]
        else next((at for at, mark in enumerate(after) if mark > time), len(rest))
        for place, time in enumerate(rest)
    ]
    assert found.moment.tolist() == moments


def ints(*values):
    return np.array(values, np.int64)


def passed(*arriving, watermark=NO_TIME, lateness=5, waiting=()):
    return pass_watermark(watermark, lateness, ints(*waiting), ints(*arriving))


def test_a_fill_waits_until_the_watermark_is_past_it():
    # The watermark after each: 5, 9, 10, 11.
    assert passed(10, 14, 15, 16).moment.tolist() == [3, 4, 4, 4]
    assert passed(10, 14, 15).moment.tolist() == [3, 3, 3], "on the watermark is not past it"


def test_a_fill_below_the_watermark_is_late_and_on_it_is_not():
    passage = passed(10, 4, 5, 20, 14)
    assert passage.late.tolist() == [False, True, False, False, True]
    assert passage.moment.tolist() == [3, 1, 3, 5, 4]
    assert passage.before.tolist() == [NO_TIME, 5, 5, 5, 15]
    assert passage.watermark == 15


def test_what_waits_passes_with_what_arrives():
    passage = passed(12, 20, watermark=6, waiting=(6, 8, 15))
    assert passage.moment.tolist() == [0, 1, 2, 1, 2]
    assert passed(watermark=6, waiting=(6,)).moment.tolist() == [0], "nothing arrived: not yet"
    assert passed(watermark=6).watermark == 6


def test_without_lateness_a_fill_waits_for_a_later_one():
    passage = passed(10, 10, 11, 10, lateness=0)
    assert passage.moment.tolist() == [2, 2, 4, 3]
    assert passage.late.tolist() == [False, False, False, True]


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 9), st.data())
def test_the_watermark_does_not_depend_on_cuts(times, lateness, data):
    cut = data.draw(st.integers(0, len(times)))
    whole = passed(*times, lateness=lateness)
    first = passed(*times[:cut], lateness=lateness)
    waits = [ts for ts, at in zip(times[:cut], first.moment.tolist(), strict=True) if at >= cut]
    second = passed(*times[cut:], watermark=first.watermark, lateness=lateness, waiting=waits)
    moments = first.moment.tolist()
    later = iter((second.moment + cut).tolist())
    moments = [next(later) if at >= cut else at for at in moments] + list(later)
    assert moments == whole.moment.tolist()
    assert second.watermark == whole.watermark
    assert [*first.late, *second.late] == whole.late.tolist()


def sifted(memory, *fills, horizon=NO_TIME, remember=True):
    """Sift fills of (id, ts, quantity, price, fee); give verdicts and what came earlier."""
    columns = [ints(*column) for column in zip(*fills, strict=True)]
    ids = np.stack([columns[0], columns[0] * 7], axis=1).astype(np.uint64)
    horizons = np.full(len(fills), horizon, np.int64)
    verdicts, earlier = memory.sift(ids, *columns[1:], horizons, remember=remember)
    return verdicts.tolist(), earlier


def test_the_first_of_an_id_is_fresh_and_the_second_is_not():
    memory = FillMemory(100)
    fill = (1, 50, 2, 3, 4)
    verdicts, earlier = sifted(memory, fill, (2, 50, 2, 3, 4), fill)
    assert verdicts == [FRESH, FRESH, REPEATED]
    assert sifted(memory, fill)[0] == [REPEATED]
    assert len(memory) == 2
    assert earlier[2].tolist() == (1, 7, 50, 2, 3, 4)


@pytest.mark.parametrize(
    "other", [(1, 51, 2, 3, 4), (1, 50, -2, 3, 4), (1, 50, 2, 5, 4), (1, 50, 2, 3, 0)]
)
def test_an_id_with_other_content_differs(other):
    memory = FillMemory(100)
    verdicts, earlier = sifted(memory, (1, 50, 2, 3, 4), other, (1, 50, 2, 3, 4))
    assert verdicts == [FRESH, DIFFERENT, REPEATED], "the applied fill is what counts"
    assert earlier[1].tolist() == (1, 7, 50, 2, 3, 4)


def test_ids_that_agree_in_one_half_are_two():
    memory = FillMemory(100)
    ids = np.array([[1, 9], [2, 9], [1, 9]], np.uint64)
    columns = [ints(5, 5, 5)] * 4
    verdicts, _ = memory.sift(ids, *columns, np.full(3, NO_TIME, np.int64))
    assert verdicts.tolist() == [FRESH, FRESH, REPEATED]


@pytest.mark.parametrize(
    ("gap", "verdict"), [(100, DIFFERENT), (101, FRESH), (-100, DIFFERENT), (-101, FRESH)]
)
def test_an_id_stands_for_a_fill_as_long_as_its_ttl(gap, verdict):
    memory = FillMemory(100)
    assert sifted(memory, (1, 500, 2, 3, 4), (1, 500 + gap, 2, 3, 4))[0] == [FRESH, verdict]


def test_an_id_that_comes_again_stands_for_its_newest_fill():
    memory = FillMemory(100)
    fills = (1, 500, 2, 3, 4), (1, 700, 2, 3, 4), (1, 700, 2, 3, 4), (1, 500, 2, 3, 4)
    assert sifted(memory, *fills)[0] == [FRESH, FRESH, REPEATED, FRESH]
    assert len(memory) == 1


def test_what_lies_before_the_horizon_is_forgotten():
    memory = FillMemory(100)
    sifted(memory, (1, 500, 2, 3, 4))
    assert sifted(memory, (1, 500, 2, 3, 4), horizon=500, remember=False)[0] == [REPEATED]
    assert sifted(memory, (1, 500, 2, 3, 4), horizon=501)[0] == [FRESH]


def test_looking_remembers_nothing():
    memory = FillMemory(100)
    assert sifted(memory, (1, 500, 2, 3, 4), remember=False)[0] == [FRESH]
    assert len(memory) == 0
    assert sifted(memory, (1, 500, 2, 3, 4))[0] == [FRESH]


def test_a_memory_grows_and_shrinks_and_is_restored():
    memory = FillMemory(100)
    fills = [(n, n, 1, 1, 1) for n in range(1000)]
    for first in range(0, 1000, 77):
        sifted(memory, *fills[first : first + 77])
    assert set(sifted(memory, *fills)[0]) == {REPEATED}
    memory.forget(600)
    assert len(memory) == 1000, "half of it may still be needed"
    memory.forget(601)
    assert len(memory) == 499
    assert sifted(memory, *fills[501:])[0] == [REPEATED] * 499
    arrays = memory.arrays(800)
    assert arrays["ts"].tolist() == list(range(700, 1000))
    other = FillMemory.from_arrays(100, arrays)
    assert sifted(other, *fills[690:], remember=False)[0] == [FRESH] * 10 + [REPEATED] * 300
    assert set(arrays) == set(ENTRY.names)


def test_notionals_are_rounded_once_and_told_where_they_do_not_fit():
    out = np.empty(3, np.int64)
    notionals(
        ints(3, LIMIT - 1, LIMIT - 1),
        ints(SCALE // 2, SCALE, 2 * SCALE),
        ints(SCALE, SCALE, SCALE),
        out,
    )
    assert out.tolist() == [2, LIMIT - 1, OVERFLOW]
    one = np.empty(1, np.int64)
    notionals(ints(SCALE), ints(SCALE), ints(SCALE // 4), one)
    assert one.tolist() == [SCALE // 4]
