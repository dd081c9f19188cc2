"""The TradingEngine by hand: what is late, repeated, refused, attributed, and what it says."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from oracle.dedupe import Row
from oracle.money import units

from match.engines import NOW, Run, batch, engine, plain, report_table, row_of
from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    OPEN_POSITIONS_ROLLUP,
    REALIZED_PNL_LATEST,
    RISK_ALERTS_HISTORY,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    validate,
)
from streaming.errors import ContractError, StateError
from streaming.instruments import Instruments
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    ReportBatch,
    TradingEngine,
    lots_table,
    read_orders,
    realized_table,
    rollup_table,
)
from streaming.jobs.trading_engine.fills import ids_of_texts
from streaming.rules.ids import text_id

SECOND = 1_000_000
DAY = 86_400 * SECOND
KNOWN = dict.fromkeys(["o1", "o2", "o3", "o4"], "s")


def row(order, side, ts, qty="1", price="10", fill="1", fee="0", symbol="A", account="acct"):
    return Row(
        account, order, fill, symbol, side, units(qty), units(price), int(ts * SECOND), units(fee)
    )


def run(*rows, **options):
    return Run(list(rows), orders=KNOWN, **options)


def codes(done):
    return [alert["code"] for alert in done.rows("alerts")]


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


def test_a_fill_of_an_unknown_order_goes_to_nobody_with_an_alert():
    done = run(row("o1", "BUY", 10), row("who", "SELL", 11, "0.5", "99.25"))
    assert [(p["strategyId"], p["netQty"]) for p in done.rows("open_positions_rollup")] == [
        ("UNATTRIBUTED", units("-0.5")),
        ("s", units("1")),
    ]
    (alert,) = done.rows("alerts")
    assert alert["code"] == "UNKNOWN_ORDER"
    assert alert["message"] == (
        "fill 1 of order who (SELL 0.5 A at 99.25) is of an order that is not known, and went to "
        "strategy UNATTRIBUTED"
    )
    assert done.counts.unattributed == 1


def said_strategies(strategies, orders):
    rows = [row("o1", "BUY", 10), row("o2", "BUY", 11), row("o3", "BUY", 12)]
    table = report_table(rows).drop_columns(["strategyId"])
    table = table.append_column("strategyId", pa.array(strategies, pa.string()))
    job, state = engine(), EngineState()
    job.step(state, ReportBatch(table, "f"), Orders(orders), now=NOW)
    alerts = plain(job.complete(state).alerts)
    held = [(lot["strategyId"], lot["tsOpen"] // SECOND) for lot in plain(lots_table(state))]
    return held, [(alert["code"], alert["message"]) for alert in alerts]


def test_a_column_says_whose_a_fill_is_where_the_order_does_not():
    held, alerts = said_strategies(["x", None, ""], {"o2": "y"})
    assert held == [("UNATTRIBUTED", 12), ("x", 10), ("y", 11)]
    assert [code for code, _ in alerts] == ["UNKNOWN_ORDER"]


def test_the_orders_strategy_counts_against_the_columns():
    held, alerts = said_strategies(["x", "x", "x"], {"o2": "y"})
    assert held == [("x", 10), ("x", 12), ("y", 11)]
    ((code, message),) = alerts
    assert code == "DISPUTED_ORDER"
    assert message.endswith("names another strategy than the order's, y, which got it")


def test_broken_rows_cost_themselves_alone():
    table = report_table([row("o1", "BUY", 10)] * 6)
    changed = {
        "fillQty": ["1", "0", "1", "1", "1", "1"],
        "fillPrice": ["10", "10", "nan", "10", "10", "99999999999"],
        "side": ["BUY", "BUY", "BUY", "HOLD", "BUY", "BUY"],
        "fillId": ["1", "2", "3", "4", None, "6"],
    }
    for name, cells in changed.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(cells, pa.string()))
    job, state = engine(), EngineState()
    outcome = job.step(state, ReportBatch(table, "f.csv"), Orders(KNOWN), now=NOW)
    assert [(r["rowNumber"], r["reason"]) for r in plain(outcome.quarantine)] == [
        (2, "fillQty 0 is not above 0"),
        (3, "fillPrice nan is not finite"),
        (4, "side 'HOLD' is not BUY or SELL"),
        (5, "fillId is missing"),
        (6, "fillPrice 99999999999 does not fit DECIMAL(18,8)"),
    ]
    assert json.loads(plain(outcome.quarantine)[1]["row"])["fillPrice"] == "nan"
    assert job.complete(state).counts.applied == 1


def test_a_fill_of_the_future_is_refused_and_moves_no_watermark():
    done = run(row("o1", "BUY", 10), row("o2", "BUY", NOW // SECOND + 301), row("o3", "BUY", 9))
    assert [r["reason"].split(" ", 2)[2] for r in done.rows("quarantine")] == ["lies in the future"]
    assert (done.counts.applied, done.counts.late) == (2, 0)


def test_a_symbol_outside_the_instruments_is_refused():
    done = run(row("o1", "BUY", 10, symbol="Z"), row("o2", "BUY", 11))
    (refused,) = done.rows("quarantine")
    assert refused["reason"] == "symbol 'Z' is not in the instruments file"
    assert done.counts.applied == 1


def test_every_symbol_is_known_without_an_instruments_file():
    done = run(row("o1", "BUY", 10, symbol="Z"), job=TradingEngine(Instruments()))
    assert done.counts.applied == 1


@pytest.mark.parametrize("amount", ["5000000000", "-5000000000"])
def test_fees_that_two_fills_could_not_share_are_refused(amount):
    done = run(row("o1", "BUY", 10, fee=amount), row("o2", "BUY", 11, fee="4999999999.99999999"))
    (refused,) = done.rows("quarantine")
    assert f"fees {amount}.00 are not within 5000000000.00 of 0" in refused["reason"]
    assert done.counts.applied == 1


def test_a_position_that_would_not_fit_is_as_it_was():
    big = row("o1", "BUY", 10, "9999999999", "0.5")
    done = run(big, row("o2", "BUY", 11, "1", "0.5"), row("o3", "SELL", 12, "1", "0.5"))
    (refused,) = done.rows("quarantine")
    assert "takes its position past what DECIMAL(18,8) holds" in refused["reason"]
    assert codes(done) == ["AMOUNT_OVERFLOW"]
    (position,) = done.rows("open_positions_rollup")
    assert position["netQty"] == units("9999999998")


def test_an_id_that_was_refused_may_come_again_in_time():
    big = row("o1", "BUY", 10, "9999999999", "0.5")
    small = row("o2", "BUY", 11, "1", "0.5")
    done = run(big, small, row("o3", "SELL", 12, "1", "0.5"), replace(small, ts=13 * SECOND))
    assert (done.counts.applied, done.counts.quarantined, done.counts.duplicates) == (3, 1, 0)


def test_fills_of_one_time_go_by_the_text_of_their_ids():
    done = run(
        row("o2", "SELL", 10, price="1"),
        row("o1", "SELL", 10, price="3", fill="2"),
        row("o1", "SELL", 10, price="2", fill="10"),
        row("o3", "BUY", 11, "3", "5"),
    )
    assert [match["sellPrice"] // units("1") for match in done.rows("matches")] == [2, 3, 1]


def test_a_missing_or_doubled_column_is_named_and_the_state_is_as_it_was():
    job, state, known = engine(), EngineState(), Orders(KNOWN)
    job.step(state, batch([row("o1", "BUY", 10)]), known, now=NOW)
    before = state.to_bytes()
    table = report_table([row("o2", "BUY", 11)])
    with pytest.raises(ContractError, match=r"f\.csv: column fillPrice .* is missing"):
        job.step(state, ReportBatch(table.drop_columns(["fillPrice"]), "f.csv"), known, now=NOW)
    twice = pa.table([*table.columns, table.column("side")], [*table.column_names, "side"])
    with pytest.raises(ContractError, match=r"f\.csv: column side .* 2 times"):
        job.step(state, ReportBatch(twice, "f.csv"), known, now=NOW)
    twice = table.append_column("strategyId", pa.array(["s"]))
    with pytest.raises(ContractError, match="column strategyId"):
        job.step(state, ReportBatch(twice, "f.csv"), known, now=NOW)
    assert state.to_bytes() == before


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


def test_orders_without_ids_or_of_two_strategies_are_refused():
    table = pa.table(
        {
            "strategyId": ["s", "s", None, "t", "s", "u"],
            "orderId": ["o1", "o2", "o3", "o1", "o1", "o4"],
            "qty": [1, 2, 3, 4, 5, 6],
        }
    )
    orders = Orders({"o4": "t"})
    refused = read_orders(ReportBatch(table, "orders.csv"), orders)
    assert orders.strategies(pa.array(["o1", "o2", "o3", "o4"])).to_pylist() == [
        "s",
        "s",
        None,
        "t",
    ]
    assert len(orders) == 3
    assert [(r["rowNumber"], r["reason"]) for r in plain(refused)] == [
        (3, "strategyId is missing"),
        (4, "orderId o1 is of strategy s by a row before, and cannot be of t"),
        (6, "orderId o4 is of strategy t by a row before, and cannot be of u"),
    ]
    assert {r["tableName"] for r in plain(refused)} == {"accepted_trade_signal_history"}
    assert row_of(plain(refused)[1])["qty"] == 4


def one_by_one(*rows, restored_after=0):
    """Apply rows in batches of one; give the last one's quarantine and the state."""
    job, state = engine(), EngineState()
    for at, one in enumerate(rows):
        if at == restored_after:
            state = EngineState.from_bytes(state.to_bytes())
        job.step(state, batch([one]), Orders(KNOWN), now=NOW)
        outcome = job.complete(state)
    return plain(outcome.quarantine), state


def test_what_was_realised_before_counts_towards_what_fits():
    bought = [row("o1", "BUY", at, price="9000000000", fill=str(at)) for at in (1, 2)]
    sold = [row("o2", "SELL", at, price="0.00000001", fill=str(at)) for at in (3, 4)]
    quarantine, state = one_by_one(*bought, *sold)
    assert "takes the realised PnL of its position key past" in quarantine[0]["reason"]
    assert plain(realized_table(state))[0]["realizedPnl"] == units("-8999999999.99999999")
    assert plain(rollup_table(state))[0]["netQty"] == units("1")


@pytest.mark.parametrize("restored_after", [0, 3])
def test_fees_of_open_lots_count_towards_what_fits(restored_after):
    bought = [row("o1", "BUY", at, fee="4900000000", fill=str(at)) for at in (1, 2, 3)]
    sold = [row("o2", "SELL", at, fill=str(at)) for at in (4, 5, 6)]
    quarantine, state = one_by_one(*bought, *sold, restored_after=restored_after)
    assert "takes the fees of its position key past" in quarantine[0]["reason"]
    assert plain(realized_table(state))[0]["fees"] == units("9800000000")


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
