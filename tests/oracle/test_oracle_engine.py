"""Small markets worked out by hand: times are minutes, amounts are decimal texts."""

from dataclasses import replace

import pytest

from oracle import ids
from oracle.engine import fill_price, signal_order, simulate
from oracle.fifo import Fill
from oracle.gate import Gate, Instrument, Order, Settings, Signal
from oracle.money import SCALE, units

MINUTE = 60_000_000
FREE = Settings(capital=units("1000"), order_limit=None, symbol_limit=None, gross_limit=None)


def market(**closes):
    """market(A="10 11 - 12"): closes of minutes 1, 2 and 4; minute 3 has no bar."""
    return {
        symbol: [
            (minute * MINUTE, units(close))
            for minute, close in enumerate(text.split(), start=1)
            if close != "-"
        ]
        for symbol, text in closes.items()
    }


def signal(minute, action, symbol="A", strategy="s", size="1", weight="1", confidence=1.0):
    return Signal(minute * MINUTE, strategy, symbol, action, units(size), confidence, units(weight))


def run(bars, *signals, settings=FREE, until=1000):
    return simulate("acct", settings, bars, list(signals), until * MINUTE)


def codes(outcome):
    return [decision.code for decision in outcome.decisions]


def quantities(outcome):
    return [decision.qty for decision in outcome.decisions]


def held(outcome, symbol="A", strategy="s"):
    return outcome.books()[strategy, symbol].net


# Fills


def test_an_order_fills_at_the_close_of_the_next_bar():
    out = run(market(A="10 11 12"), signal(1, "BUY"))
    # 1000 / 10 = 100 units, sized at the signal bar's close, filled one bar later.
    assert quantities(out) == [units("100")]
    assert [(r.ts, r.price) for r in out.reports] == [(2 * MINUTE, units("11"))]
    assert out.rollup() == {("s", "A"): ("LONG", units("100"), units("11"))}


def test_a_signal_between_bars_is_sized_at_the_last_close():
    out = run(market(A="10 - 20"), signal(2, "BUY"))
    assert out.decisions[0].ref_price == units("10")
    assert out.reports[0].price == units("20")


def test_order_events_and_ids():
    out = run(market(A="10 11"), signal(1, "BUY"))
    key = ids.position_id("acct", "s", "A")
    order = ids.order_id(key, MINUTE, "BUY")
    assert out.order_events == [(order, MINUTE, "SENT"), (order, MINUTE, "ACKED")]
    assert out.books()["s", "A"].lots[0].fill.name == ids.fill_id(key, ids.id_text(order), "1")


def test_a_round_trip_costs_slippage_and_fees():
    settings = replace(FREE, slippage_bps=units("10"), fee_bps=units("5"))
    out = run(market(A="10 10 10 12"), signal(1, "BUY"), signal(3, "SELL"), settings=settings)
    # Bought 100 at 10 + 0.01, sold at 12 - 0.012; fees 0.05 % of 1001 and of 1198.8.
    assert [r.price for r in out.reports] == [units("10.01"), units("11.988")]
    assert [r.fee for r in out.reports] == [units("0.5005"), units("0.5994")]
    (_, _, match) = out.matches[0]
    assert match.pnl == units("197.8")  # (11.988 - 10.01) x 100
    assert match.fees == units("1.0999")
    assert out.rollup() == {}


def test_slippage_rounds_half_even():
    settings = replace(FREE, slippage_bps=units("1"))
    # 1 bp of 0.00015 is 1.5 of the last digit -> 2; of 0.00005 it is 0.5 -> 0.
    assert fill_price(units("0.00015"), "BUY", settings, "A") == units("0.00015002")
    assert fill_price(units("0.00005"), "SELL", settings, "A") == units("0.00005")


def test_a_tick_is_taken_against_the_trader():
    tick = Instrument(tick=units("0.25"))
    settings = replace(FREE, slippage_bps=units("1"), instruments={"A": tick})
    # 10 +- 0.001: up to 10.25 when buying, down to 9.75 when selling.
    assert fill_price(units("10"), "BUY", settings, "A") == units("10.25")
    assert fill_price(units("10"), "SELL", settings, "A") == units("9.75")
    still = replace(settings, slippage_bps=0)
    assert fill_price(units("10"), "BUY", still, "A") == units("10")
    assert fill_price(units("10.1"), "SELL", still, "A") == units("10")


# Sizes


def test_size_is_capital_times_weight_times_size_hint():
    out = run(market(A="10 10"), signal(1, "BUY", size="0.5", weight="0.3"))
    assert quantities(out) == [units("15")]  # 1000 x 0.3 x 0.5 = 150, at 10


