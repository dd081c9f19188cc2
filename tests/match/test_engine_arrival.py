"""When fills come: late, with a complete feed, twice, twice and different."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from oracle.money import units

from match.by_hand import KNOWN, SECOND, row, run
from match.engines import NOW, batch, engine, plain, report_table, row_of
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    ReportBatch,
    rollup_table,
)


def test_a_late_fill_is_applied_as_it_comes_and_alerted():
    done = run(
        row("o1", "BUY", 4), row("o2", "BUY", 10, price="11"), row("o3", "SELL", 3.5, price="20")
    )
    (match,) = done.rows("matches")
    assert (match["buyOrderId"], match["matchTimestamp"]) == ("o1", 4 * SECOND)
    (alert,) = done.rows("alerts")
    assert alert == {
        "accountId": "acct",
        "code": "LATE_FILL",
        "message": "fill 1 of order o3 (SELL 1 A at 20) came 1500 ms after the watermark and was "
        "applied",
        "ts": 3_500_000,
    }
    assert done.counts.late == 1


def test_a_late_fill_never_moves_times_back():
    done = run(
        row("o1", "BUY", 4, "5"),
        row("o2", "SELL", 30),
        row("o3", "BUY", 60, symbol="B"),
        row("o4", "SELL", 2),
    )
    assert (done.counts.late, done.counts.matches) == (1, 2)
    (position, _) = done.rows("open_positions_rollup")
    assert position["lastUpdated"] == 30 * SECOND
    (lot, _) = done.rows("open_positions_lots")
    assert (lot["tsOpen"], lot["tsUpdated"]) == (4 * SECOND, 30 * SECOND)
    assert done.rows("realized_pnl_latest")[0]["ts"] == 30 * SECOND


def test_a_fill_later_than_the_memory_of_ids_is_applied_and_the_alert_says_so():
    first = row("o1", "BUY", 0)
    done = run(first, row("o2", "BUY", 8 * 86_400), first)
    assert done.counts.applied == 3
    (alert,) = done.rows("alerts")
    assert "nobody knows whether it had come before" in alert["message"]
    assert run(first, row("o2", "BUY", 7 * 86_400 + 5), first).counts.duplicates == 1


def test_a_feed_that_is_complete_moves_the_watermark():
    job, state, known = engine(), EngineState(), Orders(KNOWN)
    job.step(state, batch([row("o1", "BUY", 10)]), known, now=NOW)
    assert job.complete(state, 9 * SECOND).counts.applied == 0
    assert job.complete(state, 10 * SECOND).counts.applied == 1
    assert job.complete(state, 9 * SECOND).counts.applied == 0
    outcome = job.step(state, batch([row("o2", "BUY", 10)]), known, now=NOW)
    assert (outcome.counts.late, outcome.counts.applied) == (1, 1)
    job.step(state, batch([row("o3", "BUY", 50)]), known, now=NOW)
    assert job.complete(state).counts.applied == 1
    assert state.watermark == 50 * SECOND + 1
    assert job.complete(state).counts.applied == 0


def test_completing_nothing_changes_nothing():
    job, state = engine(), EngineState()
    before = state.to_bytes()
    outcome = job.complete(state)
    assert (outcome.matches.num_rows, state.to_bytes()) == (0, before)


def test_a_fill_that_comes_twice_counts_once():
    done = run(row("o1", "BUY", 10), row("o1", "BUY", 10), row("o1", "BUY", 10, fill="2"))
    assert (done.counts.applied, done.counts.duplicates) == (2, 1)
    assert done.rows("quarantine") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price": units("12.5")}, "fillPrice 12.50 against 10.00"),
        ({"qty": units("3")}, "fillQty 3.00 against 1.00"),
        ({"side": "SELL"}, "side SELL against BUY"),
        ({"fee": units("-0.1")}, "fees -0.10 against 0.00"),
        (
            {"ts": 11 * SECOND},
            "ts 1970-01-01T00:00:11.000000Z against 1970-01-01T00:00:10.000000Z",
        ),
        (
            {"side": "SELL", "qty": units("2"), "price": 1},
            "side SELL against BUY, fillQty 2.00 against 1.00, fillPrice 0.00000001 against 10.00",
        ),
    ],
)
def test_the_same_fill_with_other_content_is_quarantined_and_alerted(change, said):
    first = row("o1", "BUY", 10)
    # The other one comes later in the order of application too.
    other = replace(first, **({"ts": first.ts} | change))
    done = run(first, row("o2", "BUY", 30, symbol="B"), complete=False)
    job, state = done.job, done.state
    outcome = job.step(state, batch([other], 3), Orders(KNOWN), now=NOW)
    (refused,) = plain(outcome.quarantine)
    assert refused["tableName"] == "exec_report_history"
    assert (refused["rowNumber"], refused["source"], refused["ts"]) == (3, "fills.csv", other.ts)
    assert refused["reason"].startswith("fill 1 of order o1 (")
    assert refused["reason"].endswith(f" came before with other content: {said}")
    assert row_of(refused)["fillId"] == "1"
    assert outcome.counts.duplicates == 0
    (alert,) = plain(outcome.alerts)
    assert (alert["code"], alert["message"]) == ("CONFLICTING_FILL", refused["reason"])
    assert plain(rollup_table(state))[0]["netQty"] == units("1")


def test_a_conflict_found_after_a_restart_keeps_the_row_as_it_came():
    job, state, known = engine(), EngineState(), Orders(KNOWN)
    rows = report_table([row("o1", "BUY", 10), row("o1", "BUY", 11, price="12")])
    rows = rows.append_column("note", pa.array([None, "as it came"]))
    job.step(state, ReportBatch(rows, "a.csv", np.array([5, 7])), known, now=NOW)
    state = EngineState.from_bytes(state.to_bytes())
    job.step(state, batch([row("o2", "BUY", 12)], 1, "b.csv"), known, now=NOW)
    state = EngineState.from_bytes(state.to_bytes())
    (refused,) = plain(job.complete(state).quarantine)
    assert (refused["source"], refused["rowNumber"]) == ("a.csv", 7)
    assert row_of(refused)["note"] == "as it came"
    assert row_of(refused)["fillPrice"] == "12.00000000"
