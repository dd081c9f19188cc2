"""Long recordings: read in parts, waiting on the disk by day, and the rows are the same."""

import tracemalloc
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.errors import LakeError, SourceError
from streaming.feeds import tabular
from streaming.rules.bars import DAY_US
from streaming.runtimes.backtest import slices
from streaming.runtimes.backtest.recorded import recording_of

from .markets import forget_runs, lake_of, month_market, parts, request, run, single
from .recordings import FROM_THE_GATE_ON, csv, quarantined, row, signals_of


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return lake_of(tmp_path_factory.mktemp("recorded"), month_market(9, 16, 40))


@pytest.fixture
def untidy(lake, tmp_path):
    """A recording in no order that says much again, contradicts itself, and has bad rows."""
    rng = Random(4)
    rows = signals_of(run(lake)).to_pylist()
    rows += [{**one, "reason": "again"} for one in rng.sample(rows, 90)]
    rows += [{**one, "sizeHint": 0.0625} for one in rng.sample(rows, 60)]
    rows += [{**one, "sizeHint": 1e-9} for one in rng.sample(rows, 30)]
    rows += [{**one, "symbol": "ZZZ"} for one in rng.sample(rows, 30)]
    rows += [{**one, "action": "HOLD"} for one in rng.sample(rows, 30)]
    rng.shuffle(rows)
    path = tmp_path / "signals.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path, rows


def everything(found):
    tables = {name: parts(found, name) for name in FROM_THE_GATE_ON}
    return tables, single(found, "quarantine_history"), found.facts["recordedSignals"]


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_the_size_of_the_parts_changes_nothing(lake, untidy, monkeypatch, layout):
    path, _ = untidy
    forget_runs(lake)
    whole = everything(run(lake, signals=path, layout=layout))
    monkeypatch.setattr(tabular, "_BATCH_ROWS", 61)
    monkeypatch.setattr(slices, "MOST_ROWS", 300)
    forget_runs(lake)
    assert everything(run(lake, signals=path, layout=layout)) == whole


def test_of_several_signals_for_a_time_the_first_in_the_file_counts(lake, untidy, monkeypatch):
    path, rows = untidy
    monkeypatch.setattr(tabular, "_BATCH_ROWS", 61)
    found = run(lake, signals=path)
    first: dict[tuple, tuple] = {}
    duplicates, differing, small = 0, [], []
    for number, one in enumerate(rows, 1):
        if one["symbol"] == "ZZZ" or one["action"] == "HOLD":
            continue
        key = one["strategyId"], one["symbol"], one["signalTs"]
        said = one["action"], one["sizeHint"], one["confidence"]
        agrees = first.setdefault(key, said) == said
        again = first[key] is not said
        if one["sizeHint"] < 5e-9:
            small.append(number)
        elif not agrees:
            differing.append(number)
        else:
            duplicates += again
    told = quarantined(found)
    assert [number for number, _ in told] == sorted(number for number, _ in told)
    assert [number for number, why in told if "differs" in why] == differing
    assert [number for number, why in told if "rounded" in why] == small
    assert found.facts["recordedSignals"]["duplicate"] == duplicates
    assert min(map(len, (differing, small))) > 20
    assert duplicates > 20


def test_memory_does_not_grow_with_the_file(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "_BATCH_ROWS", 2048)
    times = np.sort(np.concatenate([bars.ts for bars in lake.bars().values()]))
    count = 60_000
    minutes = times[0] + np.random.default_rng(1).permutation(count) % 20_000 * 60_000_000
    table = pa.table(
        {
            "strategyId": [f"s{n % 50}" for n in range(count)],
            "symbol": ["ADA"] * count,
            "timeframe": ["M1"] * count,
            "signalTs": pa.array(minutes).cast(pa.timestamp("us", "UTC")),
            "action": ["BUY"] * count,
            "sizeHint": [0.5] * count,
            "confidence": [1.0] * count,
            "strategyVersion": ["1"] * count,
            "paramsHash": ["0"] * count,
        }
    )
    path = tmp_path / "long.parquet"
    pq.write_table(table, path)
    asked = request(signals=path)
    with recording_of(lake, asked, lake.symbols(), lake.days()):
        pass  # what is imported on the way is no memory of the recording
    tracemalloc.start()
    try:
        with recording_of(lake, asked, lake.symbols(), lake.days()) as recording:
            days = recording.rows.days()
            for day in days:
                recording.between(day * DAY_US, (day + 1) * DAY_US, lake.symbols())
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(days) > 10
    assert sum(recording.counts().values()) == count
    # What is kept of a signal is seven numbers.
    assert peak < count * 7 * 8 / 2


def test_nothing_of_it_is_left_in_the_lake(lake, tmp_path, monkeypatch):
    run(lake, signals=csv(tmp_path, row("2024-01-24T08:10:00Z", symbol="ADA")))
    assert list(lake.staging.iterdir()) == []
    with pytest.raises(SourceError):
        run(lake, signals=csv(tmp_path, row(symbol="ZZZ")))
    assert list(lake.staging.iterdir()) == []

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streaming.feeds.spool.DaySpool.add", full)
    with pytest.raises(LakeError, match="the disk is full"):
        run(lake, signals=csv(tmp_path, row("2024-01-24T08:20:00Z", symbol="ADA")))
    assert list(lake.staging.iterdir()) == []
