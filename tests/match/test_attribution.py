"""Whose a fill is: signals first, then the first row of its order that says it."""

from dataclasses import replace
from random import Random

import pytest
from oracle.dedupe import Row
from oracle.money import units

from match.engines import NOW, Run, batch, engine, plain, row_of
from streaming.jobs.trading_engine import EngineState, Orders, lots_table

SECOND = 1_000_000
WEEK = 7 * 86_400


def row(order, ts, said="", fill="1", side="BUY", symbol="A", account="acct"):
    ts = int(ts * SECOND)
    return Row(account, order, fill, symbol, side, units("1"), units("10"), ts, 0, said)


def run(*rows, **options):
    return Run(list(rows), **{"orders": {}} | options)


def held(done):
    return [(lot["strategyId"], lot["tsOpen"] / SECOND) for lot in done.rows("open_positions_lots")]


def alerts(done):
    return [(alert["code"], alert["message"]) for alert in done.rows("alerts")]


@pytest.mark.parametrize("saved", [False, True])
def test_a_fill_repeated_under_another_strategy_is_booked_once(saved):
    rows = [row("o9", 10, "x"), row("o8", 30, "z"), row("o9", 10, "y")]
    done = run(*rows, cuts=[slice(0, 2), slice(2, 3)], saved=saved)
    assert held(done) == [("x", 10), ("z", 30)]
    (refused,) = done.rows("quarantine")
    assert refused["reason"] == (
        "fill 1 of order o9 (BUY 1 A at 10) came before with other content: strategyId y against x"
    )
    assert (refused["rowNumber"], row_of(refused)["strategyId"]) == (3, "y")
    assert alerts(done) == [("CONFLICTING_FILL", refused["reason"])]
    assert (done.counts.applied, done.counts.duplicates, done.counts.quarantined) == (2, 0, 1)


@pytest.mark.parametrize("said", ["x", "", "UNATTRIBUTED"])
def test_a_repetition_that_names_the_same_strategy_or_none_is_a_duplicate(said):
    done = run(row("o9", 10, "x"), row("o9", 10, said))
    assert (held(done), done.counts.duplicates, alerts(done)) == ([("x", 10)], 1, [])


def test_a_row_that_comes_again_word_for_word_is_a_duplicate_even_if_its_word_does_not_hold():
    rows = [row("o9", 10, "x"), row("o9", 11, "y", fill="2"), row("o9", 11, "y", fill="2")]
    done = run(*rows)
    assert (held(done), done.counts.duplicates) == ([("x", 10), ("x", 11)], 1)
    assert [code for code, _ in alerts(done)] == ["DISPUTED_ORDER"]


def test_the_first_word_holds_for_all_fills_of_the_order():
    rows = [
        row("o9", 10, "x"),
        row("o9", 11, "y", fill="2"),
        row("o9", 12, fill="3"),
        row("o9", 13, "z", symbol="B"),
        row("o9", 14, "y", account="other"),
    ]
    done = run(*rows)
    assert held(done) == [("x", 10), ("x", 11), ("x", 12), ("x", 13), ("y", 14)]
    words = "names another strategy than the order's, x, which got it"
    assert [(code, message.partition(") ")[2]) for code, message in alerts(done)] == [
        ("DISPUTED_ORDER", words)
    ] * 2


def test_the_first_word_is_that_of_the_first_row_that_says_one():
    done = run(row("o9", 10), row("o9", 11, "x", fill="2"), row("o9", 12, fill="3"))
    assert held(done) == [("UNATTRIBUTED", 10), ("x", 11), ("x", 12)]
    assert done.counts.unattributed == 1


def test_a_fill_of_nobody_that_comes_again_with_a_name_is_not_booked_again():
    done = run(row("o9", 10), row("o9", 10, "x"), row("o9", 11, fill="2"))
    # Names come first among rows that agree in all else.
    assert held(done) == [("x", 10), ("x", 11)]
    done = run(row("o9", 10), row("o8", 30, "z"), row("o9", 10, "x"), row("o9", 31, fill="2"))
    assert held(done) == [("UNATTRIBUTED", 10), ("x", 31), ("z", 30)]
    (refused,) = done.rows("quarantine")
    assert refused["reason"].endswith("strategyId x against UNATTRIBUTED")


def test_signals_win_and_a_fill_from_before_they_were_known_is_not_booked_again():
    job, state = engine(), EngineState()
    rows = [row("o9", 10, "x"), row("o8", 30, "z")]
    job.step(state, batch(rows), Orders(), now=NOW)
    again = [row("o9", 10, "s"), row("o9", 10, "x"), row("o9", 31, "x", fill="2")]
    outcome = job.step(state, batch(again, 3), Orders({"o9": "s"}), now=NOW)
    assert (outcome.counts.duplicates, outcome.counts.quarantined) == (1, 1)
    job.complete(state)
    lots = [(lot["strategyId"], lot["tsOpen"] / SECOND) for lot in plain(lots_table(state))]
    assert lots == [("s", 31), ("x", 10), ("z", 30)]


def test_the_order_of_arrival_within_the_lateness_does_not_matter():
    rows = [row("o9", 10, "x"), row("o9", 10, "y"), row("o9", 12, "z", fill="2"), row("o9", 9.5)]
    straight = run(*rows)
    for seed in range(10):
        shaken = Random(seed).sample(rows, len(rows))
        done = run(*shaken)
        assert done.rows("open_positions_lots") == straight.rows("open_positions_lots")
        assert done.rows("alerts") == straight.rows("alerts")


@pytest.mark.parametrize("saved", [False, True])
def test_an_order_is_remembered_for_the_time_of_an_id_after_its_latest_fill(saved):
    within = [row("o9", 0, "x"), row("o9", WEEK, fill="2"), row("o9", 2 * WEEK, "y", fill="3")]
    after = row("o9", 3 * WEEK + 0.000001, "y", fill="4")
    cuts = [slice(at, at + 1) for at in range(4)]
    done = run(*within, after, cuts=cuts, saved=saved)
    assert [owner for owner, _ in held(done)] == ["x", "x", "x", "y"]
    assert [code for code, _ in alerts(done)] == ["DISPUTED_ORDER"]


def test_what_is_remembered_of_orders_is_bounded():
    rows = [row(f"o{n}", n * 3600, "x") for n in range(2000)]
    done = run(*rows, cuts=[slice(at, at + 100) for at in range(0, 2000, 100)], complete=False)
    state = done.state
    assert len(state.orders) <= 2 * 7 * 24 + 100
    assert len(state.orders.arrays(state.watermark)["ts"]) <= 7 * 24 + 1
    restored = EngineState.from_bytes(state.to_bytes())
    assert restored.to_bytes() == state.to_bytes()


def test_a_row_refused_for_its_amount_still_says_whose_the_order_is():
    large = replace(row("o8", 10, "x"), qty=units("9000000000"), price=1)
    rows = [large, replace(large, order_id="o9", ts=11 * SECOND), row("o9", 12, fill="2")]
    done = run(*rows)
    assert held(done) == [("x", 10), ("x", 12)]
    (refused,) = done.rows("quarantine")
    assert "takes its position past" in refused["reason"]
