"""A run's metrics from the lake: its window, capital, strategies, lots and prices."""

import json
import shutil
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake.samples import random_market, rows_of

from streaming.analytics.days import day_bounds
from streaming.analytics.sources import from_files
from streaming.errors import LakeError, RunError
from streaming.jobs.strategies import make
from streaming.lake import Lake
from streaming.rules.units import SCALE, to_money
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.run_source import from_run
from streaming.runtimes.runs import find_run
from streaming.settings import Settings

STRATEGIES = ("rsi_reversion", "sma_cross", "day_trend_entry")  # the last never trades here


@pytest.fixture(scope="module", params=["per-strategy", "shared"])
def lake_and_run(request, tmp_path_factory):
    """Give a lake with two symbols over three days, and a run in it."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.write_prices(rows_of(random_market(5, 2, 3 * 1440 - 100)))
    return lake, run_in(lake, request.param)


def run_in(lake, layout):
    """Run the backtest of these tests."""
    return run_backtest(
        lake,
        BacktestRequest(
            settings=Settings(),
            strategies=tuple(make(name) for name in STRATEGIES),
            layout=layout,
            name=f"named-{layout}",
            final_unrealized=True,
        ),
    )


def test_the_metrics_of_a_run_are_the_figures_that_the_run_reports(lake_and_run):
    lake, run = lake_and_run
    reports = from_run(lake.root, run.name).reports()
    assert [report.name for report in reports] == sorted(STRATEGIES)
    for report in reports:
        expected = run.facts["figures"][report.name]
        assert report.realised.figures.net_pnl == to_money(expected["netPnl"])
        assert report.realised.figures.sharpe == expected["sharpe"]
        assert report.realised.figures.max_drawdown == expected["maxDrawdown"]
        assert report.realised.figures.days == expected["days"]
        assert report.trades.trades == expected["trades"]
        assert report.trades.fees == to_money(expected["fees"])
    assert sum(report.trades.trades for report in reports) > 20


def test_the_window_is_the_runs_and_may_be_narrowed(lake_and_run):
    lake, run = lake_and_run
    source = from_run(lake.root, run.id)
    report = source.reports()[0]
    assert (report.start, report.end) == (date(2024, 3, 4), date(2024, 3, 6))
    assert source.reports(start=date(2024, 3, 5))[0].realised.figures.days == 2


def test_open_pnl_is_that_of_the_final_unrealised_snapshot(lake_and_run):
    lake, run = lake_and_run
    source = from_run(lake.root, run.id)
    snapshot = run.table("unrealized_pnl_latest").to_pylist()
    assert snapshot
    for report in source.reports():
        assert report.notes == ()
        held = [row for row in snapshot if row["strategyId"] == report.name]
        expected = sum(int(row["unrealizedPnl"] * SCALE) for row in held)
        # The snapshot rounds the average price; marking keeps the exact cost.
        units = sum(abs(row["netQty"]) for row in held) + len(held)
        assert abs(report.open_pnl - expected) <= units


def test_marked_pnl_is_realised_and_open_pnl_together(lake_and_run):
    lake, run = lake_and_run
    for report in from_run(lake.root, run.id).reports():
        total = report.realised.figures.net_pnl + report.open_pnl
        assert report.marked.figures.net_pnl == total


def test_buy_and_hold_follows_the_lakes_closes(lake_and_run):
    lake, run = lake_and_run
    report = from_run(lake.root, run.id).reports()[1]
    bars = lake.bars(list(report.symbols))
    end = int(day_bounds(report.start, report.end, report.tz)[-1])
    growth = [
        one.close[np.searchsorted(one.ts, end, "right") - 1] / one.close[0] for one in bars.values()
    ]
    assert report.symbols == ("S00", "S01")
    expected = np.mean(growth) - 1
    assert report.buy_and_hold.figures.total_return == pytest.approx(expected, abs=1e-12)


def test_a_run_is_measured_on_the_capital_of_all_its_accounts(lake_and_run):
    lake, run = lake_and_run
    source = from_run(lake.root, run.id)
    accounts = 1 if run.definition["layout"] == "shared" else len(STRATEGIES)
    assert source.capital == Decimal(100_000)
    [report] = source.reports(by="run")
    assert report.name == run.id
    assert report.capital == 100_000 * SCALE * accounts
    assert source.reports(by="run", capital=5)[0].capital == 5 * SCALE
    assert len(source.reports(by="account")) == accounts
    assert {r.capital for r in source.reports(by="account")} == {100_000 * SCALE}


def test_a_runs_folder_read_as_files_gives_the_same_realised_figures(lake_and_run):
    lake, run = lake_and_run
    window = {"start": date(2024, 3, 4), "end": date(2024, 3, 6)}
    by_name = {report.name: report for report in from_run(lake.root, run.id).reports()}
    source = from_files([run.folder], lake.root)
    assert source.quarantine.num_rows == source.duplicates == 0
    for report in source.reports(**window):
        assert report.realised.figures == by_name[report.name].realised.figures
        assert report.marked.figures == by_name[report.name].marked.figures


def test_reports_share_the_accounts_of_the_run(lake_and_run):
    lake, run = lake_and_run
    accounts = 1 if run.definition["layout"] == "shared" else len(STRATEGIES)
    source = from_run(lake.root, run.id)
    assert source.joint_accounts("strategy") == source.joint_accounts("symbol") == accounts
    assert source.joint_accounts("run") is None
    held = {row["accountId"] for row in run.matches().to_pylist()}
    assert from_files([run.folder]).joint_accounts("strategy") == len(held)


def copied(lake, run, folder):
    """Copy a run into a lake of its own, to be tampered with; give its folder there."""
    return shutil.copytree(run.folder, folder / "runs" / run.id)


@pytest.mark.parametrize("table", ["trade_match_history", "open_positions_lots"])
@pytest.mark.parametrize("fate", ["lost", "changed", "added"])
def test_a_file_that_is_not_what_the_run_wrote_is_named(lake_and_run, tmp_path, table, fate):
    lake, run = lake_and_run
    folder = copied(lake, run, tmp_path)
    from_run(tmp_path, run.id)
    path = next(iter(sorted(folder.glob(f"{table}/*/*.parquet"))), folder / f"{table}.parquet")
    name = str(path.relative_to(folder))
    rows = pq.read_table(path, partitioning=None)
    assert rows.num_rows > 0
    match fate:
        case "lost":
            path.unlink()
        case "changed":
            pq.write_table(rows.slice(0, rows.num_rows - 1), path)
        case "added":
            name = f"{table}/month=2024-03/strategy=else.parquet"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows, folder / name)
    with pytest.raises(LakeError, match=f"Run {run.id}, table {table}: {name} was {fate} since"):
        from_run(tmp_path, run.id)
    # What does not look at that table does not mind.
    found = find_run(Lake(tmp_path), run.id)
    assert found.table("unrealized_pnl_latest").num_rows >= 0


def test_a_run_that_is_not_as_it_was_written_is_made_again(lake_and_run, tmp_path):
    lake = Lake(shutil.copytree(lake_and_run[0].root, tmp_path / "lake"))
    found = find_run(lake, lake_and_run[1].id)
    before = {path: path.read_bytes() for path in sorted(found.folder.rglob("*.*"))}
    path = next(found.folder.glob("trade_match_history/*/*.parquet"))
    rows = pq.read_table(path, partitioning=None)
    pnl = rows["realizedPnl"].to_pylist()
    other = pa.array([pnl[0] + 1000, *pnl[1:]], rows.schema.field("realizedPnl").type)
    place = rows.schema.get_field_index("realizedPnl")
    rows = rows.set_column(place, rows.schema.field(place), other)
    pq.write_table(rows, path, store_decimal_as_integer=True)
    with pytest.raises(LakeError, match="was changed since the run wrote it"):
        found.matches()
    assert run_in(lake, found.definition["layout"]).id == found.id
    assert {path: path.read_bytes() for path in sorted(found.folder.rglob("*.*"))} == before


def test_matches_outside_the_runs_own_days_are_counted_in_the_notes(lake_and_run, tmp_path):
    lake, run = lake_and_run
    folder = copied(lake, run, tmp_path)
    facts = json.loads((folder / "run.json").read_text())
    facts["window"] |= {"start": "2024-03-05T12:00:00Z", "completeTo": "2024-03-05T13:00:00Z"}
    (folder / "run.json").write_text(json.dumps(facts))
    source = from_run(tmp_path, run.id)
    [whole] = replace(source, lake=None).reports(by="run")
    left = {"before": 0, "after": 0}
    for note in whole.notes:
        number, _, side, *_ = note.split()
        left[side] = int(number.replace(",", ""))
    assert min(left.values()) > 0
    assert whole.trades.matches + sum(left.values()) == source.matches.num_rows
    # What somebody asked to leave out needs no note.
    [asked] = replace(source, lake=None).reports(by="run", start=date(2024, 3, 5))
    assert [note.split()[2] for note in asked.notes] == ["after"]


def test_what_is_not_there_is_named(lake_and_run, tmp_path):
    lake, _ = lake_and_run
    with pytest.raises(RunError, match="has no run 'nome'"):
        from_run(lake.root, "nome")
    with pytest.raises(LakeError, match="there is no such folder"):
        from_run(tmp_path / "none", "real")
