"""FIFO by hand, and against its definition: the k-th unit bought meets the k-th sold."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.fifo import Book, Fill
from oracle.money import DoesNotFitError, units


def fill(name, qty, price, fee="0", ts=0):
    return Fill(name, units(qty), units(price), units(fee), ts)


def run(*fills, point_value="1"):
    book = Book(units(point_value))
    return book, [match for one in fills for match in book.apply(one)]


def short(match):
    return (match.opened_by.name, match.closed_by.name, match.qty, match.pnl)


def test_a_buy_opens_a_lot_and_matches_nothing():
    book, matches = run(fill("a", "10", "5"))
    assert matches == []
    assert book.rollup() == ("LONG", units("10"), units("5"))


def test_a_sale_closes_the_oldest_lot_first():
    book, matches = run(fill("a", "10", "5"), fill("b", "10", "6"), fill("c", "-15", "7"))
    assert [short(match) for match in matches] == [
        ("a", "c", units("10"), units("20")),  # (7 - 5) x 10
        ("b", "c", units("5"), units("5")),  # (7 - 6) x 5
    ]
    assert book.rollup() == ("LONG", units("5"), units("6"))


def test_a_short_gains_when_it_is_bought_back_lower():
    book, matches = run(fill("a", "-10", "7"), fill("b", "4", "5"))
    assert [short(match) for match in matches] == [("a", "b", units("4"), units("8"))]
    assert matches[0].direction == "SHORT"
    assert (matches[0].buy.name, matches[0].sell.name) == ("b", "a")
    assert book.rollup() == ("SHORT", units("-6"), units("7"))


def test_a_flip_closes_all_and_opens_the_rest_the_other_way():
    book, matches = run(fill("a", "10", "5"), fill("b", "-25", "6"), fill("c", "20", "4"))
    assert [(*short(match), match.direction) for match in matches] == [
        ("a", "b", units("10"), units("10"), "LONG"),
        ("b", "c", units("15"), units("30"), "SHORT"),  # sold at 6, bought back at 4
    ]
    assert book.rollup() == ("LONG", units("5"), units("4"))


def test_flat_is_exactly_flat():
    book, _ = run(fill("a", "0.1", "5"), fill("b", "0.2", "5"), fill("c", "-0.3", "5"))
    assert book.net == 0
    assert book.rollup() is None
    assert not book.lots


def test_average_price_is_rounded_half_even():
    # (1 x 1.00000000 + 1 x 1.00000001) / 2 = 1.000000005: the even neighbour is 1.
    book, _ = run(fill("a", "1", "1"), fill("b", "1", "1.00000001"))
    assert book.avg_price == units("1")
    # (1.00000001 + 1.00000002) / 2 = 1.000000015 -> 1.00000002
    book, _ = run(fill("a", "1", "1.00000001"), fill("b", "1", "1.00000002"))
    assert book.avg_price == units("1.00000002")


def test_average_price_forgets_what_was_closed():
    book, _ = run(fill("a", "10", "5"), fill("b", "10", "9"), fill("c", "-10", "1"))
    assert book.avg_price == units("9")
    book, _ = run(fill("a", "10", "5"), fill("b", "10", "9"), fill("c", "-5", "1"))
    # 5 x 5 + 10 x 9 = 115 over 15 = 7.66666667
    assert book.avg_price == units("7.66666667")


def test_point_value_multiplies_pnl():
    _, matches = run(fill("a", "2", "10"), fill("b", "-2", "10.25"), point_value="50")
    assert matches[0].pnl == units("25")


def test_pnl_is_rounded_for_each_segment():
    # 0.00000001 x 0.5 is half of the last digit, twice: each rounds to 0.
    _, matches = run(
        fill("a", "1", "1"), fill("b", "-0.5", "1.00000001"), fill("c", "-0.5", "1.00000001")
    )
    assert [match.pnl for match in matches] == [0, 0]


def test_fees_are_shared_over_both_fills():
    # The buy's fee of 3 over 3 units, the sales' own fees of 0.5 and 1.
    _, matches = run(
        fill("a", "3", "5", fee="3"), fill("b", "-1", "5", fee="0.5"), fill("c", "-2", "5", fee="1")
    )
    assert [match.fees for match in matches] == [units("1.5"), units("3")]


def test_fee_remainders_go_to_the_segment_that_crosses_them():
    # 0.00000010 over 3 units: 3, 4, 3 in units of the last digit.
    _, matches = run(fill("a", "3", "5", fee="0.0000001"), *[fill(n, "-1", "5") for n in "bcd"])
    assert [match.fees for match in matches] == [3, 4, 3]


def test_a_flipping_fill_shares_its_fee_between_what_it_closes_and_what_it_opens():
    # Fee 0.00000007 over 2 units: R(3.5) = 4 for the first, 3 for the second.
    _, matches = run(
        fill("a", "1", "5"), fill("b", "-2", "5", fee="0.00000007"), fill("c", "1", "5")
    )
    assert [match.fees for match in matches] == [4, 3]


def test_a_rebate_is_a_negative_fee():
    _, matches = run(fill("a", "2", "5", fee="-1"), fill("b", "-2", "5", fee="0.25"))
    assert matches[0].fees == units("-0.75")


def test_the_match_is_dated_by_the_later_fill():
    _, matches = run(fill("a", "1", "5", ts=20), fill("late", "-1", "5", ts=10))
    assert matches[0].ts == 20
    assert matches[0].opened_by.name == "a"


def test_what_does_not_fit_is_refused():
    book, _ = run(fill("a", "9999999999", "1"))
    with pytest.raises(DoesNotFitError):
        book.apply(fill("b", "1", "1"))
    book, _ = run(fill("a", "100000", "1"))
    with pytest.raises(DoesNotFitError):
        book.apply(fill("b", "-100000", "100002"))


tiny_fills = st.lists(
    st.tuples(st.integers(-6, 6).filter(bool), st.integers(1, 50), st.integers(-20, 20)),
    max_size=25,
)


@given(tiny_fills)
def test_the_kth_unit_bought_meets_the_kth_unit_sold(rows):
    book = Book()
    fills = [Fill(n, qty, price * 10**8, fee) for n, (qty, price, fee) in enumerate(rows)]
    matches = [match for one in fills for match in book.apply(one)]
    bought = [one.name for one in fills if one.qty > 0 for _ in range(one.qty)]
    sold = [one.name for one in fills if one.qty < 0 for _ in range(-one.qty)]
    paired = Counter(zip(bought, sold, strict=False))
    assert {(m.buy.name, m.sell.name): m.qty for m in matches} == paired
    assert len(matches) == len(paired)
    assert book.net == len(bought) - len(sold)
    # A tick of 1 on one unit of 1e-8 makes a PnL that needs no rounding.
    gross = sum((fills[s].price - fills[b].price) * n // 10**8 for (b, s), n in paired.items())
    assert book.realized_pnl == sum(match.pnl for match in matches) == gross
    assert all(
        match.direction == ("LONG" if match.buy.name < match.sell.name else "SHORT")
        for match in matches
    )


@given(tiny_fills)
def test_fees_add_up_once_all_is_closed(rows):
    book = Book()
    matches = []
    for n, (qty, price, fee) in enumerate(rows):
        matches += book.apply(Fill(n, qty, price, fee))
    if book.net:
        matches += book.apply(Fill("last", -book.net, 1, 0))
    assert sum(match.fees for match in matches) == sum(fee for _, _, fee in rows)
