"""What the engine refuses, and that it costs nothing else."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from oracle.money import units

from match.by_hand import KNOWN, SECOND, codes, row, run
from match.engines import NOW, batch, engine, plain, report_table
from streaming.errors import ContractError
from streaming.instruments import Instruments
from streaming.jobs.trading_engine import (
    EngineState,
    Orders,
    ReportBatch,
    TradingEngine,
    realized_table,
    rollup_table,
)


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
    twice = twice.append_column("strategyId", pa.array(["s"]))
    with pytest.raises(ContractError, match="column strategyId"):
        job.step(state, ReportBatch(twice, "f.csv"), known, now=NOW)
    assert state.to_bytes() == before


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
