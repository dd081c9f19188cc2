"""The engine against the oracle: every match, lot, total, repetition and refusal; any cut."""

from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import samples, strategies
from oracle.dedupe import Row
from oracle.money import LIMIT, SCALE
from oracle.samples import START
from rules import soak

from match.engines import LATEST, NOW, ORDERS, POINT_VALUES, Run, batch, engine, plain
from match.expected import Desk
from streaming.instruments import Instrument, Instruments
from streaming.jobs.trading_engine import EngineState, Orders
from streaming.rules.units import money_text
from streaming.runtimes.match import MatchRequest, match_file
from streaming.settings import Settings

DAY = 86_400_000_000


def desk(rows, **settings):
    desk = Desk(ORDERS, point_values=POINT_VALUES, **settings)
    for row in rows:
        desk.arrive(row)
    desk.end()
    return desk


def check(run, expected, rows):
    """Compare all that a run gave with the oracle's."""
    assert run.rows("matches") == expected.match_rows
    assert run.rows("open_positions_lots") == expected.lot_rows()
    assert run.rows("open_positions_rollup") == expected.rollup_rows()
    assert run.rows("realized_pnl_latest") == expected.realized_rows()
    counts = run.counts
    assert counts.read == len(rows)
    assert counts.applied == len(expected.out.applied)
    assert counts.matches == len(expected.match_rows)
    assert counts.duplicates == expected.out.duplicates.total()
    assert counts.late == expected.out.late
    assert counts.unattributed == len(expected.out.unknown_orders)
    assert counts.quarantined == len(expected.refused)
    assert counts.read == counts.applied + counts.duplicates + counts.quarantined
    quarantine = run.rows("quarantine")
    refused = [(row["ts"], said(row["reason"])) for row in quarantine]
    assert refused == [(row.ts, why) for row, why in expected.refused]
    for row in quarantine:
        assert row["rowNumber"] in {
            at for at, one in enumerate(rows, start=1) if one.ts == row["ts"]
        }
    alerts = run.rows("alerts")
    unknown = [alert["ts"] for alert in alerts if alert["code"] == "UNKNOWN_ORDER"]
    assert unknown == [row.ts for row in expected.out.unknown_orders]
    disputed = [
        (alert["ts"], alert["message"].split("the order's, ")[1].split(",")[0])
        for alert in alerts
        if alert["code"] == "DISPUTED_ORDER"
    ]
    assert disputed == [(row.ts, key[1]) for key, row in expected.out.disputed]


def said(reason):
    if "came before with other content" in reason:
        return "differs"
    if "point value" in reason:
        return "notional"
    return "fees" if reason.startswith("fees") else "overflow"


@given(strategies.arrivals(), st.data())
@settings(max_examples=60)
def test_a_run_is_the_oracles_however_it_is_cut_and_restarted(rows, data):
    cuts = data.draw(strategies.cuts(len(rows)))
    check(Run(rows, cuts, saved=True), desk(rows), rows)


@given(strategies.arrivals(), st.data())
@settings(max_examples=40)
def test_cuts_give_the_same_rows_in_the_same_order(rows, data):
    whole = Run(rows)
    cut = Run(rows, data.draw(strategies.cuts(len(rows))), saved=data.draw(st.booleans()))
    assert cut.everything() == whole.everything()
    assert cut.state.to_bytes() == whole.state.to_bytes()


@pytest.mark.parametrize("seed", range(8))
def test_long_runs_are_the_oracles(seed):
    rng = Random(seed)
    rows = samples.arrivals(rng, longest=250)
    check(Run(rows, samples.cuts(rng, len(rows)), saved=True), desk(rows), rows)


@pytest.mark.parametrize("seed", range(12))
def test_ids_are_forgotten_as_the_watermark_goes_on(seed):
    rng = Random(seed)
    # Spread over forty days, so that ids come again within the week and after it.
    rows = [
        Row(**{**vars(row), "ts": START + (row.ts - START) * 100_000 + rng.randint(0, 3)})
        for row in samples.arrivals(rng, longest=150, lateness=rng.choice([0, 5_000_000]))
    ]
    rows += [rng.choice(rows) for _ in range(20)]
    check(Run(rows, samples.cuts(rng, len(rows)), saved=True), desk(rows), rows)


def test_amounts_that_do_not_fit_cost_their_fill_alone():
    met = set()
    for seed in range(12):
        rng = Random(seed)
        rows = [_huge(rng, n) for n in range(60)]
        run = Run(rows, samples.cuts(rng, len(rows)), saved=True)
        check(run, desk(rows), rows)
        met |= {
            what
            for row in run.rows("quarantine")
            for what in (
                "point value",
                "of 0: ",
                "its position past",
                "the realised PnL",
                "the fees",
            )
            if what in row["reason"]
        }
    assert len(met) == 5, met


