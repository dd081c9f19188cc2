"""How many units an order may have, by hand."""

from dataclasses import replace

from oracle.fifo import Fill
from oracle.gate import Gate, Instrument
from oracle.money import SCALE, units
from oracle.small_markets import FREE, codes, held, market, quantities, run, signal


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
