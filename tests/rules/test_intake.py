"""The intake of recorded fills against the oracle: order, lateness, doubles, cut anywhere."""

from collections import Counter
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ids as oracle_ids
from oracle import samples, strategies
from oracle.dedupe import UNATTRIBUTED, Intake, application_order
from oracle.ids import BUY

from streaming.rules.intake import NO_TIME, pass_watermark
from streaming.rules.memory import DIFFERENT, FRESH, REPEATED, FillMemory, OrderMemory

SECOND = 1_000_000
LATENESS = 5 * SECOND
WORD = 2**64
ORDERS = {"o1": "s", "o2": "t", "o10": "s"}


STRATEGIES = ["", "s", "t", "v", "w"]


def words(numbers):
    return np.array([divmod(number, WORD) for number in numbers], np.uint64).reshape(-1, 2)


class Fast:
    """The rules of the intake, put together as plainly as can be."""

    def __init__(self, ttl, cut_memory=False):
        self.ttl = ttl
        self.cut_memory = cut_memory
        self.watermark = NO_TIME
        self.waiting = []  # (row, the watermark as it arrived)
        self.memory = FillMemory(ttl)
        self.orders = OrderMemory(ttl)
        self.verdicts = []
        self.late = 0

    def arrive(self, rows):
        waiting = np.array([row.ts for row, _ in self.waiting], np.int64)
        arriving = np.array([row.ts for row in rows], np.int64)
        passage = pass_watermark(self.watermark, LATENESS, waiting, arriving)
        every = [*self.waiting, *zip(rows, passage.before.tolist(), strict=True)]
        moments = passage.moment.tolist()
        ready = sorted(
            (moment, application_order(row), before, number)
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
        self.orders.forget(self.watermark)
        if self.cut_memory:
            self.memory = FillMemory.from_arrays(self.ttl, self.memory.arrays(self.watermark))
            self.orders = OrderMemory.from_arrays(self.ttl, self.orders.arrays(self.watermark))

    def end(self):
        self.apply(sorted(self.waiting, key=lambda item: application_order(item[0])))
        self.waiting = []

    def apply(self, items):
        rows = [row for row, _ in items]

        def column(value):
            return np.array([value(row) for row in rows], np.int64)

        def ids(key):
            return words(oracle_ids.text_id(repr(key(row))) for row in rows)

        ts, said = column(lambda row: row.ts), column(lambda row: STRATEGIES.index(row.said))
        known = column(lambda row: STRATEGIES.index(ORDERS.get(row.order_id, "")))
        horizon = np.array([before - self.ttl for _, before in items], np.int64)
        strategy = self.orders.attribute(
            ids(lambda row: (row.account, row.order_id)), ts, said, known, horizon
        )
        verdicts, earlier = self.memory.sift(
            ids(lambda row: (row.account, row.symbol, row.order_id, row.fill_id)),
            ts,
            column(lambda row: row.qty if row.side == BUY else -row.qty),
            column(lambda row: row.price),
            column(lambda row: row.fee),
            said,
            strategy,
            horizon,
        )
        for row, owner, verdict, entry in zip(
            rows, strategy.tolist(), verdicts.tolist(), earlier, strict=True
        ):
            first = None if verdict == FRESH else (int(entry["ts"]), int(entry["price"]))
            key = (row.account, STRATEGIES[owner] or UNATTRIBUTED, row.symbol)
            self.verdicts.append(((key, row), verdict, first))


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
    assert [item for item, verdict, _ in fast.verdicts if verdict == FRESH] == out.applied
    assert [item for item, verdict, _ in fast.verdicts if verdict == DIFFERENT] == out.differing
    repeated = [key for (key, _), verdict, _ in fast.verdicts if verdict == REPEATED]
    assert Counter(repeated) == out.duplicates
    assert all(
        first == (row.ts, row.price) for (_, row), v, first in fast.verdicts if v == REPEATED
    )
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