def _huge(rng, n):
    price = rng.choice([1, SCALE, LIMIT - 1, rng.randint(1, LIMIT - 1)])
    qty = rng.choice([1, SCALE, LIMIT - 1, LIMIT // 2, rng.randint(1, LIMIT - 1)])
    if rng.randint(0, 9):
        qty = max(1, min(qty, (LIMIT - 1) * SCALE // price))
    fee = rng.choice([0, 0, 5, LIMIT - 1, 1 - LIMIT, LIMIT // 3, -LIMIT // 2])
    order = rng.choice(["o1", "o1", "o2", "who"])
    fill = str(rng.randint(1, 40))
    side = rng.choice(["BUY", "SELL"])
    return Row("acct", order, fill, "AB"[n % 2], side, qty, price, START + n * 1_000_000, fee)


def test_any_order_of_arrival_within_the_lateness_gives_the_same():
    rng = Random(3)
    for _ in range(12):
        rows = sorted(samples.arrivals(rng, longest=40), key=lambda row: row.ts)
        shaken = sorted(rows, key=lambda row: row.ts + rng.randint(0, 5_000_000))
        straight, other = Run(rows), Run(shaken)
        assert other.counts.late == 0
        for name in ("matches", "alerts", *LATEST):
            assert other.rows(name) == straight.rows(name)
        assert other.counts == straight.counts


def test_changes_of_each_batch_lead_to_the_latest_tables():
    rng = Random(5)
    deletes = dict.fromkeys(LATEST, 0)
    for _ in range(10):
        rows = samples.arrivals(rng, longest=80)
        job, state = engine(), EngineState()
        tables = {name: {} for name in LATEST}
        at = 0
        while at <= len(rows):
            step = rng.randint(1, 12)
            if at < len(rows):
                job.step(state, batch(rows[at : at + step], at + 1), Orders(ORDERS), now=NOW)
            else:
                job.complete(state)
            at += step
            for name, change in job.changes(state).items():
                key = change.deletes.column_names
                gone, new = plain(change.deletes), plain(change.upserts)
                deletes[name] += len(gone)
                for row in gone:
                    del tables[name][tuple(row.values())]  # only what is there is deleted
                for row in new:
                    held = tables[name].get(tuple(row[column] for column in key))
                    assert held != row, "an upsert changes something"
                    tables[name][tuple(row[column] for column in key)] = row
                stands = plain(LATEST[name](state))
                assert {tuple(row[column] for column in key): row for row in stands} == tables[name]
            if rng.randint(0, 1):
                state = EngineState.from_bytes(state.to_bytes())
    assert deletes["open_positions_lots"] > 20
    assert deletes["open_positions_rollup"] > 0
    assert deletes["realized_pnl_latest"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_soak(shard):
    for seed, size, rng in soak.batches(shard):
        for _ in range(size // 100):  # each run is as dear as a hundred sequences of a rule
            rows = samples.arrivals(rng, longest=300)
            run = Run(rows, samples.cuts(rng, len(rows)), saved=True)
            try:
                check(run, desk(rows), rows)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error


def test_a_file_goes_the_same_way(tmp_path):
    rows = samples.arrivals(Random(11), longest=400)
    columns = ["accountId", "orderId", "fillId", "symbol", "side", "fillQty", "fillPrice", "ts"]
    lines = [",".join([*columns, "fees", "strategyId"])]
    for row in rows:
        amounts = [money_text(amount) for amount in (row.qty, row.price)]
        cells = [row.account, row.order_id, row.fill_id, row.symbol, row.side, *amounts]
        lines.append(",".join([*cells, str(row.ts), money_text(row.fee), row.said]))
    (tmp_path / "fills.csv").write_text("\n".join(lines))
    orders = ["orderId,strategyId", *(",".join(pair) for pair in ORDERS.items())]
    (tmp_path / "orders.csv").write_text("\n".join(orders))
    listed = {name: Instrument(name, point_value=value) for name, value in POINT_VALUES.items()}
    known = [tmp_path / "orders.csv"]
    request = MatchRequest(
        tmp_path / "fills.csv", tmp_path / "out", known, Instruments(listed), Settings(), None, NOW
    )
    report, expected = match_file(request), desk(rows)
    assert report.counts == Run(rows).counts
    by_time = sorted(expected.match_rows, key=lambda row: row["matchTimestamp"])
    assert len(by_time) > 50
    wanted = {
        "trade_match_history": by_time,
        "open_positions_lots": expected.lot_rows(),
        "open_positions_rollup": expected.rollup_rows(),
        "realized_pnl_latest": expected.realized_rows(),
    }
    for name, one in wanted.items():
        assert plain(pq.read_table(tmp_path / "out" / f"{name}.parquet")) == one, name
