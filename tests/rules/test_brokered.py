"""The account at a broker against the oracle, cut anywhere, and against the simulated one."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import strategies
from oracle.broker_samples import Step, fitting_case, ref_price
from oracle.brokered import END, FILL, Brokered, Report
from oracle.money import units
from oracle.samples import MINUTE, START, trading_case
from oracle.small_markets import FREE

from rules import soak
from rules.fast_account import Fast
from rules.fast_brokered import FastBrokered, expected
from rules.minutes import small
from streaming.errors import MoneyError, StateError

FIELDS = ("code", "quantity", "fills", "matches", "opened_by", "closed_by", "breaches")


def followed(made, steps=None):
    fast = FastBrokered(made.case)
    for step in made.steps if steps is None else steps:
        fast.step(step)
    return fast


def test_random_brokers_give_the_oracles_rows():
    rng = Random(5)
    seen = dict.fromkeys(("asked", "ended", "strays", "excess", "breaches", "matches"), 0)
    for number in range(600):
        made = fitting_case(rng)
        rows = followed(made).rows
        assert rows == expected(made.account), f"case {number}"
        for name in seen:
            seen[name] += len(getattr(rows, name))
    assert min(seen.values()) > 20, seen


@given(strategies.broker_cases())
def test_what_hypothesis_makes_of_brokers_gives_the_oracles_rows(made):
    assert followed(made).rows == expected(made.account)


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_the_brokered_account_equals_the_oracle(shard):
    for seed, size, rng in soak.batches(shard):
        for number in range(size):
            made = fitting_case(rng)
            assert followed(made).rows == expected(made.account), f"case {number} of seed {seed}"


def merged(steps):
    """Steps whose reports are timely, as one; they may be told in any order of their times."""
    return Step(
        [one for step in steps for one in step.signals],
        sorted((one for step in steps for one in step.reports), key=lambda one: one.ts),
        steps[-1].reported_to,
        steps[-1].complete_to,
    )


def in_time(steps):
    """Steps that tell their reports in order of time."""
    return [merged([step]) for step in steps]


def test_any_cut_and_a_restart_change_nothing():
    rng = Random(6)
    for number in range(250):
        made = fitting_case(rng, timely=True)
        whole = followed(made, in_time(made.steps))
        cut = FastBrokered(made.case)
        left = made.steps
        while left:
            size = rng.randint(1, len(left))
            cut.step(merged(left[:size]))
            left = left[size:]
            saved = cut.restart()
            assert cut.account.to_bytes() == saved
        assert cut.rows == whole.rows, f"case {number}"
        assert cut.account.to_bytes() == whole.account.to_bytes()


def test_reports_told_before_their_time_wait_for_it_over_a_restart():
    rng = Random(7)
    for number in range(150):
        made = fitting_case(rng, timely=True)
        steps = in_time(made.steps)
        early = FastBrokered(made.case)
        told = sorted((one for step in steps for one in step.reports), key=lambda one: one.ts)
        for at, step in enumerate(steps):
            early.step(replace(step, reports=[] if at else told))
            early.restart()
        assert early.rows == followed(made, steps).rows, f"case {number}"


def test_symbols_that_come_later_move_nothing():
    rng = Random(8)
    for number in range(100):
        made = fitting_case(rng)
        at = rng.randint(0, len(made.steps))
        steps = made.steps[:at]
        known = {signal.symbol for step in steps for signal, _ in step.signals}
        known |= {one.symbol for step in steps for one in step.reports if one.kind == FILL}
        fast = FastBrokered(made.case, known)
        for step in steps:
            fast.step(step)
        fast.restart(set(made.case.bars))
        for step in made.steps[at:]:
            fast.step(step)
        assert fast.rows == expected(made.account), f"case {number}"


def test_what_must_hold_whatever_a_broker_does():
    rng = Random(9)
    for number in range(300):
        made = fitting_case(rng)
        fast = FastBrokered(made.case)
        rules = made.case.settings
        for step in made.steps:
            before = {id_: left for id_, left, _ in fast.rows.live}
            breached = len(fast.rows.breaches)
            fast.step(step)
            for id_, left, _ in fast.rows.live:
                # What is left of an order only shrinks.
                assert 0 < abs(left) <= abs(before.get(id_, left)), f"case {number}"
            opened: dict[str, set[str]] = {}
            for owner, symbol in fast.rows.positions:
                key = owner if rules.key == "account+strategy" else ""
                opened.setdefault(key, set()).add(symbol)
            most = max(map(len, opened.values()), default=0)
            if rules.max_open is not None and most > rules.max_open:
                assert fast.rows.breaches, f"case {number}: past the limit without a word"
            assert len(fast.rows.breaches) >= breached
        bought = sum(row[1] for row in fast.rows.fills)
        assert bought == sum(fast.rows.positions.values())


def test_a_broker_that_fills_as_the_simulated_one_does_gives_the_same_account():
    rng = Random(10)
    fills = cancelled = 0
    for number in range(400):
        case = trading_case(rng)
        if not case.signals:
            continue
        simulated = Fast(case)
        try:
            bars, ends = simulated._bars(case.complete_to)
            signals = simulated._signals(case.complete_to, bars, ends)
            one = simulated.account.advance(signals, bars, case.complete_to)
        except MoneyError:
            continue
        # The same bars and signals; what the simulated broker did comes as reports.
        reports = [
            Report(ts, FILL, order, *names, quantity, price, fee, "1")
            for names, quantity, price, fee, ts, order in simulated._filled(one.fills)
        ] + [Report(ts, END, order) for ts, _, order in simulated._ended(one.cancelled)]
        brokered = FastBrokered(case)
        at = case.complete_to
        step = Step([(s, ref_price(case, s)) for s in case.signals], reports, at, at)
        brokered.account.tell(brokered.reports(step))
        other = brokered.account.advance(brokered._ranked(step), at, at)
        for name in FIELDS:
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), (number, name)
        assert one.cancelled.tobytes() == other.asked.tobytes() == other.ended.tobytes()
        assert len(other.strays) == len(other.excess) == 0
        lots = brokered.account.lots.open_lots()[1], simulated.account.lots.open_lots()[1]
        for name in ("remaining", "price", "fee", "ref", "id_high", "id_low"):
            assert lots[0][name].tolist() == lots[1][name].tolist()
        fills += len(one.fills)
        cancelled += len(one.cancelled)
    assert fills > 500
    assert cancelled > 50


# By hand


def account(closes, *signals, rules=FREE):
    """A case of minutes, its account of the fast rules and the oracle's, and a way on."""
    case = small(closes, *signals, rules=rules)
    fast, oracle = FastBrokered(case), Brokered("acct", rules)

    def step(minute, *reports, reported_to=None):
        end = START + minute * MINUTE
        begin = max(fast.account.decided_to, 0)
        found = [(s, ref_price(case, s)) for s in case.signals if begin < s.ts <= end]
        made = Step(found, list(reports), end if reported_to is None else reported_to, end)
        fast.step(made)
        oracle.advance(*made.__dict__.values())
        assert fast.rows == expected(oracle)
        return fast.rows

    return step


