"""Bars from several sources against an oracle that takes them one by one."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.jobs.price_intake import PriceIntake
from streaming.jobs.price_rows import PriceRows, no_rows, stack
from streaming.rules.bars import MINUTE_US
from streaming.rules.intake import NO_TIME

LATENESS = 90_000_000
BASE = 1_700_000_040_000_000 // MINUTE_US * MINUTE_US

sources = st.sampled_from("abc")
bars = st.tuples(st.sampled_from("XY"), st.integers(0, 12), st.sampled_from([100, 100, 100, 101]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), sources, st.lists(bars, max_size=6)),
        st.tuples(st.just("complete"), sources, st.integers(0, 12)),
        st.tuples(st.just("leave"), sources, st.none()),
        st.tuples(st.just("ready"), st.none(), st.none()),
    ),
    max_size=25,
)


def at(minute):
    return BASE + minute * MINUTE_US


def rows_of(given_bars, numbers_from=1):
    names, minutes, prices = zip(*given_bars, strict=True) if given_bars else ((), (), ())
    price = np.array(prices, np.int64)
    count = len(given_bars)
    return PriceRows(
        ["X", "Y"],
        ["s"],
        np.array(["XY".index(name) for name in names], np.int64),
        np.array([at(minute) for minute in minutes], np.int64),
        *[price] * 4,
        np.full(count, np.nan),
        np.zeros(count, np.int64),
        np.arange(numbers_from, numbers_from + count),
    )


def keys(rows):
    return [
        (rows.symbols[code], ts)
        for code, ts in zip(rows.symbol.tolist(), rows.ts.tolist(), strict=True)
    ]


class Oracle:
    """One row at a time, and everything remembered."""

    def __init__(self):
        self.marks, self.highest = {}, NO_TIME
        self.kept, self.waiting, self.seen = {}, set(), Counter()

    def mark(self):
        self.highest = max(min(self.marks.values(), default=NO_TIME), self.highest)
        return self.highest

    def rows(self, source, given_bars):
        self.marks.setdefault(source, self.mark())
        written, late = [], []
        for name, minute, price in given_bars:
            key, ts = (name, at(minute)), at(minute)
            if key in self.kept:
                self.seen["duplicate" if self.kept[key] == price else "conflict"] += 1
            else:
                self.kept[key] = price
                written.append(key)
                if ts < self.mark():
                    late.append(key)
                else:
                    self.waiting.add(key)
            self.marks[source] = max(self.marks[source], ts - LATENESS)
        return written, late

    def complete(self, source, minute):
        self.marks[source] = max(self.marks.setdefault(source, self.mark()), at(minute) + 1)

    def ready(self):
        given_now = {key for key in self.waiting if key[1] < self.mark()}
        self.waiting -= given_now
        return given_now


def given_of(found):
    return {(name, ts) for name, one in found.items() for ts in one.ts.tolist()}


@settings(max_examples=400, deadline=None)
@given(steps=steps)
def test_rows_of_many_sources_go_where_one_by_one_they_would(steps):
    intake, oracle, stored = PriceIntake(LATENESS), Oracle(), []

    def held(asked):
        # As the store: only what was committed, with the tick that `ready` ends.
        wanted = set(keys(asked))
        every = stack(committed)
        return every.take(np.array([one in wanted for one in keys(every)], np.bool_))

    committed = []
    for kind, source, what in steps:
        if kind == "rows":
            received = intake.receive(source, rows_of(what), "file", held)
            stored.append(received.rows)
            before = oracle.seen.copy()
            assert (keys(received.rows), keys(received.late)) == oracle.rows(source, what)
            assert received.duplicates == oracle.seen["duplicate"] - before["duplicate"]
            assert received.conflicts.num_rows == oracle.seen["conflict"] - before["conflict"]
        elif kind == "complete":
            intake.complete(source, at(what))
            oracle.complete(source, what)
        elif kind == "leave":
            intake.leave(source)
            oracle.marks.pop(source, None)
        else:
            found, up_to = intake.ready()
            assert given_of(found) == oracle.ready()
            assert up_to == oracle.mark() - 1
            committed, stored = [*committed, *stored], []
        assert intake.sources == oracle.marks
        assert intake.watermark == oracle.mark()


@settings(max_examples=300, deadline=None)
@given(steps=steps)
def test_pieces_played_again_give_the_same(steps):
    """Only rows that were written, and how far sources were complete: what is stored."""
    intake, again, every = PriceIntake(LATENESS), PriceIntake(LATENESS), [no_rows()]

    def held(asked):
        wanted, whole = set(keys(asked)), stack(every)
        return whole.take(np.array([one in wanted for one in keys(whole)], np.bool_))

    for kind, source, what in steps:
        if kind == "rows":
            received = intake.receive(source, rows_of(what), "file", held)
            late, begin = [], 0
            for count, complete_to in received.pieces:
                part = received.rows.take(slice(begin, begin + count))
                late += keys(again.receive(source, part, "store", lambda asked: no_rows()).late)
                again.complete(source, complete_to)
                begin += count
            every.append(received.rows)
            assert late == keys(received.late)
            assert begin == len(received.rows)
        elif kind == "complete":
            again.complete(source, intake.complete(source, at(what)))
        elif kind == "leave":
            intake.leave(source)
            again.leave(source)
        else:
            one, other = intake.ready(), again.ready()
            assert given_of(one[0]) == given_of(other[0])
            assert one[1] == other[1]
        assert intake.sources == again.sources