def test_the_notional_is_rounded_once():
    # 0.00000003 x 0.5 is 1.5 of the last digit: 2, the even one.
    settings = replace(FREE, capital=3)
    out = run(market(A="1 1"), signal(1, "BUY", size="0.5"), settings=settings)
    assert quantities(out) == [2]
    # 0.00000001 x 0.6 x 0.6 is 0.36: nothing. Rounded at each step it would be 1.
    settings = replace(FREE, capital=1)
    out = run(market(A="1 1"), signal(1, "BUY", size="0.6", weight="0.6"), settings=settings)
    assert codes(out) == ["BUDGET_EXCEEDED"]


def test_a_weight_of_nothing_leaves_no_budget():
    out = run(market(A="10 10"), signal(1, "BUY", weight="0"))
    assert codes(out) == ["BUDGET_EXCEEDED"]


def test_quantity_is_floored_to_the_last_digit_and_to_the_lot():
    out = run(market(A="3 3"), signal(1, "BUY"))
    assert quantities(out) == [units("333.33333333")]
    settings = replace(FREE, instruments={"A": Instrument(lot=units("10"))})
    assert quantities(run(market(A="3 3"), signal(1, "BUY"), settings=settings)) == [units("330")]


def test_point_value_makes_a_unit_dearer():
    settings = replace(FREE, instruments={"A": Instrument(lot=SCALE, point_value=units("50"))})
    out = run(market(A="3 3 3 4"), signal(1, "BUY"), signal(3, "SELL"), settings=settings)
    assert quantities(out) == [units("6"), units("6")]  # 1000 / 150 = 6.67
    assert out.matches[0][2].pnl == units("300")  # (4 - 3) x 6 x 50


def test_less_than_the_smallest_quantity_is_refused():
    settings = replace(FREE, instruments={"A": Instrument(lot=SCALE, min_qty=units("50"))})
    assert codes(run(market(A="20 20"), signal(1, "BUY"), settings=settings)) == ["OK"]
    assert codes(run(market(A="21 21"), signal(1, "BUY"), settings=settings)) == ["BELOW_MIN_QTY"]
    assert codes(run(market(A="1001 1001"), signal(1, "BUY"), settings=settings)) == [
        "BELOW_MIN_QTY"  # less than one lot
    ]


def test_the_order_limit_clips():
    out = run(market(A="10 10"), signal(1, "BUY"), settings=replace(FREE, order_limit=units("90")))
    assert quantities(out) == [units("9")]


def test_the_symbol_limit_counts_positions_and_orders_of_all_strategies():
    settings = replace(FREE, symbol_limit=units("1500"))
    out = run(
        market(A="10 12 12 12", B="1 1 1 1"),
        signal(1, "BUY"),  # 100 at 10, filled at 12: 1200 at cost
        signal(2, "BUY", strategy="t"),  # 300 are left: 25 units, filled at 12
        signal(2, "BUY", strategy="u"),  # nothing is left while that is pending
        signal(2, "BUY", symbol="B"),  # another symbol has its own
        settings=settings,
    )
    assert [(d.signal.strategy, d.signal.symbol, d.code, d.qty) for d in out.decisions] == [
        ("s", "A", "OK", units("100")),
        ("s", "B", "OK", units("1000")),
        ("t", "A", "OK", units("25")),
        ("u", "A", "BUDGET_EXCEEDED", 0),
    ]


def test_the_gross_limit_counts_all_symbols():
    settings = replace(FREE, gross_limit=units("1500"))
    out = run(
        market(A="10 10", B="10 10"), signal(1, "BUY"), signal(1, "BUY", "B"), settings=settings
    )
    assert quantities(out) == [units("100"), units("50")]


def test_a_sale_gives_its_budget_back_only_when_it_fills():
    settings = replace(FREE, gross_limit=units("1000"))
    out = run(
        market(A="10 10 10 10", B="10 10 10 10"),
        signal(1, "BUY"),
        signal(2, "SELL"),
        signal(2, "BUY", "B", strategy="t"),  # the same minute: A is still held
        signal(3, "BUY", "B"),
        settings=settings,
    )
    assert codes(out) == ["OK", "OK", "BUDGET_EXCEEDED", "OK"]


def test_a_size_hint_of_one_closes_all_even_what_is_no_whole_lot():
    gate = Gate(replace(FREE, instruments={"A": Instrument(lot=SCALE, min_qty=SCALE)}))
    gate.book("s", "A").apply(Fill(0, units("2.5"), SCALE))
    assert gate.decide(signal(1, "SELL"), SCALE) == ("OK", units("2.5"), False)
    assert gate.decide(signal(1, "SELL", size="0.9"), SCALE) == ("OK", units("2"), False)
    assert gate.decide(signal(1, "SELL", size="0.3"), SCALE) == ("BELOW_MIN_QTY", 0, False)


