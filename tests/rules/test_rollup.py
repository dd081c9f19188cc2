"""Positions as a whole against the oracle's books, and by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle import strategies
from oracle.money import SCALE

from rules.fast_fifo import Expected, Feed
from streaming.rules.lot_books import LotBooks
from streaming.rules.matching import match_fills
from streaming.rules.rollup import average_prices, costs

FEEDS = st.lists(strategies.fill_cases(), min_size=1, max_size=4).map(Feed)


@given(FEEDS)
def test_averages_are_the_oracles_and_nought_where_flat(feed):
    books, expected = feed.books(), Expected(feed)
    feed.match(books)
    assert average_prices(books.books).tolist() == [book.avg_price for book in expected.books]


@given(FEEDS)
def test_costs_are_right_to_fifteen_digits(feed):
    books, expected = feed.books(), Expected(feed)
    feed.match(books)
    for cost, book in zip(costs(books.books).tolist(), expected.books, strict=True):
        exact = sum(lot.fill.price * lot.left for lot in book.lots) * book.point_value
        assert abs(cost * 10**16 - exact) <= exact * 1e-15


def test_averages_and_costs_by_hand():
    books = LotBooks(3, np.array([SCALE, 2 * SCALE, SCALE]))
    match_fills(
        books,
        np.array([0, 0, 1], np.int32),
        np.array([SCALE, 2 * SCALE, -3 * SCALE]),
        np.array([SCALE, 2 * SCALE, 5 * SCALE]),
        np.zeros(3, np.int64),
        np.ones((3, 2), np.uint64),
    )
    assert average_prices(books.books).tolist() == [166666667, 5 * SCALE, 0]
    assert costs(books.books).tolist() == [5 * SCALE, 30 * SCALE, 0]
