"""FIFO against the oracle: every match, lot, average and id, whole and cut anywhere."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import samples, strategies
from oracle.fifo import Fill
from oracle.money import LIMIT, SCALE, DoesNotFitError, product, units
from oracle.samples import FillCase

from rules.fast_fifo import Expected, Feed, fill_words, lot_rows, match_rows, position_rows
from streaming.errors import MoneyError, StateError
from streaming.rules.fifo import exposure
from streaming.rules.lot_books import LotBooks
from streaming.rules.matching import match_fills
from streaming.rules.units import MOST_FEE, OVERFLOW


@st.composite
def feeds(draw):
    """Fills of one to four keys, merged in a random order."""
    cases = draw(st.lists(strategies.fill_cases(), min_size=1, max_size=4))
    steps = [key for key, case in enumerate(cases) for _ in case.fills]
    return Feed(cases, draw(st.permutations(steps)))


def one_key(*rows, point_value="1"):
    """One key's fills from (qty, price) or (qty, price, fee) as decimal texts."""
    fills = [
        Fill(n, units(row[0]), units(row[1]), units(row[2]) if len(row) > 2 else 0)
        for n, row in enumerate(rows)
    ]
    return Feed([FillCase(units(point_value), fills)])


@given(feeds())
def test_matches_lots_and_averages_are_the_oracles(feed):
    books, expected = feed.books(), Expected(feed)
    assert feed.match(books) == expected.matches
    assert lot_rows(books) == expected.lots()
    assert position_rows(books) == expected.positions()
    assert books.next_ref == len(feed)


@given(feeds(), st.data())
def test_a_cut_anywhere_and_a_restart_change_nothing(feed, data):
    books, expected = feed.books(), Expected(feed)
    found = []
    for part in data.draw(strategies.cuts(len(feed))):
        found += feed.match(books, part)
        assert len(found) == ([0, *expected.after])[part.stop]
        saved = books.to_bytes()
        books = LotBooks.from_bytes(saved)
        assert books.to_bytes() == saved
    assert found == expected.matches
    assert lot_rows(books) == expected.lots()
    assert position_rows(books) == expected.positions()


@given(feeds(), st.data())
def test_equal_lots_give_equal_bytes_however_they_came_about(feed, data):
    whole, cut = feed.books(), feed.books()
    feed.match(whole)
    for part in data.draw(strategies.cuts(len(feed))):
        feed.match(cut, part)
    assert whole.to_bytes() == cut.to_bytes()


