"""`trading runs` and `trading market` from the outside."""

from pathlib import Path

import pytest

from streaming.rules.holdings import Rules

from .words import as_json

NAMES = "ema_cross,roc_momentum"


class TestRuns:
    @pytest.fixture
    def two(self, trading, own_lake):
        words = ("backtest", "--lake", own_lake.root, "--json", "--strategies")
        return [
            as_json(trading(*words, NAMES, "--run-id", "both")),
            as_json(trading(*words, "ema_cross", "--fee-bps", "5", "--run-id", "dear")),
        ]

    def test_an_empty_lake_has_none(self, trading, tmp_path):
        assert as_json(trading("runs", "--lake", tmp_path, "--json")) == []
        assert trading("runs", "--lake", tmp_path)[0] == 0

    def test_a_lake_that_is_not_there(self, trading, tmp_path):
        code, output, errors = trading("runs", "--lake", tmp_path / "lak")
        assert (code, output) == (1, "")
        assert "there is no such lake" in errors

    def test_all_of_them(self, trading, own_lake, two):
        found = as_json(trading("runs", "--lake", own_lake.root, "--json"))
        assert {one["runId"]: one["name"] for one in found} == {
            one["runId"]: one["name"] for one in two
        }
        code, output, _ = trading("runs", "--lake", own_lake.root)
        assert code == 0
        for one in two:
            assert one["runId"] in output
            assert one["name"] in output

    def test_one_of_them_with_what_defines_it(self, trading, own_lake, two):
        code, output, _ = trading("runs", "--lake", own_lake.root, "dear")
        assert code == 0
        for word in ("What defines it", "strategy ema_cross", "fast="):
            assert word in output
        assert as_json(trading("runs", "--lake", own_lake.root, "dear", "--json")) == [two[1]]

    def test_amounts_are_decimals_under_the_settings_names(self, trading, own_lake):
        given = {
            "TRADEPICKER__MAXOPENPOSITIONS": "5",
            "TRADEPICKER__SELLREQUIRESLONG": "false",
            "TRADEPICKER__RESERVATIONTTLMS": "90000",
            "TRADEPICKER__KEY": "account+strategy",
            "LIMITS__PERORDER": "0.5",
            "LIMITS__GROSS": "9999999999",
        }
        words = ("backtest", "--lake", own_lake.root, "--strategies", "ema_cross", "--run-id", "x")
        costs = ("--capital", "12345.67890001", "--fee-bps", "1.0001", "--slippage-bps", "20")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(f"TRADING__{name}", value)
            assert trading(*words, *costs)[0] == 0
        _, output, _ = trading("runs", "--lake", own_lake.root, "x")
        lines = [line.strip("│ ").split("│") for line in output.splitlines() if "│" in line]
        shown = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
        rules = {
            "tradepicker.maxOpenPositions": "5",
            "tradepicker.sellRequiresLong": "false",
            "tradepicker.reserveOnOpen": "true",
            "tradepicker.reservationTtlMs": "90000",
            "tradepicker.key": "account+strategy",
            "account.capital": "12345.67890001",
            "limits.perOrder, amount": "6172.83945",
            "limits.perSymbol, amount": "12345.67890001",
            "limits.gross, amount": "none",
            "costs.slippageBps": "20",
            "costs.feeBps": "1.0001",
        }
        assert {name: shown[name] for name in rules} == rules
        assert not {name for name in shown if name.startswith("account.")} - rules.keys()
        assert len(rules) == len(Rules._fields)

    def test_two_of_them_side_by_side(self, trading, own_lake, two):
        code, output, _ = trading("runs", "--lake", own_lake.root, "both", two[1]["runId"][:10])
        assert code == 0
        for word in ("Side by side", "What differs", "costs.feeBps", "both", "dear"):
            assert word in output
        assert "account.capital" not in output
        found = as_json(trading("runs", "--lake", own_lake.root, "both", "dear", "--json"))
        assert found == two

    def test_an_unknown_one(self, trading, own_lake, two):
        code, output, errors = trading("runs", "--lake", own_lake.root, "deer")
        assert (code, output) == (1, "")
        assert "has no run 'deer'. Near: dear" in errors

    def test_a_damaged_one(self, trading, own_lake, two):
        (Path(two[0]["folder"]) / "run.json").write_text("{")
        code, _, errors = trading("runs", "--lake", own_lake.root)
        assert code == 1
        assert two[0]["runId"] in errors
        assert "is damaged" in errors


class TestMarket:
    def test_the_same_seed_gives_the_same_files(self, trading, tmp_path):
        words = ("--symbols", "2", "--days", "2", "--json")
        one = as_json(trading("market", "--out", tmp_path / "a", *words, "--seed", "3"))
        two = as_json(trading("market", "--out", tmp_path / "b", *words, "--seed", "3"))
        other = as_json(trading("market", "--out", tmp_path / "c", *words, "--seed", "4"))
        contents = [[Path(name).read_bytes() for name in files] for files in (one, two, other)]
        assert contents[0] == contents[1] != contents[2]
        code, _, errors = trading("market", "--out", tmp_path / "d", "--days", "1")
        assert code == 0
        assert f"files in {tmp_path / 'd'}" in errors
