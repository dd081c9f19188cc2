"""`trading scores` and `trading weights` on files, as a person types them."""

import json
import math
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.analytics.scoring import score
from streaming.analytics.weights import weigh

LAST = date(2026, 3, 31)  # two days after the clocks went forward in Oslo
NAMES = ["bad", "fair", "good", "young"]
MEANS = [-0.002, 0.0003, 0.004, 0.001]


@pytest.fixture
def made():
    """Give the returns of four strategies over 120 days; the last has 30."""
    random = np.random.default_rng(3)
    r = random.normal(0, 0.01, (4, 120)) + np.array(MEANS)[:, None]
    r[3, :90] = 0.0
    return r


def rows_of(r):
    return [
        (LAST - timedelta(days=119 - day), name, r[at, day])
        for at, name in enumerate(NAMES)
        for day in range(120)
        if name != "young" or day >= 90
    ]


@pytest.fixture
def file(tmp_path, made):
    path = tmp_path / "returns.csv"
    lines = [f"{day},{name},{value!r}" for day, name, value in map(plain, rows_of(made))]
    path.write_text("date,strategyId,netReturn\n" + "\n".join(lines) + "\n")
    return path


def plain(row):
    return row[0], row[1], float(row[2])


def found(trading, *words):
    code, out, err = trading(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_scores_of_a_file_are_those_of_the_arrays(trading, file, made):
    told = found(trading, "scores", "--returns", file)
    window = np.zeros((4, 365))
    window[:, -120:] = made
    expected = score(window, np.array([245, 245, 245, 335]))
    assert told["asOf"] == str(LAST)
    by_name = {row["strategyId"]: row for row in told["scores"]}
    assert next(row["strategyId"] for row in told["scores"]) == "good"
    for at, name in enumerate(NAMES):
        assert by_name[name]["shrunkSharpe"] == pytest.approx(expected.shrunk_sharpe[at], rel=1e-12)
        assert by_name[name]["observations"] == expected.observations[at]


def test_parquet_says_the_same(trading, file, made, tmp_path):
    days, names, values = zip(*map(plain, rows_of(made)), strict=True)
    table = pa.table({"date": list(days), "strategyId": list(names), "netReturn": list(values)})
    pq.write_table(table, tmp_path / "returns.parquet")
    assert found(trading, "scores", "--returns", tmp_path / "returns.parquet") == found(
        trading, "scores", "--returns", file
    )


def test_days_after_the_one_asked_for_are_not_looked_at(trading, file, tmp_path):
    as_of = LAST - timedelta(days=20)
    head, *lines = file.read_text().splitlines()
    kept = [line for line in lines if date.fromisoformat(line.split(",")[0]) <= as_of]
    (tmp_path / "then.csv").write_text("\n".join([head, *kept]) + "\n")
    then = found(trading, "scores", "--returns", tmp_path / "then.csv")
    assert found(trading, "scores", "--returns", file, "--as-of", as_of) == then
    assert {row["flag"] for row in then["scores"]} == {None, "TOO_FEW_DAYS"}


def test_weights_follow_from_scores_and_previous_ones(trading, file, tmp_path):
    first = found(trading, "weights", "--returns", file)
    scores = found(trading, "scores", "--returns", file)["scores"]
    shrunk = {row["strategyId"]: row["shrunkSharpe"] for row in scores}
    expected = weigh(np.array([shrunk[name] for name in NAMES])).weight
    by_name = {row["strategyId"]: row["weight"] for row in first["weights"]}
    assert [by_name[name] for name in NAMES] == pytest.approx(expected.tolist(), abs=1e-15)
    assert math.fsum(by_name.values()) == pytest.approx(1.0, abs=1e-12)
    previous = tmp_path / "previous.csv"
    previous.write_text("strategyId,weight\n" + "".join(f"{name},0.25\n" for name in NAMES))
    next_ = found(trading, "weights", "--returns", file, "--previous", previous)
    assert all(abs(row["weight"] - 0.25) <= 0.02 + 1e-12 for row in next_["weights"])
    assert {row["reason"] for row in next_["weights"]} & {
        "clamp: may rise no more",
        "clamp: may fall no more",
    }


def test_explain_says_in_words_why(trading, file):
    code, out, err = trading("weights", "--returns", file, "--explain")
    assert code == 0, err
    assert "good earned a Sharpe ratio of" in out
    assert "Equal part 0.1250" in out
    told = found(trading, "weights", "--returns", file, "--explain")
    assert all(row["why"].startswith(row["strategyId"]) for row in told["weights"])


def test_settings_have_their_effect(trading, file, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("[scoring]\nwindowDays = 20\n\n[weights]\nscoreShare = 0\n")
    scores = found(trading, "scores", "--returns", file, "--settings", settings)
    assert {row["observations"] for row in scores["scores"]} == {20}
    weights = found(trading, "weights", "--returns", file, "--settings", settings)
    assert {row["weight"] for row in weights["weights"]} == {0.25}


BAD = {
    "date,strategyId\n2026-01-01,a\n": "column netReturn is missing",
    "date,strategyId,netReturn,date\n2026-01-01,a,1,2026-01-01\n": "column date is there twice",
    "date,strategyId,netReturn\n01.02.2026,a,1\n": "row 1: date '01.02.2026' is no day",
    "date,strategyId,netReturn\n2026-01-01,a,1\n2026-01-02,a,x\n": "row 2: netReturn 'x'",
    "date,strategyId,netReturn\n2026-01-01,,1\n": "row 1: strategyId is empty",
    "date,strategyId,netReturn\n2026-01-01,a,1\n2026-01-01,a,2\n": "row 2: strategy a has",
    "date,strategyId,netReturn\n": "has no return",
    "": "cannot be read",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_files_that_cannot_be_meant_are_refused_with_their_place(trading, tmp_path, text):
    (tmp_path / "bad.csv").write_text(text)
    code, out, err = trading("weights", "--returns", tmp_path / "bad.csv")
    assert (code, out) == (1, "")
    assert BAD[text] in err
    assert "bad.csv" in err


def test_a_row_that_comes_again_unchanged_counts_once(trading, file):
    before = found(trading, "scores", "--returns", file)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, *lines[1:]]) + "\n")
    assert found(trading, "scores", "--returns", file) == before


def test_returns_that_are_not_finite_leave_their_strategy_without_a_score(trading, file):
    file.write_text(file.read_text() + f"{LAST},broken,nan\n{LAST},endless,inf\n")
    told = {row["strategyId"]: row for row in found(trading, "scores", "--returns", file)["scores"]}
    assert told["broken"]["flag"] == told["endless"]["flag"] == "NOT_FINITE"
    assert told["good"]["flag"] is None
    weights = found(trading, "weights", "--returns", file)["weights"]
    assert math.fsum(row["weight"] for row in weights) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "told"),
    [("a,1.5", "weight 1.5 is not within"), ("a,0.5\na,0.4", "another weight"), ("", "no weight")],
)
def test_bad_previous_weights_are_refused(trading, file, tmp_path, rows, told):
    path = tmp_path / "previous.csv"
    path.write_text(f"strategyId,weight\n{rows}\n")
    code, _, err = trading("weights", "--returns", file, "--previous", path)
    assert code == 1
    assert told in err


def test_a_day_that_is_none_is_wrong_use(trading, file):
    code, _, err = trading("scores", "--returns", file, "--as-of", "yesterday")
    assert code == 2
    assert "--as-of" in err
