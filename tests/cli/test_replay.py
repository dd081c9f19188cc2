"""`trading replay`, `status` and `export`, as a person types them."""

import json

import pyarrow.parquet as pq
import pytest
from runtimes.markets import lake_of, month_market

from streaming.contracts import TABLES

STRATEGIES = "bollinger_reversion,ema_cross"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    market = {name: bars.rows(0, 1_000) for name, bars in month_market(2).items()}
    return lake_of(tmp_path_factory.mktemp("replay"), market)


@pytest.fixture
def replay(trading, lake, tmp_path):
    """Replay the lake into a store; give (exit code, stdout, stderr)."""

    def run(*words, store=tmp_path / "live.db", strategies=STRATEGIES):
        start = ("replay", "--lake", lake.root, "--store", store, "--strategies", strategies)
        return trading(*start, *words)

    return run


@pytest.fixture
def store(replay, tmp_path):
    code, _, err = replay()
    assert code == 0
    assert "trading status --store" in err
    return tmp_path / "live.db"


def exported(trading, store, folder, name):
    assert trading("export", "--store", store, "--out", folder)[0] == 0
    return pq.read_table(folder / f"{name}.parquet")


def test_matches_are_those_of_a_backtest_with_one_account(lake, store, tmp_path, trading):
    _, out, _ = trading("backtest", "--lake", lake.root, "--strategies", STRATEGIES, "--account",
                        "shared", "--json")  # fmt: skip
    made = json.loads(out)
    found = exported(trading, store, tmp_path / "out", "trade_match_history")
    assert {path.stem for path in (tmp_path / "out").glob("*.parquet")} == set(TABLES)
    assert found.num_rows == made["rows"]["trade_match_history"] > 10
    net = sum(row["realizedPnl"] - row["fees"] for row in found.to_pylist())
    wanted = sum(float(one["netPnl"]) for one in made["figures"].values())
    assert float(net) == pytest.approx(wanted, abs=1e-8)


def test_run_again_it_has_nothing_to_do(store, replay):
    again = json.loads(replay("--json")[1])
    assert (again["bars"], again["ticks"]) == (0, 0)
    assert again["completeTo"] is not None


def test_a_part_and_then_the_rest_is_the_whole(store, replay, tmp_path, trading):
    parts = tmp_path / "parts.db"
    assert replay("--end", "2024-01-25T12:34Z", store=parts)[0] == 0
    assert replay(store=parts)[0] == 0
    for name in ("trade_match_history", "exec_report_history", "realized_pnl_latest"):
        rows = exported(trading, store, tmp_path / "whole", name)
        assert rows.num_rows > 0
        assert rows.equals(exported(trading, parts, tmp_path / "parts", name)), name


def test_status_tells_positions_pnl_lease_and_rejections(store, trading):
    found = json.loads(trading("status", "--store", store, "--json")[1])
    assert found["lease"]["held"] is False
    assert found["rows"]["price_1m_history"] > 0
    assert {one["account"] for one in found["realized"]} == {"live", "paper:live"}
    assert {one["code"] for one in found["rejected"]} >= {"NO_OPEN_POSITION"}
    shown = trading("status", "--store", store)[1]
    assert "Open positions" in shown
    assert "NO_OPEN_POSITION" in shown
    for table, key in (("accepted", "accepted_trade_signal_history"),
                       ("rejected", "rejected_trade_signal_history")):  # fmt: skip
        assert sum(one["count"] for one in found[table]) == found["rows"][key] > 0
    assert found["lease"]["since"] <= found["committed"]


def test_a_start_trades_from_then_on_with_features_of_before(store, replay, tmp_path, trading):
    late = tmp_path / "late.db"
    assert replay("--start", "2024-02-01", store=late)[0] == 0
    rows = exported(trading, late, tmp_path / "late", "strategy_signal_history").to_pylist()
    all_rows = exported(trading, store, tmp_path / "all", "strategy_signal_history").to_pylist()
    assert rows == [one for one in all_rows if str(one["signalTs"]) > "2024-02-01 00:00:00+00:00"]
    assert rows


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--speed", "fast"], 2, "must be max, or how many seconds"),
        (["--speed", "-1"], 2, "must be max, or how many seconds"),
        (["--symbols", "NIX"], 1, "no prices of symbol 'NIX'"),
        (["--start", "soon"], 2, "is no date or time"),
    ],
)
def test_what_cannot_be_meant_is_told(replay, words, code, message):
    ended, _, err = replay(*words)
    assert ended == code
    assert message in " ".join(err.split())


def test_another_roster_other_symbols_or_another_start_do_not_go_on(store, replay):
    code, _, err = replay(strategies="all")
    assert code == 1
    assert "strategies" in err
    code, _, err = replay("--start", "2024-01-24")
    assert code == 1
    assert "another start" in err


def test_an_unknown_strategy_is_told(replay):
    code, _, err = replay(strategies="ema_cros")
    assert code == 2
    assert "Did you mean ema_cross" in err


@pytest.mark.parametrize("content", [None, b"not a database" * 100, b""])
def test_what_is_no_store_is_told(tmp_path, trading, content):
    path = tmp_path / "odd.db"
    if content is not None:
        path.write_bytes(content)
    for words in (["status"], ["export", "--out", tmp_path / "out"]):
        code, _, err = trading(*words, "--store", path)
        assert code == 1
        assert "odd.db" in err


def test_what_a_store_has_recorded_is_played_and_compared(lake, store, tmp_path, trading):
    again = ("replay", "--recorded", store, "--store")
    code, out, _ = trading(*again, tmp_path / "again.db", "--json")
    found = json.loads(out)
    assert (code, found["equal"]) == (0, True)
    assert {one["table"] for one in found["tables"]} == set(TABLES)
    assert found["ticks"] > 0
    code, out, err = trading(*again, tmp_path / "other.db", "--capital", "5000")
    assert code == 1
    assert "tables differ" in err
    assert "accepted_trade_signal_history" in out


def test_a_record_that_began_after_older_bars_needs_their_lake(lake, replay, tmp_path, trading):
    assert replay("--start", "2024-01-25T12:34Z")[0] == 0
    words = ("replay", "--recorded", tmp_path / "live.db", "--store", tmp_path / "again.db")
    code, _, err = trading(*words)
    assert code == 1
    assert "Name the lake with --lake" in err
    code, _, err = trading(*words, "--lake", lake.root)
    assert code == 0
    assert "tables are equal" in err


@pytest.mark.parametrize(
    "words",
    [("--store", "a.db"), ("--store", "a.db", "--recorded", "b.db", "--strategies", "ema_cross")],
)
def test_a_replay_of_nothing_or_of_two_things_is_wrong_use(trading, words):
    assert trading("replay", *words)[0] == 2
