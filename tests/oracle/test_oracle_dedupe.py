"""How recorded fills are taken in, by hand; times are seconds."""

import random

from oracle.dedupe import DAY, UNATTRIBUTED, Intake, Row
from oracle.money import units

SECOND = 1_000_000
KEY = ("acct", "s", "A")


def row(
    order, side, ts, qty="1", price="10", fill="1", fee="0", symbol="A", said="", account="acct"
):
    amounts = (units(qty), units(price), int(ts * SECOND), units(fee))
    return Row(account, order, fill, symbol, side, *amounts, said)


def take(*rows, orders=("o1", "o2", "o3", "o4"), **settings):
    intake = Intake(dict.fromkeys(orders, "s"), **settings)
    for one in rows:
        intake.arrive(one)
    return intake.end()


def applied(out):
    return [(r.order_id, r.fill_id) for _, r in out.applied]


def test_fills_within_the_lateness_are_put_in_order():
    out = take(row("o1", "BUY", 10), row("o2", "SELL", 14), row("o3", "BUY", 9))
    assert applied(out) == [("o3", "1"), ("o1", "1"), ("o2", "1")]
    assert out.late == 0


def test_equal_times_go_by_order_id_then_fill_id_as_text():
    out = take(
        row("o2", "BUY", 10, fill="1"),
        row("o1", "BUY", 10, fill="2"),
        row("o1", "BUY", 10, fill="10"),
    )
    assert applied(out) == [("o1", "10"), ("o1", "2"), ("o2", "1")]


def test_a_fill_on_the_watermark_is_not_late():
    out = take(row("o1", "BUY", 10), row("o2", "BUY", 5))
    assert (applied(out), out.late) == ([("o2", "1"), ("o1", "1")], 0)


def test_a_fill_below_the_watermark_is_late_and_applied_as_it_comes():
    out = take(row("o1", "BUY", 4), row("o2", "BUY", 10), row("o3", "SELL", 3), row("o4", "BUY", 6))
    assert applied(out) == [("o1", "1"), ("o3", "1"), ("o4", "1"), ("o2", "1")]
    assert out.late == 1
    assert [(match.opened_by.ts, match.ts) for _, match in out.matches] == [
        (4 * SECOND, 4 * SECOND)  # the sale of second 3 met the buy of second 4
    ]


def test_a_feed_that_is_complete_moves_the_watermark():
    intake = Intake({"o1": "s", "o2": "s"})
    intake.arrive(row("o1", "BUY", 10))
    intake.complete(9 * SECOND)
    assert intake.out.applied == []
    intake.complete(10 * SECOND)
    assert applied(intake.out) == [("o1", "1")]
    intake.arrive(row("o2", "BUY", 10))
    assert intake.out.late == 1


def test_a_fill_that_comes_twice_counts_once():
    out = take(row("o1", "BUY", 10), row("o1", "BUY", 10), row("o2", "SELL", 11))
    assert out.duplicates == {KEY: 1}
    assert out.books[KEY].net == 0


def test_a_second_fill_of_an_order_is_no_duplicate():
    out = take(row("o1", "BUY", 10, fill="1"), row("o1", "BUY", 10, fill="2"))
    assert not out.duplicates
    assert out.books[KEY].net == units("2")


def test_the_same_fill_at_another_price_is_dropped_and_told():
    out = take(row("o1", "BUY", 10, price="10"), row("o1", "BUY", 11, price="12"))
    assert [r.price for _, r in out.differing] == [units("12")]
    assert not out.duplicates
    assert out.books[KEY].avg_price == units("10")


def test_the_same_fill_at_another_time_is_told_apart_too():
    out = take(row("o1", "BUY", 10), row("o1", "BUY", 11))
    assert (len(out.differing), out.books[KEY].net) == (1, units("1"))


def test_an_id_may_come_again_after_its_time():
    week = 7 * DAY // SECOND
    assert take(row("o1", "BUY", 10), row("o1", "BUY", 10 + week)).books[KEY].net == units("1")
    out = take(row("o1", "BUY", 10), row("o1", "BUY", 10 + week + 0.000001))
    assert not out.differing
    assert out.books[KEY].net == units("2")


def test_what_was_forgotten_may_come_again_late():
    # Watermark 95 s, TTL 20 s: of what was applied before second 75 nothing is known.
    rows = [row("o1", "BUY", 74), row("o2", "BUY", 75), row("o3", "BUY", 100)]
    out = take(*rows, *rows[:2], ttl=20 * SECOND)
    assert (out.late, out.duplicates) == (2, {KEY: 1})
    assert out.books[KEY].net == units("4")


def test_an_order_that_nobody_knows_is_unattributed():
    out = take(row("o1", "BUY", 10), row("who", "SELL", 11))
    assert [r.order_id for r in out.unknown_orders] == ["who"]
    assert out.books["acct", UNATTRIBUTED, "A"].net == units("-1")
    assert out.books[KEY].net == units("1"), "another strategy's position is not touched"


def owners(out):
    return [key[1] for key, _ in out.applied]


def test_the_first_row_that_names_a_strategy_says_whose_the_order_is():
    out = take(
        row("who", "BUY", 10, fill="1", said="x"),
        row("who", "BUY", 11, fill="2"),
        row("who", "BUY", 12, fill="3", said="y"),
        row("who", "BUY", 13, fill="4", symbol="B"),
        row("who", "BUY", 14, fill="5", account="other"),
    )
    assert owners(out) == ["x", "x", "x", "x", UNATTRIBUTED]
    assert [(key[1], one.fill_id) for key, one in out.disputed] == [("x", "3")]


def test_what_signals_say_of_an_order_comes_first():
    out = take(row("o1", "BUY", 10, said="x"), row("o1", "BUY", 11, fill="2", said="s"))
    assert owners(out) == ["s", "s"]
    assert [one.said for _, one in out.disputed] == ["x"]


def test_a_fill_that_comes_again_under_another_strategy_is_dropped_and_told():
    out = take(row("who", "BUY", 10, said="x"), row("who", "BUY", 10, said="y"))
    assert owners(out) == ["x"]
    assert [one.said for _, one in out.differing] == ["y"]
    assert take(row("who", "BUY", 10, said="x"), row("who", "BUY", 10)).duplicates.total() == 1


def test_an_order_is_forgotten_after_its_time():
    times = [0, 20, 40, 60.000001]
    rows = [row("who", "BUY", ts, fill=str(ts)) for ts in times]
    first = row("who", "BUY", 0, fill="first", said="x")
    out = take(first, *rows, ttl=20 * SECOND)
    assert owners(out) == [UNATTRIBUTED, "x", "x", "x", UNATTRIBUTED]


def test_any_order_of_arrival_within_the_lateness_gives_the_same():
    rng = random.Random(3)
    for _ in range(200):
        rows = [
            row(
                rng.choice(["o1", "o2", "who"]),
                rng.choice(["BUY", "SELL"]),
                rng.randrange(30),
                qty=str(rng.randint(1, 5)),
                price=str(rng.randint(1, 9)),
                fill=str(rng.randint(1, 6)),
                fee="0.00000001",
                said=rng.choice(["", "s", "t"]),
            )
            for _ in range(12)
        ]
        straight = take(*sorted(rows, key=lambda r: r.ts))
        shaken = take(*sorted(rows, key=lambda r: r.ts + rng.randint(0, 5 * SECOND)))
        assert shaken.late == 0
        for what in (
            *("applied", "matches", "duplicates", "differing", "unknown_orders"),
            "disputed",
        ):
            assert getattr(shaken, what) == getattr(straight, what)
