"""`trading backtest` from the outside: what it prints, keeps and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from runtimes.markets import single, us

from streaming.cli.times import to_micros
from streaming.jobs.strategies import STRATEGIES
from streaming.runtimes.runs import find_run, runs

from .words import as_json

NAMES = "ema_cross,roc_momentum"
STEMS = ("backtest", "runs", "market")


class TestBacktest:
    def test_json_tells_the_run_and_nothing_else(self, trading, lake):
        found = as_json(trading("backtest", "--lake", lake.root, "--strategies", NAMES, "--json"))
        run = find_run(lake, found["runId"])
        assert found["folder"] == str(run.folder)
        assert found["figures"].keys() == {"ema_cross", "roc_momentum"}
        assert found["definition"] == run.definition
        assert found["rows"]["trade_match_history"] == run.matches().num_rows > 0

    def test_a_table_for_people(self, trading, lake):
        code, output, errors = trading("backtest", "--lake", lake.root, "--strategies", NAMES)
        assert code == 0
        assert output.count("ema_cross") == output.count("roc_momentum") == 1
        for word in ("trades", "net PnL", "Sharpe", "max drawdown", "rejected", "cancelled"):
            assert word in output
        (found,) = [one for one in runs(lake) if one.id in errors]
        assert f"trading metrics --lake {lake.root} --run {found.id}" in errors

    def test_all_strategies_and_symbols_unless_told(self, trading, lake):
        found = as_json(trading("backtest", "--lake", lake.root, "--json"))
        assert found["figures"].keys() == STRATEGIES.keys()
        assert found["definition"]["symbols"] == lake.symbols()
        again = trading("backtest", "--lake", lake.root, "--strategies", "all", "--json")
        assert as_json(again)["runId"] == found["runId"]

    def test_every_option_reaches_the_run(self, trading, own_lake, tmp_path):
        facts = tmp_path / "instruments.csv"
        facts.write_text("symbol,lotSize\nANT,1\nBAT,1\nCOD,1\n")
        found = as_json(
            trading(
                *("backtest", "--lake", own_lake.root, "--strategies", "ema_cross, sma_cross"),
                *("--symbols", "COD, ANT", "--param", "ema_cross.fast=7"),
                *("--start", "2024-01-22T06:00Z", "--end", "2024-01-22T12:30+02:00"),
                *("--account", "shared", "--capital", "12345.5", "--slippage-bps", "2.5"),
                *("--fee-bps", "0", "--instruments", facts, "--run-id", "mine", "--trace"),
                *("--final-unrealized", "--threads", "1", "--json"),
            )
        )
        told = found["definition"]
        assert [one["id"] for one in told["strategies"]] == ["ema_cross", "sma_cross"]
        assert told["strategies"][0]["params"]["fast"] == 7
        assert told["symbols"] == ["ANT", "COD"]
        assert (told["start"], told["end"]) == ("2024-01-22T06:00:00Z", "2024-01-22T10:30:00Z")
        assert told["layout"] == "shared"
        assert told["account"]["capital"] == 1_234_550_000_000
        assert (told["account"]["slippage"], told["account"]["fee_rate"]) == (25_000, 0)
        assert found["name"] == "mine"
        assert found["rows"].keys() >= {"exec_report_history", "unrealized_pnl_latest"}
        fills = find_run(own_lake, "mine").table("exec_report_history").to_pylist()
        assert fills
        assert all(row["fillQty"] % 1 == 0 and row["fees"] == 0 for row in fills)

    def test_settings_come_from_the_file_and_the_environment(
        self, trading, own_lake, tmp_path, monkeypatch
    ):
        (tmp_path / "settings.toml").write_text(
            "[tradepicker]\nmaxOpenPositions = 1\n[account]\ncapital = 500\n"
            "[backtest]\nfinalUnrealized = true\n"
        )
        monkeypatch.setenv("TRADING__COSTS__FEEBPS", "3")
        found = as_json(
            trading(
                "backtest",
                "--lake",
                own_lake.root,
                "--strategies",
                NAMES,
                "--json",
                "--capital",
                "600",
            )
        )
        account = found["definition"]["account"]
        assert (account["max_open"], account["capital"]) == (1, 60_000_000_000)
        assert account["fee_rate"] == 30_000
        assert found["options"]["finalUnrealized"]

    def test_final_unrealized_rows_stand_apart(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--strategies", NAMES, "--json")
        without = as_json(trading(*words))
        run = find_run(own_lake, without["runId"])
        assert not (run.folder / "unrealized_pnl_latest.parquet").exists()
        found = as_json(trading(*words, "--final-unrealized"))
        assert found["runId"] == without["runId"]
        assert found["figures"] == without["figures"]
        rows = single(run, "unrealized_pnl_latest")
        assert len(rows) == found["rows"]["unrealized_pnl_latest"] > 0
        assert {row["currentPrice"] > 0 for row in rows} == {True}

    def test_a_window_of_the_whole_backtest_has_its_rows(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--strategies", NAMES, "--json")
        edge, matches = "2024-01-22T08:00", "trade_match_history"
        late = as_json(trading(*words, "--rows-after", edge))
        early = as_json(trading(*words, "--end", edge))
        whole = as_json(trading(*words))
        assert late["definition"]["rowsAfter"] == f"{edge}:00Z"
        assert late["rows"][matches] > 0
        assert early["rows"][matches] + late["rows"][matches] == whole["rows"][matches]

    def test_windows_resume_one_another(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--strategies", NAMES, "--json")
        whole = as_json(trading(*words))
        one = as_json(trading(*words, "--end", "2024-01-22T08:00", "--run-id", "january"))
        two = as_json(trading(*words, "--resume", "january"))
        assert two["definition"]["resumes"] == one["runId"]
        matches = "trade_match_history"
        assert one["rows"][matches] + two["rows"][matches] == whole["rows"][matches]

    def test_traced_signals_go_in_again(self, trading, own_lake, tmp_path):
        words = ("backtest", "--lake", own_lake.root, "--json")
        one = as_json(trading(*words, "--strategies", NAMES, "--trace"))
        path = tmp_path / "signals.parquet"
        pq.write_table(find_run(own_lake, one["runId"]).table("strategy_signal_history"), path)
        two = as_json(trading(*words, "--signals", path))
        assert two["figures"] == one["figures"]
        assert two["definition"]["strategies"] == []

    def test_a_roster_shares_the_account_whether_it_signals_or_not(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--account", "shared")
        one = as_json(trading(*words, "--strategies", "ema_cross", "--trace", "--json"))
        path = own_lake.root.parent / "signals.parquet"
        pq.write_table(find_run(own_lake, one["runId"]).table("strategy_signal_history"), path)
        alone = trading(*words, "--signals", path)[1]
        assert "shared by 1 strategy, 1/1 each: those in the signals file" in alone
        resumed = trading(*words, "--signals", path, "--end", "2024-01-22T08:00", "--run-id", "a")
        assert resumed[0] == 0
        resumed = trading(*words, "--signals", path, "--resume", "a")[1]
        assert "those in the signals file and in the run before" in resumed
        four = trading(*words, "--signals", path, "--strategies", f"{NAMES},ema_cross,mine,x")
        assert "shared by 4 strategies, 1/4 each." in four[1]
        assert "No signals of mine, roc_momentum, x in the window." in four[2]
        every = as_json(trading(*words, "--signals", path, "--strategies", "all", "--json"))
        assert every["definition"]["roster"] == sorted(STRATEGIES)
        help_text = " ".join(trading("backtest", "--help")[1].split())
        assert "With --signals, n counts those that the file has signals of" in help_text

    def test_refused_signals_are_told(self, trading, own_lake, tmp_path):
        path = tmp_path / "signals.csv"
        path.write_text(
            "strategyId,symbol,timeframe,signalTs,action,sizeHint,confidence,strategyVersion,"
            "paramsHash\n"
            "s,ANT,M1,2024-01-22T08:00:00Z,BUY,1,1,1,0\n"
            "s,OWL,M1,2024-01-22T08:00:00Z,BUY,1,1,1,0\n"
        )
        code, _, errors = trading("backtest", "--lake", own_lake.root, "--signals", path)
        assert code == 0
        assert f"1 rows of {path} were refused" in errors
        assert "quarantine_history.parquet" in errors


class TestFailures:
    """Exit 1: what was asked makes sense, but cannot be done; the message names it."""

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--symbols", "ANTS"], "no prices of symbol 'ANTS'. Near: ANT"),
            (["--resume", "nothing"], "has no run 'nothing'"),
            (["--start", "2031-01-01"], "has no prices between 2031-01-01"),
            (["--instruments", "nowhere.csv"], "nowhere.csv"),
            (["--signals", "nowhere.csv"], "nowhere.csv"),
        ],
    )
    def test_the_message_names_what_is_wrong(self, trading, lake, words, told):
        code, output, errors = trading("backtest", "--lake", lake.root, *words)
        assert (code, output) == (1, "")
        assert told in errors
        assert errors.startswith("error: ")
        assert "Traceback" not in errors

    def test_no_lake_and_no_prices(self, trading, tmp_path):
        code, _, errors = trading("backtest", "--lake", tmp_path / "nowhere")
        assert code == 1
        assert "has no prices. Import some with `trading import`" in errors
        assert not (tmp_path / "nowhere").exists()
        (tmp_path / "file").write_text("")
        code, _, errors = trading("backtest", "--lake", tmp_path / "file")
        assert code == 1
        assert "is a file" in errors

    def test_a_name_of_another_run(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--run-id", "x", "--strategies")
        assert trading(*words, "ema_cross")[0] == 0
        code, _, errors = trading(*words, "sma_cross")
        assert code == 1
        assert "'x' stands for run" in errors

    def test_json_failures_leave_stdout_empty(self, trading, lake):
        code, output, errors = trading(
            "backtest", "--lake", lake.root, "--symbols", "ANTS", "--json"
        )
        assert (code, output) == (1, "")
        assert "ANTS" in errors


class TestWrongUse:
    """Exit 2: the words themselves are wrong, or what they ask for cannot be meant."""

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["backtest"], "--lake"),
            (["backtest", "--lake", ".", "--account", "joint"], "joint"),
            (["backtest", "--lake", ".", "--start", "soon"], "--start"),
            (["backtest", "--lake", ".", "--end", "2024-13-01"], "2024-13-01"),
            (["backtest", "--lake", ".", "--symbols", " ,"], "--symbols"),
            (["backtest", "--lake", ".", "--param", "fast=3"], "STRATEGY.NAME=VALUE"),
            (["backtest", "--lake", ".", "--param", "ema_cross.fast"], "STRATEGY.NAME=VALUE"),
            (["backtest", "--lake", ".", "--param", "ema_cross.fast=x"], "STRATEGY.NAME=VALUE"),
            (["backtest", "--lake", ".", "--threads", "0"], "--threads"),
            (["backtest", "--lake", ".", "--signals", "f", "--strategies", ","], "--strategies"),
            (["backtest", "--lake", ".", "--signals", "f", "--param", "a.b=1"], "--signals"),
            (["backtest", "--lake", ".", "--nonsense"], "--nonsense"),
            (["runs"], "--lake"),
            (["market"], "--out"),
            (["market", "--out", "x", "--symbols", "0"], "--symbols"),
            (["market", "--out", "x", "--days", "none"], "--days"),
            (["bactest"], "bactest"),
        ],
    )
    def test_the_message_names_the_word(self, trading, words, told):
        code, output, errors = trading(*words)
        assert (code, output) == (2, "")
        assert told in errors

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--strategies", "ema_crss"], "no strategy 'ema_crss'. Did you mean ema_cross"),
            (["--strategies", ","], "No strategy is named"),
            (["--strategies", ""], "No strategy is named"),
            (["--param", "ema_crss.fast=3"], "no strategy 'ema_crss'"),
            (["--param", "ema_cross.fst=3"], "no parameter 'fst'. Did you mean fast"),
            (["--param", "ema_cross.fast=-3"], "fast = -3"),
            (["--strategies", "sma_cross", "--param", "ema_cross.fast=3"], "does not take part"),
            (["--capital", "-5"], "--capital"),
            (["--capital", "plenty"], "--capital"),
            (["--fee-bps", "nan"], "--fee-bps"),
            (["--slippage-bps", "10001"], "--slippage-bps"),
            (["--run-id", "a/b"], "Run name 'a/b'"),
            (["--start", "2024-01-23", "--end", "2024-01-22"], "end is not after its start"),
            (["--settings", "nowhere.toml"], "nowhere.toml"),
        ],
    )
    def test_what_cannot_be_meant_is_named(self, trading, lake, words, told):
        code, output, errors = trading("backtest", "--lake", lake.root, *words)
        assert (code, output) == (2, "")
        assert errors.startswith("error: ")
        assert told in errors

    def test_settings_of_the_file_and_the_environment_too(self, trading, lake, monkeypatch):
        Path("settings.toml").write_text("[costs]\nfeeBps = -1\n")
        code, _, errors = trading("backtest", "--lake", lake.root)
        assert code == 2
        assert "settings.toml, line 2" in errors
        Path("settings.toml").unlink()
        monkeypatch.setenv("TRADING__COSTS__FEEBPS", "-1")
        assert trading("backtest", "--lake", lake.root)[0] == 2

    @pytest.mark.parametrize("command", STEMS)
    def test_help(self, trading, command):
        code, output, _ = trading(command, "--help")
        assert code == 0
        assert f"trading {command}" in output


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("2024-01-22", "2024-01-22T00:00"),
            ("2024-01-22T06:30", "2024-01-22T06:30"),
            ("2024-01-22 06:30:15Z", "2024-01-22T06:30:15"),
            ("2024-01-22T08:30+02:00", "2024-01-22T06:30"),
            ("2024-01-21T23:30-07:00", "2024-01-22T06:30"),
        ],
    )
    def test_they_are_utc_unless_they_say_otherwise(self, text, wanted):
        assert to_micros(text, "--start") == us(wanted)
        assert to_micros(None, "--start") is None


def test_metrics_say_what_the_run_says(trading, own_lake):
    found = as_json(trading("backtest", "--lake", own_lake.root, "--json"))
    answer = as_json(trading("metrics", "--lake", own_lake.root, "--run", found["runId"], "--json"))
    reports = {one["name"]: one for one in answer["reports"]}
    traded = {name for name, one in found["figures"].items() if one["trades"]}
    assert traded
    assert traded <= reports.keys() <= found["figures"].keys()
    for name in reports:
        one = found["figures"][name]
        report = reports[name]
        assert report["netPnl"] == float(one["netPnl"])
        assert report["trades"]["trades"] == one["trades"]
        assert report["trades"]["matches"] == one["matches"]
        for figure in ("sharpe", "volatility", "maxDrawdown", "activeDays", "days"):
            assert report["realised"][figure] == one[figure], (name, figure)


def test_a_process_of_its_own(lake, tmp_path):
    """The console script itself, as a person would call it."""
    script = Path(sys.executable).with_name("trading")

    def call(*words: object) -> subprocess.CompletedProcess:
        text = [str(word) for word in words]
        return subprocess.run([script, *text], capture_output=True, text=True, cwd=tmp_path)

    done = call("backtest", "--lake", lake.root, "--strategies", "sma_cross", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert find_run(lake, json.loads(done.stdout)["runId"])
    failed = call("runs", "--lake", lake.root, "second")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: ")
    assert call("runs", "--like", lake.root).returncode == 2
