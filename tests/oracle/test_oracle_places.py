"""Which symbols find a place, and who may sell, by hand."""

from dataclasses import replace

import pytest

from oracle.gate import Gate, Order
from oracle.money import SCALE, units
from oracle.small_markets import FOUR, FREE, codes, held, market, quantities, run, signal


def test_a_fourth_symbol_finds_no_place():
    out = run(FOUR, *[signal(1, "BUY", symbol) for symbol in "ABCD"])
    assert codes(out) == ["OK", "OK", "OK", "OPEN_LIMIT_EXCEEDED"]


def test_pending_and_open_symbols_count_alike():
    out = run(FOUR, *[signal(1, "BUY", s) for s in "AB"], *[signal(2, "BUY", s) for s in "CD"])
    assert codes(out) == ["OK", "OK", "OK", "OPEN_LIMIT_EXCEEDED"]


def test_a_symbol_counts_once_whoever_holds_it():
    both = [signal(1, "BUY", strategy=name) for name in "st"]
    out = run(FOUR, *both, *[signal(2, "BUY", symbol) for symbol in "BC"])
    assert codes(out) == ["OK"] * 4


def test_an_open_symbol_may_be_bought_when_all_places_are_taken():
    out = run(
        FOUR,
        *[signal(1, "BUY", s, size="0.1") for s in "ABC"],
        signal(2, "BUY", size="0.1", strategy="t"),
    )
    assert codes(out) == ["OK"] * 4


def test_a_pending_symbol_is_not_yet_open():
    # To the letter: not open, and three symbols are open or pending.
    out = run(
        FOUR,
        *[signal(1, "BUY", s) for s in "ABC"],
        signal(1, "BUY", strategy="t"),
    )
    by_strategy = {(d.signal.strategy, d.signal.symbol): d.code for d in out.decisions}
    assert by_strategy["t", "A"] == "OPEN_LIMIT_EXCEEDED"


def test_an_order_keeps_the_place_of_a_symbol_that_closes_meanwhile():
    # Minute 2: s sells A and t buys A; both fill in minute 3. With A's bars gone after
    # minute 2, A stays open and pending until the gap ends, and D finds no place.
    bars = {**FOUR, "A": market(A="10 10 - - 10")["A"]}
    out = run(
        bars,
        *[signal(1, "BUY", s, size="0.1") for s in "ABC"],
        signal(2, "SELL"),
        signal(2, "BUY", size="0.1", strategy="t"),
        signal(3, "BUY", "D"),
    )
    assert codes(out) == ["OK"] * 5 + ["OPEN_LIMIT_EXCEEDED"]
    assert held(out) == 0
    assert held(out, strategy="t") == units("10")


def test_a_closed_symbol_with_a_live_order_still_counts():
    gate = Gate(replace(FREE, max_open=1))
    gate.orders[1] = Order(1, 0, "t", "A", "BUY", SCALE, SCALE, True)
    assert gate.open_symbols() == set()
    assert gate.decide(signal(1, "BUY", "B"), SCALE)[0] == "OPEN_LIMIT_EXCEEDED"


def test_a_place_is_free_again_at_the_time_of_the_closing_fill():
    out = run(
        FOUR,
        *[signal(1, "BUY", s) for s in "ABC"],
        signal(2, "SELL"),
        signal(2, "BUY", "D"),  # A closes in minute 3 only
        signal(3, "BUY", "D"),  # fills come before signals
    )
    assert [d.code for d in out.decisions if d.signal.symbol == "D"] == [
        "OPEN_LIMIT_EXCEEDED",
        "OK",
    ]


def test_without_reservations_pending_symbols_do_not_count_and_a_breach_is_alerted():
    settings = replace(FREE, reserve_on_open=False, max_open=1)
    out = run(
        FOUR, signal(1, "BUY", "A"), signal(1, "BUY", "B"), signal(2, "BUY", "C"), settings=settings
    )
    assert codes(out) == ["OK", "OK", "OPEN_LIMIT_EXCEEDED"]
    assert out.breaches == [out.reports[1]]


def test_strategies_have_their_own_places_when_the_key_says_so():
    settings = replace(FREE, max_open=1, key="account+strategy")
    signals = [signal(1, "BUY", a, strategy=b) for a, b in ["As", "Bs", "Bt"]]
    out = run(FOUR, *signals, settings=settings)
    by_key = {(d.signal.strategy, d.signal.symbol): d.code for d in out.decisions}
    assert by_key == {("s", "A"): "OK", ("s", "B"): "OPEN_LIMIT_EXCEEDED", ("t", "B"): "OK"}


