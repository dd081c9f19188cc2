"""`trading runs` and `trading market` from the outside."""

from pathlib import Path

import pytest

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
        for word in ("What defines it", "account.fee_rate", "50000", "strategy ema_cross", "fast="):
            assert word in output
        assert as_json(trading("runs", "--lake", own_lake.root, "dear", "--json")) == [two[1]]

    def test_two_of_them_side_by_side(self, trading, own_lake, two):
        code, output, _ = trading("runs", "--lake", own_lake.root, "both", two[1]["runId"][:10])
        assert code == 0
        for word in ("Side by side", "What differs", "account.fee_rate", "both", "dear"):
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
