"""The rules of the intake by hand: the watermark, the memory of ids, notionals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.money import LIMIT, SCALE

from streaming.rules.intake import NO_TIME, notionals, pass_watermark
from streaming.rules.memory import (
    DIFFERENT,
    ENTRY,
    FRESH,
    NOBODY,
    REPEATED,
    FillMemory,
    OrderMemory,
)
from streaming.rules.units import OVERFLOW


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


def ids_of(numbers):
    return np.stack([numbers, numbers * 7], axis=1).astype(np.uint64)


def sifted(memory, *fills, horizon=NO_TIME, remember=True, said=NOBODY, strategy=1):
    """Sift fills of (id, ts, quantity, price, fee); give verdicts and what came earlier."""
    columns = [ints(*column) for column in zip(*fills, strict=True)]
    columns += [np.full(len(fills), one, np.int64) for one in (said, strategy, horizon)]
    verdicts, earlier = memory.sift(ids_of(columns[0]), *columns[1:], remember=remember)
    return verdicts.tolist(), earlier


def whose(memory, *fills, horizon=NO_TIME):
    """Give the strategies of fills of (order, ts, said, known)."""
    columns = [ints(*column) for column in zip(*fills, strict=True)]
    horizons = np.full(len(fills), horizon, np.int64)
    return memory.attribute(ids_of(columns[0]), *columns[1:], horizons).tolist()


def test_the_first_of_an_id_is_fresh_and_the_second_is_not():
    memory = FillMemory(100)
    fill = (1, 50, 2, 3, 4)
    verdicts, earlier = sifted(memory, fill, (2, 50, 2, 3, 4), fill)
    assert verdicts == [FRESH, FRESH, REPEATED]
    assert sifted(memory, fill)[0] == [REPEATED]
    assert len(memory) == 2
    assert earlier[2].tolist() == (1, 7, 50, 2, 3, 4, 1)


@pytest.mark.parametrize(
    "other", [(1, 51, 2, 3, 4), (1, 50, -2, 3, 4), (1, 50, 2, 5, 4), (1, 50, 2, 3, 0)]
)
def test_an_id_with_other_content_differs(other):
    memory = FillMemory(100)
    verdicts, earlier = sifted(memory, (1, 50, 2, 3, 4), other, (1, 50, 2, 3, 4))
    assert verdicts == [FRESH, DIFFERENT, REPEATED], "the applied fill is what counts"
    assert earlier[1].tolist() == (1, 7, 50, 2, 3, 4, 1)


def test_ids_that_agree_in_one_half_are_two():
    memory = FillMemory(100)
    ids = np.array([[1, 9], [2, 9], [1, 9]], np.uint64)
    columns = [ints(5, 5, 5)] * 6
    verdicts, _ = memory.sift(ids, *columns, np.full(3, NO_TIME, np.int64))
    assert verdicts.tolist() == [FRESH, FRESH, REPEATED]


@pytest.mark.parametrize(
    ("gap", "verdict"), [(100, DIFFERENT), (101, FRESH), (-100, DIFFERENT), (-101, FRESH)]
)
def test_an_id_stands_for_a_fill_as_long_as_its_ttl(gap, verdict):
    memory = FillMemory(100)
    assert sifted(memory, (1, 500, 2, 3, 4), (1, 500 + gap, 2, 3, 4))[0] == [FRESH, verdict]


def test_an_id_that_comes_again_stands_for_its_latest_fill():
    memory = FillMemory(100)
    fills = (1, 500, 2, 3, 4), (1, 700, 2, 3, 4), (1, 700, 2, 3, 4), (1, 500, 2, 3, 4)
    assert sifted(memory, *fills)[0] == [FRESH, FRESH, REPEATED, FRESH]
    assert sifted(memory, fills[1])[0] == [REPEATED], "the one from before it is forgotten"
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


@pytest.mark.parametrize(
    ("said", "got", "again", "verdict"),
    [
        (2, 2, 2, REPEATED),
        (2, 2, NOBODY, REPEATED),  # to name none is no other word
        (2, 2, 3, DIFFERENT),
        (2, 3, 2, REPEATED),  # the row's own word, whoever got the fill
        (2, 3, 3, DIFFERENT),
        (NOBODY, 3, 3, REPEATED),
        (NOBODY, 3, 2, DIFFERENT),
        (NOBODY, NOBODY, 2, DIFFERENT),
        (NOBODY, NOBODY, NOBODY, REPEATED),
    ],
)
def test_a_fill_that_names_another_strategy_differs(said, got, again, verdict):
    memory = FillMemory(100)
    fill = (1, 50, 2, 3, 4)
    assert sifted(memory, fill, said=said, strategy=got)[0] == [FRESH]
    assert sifted(memory, fill, said=again, strategy=9)[0] == [verdict]


def test_the_first_row_that_names_a_strategy_says_whose_an_order_is():
    memory = OrderMemory(100)
    rows = [(1, 10, 0, 0), (1, 11, 2, 0), (1, 12, 3, 0), (1, 13, 0, 0), (2, 14, 3, 0)]
    assert whose(memory, *rows) == [NOBODY, 2, 2, 2, 3]
    assert len(memory) == 2


def test_signals_say_more_than_rows():
    memory = OrderMemory(100)
    assert whose(memory, (1, 10, 2, 5), (1, 11, 2, 0), (1, 12, 3, 5), (1, 13, 0, 0)) == [5, 2, 5, 2]


def test_an_order_is_remembered_from_its_latest_fill_on():
    memory = OrderMemory(100)
    assert whose(memory, (1, 500, 2, 0), (1, 600, 0, 0), (1, 700, 3, 0)) == [2, 2, 2]
    assert whose(memory, (1, 550, 3, 0)) == [2], "a late fill does not move the time back"
    assert whose(memory, (1, 801, 0, 0)) == [NOBODY]
    assert whose(memory, (1, 802, 3, 0), (1, 803, 0, 0)) == [3, 3]


def test_what_was_said_of_an_order_before_the_horizon_is_forgotten():
    memory = OrderMemory(100)
    whose(memory, (1, 500, 2, 0))
    assert whose(memory, (1, 450, 0, 0), horizon=500) == [2]
    assert whose(memory, (1, 450, 0, 0), horizon=501) == [NOBODY]
    assert whose(memory, (1, 450, 3, 0), horizon=501) == [3]


def test_a_memory_of_orders_grows_and_shrinks_and_is_restored():
    memory = OrderMemory(100)
    rows = [(n, n, 1 + n % 5, 0) for n in range(1000)]
    for first in range(0, 1000, 77):
        whose(memory, *rows[first : first + 77])
    memory.forget(601)
    assert len(memory) == 499
    silent = [(n, n, 0, 0) for n in range(1000)]
    other = OrderMemory.from_arrays(100, memory.arrays(800))
    assert whose(other, *silent) == [0] * 700 + [1 + n % 5 for n in range(700, 1000)]


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