def test_amounts_are_the_accounts_whatever_the_key():
    settings = replace(FREE, gross_limit=units("1500"), key="account+strategy")
    signals = [signal(1, "BUY", a, strategy=b) for a, b in ["As", "Bt"]]
    out = run(FOUR, *signals, settings=settings)
    assert quantities(out) == [units("100"), units("50")]


def test_no_limit_is_no_limit():
    out = run(FOUR, *[signal(1, "BUY", s) for s in "ABCD"], settings=replace(FREE, max_open=None))
    assert codes(out) == ["OK"] * 4


def test_nobody_sells_what_another_strategy_holds():
    out = run(FOUR, signal(1, "BUY"), signal(2, "SELL", strategy="t"), signal(2, "SELL", "B"))
    assert codes(out) == ["OK", "NO_OPEN_POSITION", "NO_OPEN_POSITION"]


def test_a_sale_before_the_fill_finds_nothing():
    out = run(market(A="10 - 10"), signal(1, "BUY"), signal(2, "SELL"))
    assert codes(out) == ["OK", "NO_OPEN_POSITION"]


SHORTS = replace(FREE, sell_requires_long=False)


def test_where_shorts_are_allowed_the_symbol_must_be_open_in_the_account():
    out = run(FOUR, signal(1, "SELL"), settings=SHORTS)
    assert codes(out) == ["NO_OPEN_POSITION"]


def test_a_strategy_that_holds_nothing_opens_a_short_sized_like_a_buy():
    out = run(FOUR, signal(1, "BUY"), signal(2, "SELL", strategy="t", size="0.25"), settings=SHORTS)
    assert codes(out) == ["OK", "OK"]
    assert held(out, strategy="t") == units("-25")


def test_a_short_that_sells_again_is_sized_like_a_buy_and_limits_count_it():
    settings = replace(SHORTS, symbol_limit=units("1500"))
    out = run(
        FOUR,
        signal(1, "BUY"),
        signal(2, "SELL", strategy="t", size="0.25"),  # 250: 1250 in all
        signal(3, "SELL", strategy="t"),  # 250 are left
        settings=settings,
    )
    assert quantities(out) == [units("100"), units("25"), units("25")]


def test_a_buy_covers_a_short_and_never_flips_it():
    bars = market(A="10 10 10 10 10 - 10")
    out = run(
        bars,
        signal(1, "BUY"),
        signal(2, "SELL", strategy="t", size="0.5"),  # short 50
        signal(4, "BUY", strategy="t", size="0.5"),  # covers 25 of 50 in minute 5
        signal(5, "BUY", strategy="t", size="0.6"),  # wants 15 of 25
        signal(6, "BUY", strategy="t"),  # wants 25, has 10 left
        settings=SHORTS,
    )
    assert quantities(out)[2:] == [units("25"), units("15"), units("10")]
    assert held(out, strategy="t") == 0
    assert {match.direction for strategy, _, match in out.matches if strategy == "t"} == {"SHORT"}


def test_a_short_that_is_being_covered_has_nothing_left_to_cover():
    bars = market(A="10 10 10 - - 10")
    out = run(
        bars,
        signal(1, "BUY"),
        signal(2, "SELL", strategy="t", size="0.5"),
        signal(3, "BUY", strategy="t"),
        signal(4, "BUY", strategy="t"),
        settings=SHORTS,
    )
    assert codes(out) == ["OK", "OK", "OK", "BUDGET_EXCEEDED"]


def test_a_covering_buy_waits_over_gaps_like_a_sale():
    bars = market(A="10 10 10 " + "- " * 20 + "9")
    out = run(
        bars,
        signal(1, "BUY"),
        signal(2, "SELL", strategy="t"),
        signal(3, "BUY", strategy="t"),
        settings=SHORTS,
    )
    assert held(out, strategy="t") == 0
    assert [match.pnl for strategy, _, match in out.matches] == [units("100")]


def test_a_long_that_sells_where_shorts_are_allowed_never_flips():
    bars = market(A="10 10 10 - - 10")
    out = run(bars, signal(1, "BUY"), signal(3, "SELL"), signal(4, "SELL"), settings=SHORTS)
    assert codes(out) == ["OK", "OK", "NO_OPEN_POSITION"]
    assert held(out) == 0


def test_a_signal_before_the_first_bar_has_no_price():
    with pytest.raises(ValueError, match="no bar of A"):
        run(market(A="- 10"), signal(1, "BUY"))