def fill(order, minute, qty, symbol="A", *, name="f", price="10"):
    ts = START + round(minute * MINUTE)
    return Report(ts, FILL, order, "s", symbol, units(qty), units(price), 0, name)


def end(order, minute):
    return Report(START + round(minute * MINUTE), END, order)


MANY = dict.fromkeys("ABCD", "10 " * 12)
ONE = replace(FREE, max_open=1, gross_limit=units("1000"))


def test_a_partial_fill_keeps_what_is_left_of_the_order():
    step = account(MANY, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"), (4, "s", "A", "BUY"))
    ((order, left, _),) = step(1).live
    assert left == units("100")
    assert [one[1] for one in step(2, fill(order, 2, "30")).live] == [units("70")]
    rows = step(3)
    # 30 are held, and 30 are sold: what is not filled yet cannot be.
    assert rows.decisions[-1][1:] == ("OK", units("30"))


def test_the_place_ends_with_its_ttl_and_the_units_with_the_order():
    step = account(
        MANY, (1, "s", "A", "BUY"), (7, "s", "B", "BUY"), (9, "s", "B", "BUY"), rules=ONE
    )
    ((order, *_),) = step(5).live
    rows = step(7)
    assert rows.asked == [(START + 6 * MINUTE, order)]
    # The place is free, but the order may fill yet, and holds all of the money.
    assert [row[1] for row in rows.decisions] == ["OK", "BUDGET_EXCEEDED"]
    rows = step(9, end(order, 8))
    assert rows.ended == [(START + 8 * MINUTE, order)]
    assert rows.decisions[-1][1] == "OK"


def test_a_fill_after_its_reservation_may_break_the_limit_and_is_noted():
    rules = replace(ONE, gross_limit=None)
    step = account(MANY, (1, "s", "A", "BUY"), (7, "s", "B", "BUY"), rules=rules)
    ((first, *_),) = step(1).live
    second = next(id_ for id_, *_ in step(7).live if id_ != first)
    step(8, fill(second, 8, "100", "B"))
    rows = step(9, fill(first, 9, "100"))
    assert rows.breaches == [(START + 9 * MINUTE, first)]
    assert len(rows.positions) == 2


def test_a_fill_after_the_end_of_its_order_is_a_position_all_the_same():
    step = account(MANY, (1, "s", "A", "BUY"))
    ((order, *_),) = step(1).live
    rows = step(3, end(order, 2), fill(order, 3, "100"))
    assert rows.positions == {("s", "A"): units("100")}
    assert rows.strays == [(START + 3 * MINUTE, order)]


def test_a_fill_that_was_before_the_end_but_told_after_it_is_none():
    step = account(MANY, (1, "s", "A", "BUY"))
    ((order, *_),) = step(1).live
    rows = step(4, end(order, 3), fill(order, 2, "100"))
    assert rows.strays == []
    assert rows.ended == []


def test_more_than_was_ordered_is_held_and_noted():
    step = account(MANY, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"))
    ((order, *_),) = step(1).live
    rows = step(3, fill(order, 2, "120"))
    assert rows.excess == [(START + 2 * MINUTE, order)]
    assert rows.decisions[-1][2] == units("120")


def test_sales_that_are_under_way_are_not_sold_again():
    signals = [(3, "s", "A", "SELL", "0.5"), (4, "s", "A", "SELL"), (5, "s", "A", "SELL")]
    step = account(MANY, (1, "s", "A", "BUY"), *signals)
    ((order, *_),) = step(1).live
    step(2, fill(order, 2, "100"))
    rows = step(5)
    assert [row[2] for row in rows.decisions[1:]] == [units("50"), units("50"), 0]
    assert rows.decisions[-1][1] == "NO_OPEN_POSITION"


def test_a_fill_of_a_time_that_is_decided_counts_at_once():
    step = account(MANY, (1, "s", "A", "BUY"), (3, "s", "A", "SELL"), (4, "s", "A", "SELL"))
    ((order, *_),) = step(1).live
    rows = step(3)
    assert rows.decisions[-1][1] == "NO_OPEN_POSITION"
    rows = step(4, fill(order, 2, "100"))
    assert rows.fills[0][4] == START + 2 * MINUTE
    assert rows.decisions[-1][1] == "OK"


def test_a_fill_that_does_not_fit_is_refused_by_name():
    case = small(MANY, (1, "s", "A", "BUY"))
    fast = FastBrokered(case)
    at = START + MINUTE
    huge = fill(1, 1, "9999999999", price="9999999999")
    with pytest.raises(MoneyError, match=r"(?s)acct.*\bs\b.*\bA\b"):
        fast.step(Step([], [huge], at, at))


def test_the_state_of_another_kind_of_account_is_refused():
    case = small(MANY, (1, "s", "A", "BUY"))
    with pytest.raises(StateError, match="found account version 1"):
        FastBrokered(case).account.restore(Fast(case).account.to_bytes())


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_equal_state_gives_equal_bytes(seed):
    made = fitting_case(Random(seed))
    one, other = followed(made), followed(made)
    assert one.account.to_bytes() == other.account.to_bytes()
    assert np.all(one.account.waiting["quantity"] != 0)
