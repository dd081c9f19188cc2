"""Lots put into books, and shards beside each other."""

import numpy as np
import pytest
from oracle.fifo import Fill
from oracle.money import LIMIT, SCALE, units
from oracle.samples import FillCase

from rules.fast_fifo import Expected, Feed, lot_rows
from streaming.errors import MoneyError
from streaming.rules.lot_books import LotBooks


def opened(keys: int, lots: int) -> Feed:
    """Give fills that open lots of one unit, the keys by turns."""
    cases = [
        FillCase(SCALE, [Fill(place, units("1"), units("5")) for place in range(lots)])
        for _ in range(keys)
    ]
    return Feed(cases)


@pytest.mark.parametrize("shards", [-2, -1, 0, 3, 6])
def test_shards_are_a_power_of_two(shards):
    with pytest.raises(ValueError, match=f"shards = {shards}:"):
        LotBooks(1, shards=shards)


def test_restored_books_have_one_shard_unless_told():
    books = opened(2, 1).books(shards=2)
    assert LotBooks.from_bytes(books.to_bytes()).shards == 1


def test_how_lots_were_chained_before_they_are_placed_means_nothing():
    cases = [FillCase(SCALE, [Fill(place, units("1"), units("5")) for place in range(3)])]
    closing = Feed([FillCase(SCALE, [*cases[0].fills, Fill(3, -units("5"), units("6"))])])
    books = closing.books()
    closing.match(books, slice(0, 3))
    key, lots = books.open_lots()
    lots["next"], lots["carried"] = 1, 77
    placed = closing.books()
    placed.place(key, lots, np.ones(3, np.bool_), 3)
    whole = Expected(closing)
    assert closing.match(placed, slice(3, 4)) == whole.matches
    assert lot_rows(placed) == whole.lots()


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_a_position_that_does_not_fit_is_refused_in_any_shard(shards):
    good, bad = [Fill(0, 1, 1), Fill(1, 1, 1)], [Fill(0, LIMIT - 1, 1), Fill(1, 1, 1)]
    for cases in ([good, bad], [bad, good]):
        feed = Feed([FillCase(SCALE, fills) for fills in cases])
        with pytest.raises(MoneyError, match=r"Fill [23] "):
            feed.match(feed.books(shards=shards))


def test_shards_do_not_look_into_each_others_pools():
    """Lots of key 0 lie in places that the pool of key 1 does not have."""
    many = [Fill(place, units("1"), units("5")) for place in range(60)]
    # The oldest 50 are closed, so the oldest left lies far back.
    first = [*many, Fill(60, -units("50"), units("6"))]
    turns = [Fill(61 + place, units("1"), units("5")) for place in range(20)]
    feed = Feed(
        [FillCase(SCALE, [*first, *turns]), FillCase(SCALE, turns)],
        [0] * len(first) + [0, 1] * len(turns),
    )
    books = feed.books(shards=2)
    before = feed.match(books, slice(0, len(first)))
    books.pools[1] = books.pools[1][:0]
    assert before + feed.match(books, slice(len(first), None)) == Expected(feed).matches


def test_places_of_closed_lots_are_used_again():
    fills = [Fill(at, units("1") * (-1) ** at, units("5")) for at in range(400)]
    feed = Feed([FillCase(SCALE, fills)])
    books = feed.books()
    feed.match(books)
    assert int(books.free[0][1]) <= 2
