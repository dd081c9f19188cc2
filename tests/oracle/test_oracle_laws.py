"""What must hold of the oracle on any input, whatever the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import strategies
from oracle.engine import simulate
from oracle.ids import SELL
from oracle.samples import START


def run(case, complete_to=None):
    until = case.complete_to if complete_to is None else complete_to
    return simulate("acct", case.settings, case.bars, case.signals, until)


@given(strategies.trading_cases())
def test_reservations_keep_the_account_within_its_limit(case):
    out = run(case)
    if case.settings.reserve_on_open:
        assert out.breaches == []
        for gate in out.gates.values():
            limit = case.settings.max_open
            assert limit is None or len(gate.open_symbols()) <= limit


@given(strategies.trading_cases())
def test_nobody_sells_more_than_is_held_where_shorts_are_not_allowed(case):
    out = run(case)
    held = {}
    for report in out.reports:
        key = (report.order.strategy, report.order.symbol)
        sign = -1 if report.order.side == SELL else 1
        held[key] = held.get(key, 0) + sign * report.order.qty
        if case.settings.sell_requires_long:
            assert held[key] >= 0
    assert {key: net for key, net in held.items() if net} == {
        key: row[1] for key, row in out.rollup().items()
    }


@given(strategies.trading_cases())
def test_every_accepted_order_is_filled_or_cancelled_or_pending(case):
    out = run(case)
    accepted = [decision.order_id for decision in out.decisions if decision.code == "OK"]
    ends = [report.order.order_id for report in out.reports]
    ends += [order for order, _, event in out.order_events if event == "CANCELLED"]
    ends += [order.order_id for order in out.pending()]
    assert sorted(accepted) == sorted(ends)


@given(strategies.trading_cases(), st.integers(0, 20 * 60_000_000))
def test_what_is_known_earlier_is_the_beginning_of_what_is_known_later(case, span):
    early, late = run(case, min(START + span, case.complete_to)), run(case)
    for name in ("decisions", "order_events", "reports", "matches", "breaches"):
        before = getattr(early, name)
        assert before == getattr(late, name)[: len(before)]


@pytest.mark.parametrize(
    "name", ["OK", "OPEN_LIMIT_EXCEEDED", "NO_OPEN_POSITION", "BUDGET_EXCEEDED", "BELOW_MIN_QTY"]
)
def test_the_samples_reach_every_decision(name):
    from random import Random

    from oracle.samples import trading_case

    rng = Random(5)
    codes = [d.code for _ in range(60) for d in run(trading_case(rng)).decisions]
    assert codes.count(name) > 20