def test_less_than_the_smallest_quantity_may_be_sold_to_close_all():
    gate = Gate(replace(FREE, instruments={"A": Instrument(lot=SCALE, min_qty=units("5"))}))
    gate.book("s", "A").apply(Fill(0, units("4"), SCALE))
    assert gate.decide(signal(1, "SELL"), SCALE) == ("OK", units("4"), False)
    assert gate.decide(signal(1, "SELL", size="0.75"), SCALE) == ("BELOW_MIN_QTY", 0, False)


def test_sales_that_are_pending_are_not_sold_twice():
    bars = market(A="10 10 10 - - 10")
    out = run(
        bars,
        signal(1, "BUY"),
        signal(3, "SELL", size="0.6"),  # 60 of 100, pending until minute 6
        signal(4, "SELL", size="0.6"),  # 60 wanted, 40 left
        signal(5, "SELL"),  # nothing left
    )
    assert codes(out) == ["OK", "OK", "OK", "NO_OPEN_POSITION"]
    assert quantities(out) == [units("100"), units("60"), units("40"), 0]
    assert held(out) == 0


# Places


FOUR = market(A="10 10 10 10", B="10 10 10 10", C="10 10 10 10", D="10 10 10 10")


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


# Order of one moment


def test_signals_of_one_moment_go_by_weight_times_confidence():
    one = replace(FREE, max_open=1)
    weak = signal(1, "BUY", "A", confidence=0.9, weight="0.1")  # 0.09
    strong = signal(1, "BUY", "B", confidence=0.5, weight="0.2")  # 0.10
    out = run(FOUR, weak, strong, settings=one)
    assert [(d.signal.symbol, d.code) for d in out.decisions] == [
        ("B", "OK"),
        ("A", "OPEN_LIMIT_EXCEEDED"),
    ]


def test_ties_go_by_strategy_then_symbol():
    rows = [signal(1, "BUY", a, strategy=b) for a, b in ["Bt", "As", "At", "Bs"]]
    names = [(s.strategy, s.symbol) for s in sorted(rows, key=signal_order)]
    assert names == [("s", "A"), ("s", "B"), ("t", "A"), ("t", "B")]


def test_fills_of_one_moment_go_by_order_id():
    out = run(FOUR, *[signal(1, "BUY", s) for s in "ABC"])
    names = [ids.id_text(report.order.order_id) for report in out.reports]
    assert names == sorted(names) and len(names) == 3


# The reservation's time


def test_a_bar_exactly_at_the_ttl_still_fills():
    # TTL 5 minutes: signal in minute 1, bar in minute 6.
    out = run(market(A="10 - - - - 11"), signal(1, "BUY"))
    assert [r.ts for r in out.reports] == [6 * MINUTE]
    assert [event for _, _, event in out.order_events] == ["SENT", "ACKED"]


def test_a_bar_later_than_the_ttl_finds_the_order_cancelled():
    out = run(market(A="10 - - - - - 11"), signal(1, "BUY"))
    assert out.reports == []
    assert [(ts, event) for _, ts, event in out.order_events][2:] == [(6 * MINUTE, "CANCELLED")]
    assert out.pending() == []


def test_a_microsecond_past_the_ttl_is_too_late():
    bars = {"A": [(MINUTE, units("10")), (6 * MINUTE + 1, units("11"))]}
    assert run(bars, signal(1, "BUY")).reports == []


def test_nothing_is_cancelled_before_its_time_is_over():
    bars = market(A="10")
    out = simulate("acct", FREE, bars, [signal(1, "BUY")], 6 * MINUTE - 1)
    assert [order.qty for order in out.pending()] == [units("100")]
    out = simulate("acct", FREE, bars, [signal(1, "BUY")], 6 * MINUTE)
    assert out.pending() == []


def test_a_cancelled_order_frees_its_place_and_its_budget_at_that_time():
    settings = replace(FREE, max_open=1, gross_limit=units("1000"))
    bars = {"A": market(A="10")["A"], "B": market(B="10 10 10 10 10 10 10")["B"]}
    out = run(
        bars, signal(1, "BUY"), signal(5, "BUY", "B"), signal(6, "BUY", "B"), settings=settings
    )
    assert codes(out) == ["OK", "OPEN_LIMIT_EXCEEDED", "OK"]


def test_a_sale_waits_over_any_gap():
    bars = market(A="10 10 " + "- " * 500 + "12")
    out = run(bars, signal(1, "BUY"), signal(2, "SELL"))
    assert [r.ts // MINUTE for r in out.reports] == [2, 503]
    assert held(out) == 0


def test_an_order_without_a_bar_to_come_stays_pending():
    out = run(market(A="10 10"), signal(1, "BUY"), signal(2, "SELL"), until=2)
    assert [order.side for order in out.pending()] == ["SELL"]
    assert held(out) == units("100")


# Sales and shorts


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
