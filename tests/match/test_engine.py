"""The TradingEngine by hand: what comes out, in which order, and what its state keeps."""

import numpy as np
import pyarrow as pa
import pytest
from oracle.money import units

from match.by_hand import KNOWN, SECOND, codes, row, run
from match.engines import NOW, batch, engine, plain
from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    validate,
)
from streaming.errors import StateError
from streaming.instruments import Instruments
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    TradingEngine,
    lots_table,
    realized_table,
    rollup_table,
)
from streaming.jobs.trading_engine.fills import ids_of_texts
from streaming.rules.ids import text_id

DAY = 86_400 * SECOND


def test_a_round_trip():
    done = run(row("o1", "BUY", 10, "2", "10", fee="0.5"), row("o2", "SELL", 60, "2", "12.5"))
    (match,) = done.rows("matches")
    assert match | {"matchId": None} == {
        "matchId": None,
        "accountId": "acct",
        "strategyId": "s",
        "symbol": "A",
        "buyOrderId": "o1",
        "sellOrderId": "o2",
        "matchedQty": units("2"),
        "buyPrice": units("10"),
        "sellPrice": units("12.5"),
        "realizedPnl": units("5"),
        "matchTimestamp": 60 * SECOND,
        "buyFillId": "1",
        "sellFillId": "1",
        "openTs": 10 * SECOND,
        "direction": "LONG",
        "fees": units("0.5"),
        "runId": None,
    }
    assert done.rows("open_positions_lots") == done.rows("open_positions_rollup") == []
    assert done.rows("realized_pnl_latest") == [
        {
            "accountId": "acct",
            "strategyId": "s",
            "symbol": "A",
            "realizedPnl": units("5"),
            "fees": units("0.5"),
            "ts": 60 * SECOND,
        }
    ]
    assert codes(done) == []


def test_a_flip_opens_a_lot_with_what_is_left():
    done = run(row("o1", "BUY", 10, "10"), row("o2", "SELL", 20, "25"), row("o3", "BUY", 30, "4"))
    (lot,) = done.rows("open_positions_lots")
    assert (lot["side"], lot["qtyOpen"], lot["qtyRem"]) == ("SHORT", units("15"), units("11"))
    assert (lot["tsOpen"], lot["tsUpdated"]) == (20 * SECOND, 30 * SECOND)
    (position,) = done.rows("open_positions_rollup")
    assert (position["side"], position["netQty"]) == ("SHORT", units("-11"))
    assert position["lastUpdated"] == 30 * SECOND


def test_what_comes_out_keeps_its_contracts():
    done = run(
        row("o1", "BUY", 10, "10"),
        row("o2", "SELL", 20, "25", fee="0.1"),
        row("who", "BUY", 30, "4"),
        row("o3", "BUY", 9, "4", symbol="B"),
    )
    outputs = {
        TRADE_MATCH_HISTORY: done.outcomes[-1].matches,
        RISK_ALERTS_HISTORY: done.outcomes[0].alerts,
        OPEN_POSITIONS_LOTS: lots_table(done.state),
        OPEN_POSITIONS_ROLLUP: rollup_table(done.state),
        REALIZED_PNL_LATEST: realized_table(done.state),
    }
    for table, rows in outputs.items():
        assert rows.schema.equals(arrow_schema(table)), table.name
        assert validate(table, rows, "engine").quarantine.num_rows == 0
    assert all(rows.num_rows for table, rows in outputs.items() if table != TRADE_MATCH_HISTORY)


def test_the_run_id_is_on_every_match():
    job = TradingEngine(Instruments(), run_id="abc")
    done = run(row("o1", "BUY", 10), row("o2", "SELL", 20), job=job)
    assert [match["runId"] for match in done.rows("matches")] == ["abc"]


