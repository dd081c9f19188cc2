"""Runs in a lake: their names, how they are found and listed, and what damage to one says."""

import json
import shutil

import pytest

from streaming.errors import LakeError, RunError, SettingsError
from streaming.lake import Lake
from streaming.runtimes.runs import find_run, runs

from .markets import day_market, files, forget_runs, lake_of, run, us

NOON = us("2024-01-22T12:00")


@pytest.fixture(scope="module")
def market():
    return day_market(1, 600, 3)


@pytest.fixture
def own_lake(market, tmp_path) -> Lake:
    return lake_of(tmp_path, market)


class TestNames:
    def test_a_name_is_kept_with_its_run(self, own_lake):
        found = run(own_lake, "ema_cross", name="first try")
        assert found.name == "first try"
        assert find_run(own_lake, "first try").id == found.id
        assert find_run(own_lake, found.id).name == "first try"
        assert find_run(own_lake, found.id[:8]).id == found.id
        assert run(own_lake, "ema_cross", name="first try").id == found.id

    def test_a_name_is_refused_for_another_run(self, own_lake):
        found = run(own_lake, "ema_cross", name="x")
        with pytest.raises(RunError, match=f"'x' stands for run {found.id}"):
            run(own_lake, "roc_momentum", name="x")
        assert [one.id for one in runs(own_lake)] == [found.id]

    def test_a_run_can_have_several_names(self, own_lake):
        ids = {run(own_lake, "ema_cross", name=name).id for name in ("b", "a", "c")}
        assert len(ids) == 1
        assert [run(own_lake, "ema_cross", name=name).name for name in "bac"] == list("bac")
        assert {find_run(own_lake, name).id for name in "abc"} == ids
        assert [one.name for one in runs(own_lake)] == ["a"]

    @pytest.mark.parametrize(
        "name", ["", " x", "a/b", "a\\b", "..", ".x", "a\nb", "a\0b", "x" * 300, "0" * 20]
    )
    def test_a_name_that_cannot_be_one_is_refused_before_the_work(self, own_lake, name):
        with pytest.raises(SettingsError, match="Run name"):
            run(own_lake, "ema_cross", name=name)
        assert runs(own_lake) == []

    def test_a_name_like_a_file_of_runs_does_no_harm(self, own_lake):
        found = run(own_lake, "ema_cross", name="run.json")
        assert find_run(own_lake, "run.json").id == found.id
        assert len(runs(own_lake)) == 1

    def test_a_name_whose_run_was_deleted_is_free_for_the_same_run_alone(self, own_lake):
        run(own_lake, "ema_cross", name="x")
        names = own_lake.root / "runs" / "names"
        kept = (names / "x").read_text()
        forget_runs(own_lake)
        names.mkdir(parents=True)
        (names / "x").write_text(kept)
        with pytest.raises(RunError, match="has no run 'x'"):
            find_run(own_lake, "x")
        with pytest.raises(RunError, match="stands for run"):
            run(own_lake, "roc_momentum", name="x")
        assert run(own_lake, "ema_cross", name="x").name == "x"

    def test_near_and_ambiguous_names(self, own_lake):
        run(own_lake, "ema_cross", name="spring")
        with pytest.raises(RunError, match=r"no run 'sprung'\. Near: spring"):
            find_run(own_lake, "sprung")
        one, two = (own_lake.root / "runs" / f"abcdef{n}" for n in "12")
        for folder in (one, two):
            folder.mkdir()
            facts = {"window": {"start": "", "completeTo": ""}, "definition": {}}
            (folder / "run.json").write_text(json.dumps(facts))
        with pytest.raises(RunError, match="2 runs begin like that"):
            find_run(own_lake, "abcdef")


def test_runs_are_listed_by_window(own_lake):
    ends = [NOON, NOON - 3_600_000_000, None]
    made = {run(own_lake, "ema_cross", end=end).id for end in ends}
    listed_runs = runs(own_lake)
    assert {one.id for one in listed_runs} == made
    completed = [one.facts["window"]["completeTo"] for one in listed_runs]
    assert completed == sorted(completed)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"window": {}}', '"text"'])
def test_a_damaged_run_is_named(own_lake, content):
    found = run(own_lake, "ema_cross")
    (found.folder / "run.json").write_text(content)
    with pytest.raises(LakeError, match=rf"{found.id}.run\.json: is damaged"):
        runs(own_lake)


def test_a_damaged_run_is_in_nobodys_way(own_lake):
    broken = run(own_lake, "ema_cross", name="broken")
    other = run(own_lake, "roc_momentum", name="other")
    (broken.folder / "run.json").write_text("{")
    assert find_run(own_lake, "other").id == other.id
    assert find_run(own_lake, other.id[:8]).id == other.id
    assert run(own_lake, "roc_momentum").facts == other.facts
    assert run(own_lake, "sma_cross").id
    with pytest.raises(LakeError, match="is damaged"):
        find_run(own_lake, "broken")


def test_a_damaged_table_of_a_run_is_named(own_lake):
    found = run(own_lake, "ema_cross")
    path = next((found.folder / "trade_match_history").rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)
    with pytest.raises(LakeError, match=r"strategy=ema_cross\.parquet was changed since"):
        found.matches()


@pytest.mark.parametrize(
    "lost",
    [
        "trade_match_history",
        "open_positions_lots.parquet",
        "state/accounts.bin",
        "state/symbols.bin",
    ],
)
def test_a_run_that_lost_a_file_is_computed_again(own_lake, lost):
    first = run(own_lake, "ema_cross")
    whole = files(first)
    path = first.folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = run(own_lake, "ema_cross")
    assert again.id == first.id
    assert files(again) == whole
