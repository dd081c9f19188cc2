"""The heap of live orders against a sort."""

from bisect import insort
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.rules.orders import CANCEL, FILL, NEVER, ORDER, BarTable, drop_first, push, schedule

# Few values each, so that ties are common and each field decides some of them.
KEYS = st.tuples(
    st.integers(0, 2), st.sampled_from([FILL, CANCEL]), st.integers(0, 2), st.integers(0, 3)
)
NAMES = ["due", "kind", "id_high", "id_low"]


def order(key):
    row = np.zeros(1, ORDER)
    for name, value in zip(NAMES, key, strict=True):
        row[name] = value
    return row[0]


def first(heap):
    return tuple(heap[0][name].item() for name in NAMES)


def check(keys, pops):
    """Push all keys, taking the first out again after those that `pops` tells; then the rest."""
    heap = np.zeros(len(keys) + 1, ORDER)
    size, live, out, expected = 0, [], [], []
    for key, pop in zip(keys, pops, strict=True):
        push(heap, size, order(key))
        size += 1
        insort(live, key)
        if pop:
            out.append(first(heap))
            drop_first(heap, size)
            size -= 1
            expected.append(live.pop(0))
    while size:
        out.append(first(heap))
        drop_first(heap, size)
        size -= 1
    assert out == expected + live


@given(st.lists(st.tuples(KEYS, st.booleans()), unique_by=lambda row: row[0], max_size=40))
@example([((0, CANCEL, 0, 0), False), ((0, FILL, 1, 0), False)])  # fills first, whatever the ids
@example([((0, FILL, 1, 0), False), ((0, FILL, 0, 1), False)])
def test_orders_come_out_by_time_then_fills_first_then_by_id(rows):
    check([key for key, _ in rows], [pop for _, pop in rows])


@pytest.mark.parametrize("seed", range(5))
def test_many_orders_come_out_by_time(seed):
    # A heap whose places are wrong orders a few right by chance, but not hundreds.
    rng = Random(seed)
    keys = [(due, FILL, 0, 0) for due in range(300)]
    rng.shuffle(keys)
    check(keys, [rng.random() < 0.3 for _ in keys])


BARS = BarTable(np.array([0, 3]), np.array([60, 120, 300]), np.array([10, 11, 12]))


def scheduled(bar, expires, complete_to, end=3):
    """Give (whether its time is known, due, kind, close), of a row that had other values."""
    row = np.zeros(1, ORDER)
    row["due"], row["kind"], row["close"], row["expires"] = 7, 7, 7, expires
    known = schedule(row[0], bar, end, BARS, complete_to)
    return bool(known), int(row["due"][0]), int(row["kind"][0]), int(row["close"][0])


def test_an_order_fills_at_the_close_of_its_bar_up_to_its_last_moment():
    assert scheduled(1, 120, 300) == (True, 120, FILL, 11)
    assert scheduled(1, NEVER, 300) == (True, 120, FILL, 11)
    assert scheduled(2, 299, 300) == (True, 299, CANCEL, 0)
    assert scheduled(2, 300, 300) == (True, 300, FILL, 12)


def test_without_a_bar_it_waits_until_its_last_moment_has_come():
    assert scheduled(3, 400, 399) == (False, NEVER, FILL, 0)
    assert scheduled(3, 400, 400) == (True, 400, CANCEL, 0)
    assert scheduled(3, NEVER, 400) == (False, NEVER, FILL, 0)
    assert scheduled(3, NEVER, NEVER) == (False, NEVER, FILL, 0)
    assert scheduled(1, 400, 399, end=1) == (False, NEVER, FILL, 0)