def test_fills_of_one_time_go_by_the_text_of_their_ids():
    done = run(
        row("o2", "SELL", 10, price="1"),
        row("o1", "SELL", 10, price="3", fill="2"),
        row("o1", "SELL", 10, price="2", fill="10"),
        row("o3", "BUY", 11, "3", "5"),
    )
    assert [match["sellPrice"] // units("1") for match in done.rows("matches")] == [2, 3, 1]


def test_an_empty_batch_changes_nothing():
    job, state = engine(), EngineState()
    job.step(state, batch([row("o1", "BUY", 10)]), Orders(), now=NOW)
    before = state.to_bytes()
    outcome = job.step(state, batch([]), Orders(), now=NOW)
    assert outcome.counts.read == outcome.matches.num_rows == outcome.alerts.num_rows == 0
    assert state.to_bytes() == before


def test_damaged_state_is_refused():
    state = run(row("o1", "BUY", 10)).state
    data = bytearray(state.to_bytes())
    data[-1] ^= 1
    with pytest.raises(StateError):
        EngineState.from_bytes(bytes(data))


def test_restored_state_goes_by_the_settings_of_now():
    state = run(row("o1", "BUY", 10), complete=False).state
    restored = EngineState.from_bytes(state.to_bytes(), lateness_sec=60, ttl_days=1)
    assert (restored.lateness, restored.memory.ttl) == (60 * SECOND, DAY)


def test_late_fills_that_change_the_average_alone_are_a_change():
    job, state, known = engine(), EngineState(), Orders(KNOWN)
    rows = [row("o1", "BUY", 10, "2", "10"), row("o2", "BUY", 11, "2", "20")]
    job.step(state, batch(rows), known, now=NOW)
    job.complete(state)
    (before,) = plain(job.changes(state)[OPEN_POSITIONS_ROLLUP.name].upserts)
    job.step(
        state, batch([row("o3", "SELL", 1, "1"), row("o4", "BUY", 2, "1", "40")]), known, now=NOW
    )
    (after,) = plain(job.changes(state)[OPEN_POSITIONS_ROLLUP.name].upserts)
    assert after == before | {"avgPrice": units("22.5")}


def test_ids_of_texts_are_the_rules():
    texts = ["o1", "0123456789abcdef" * 2, "0123456789ABCDEF" * 2, "g" * 32, "\u00e9", "o1", ""]
    wanted = np.array([text_id(text) for text in texts], np.uint64)
    column = pa.array(["x" * 40, *texts], pa.string()).slice(1)
    assert (ids_of_texts(column) == wanted).all()
    assert (ids_of_texts(column.slice(1, 3)) == wanted[1:4]).all()
    assert (ids_of_texts(column.slice(1, 1)) == wanted[1:2]).all()
    assert ids_of_texts(column.slice(0, 0)).shape == (0, 2)


LATER = 8 * 86_400


@pytest.mark.parametrize(
    ("again", "alerted"),
    [
        # New after the TTL: another fill of that name.
        ([row("o1", "BUY", LATER), row("o2", "SELL", LATER + 1)], []),
        # The same rows, later than anybody remembers, and once more.
        (
            [
                row("o3", "BUY", LATER, symbol="B"),
                *[row("o1", "BUY", 0), row("o2", "SELL", 1)] * 2,
            ],
            ["LATE_FILL"] * 4,
        ),
    ],
)
@pytest.mark.parametrize("saved", [False, True])
def test_a_fill_that_comes_again_after_its_time_makes_matches_with_ids_of_their_own(
    again, alerted, saved
):
    rows = [row("o1", "BUY", 0), row("o2", "SELL", 1), *again]
    whole = run(*rows)
    done = run(*rows, cuts=[slice(at, at + 1) for at in range(len(rows))], saved=saved)
    assert done.rows("matches") == whole.rows("matches")
    names = [match["matchId"] for match in done.rows("matches")]
    assert len(names) == len(set(names)) == len(rows) // 2
    assert codes(done) == alerted
    assert done.counts.duplicates == 0
    pnl = done.rows("realized_pnl_latest")
    assert sum(match["realizedPnl"] for match in done.rows("matches")) == pnl[0]["realizedPnl"]


def test_a_fill_from_before_all_memory_does_not_make_a_later_one_be_forgotten():
    last = row("o1", "BUY", LATER)
    done = run(row("o2", "BUY", LATER + 60), last, row("o1", "BUY", 0), last)
    assert (done.counts.applied, done.counts.duplicates) == (3, 1)


def test_a_fill_that_comes_again_within_its_time_keeps_its_id():
    rows = [row("o1", "BUY", 0), row("o2", "SELL", 1)]
    done = run(*rows, row("o3", "BUY", LATER / 2, symbol="B"), *rows)
    assert (done.counts.duplicates, done.counts.matches) == (2, 1)
    assert done.rows("matches") == run(*rows).rows("matches")


def test_two_lots_of_one_name_have_ids_of_their_own():
    job, state, known = engine(), EngineState(), Orders(KNOWN)
    steps = [
        [row("o1", "BUY", 0, "1"), row("o1", "BUY", 8 * 86_400, "2")],
        [row("o2", "SELL", 9 * 86_400, "1")],
        [row("o3", "SELL", 10 * 86_400, "2")],
    ]
    held: dict[str, int] = {}
    seen = []
    for rows in steps:
        job.step(state, batch(rows), known, now=NOW)
        job.complete(state)
        change = job.changes(state)[OPEN_POSITIONS_LOTS.name]
        for gone in plain(change.deletes):
            del held[gone["lotId"]]
        held |= {lot["lotId"]: lot["qtyRem"] for lot in plain(change.upserts)}
        seen.append(list(held.values()))
    assert seen == [[units("1"), units("2")], [units("2")], []]