@given(feeds(), st.sampled_from([2, 4, 8]), st.data())
def test_the_number_of_threads_changes_nothing(feed, shards, data):
    one, many = feed.books(), feed.books(shards=shards)
    for part in data.draw(strategies.cuts(len(feed))):
        assert feed.match(one, part) == feed.match(many, part)
        saved = many.to_bytes()
        assert saved == one.to_bytes()
        shards = data.draw(st.sampled_from([1, 2, 4]))
        many = LotBooks.from_bytes(saved, shards=shards)
        assert many.shards == shards
    assert lot_rows(one) == lot_rows(many)


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_long_batches_of_many_keys(shards):
    """Long enough that fills are looked at ahead of their turn, in every shard."""
    rng = Random(shards)
    for _ in range(20):
        feed = Feed([samples.fill_case(rng) for _ in range(rng.randint(1, 90))])
        expected, books = Expected(feed), feed.books(shards=shards)
        half = slice(0, len(feed) // 2)
        found = feed.match(books, half) + feed.match(books, slice(half.stop, None))
        assert found == expected.matches
        assert lot_rows(books) == expected.lots()


@given(feeds())
def test_fees_add_up_to_the_last_digit_once_all_is_closed(feed):
    books = feed.books()
    rows = feed.match(books)
    flat = [(key, -net) for key, (net, _) in enumerate(position_rows(books)) if net]
    rows += match_rows(
        match_fills(
            books,
            np.array([key for key, _ in flat], np.int32),
            np.array([qty for _, qty in flat], np.int64),
            np.ones(len(flat), np.int64),
            np.zeros(len(flat), np.int64),
            np.ones((len(flat), 2), np.uint64),
        )
    )
    assert lot_rows(books) == []
    assert sum(row[4] for row in rows) == sum(fill.fee for _, fill in feed.rows)


@given(feeds())
def test_exposure_is_the_position_at_its_average_price(feed):
    books, expected = feed.books(), Expected(feed)
    feed.match(books)
    for key, book in enumerate(expected.books):
        try:
            cost = product(book.avg_price, abs(book.net), book.point_value)
        except DoesNotFitError:  # each fill fits, all of them together do not
            cost = OVERFLOW
        assert int(exposure(books.books[key])) == cost


def test_a_flip_by_hand():
    feed = one_key(("10", "5", "0.01"), ("-25", "6", "0.05"), ("20", "4"))
    books = feed.books()
    rows = [row[:5] for row in feed.match(books)]
    assert rows == [
        # 10 bought at 5, sold at 6; fee 0.01 whole and 10 of 25 parts of 0.05.
        (0, 1, units("10"), units("10"), units("0.03")),
        # 15 sold at 6, bought at 4; 15 of 25 parts of 0.05.
        (1, 2, -units("15"), units("30"), units("0.03")),
    ]
    assert position_rows(books) == [(units("5"), units("4"))]


def test_a_match_is_named_by_its_buy_then_its_sale():
    from oracle.ids import mix

    long, short = one_key(("1", "5"), ("-1", "6")), one_key(("-1", "5"), ("1", "6"))
    ((*_, high, low),) = long.match(long.books())
    assert high * 2**64 + low == mix(fill_words(0), fill_words(1))
    ((*_, high, low),) = short.match(short.books())
    assert high * 2**64 + low == mix(fill_words(1), fill_words(0))


def test_many_lots_of_one_key_are_closed_at_once():
    rows = [("1", str(price)) for price in range(1, 200)]
    feed = one_key(*rows, ("-150", "200"))
    assert feed.match(feed.books()) == Expected(feed).matches


def test_keys_may_be_added_later():
    feed = one_key(("1", "5"), ("-1", "6"))
    books = LotBooks(0)
    books.grow(1)
    first = feed.match(books, slice(0, 1))
    books.grow(3, np.array([units("2"), units("3")]))
    assert first + feed.match(books, slice(1, 2)) == Expected(feed).matches
    assert books.books["point_value"].tolist() == [SCALE, units("2"), units("3")]


def test_no_fills_give_no_matches():
    feed = one_key(("1", "5"))
    books = feed.books()
    assert feed.match(books, slice(0, 0)) == []
    assert lot_rows(books) == []
    assert position_rows(books) == [(0, 0)]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_position_that_does_not_fit_is_refused_and_what_came_before_stands(sign):
    most = sign * (LIMIT - 1)
    fills = [Fill(0, most, 1), Fill(1, sign, 1), Fill(2, -sign, 1)]
    feed = Feed([FillCase(SCALE, fills)])
    books = feed.books()
    with pytest.raises(MoneyError, match="Fill 1 "):
        feed.match(books)
    assert position_rows(books) == [(most, 1)]
    assert books.next_ref == 1
    # The position is as it was: it can still be closed.
    assert feed.match(books, slice(2, 3)) == [(0, 1, sign, 0, 0, *match_id(feed, sign))]


def match_id(feed, sign):
    from oracle.ids import mix

    first, third = (int(h) * 2**64 + int(low) for h, low in (feed.ids[0], feed.ids[2]))
    return divmod(mix(first, third) if sign > 0 else mix(third, first), 2**64)


@pytest.mark.parametrize("fee", [MOST_FEE, -MOST_FEE])
@pytest.mark.parametrize("wrong", [[0, 1], [1], [1, 2]])
def test_the_first_fee_that_two_of_do_not_fit_is_named(fee, wrong):
    fills = [Fill(at, (-1) ** at, 1, fee if at in wrong else 7) for at in range(3)]
    feed = Feed([FillCase(SCALE, fills)])
    with pytest.raises(MoneyError, match=f"Fill {wrong[0]} "):
        feed.match(feed.books())


@pytest.mark.parametrize("fee", [LIMIT - 1, 1 - LIMIT])
def test_fees_of_a_match_that_do_not_fit_are_refused(fee):
    feed = Feed([FillCase(SCALE, [Fill(0, 1, 1, fee), Fill(1, -1, 1, fee)])])
    with pytest.raises(MoneyError):
        feed.match(feed.books())


def test_damaged_state_is_refused():
    feed = one_key(("1", "5"))
    books = feed.books()
    feed.match(books)
    data = bytearray(books.to_bytes())
    data[-1] ^= 1
    with pytest.raises(StateError):
        LotBooks.from_bytes(bytes(data))
