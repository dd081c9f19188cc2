"""The simulated account against the oracle, whole and cut anywhere, and what must always hold."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import samples, strategies
from oracle.money import LIMIT, SCALE, units
from oracle.small_markets import FREE

from rules.fast_account import Fast, expected, moments
from rules.minutes import run, small
from streaming.errors import MoneyError

CASES = strategies.trading_cases()


@settings(max_examples=300)
@given(CASES)
def test_every_row_is_the_oracles(case):
    fast = Fast(case)
    fast.advance(case.complete_to)
    assert fast.rows == expected(case)[0]


@settings(max_examples=200)
@given(CASES, st.data())
def test_a_cut_at_any_moment_and_a_restart_change_nothing(case, data):
    fast = Fast(case)
    cuts = data.draw(st.lists(st.sampled_from(moments(case)), max_size=4, unique=True))
    for cut in [*sorted(cuts), case.complete_to]:
        fast.advance(cut)
        assert fast.rows == expected(case, cut)[0]
        saved = fast.restart()
        assert fast.account.to_bytes() == saved


@given(CASES, st.data())
def test_symbols_that_come_later_start_flat_and_move_nothing(case, data):
    cut = data.draw(st.sampled_from(moments(case)))
    known = {signal.symbol for signal in case.signals if signal.ts <= cut}
    known |= data.draw(st.sets(st.sampled_from(sorted(case.bars))))
    fast = Fast(case, known)
    fast.advance(cut)
    assert fast.rows == expected(case, cut)[0]
    fast.restart(set(case.bars))
    fast.advance(case.complete_to)
    assert fast.rows == expected(case)[0]


def leave_rubbish():
    """Fill memory that is then free again, so that arrays never written to differ."""
    rubbish = [np.full(size, Random(size).getrandbits(62)) for size in range(1, 200)]
    del rubbish


def test_equal_state_gives_equal_bytes_however_it_came_about():
    rng = Random(11)
    for number in range(200):
        case = samples.trading_case(rng)
        if not case.signals:
            continue
        whole, cut = Fast(case), Fast(case)
        whole.advance(case.complete_to)
        for moment in sorted(rng.sample(moments(case), min(2, len(moments(case))))):
            leave_rubbish()
            cut.advance(moment)
        cut.advance(case.complete_to)
        assert whole.account.to_bytes() == cut.account.to_bytes(), f"case {number}"


@given(CASES)
def test_reservations_keep_an_account_within_its_limit(case):
    fast = Fast(case)
    for moment in moments(case)[::3]:
        fast.advance(moment)
        keys: dict[str, set[str]] = {}
        for strategy, symbol in fast.rows.positions:
            own = strategy if case.settings.key == "account+strategy" else ""
            keys.setdefault(own, set()).add(symbol)
        limit = case.settings.max_open
        if limit is not None and case.settings.reserve_on_open:
            assert all(len(symbols) <= limit for symbols in keys.values())
            assert fast.rows.breaches == []


@given(CASES)
def test_a_sale_never_sells_more_than_is_held_and_a_cover_never_flips(case):
    fast = Fast(case)
    fast.advance(case.complete_to)
    held: dict[tuple[str, str], int] = {}
    for names, qty, *_ in fast.rows.fills:
        held[names] = held.get(names, 0) + qty
        if case.settings.sell_requires_long:
            assert held[names] >= 0
    assert {names: net for names, net in held.items() if net} == fast.rows.positions


@given(CASES)
def test_fees_add_up_to_the_last_digit(case):
    from oracle.money import fee_share

    fast = Fast(case)
    fast.advance(case.complete_to)
    paid = sum(row[4] for row in fast.rows.matches)
    for _, _, left, (_, qty, _, fee, _, _), _ in fast.rows.lots:
        paid += fee_share(fee, abs(qty), abs(qty) - left, abs(qty))
    assert paid == sum(row[3] for row in fast.rows.fills)


# By hand


def test_a_round_trip_by_hand():
    rules = replace(FREE, slippage_bps=units("10"), fee_bps=units("5"))
    closes = {"A": "10 10 10 12"}
    rows = run(small(closes, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"), rules=rules))
    ((opened, closed, qty, pnl, fees, *_),) = rows.matches
    assert (opened, closed, qty) == (0, 1, units("100"))
    # Bought 100 at 10.01, sold at 11.988; fees 0.05 % of 1001 and of 1198.8.
    assert (pnl, fees) == (units("197.8"), units("1.0999"))


@pytest.mark.parametrize(("gap", "filled"), [(4, True), (5, False)])
def test_a_buy_fills_up_to_its_ttl_and_no_later(gap, filled):
    # TTL 5 minutes: signal in minute 1, the next bar after `gap` empty minutes.
    rows = run(small({"A": "10 " + "- " * gap + "11"}, (1, "s", "A", "BUY")))
    assert (len(rows.fills), len(rows.cancelled)) == ((1, 0) if filled else (0, 1))


def test_a_sale_and_a_cover_wait_over_any_gap():
    rules = replace(FREE, sell_requires_long=False)
    closes = {"A": "10 10 10 " + "- " * 300 + "12"}
    rows = run(
        small(
            closes,
            (1, "s", "A", "BUY"),
            (2, "t", "A", "SELL", "0.5"),
            (3, "s", "A", "SELL"),
            (3, "t", "A", "BUY"),
            rules=rules,
        )
    )
    assert len(rows.fills) == 4
    assert rows.positions == {}
    assert rows.waiting == []


def test_a_cancelled_order_frees_place_and_budget_at_its_time():
    rules = replace(FREE, max_open=1, gross_limit=units("1000"))
    closes = {"A": "10", "B": "10 10 10 10 10 10 10"}
    rows = run(
        small(
            closes,
            (1, "s", "A", "BUY"),
            (5, "s", "B", "BUY"),
            (6, "s", "B", "BUY"),
            rules=rules,
        )
    )
    assert [row[4] for row in rows.decisions] == ["OK", "OPEN_LIMIT_EXCEEDED", "OK"]


def test_a_breach_without_reservations_is_told():
    rules = replace(FREE, max_open=1, reserve_on_open=False)
    closes = {"A": "10 10", "B": "10 10"}
    rows = run(small(closes, (1, "s", "A", "BUY"), (1, "s", "B", "BUY"), rules=rules))
    assert len(rows.fills) == 2
    assert [row[2] for row in rows.breaches] == [rows.fills[1][5]]


def test_a_signal_at_a_time_without_a_bar_takes_the_last_close():
    rows = run(small({"A": "10 - 20"}, (2, "s", "A", "BUY")))
    assert rows.decisions[0][5] == units("100")
    assert rows.fills[0][2] == units("20")


def test_no_signals_and_no_bars_are_fine():
    rows = run(small({"A": "10"}, (1, "s", "A", "SELL")))
    assert rows.fills == []


def test_a_fill_that_does_not_fit_is_refused_by_name():
    # 1000 buys 1e9 units at 0.000001, which cost 1e10 at 10.
    case = small({"A": "0.000001 10"}, (1, "s", "A", "BUY"))
    with pytest.raises(MoneyError, match=r"(?s)acct.*\bs\b.*\bA\b"):
        Fast(case).advance(case.complete_to)


def test_a_price_that_does_not_fit_is_refused():
    # A basis point above the dearest price there is; the notional of 0.0000001 fits.
    rules = replace(FREE, slippage_bps=units("1"))
    closes = {"A": "9999999999.99999999 9999999999.99999999"}
    case = small(closes, (1, "s", "A", "BUY"), rules=rules)
    with pytest.raises(MoneyError):
        Fast(case).advance(case.complete_to)


def test_a_sale_whose_notional_does_not_fit_is_refused():
    # Bought 1000 for 1000; at the dearest price there is they are worth 1e13.
    dear = "9999999999.99999999"
    sale = small({"A": f"1 1 {dear} {dear}"}, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"))
    with pytest.raises(MoneyError):
        Fast(sale).advance(sale.complete_to)


def test_a_sale_of_the_dearest_notional_that_fits_goes_through():
    # 1 bought for 1, sold for the most that fits.
    rules = replace(FREE, capital=units("1"))
    closes = {"A": "1 1 9999999999.99999999 9999999999.99999999"}
    rows = run(small(closes, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"), rules=rules))
    assert rows.matches[0][3] == units("9999999998.99999999")


@pytest.mark.parametrize(("price", "fits"), [("8000000000", True), ("8333333333.5", False)])
def test_a_fee_that_no_match_could_carry_is_refused(price, fits):
    # 60 % of what one unit costs: up to 5e9, of which a match may carry two.
    rules = replace(FREE, capital=units("1"), fee_bps=units("6000"))
    case = small({"A": f"1 1 {price} {price}"}, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"))
    case = replace(case, settings=rules)
    if fits:
        assert len(run(case).matches) == 1
        return
    with pytest.raises(MoneyError):
        Fast(case).advance(case.complete_to)


def test_a_position_of_a_hundred_millionth_is_long_after_a_restart():
    rules = replace(FREE, capital=1)
    case = small({"A": "1 1 1 1"}, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"), rules=rules)
    fast = Fast(case)
    fast.advance(case.bars["A"][2][0])
    fast.restart()
    fast.advance(case.complete_to)
    assert fast.rows == expected(case)[0]
    assert len(fast.rows.matches) == 1


def test_a_position_is_added_to_up_to_what_fits():
    closes = {"A": "0.00000015 0.00000015 0.00000015"}
    rows = run(small(closes, (1, "s", "A", "BUY"), (2, "s", "A", "BUY")))
    assert list(rows.positions.values()) == [LIMIT - 1]


def test_an_order_that_buys_more_than_fits_is_never_wrapped():
    # 1000 buys 1e11 units at 0.00000001, ten times what fits.
    case = small({"A": "0.00000001 0.00000001"}, (1, "s", "A", "BUY"))
    fast = Fast(case)
    fast.advance(case.complete_to)
    assert all(0 <= row[5] < LIMIT for row in fast.rows.decisions)


def test_strategies_and_symbols_are_told_apart():
    closes = {"A": "10 10 10", "B": "20 20 20"}
    rows = run(
        small(closes, (1, "s", "A", "BUY"), (1, "t", "B", "BUY", "0.5"), (2, "t", "A", "SELL"))
    )
    assert rows.positions == {("s", "A"): 100 * SCALE, ("t", "B"): 25 * SCALE}


def test_a_symbol_so_cheap_that_its_units_do_not_fit_is_bought_up_to_what_does():
    """Money for 5e10 units at 0.00000002, of which DECIMAL(18,8) holds 1e10 less 1e-8."""
    closes = {"A": "0.00000002 - 0.00000002 0.00000002 0.00000002"}
    signals = [(1, "s", "A", "BUY"), (2, "s", "A", "BUY"), (3, "s", "A", "BUY", "0.1")]
    rows = run(small(closes, *signals, (4, "s", "A", "SELL")))
    assert [(code, qty) for *_, code, qty in rows.decisions] == [
        ("OK", LIMIT - 1),
        ("BUDGET_EXCEEDED", 0),  # what is ordered already fills the position
        ("BUDGET_EXCEEDED", 0),
        ("OK", LIMIT - 1),
    ]
