"""`trading replay`, `status` and `export`, as a person types them."""

import pyarrow.parquet as pq
import pytest
from runtimes.markets import lake_of, month_market

from streaming.contracts import TABLES

STRATEGIES = "bollinger_reversion,ema_cross"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay") / "lake"
    lake_of(folder, {name: bars.rows(0, 1_500) for name, bars in month_market(2).items()})
    return folder


@pytest.fixture(scope="module")
def store(lake, tmp_path_factory, trading):
    path = tmp_path_factory.mktemp("replay") / "live.db"
    trading("replay", "--lake", lake, "--store", path, "--strategies", STRATEGIES)
    return path


def test_matches_are_those_of_a_backtest_with_one_account(lake, store, tmp_path, trading):
    made = trading("backtest", "--lake", lake, "--strategies", STRATEGIES, "--account", "shared",
                   "--json").json  # fmt: skip
    trading("export", "--store", store, "--out", tmp_path)
    assert {path.stem for path in tmp_path.glob("*.parquet")} == set(TABLES)
    found = pq.read_table(tmp_path / "trade_match_history.parquet")
    assert found.num_rows == made["rows"]["trade_match_history"] > 10
    net = sum(row["realizedPnl"] - row["fees"] for row in found.to_pylist())
    wanted = sum(float(one["netPnl"]) for one in made["figures"].values())
    assert float(net) == pytest.approx(wanted, abs=1e-8)


def test_run_again_it_has_nothing_to_do(lake, store, trading):
    again = trading("replay", "--lake", lake, "--store", store, "--strategies", STRATEGIES,
                    "--json").json  # fmt: skip
    assert (again["bars"], again["ticks"]) == (0, 0)


def test_a_part_and_then_the_rest_is_the_whole(lake, store, tmp_path, trading):
    path = tmp_path / "parts.db"
    arguments = ["--lake", lake, "--store", path, "--strategies", STRATEGIES]
    trading("replay", *arguments, "--end", "2024-01-25T12:34Z")
    trading("replay", *arguments)
    for one, folder in ((store, "whole"), (path, "parts")):
        trading("export", "--store", one, "--out", tmp_path / folder)
    for name in ("trade_match_history", "exec_report_history", "realized_pnl_latest"):
        whole, parts = (pq.read_table(tmp_path / f / f"{name}.parquet") for f in ("whole", "parts"))
        assert whole.equals(parts), name


def test_status_tells_positions_pnl_lease_and_rejections(store, trading):
    found = trading("status", "--store", store, "--json").json
    assert found["lease"]["held"] is False
    assert found["rows"]["price_1m_history"] > 0
    assert {one["account"] for one in found["realized"]} == {"live", "paper:live"}
    assert {one["code"] for one in found["rejected"]} >= {"NO_OPEN_POSITION"}
    shown = trading("status", "--store", store).out
    assert "Open positions" in shown
    assert "NO_OPEN_POSITION" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--speed", "fast"], 2, "write max"),
        (["--speed", "-1"], 2, "write max"),
        (["--symbols", "NIX"], 1, "no prices of symbol 'NIX'"),
        (["--strategies", "ema_cros"], 2, "Did you mean ema_cross"),
    ],
)
def test_what_cannot_be_meant_is_told(lake, tmp_path, trading, arguments, code, message):
    path = tmp_path / "x.db"
    failed = trading("replay", "--lake", lake, "--store", path, *arguments, code=code)
    assert message in failed.err.replace("\n", " ")


def test_another_roster_or_other_symbols_do_not_go_on(lake, store, trading):
    other = trading("replay", "--lake", lake, "--store", store, "--strategies", "all", code=1)
    assert "strategies" in other.err
    fewer = trading("replay", "--lake", lake, "--store", store, "--strategies", STRATEGIES,
                    "--start", "2024-01-24", code=1)  # fmt: skip
    assert "another start" in fewer.err


def test_what_is_no_store_is_told(tmp_path, trading):
    missing = trading("status", "--store", tmp_path / "none.db", code=1)
    assert "none.db" in missing.err
    (tmp_path / "odd.db").write_text("not a database" * 100)
    odd = trading("status", "--store", tmp_path / "odd.db", code=1)
    assert "odd.db" in odd.err
