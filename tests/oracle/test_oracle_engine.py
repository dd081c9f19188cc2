"""Fills, the order of one moment, and the reservation's time, by hand."""

from dataclasses import replace

from oracle import ids
from oracle.engine import fill_price, signal_order, simulate
from oracle.gate import Instrument
from oracle.money import units
from oracle.small_markets import FOUR, FREE, MINUTE, codes, held, market, quantities, run, signal


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
    (lot,) = out.books()["s", "A"].lots
    assert lot.fill.name == ids.fill_id(key, ids.id_text(order), "1", 2 * MINUTE)


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
