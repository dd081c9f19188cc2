"""`indicator_history` by month: the rows of one pass over all bars, in whatever order."""

import shutil
from itertools import permutations

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.contracts import INDICATOR_HISTORY, validate
from streaming.errors import LakeError
from streaming.jobs.indicators import IndicatorState, indicator_history_rows, step
from streaming.jobs.price_rows import rows_of_bars
from streaming.rules.indicators import PUBLISHED_FEATURES
from trading_assets.analytics.indicator_months import read_indicator_month, run_indicator_month
from trading_assets.analytics.partitions import STANDARD_TIMEFRAMES, month_bounds

NAME = INDICATOR_HISTORY.name
MONTHS = ("2024-01", "2024-02", "2024-03")
FRAMES = ("M15", "H1", "D1")
KEY = ["symbol", "timeframe", "barTs"]


def rows_of(table: pa.Table) -> list[dict]:
    kept = table.drop_columns(["calcTs"]).to_pylist()
    return sorted(kept, key=lambda row: [row[name] for name in KEY])


def at_once(lake):
    """All rows of all symbols, each computed in one step."""
    end = lake.days()[-1].last_ts
    tables = []
    for symbol, bars in lake.bars().items():
        features = [one.on(frame) for frame in FRAMES for one in PUBLISHED_FEATURES]
        found = step(IndicatorState(features, FRAMES), bars, end)
        tables += [indicator_history_rows(symbol, frame, found[frame], 0) for frame in FRAMES]
    return rows_of(pa.concat_tables(tables))


def test_months_in_any_order_have_the_rows_of_one_pass(platform):
    lake = platform.lake()
    wanted = at_once(lake)
    for order in permutations(MONTHS):
        shutil.rmtree(lake.root / NAME, ignore_errors=True)
        made = {month: run_indicator_month(lake, month, FRAMES) for month in order}
        assert [made[month].fresh for month in MONTHS] == [True] * 3
        tables = [read_indicator_month(lake, month, FRAMES) for month in MONTHS]
        assert rows_of(pa.concat_tables(tables)) == wanted
        assert [made[month].resumed for month in order[:1]] == [None]
    assert {row["timeframe"] for row in wanted} == set(FRAMES)


def test_a_month_again_is_there_already_until_its_bars_change(platform, market):
    lake = platform.lake()
    for month in MONTHS:
        run_indicator_month(lake, month, FRAMES)
    assert not run_indicator_month(lake, "2024-02", FRAMES).fresh
    begin, _ = month_bounds("2024-02")
    bars = market["EEL"].rows(0, 30)
    bars = bars._replace(ts=bars.ts - bars.ts[0] + begin + 60_000_000 * 120)
    lake.write_prices(rows_of_bars({"ZOE": bars}, "test"))
    january, february, march = (run_indicator_month(lake, month, FRAMES) for month in MONTHS)
    assert (january.fresh, february.fresh, march.fresh) == (False, True, True)
    assert (february.resumed, march.resumed) == ("2024-01", "2024-02")
    tables = [read_indicator_month(lake, month, FRAMES) for month in MONTHS]
    assert rows_of(pa.concat_tables(tables)) == at_once(lake)


@pytest.mark.parametrize("name", ["state.bin", "month.json"])
def test_a_damaged_month_is_no_reason_to_fail(platform, name):
    lake = platform.lake()
    for month in MONTHS[:2]:
        run_indicator_month(lake, month, FRAMES)
    path = lake.root / NAME / "timeframes=D1+H1+M15" / "month=2024-02" / name
    path.write_bytes(path.read_bytes()[:-20])
    assert run_indicator_month(lake, "2024-03", FRAMES).resumed == "2024-01"


def test_the_asset_tells_its_rows_and_keeps_the_contract(platform, materialise, facts):
    materialise(NAME, keys=("2024-01", "2024-05"))
    told = facts(NAME)
    rows = read_indicator_month(platform.lake(), "2024-02")
    assert told["2024-02"]["dagster/row_count"] == rows.num_rows > 0
    assert told["2024-02"]["went on from"] == "2024-01"
    assert "no prices" in told["2024-05"]["note"]
    assert validate(INDICATOR_HISTORY, rows, "test").quarantine.num_rows == 0


def folder_of(platform, month="2024-02"):
    return platform.folders.lake / NAME / f"month={month}"


@pytest.mark.parametrize("fate", ["lost", "changed"])
def test_a_timeframe_that_is_not_as_computed_is_noticed_and_made_again(
    platform, materialise, checked, facts, fate
):
    materialise(NAME, keys=MONTHS[1])
    path = folder_of(platform) / "timeframe=H1.parquet"
    rows = pq.read_table(path, partitioning=None)
    assert checked(NAME, "contract")["contract"].passed
    if fate == "lost":
        path.unlink()
    else:
        pq.write_table(rows.slice(1), path)
    found = checked(NAME, "contract")["contract"]
    assert not found.passed
    assert f"timeframe=H1.parquet was {fate} since it was computed" in found.description
    with pytest.raises(LakeError, match="Materialise that month again"):
        read_indicator_month(platform.lake(), MONTHS[1])
    materialise(NAME, keys=MONTHS[1])
    assert pq.read_table(path, partitioning=None).drop_columns(["calcTs"]) == rows.drop_columns(
        ["calcTs"]
    )
    assert checked(NAME, "contract")["contract"].passed


def test_other_timeframes_are_kept_beside_the_standard_ones(platform, materialise, instance):
    materialise(NAME, keys=MONTHS[1])
    before = {path: path.read_bytes() for path in folder_of(platform).iterdir()}
    assert len(before) == 5 + 2
    materialise(NAME, keys=MONTHS[1], config={"timeframes": ["D1", "M1"]})
    assert {path: path.read_bytes() for path in folder_of(platform).iterdir()} == before
    beside = folder_of(platform).parent / "timeframes=D1+M1" / "month=2024-02"
    assert sorted(path.name for path in beside.glob("*.parquet")) == [
        "timeframe=D1.parquet",
        "timeframe=M1.parquet",
    ]
    (event,) = instance.fetch_observations(dg.AssetKey(NAME), limit=5).records
    told = event.asset_observation.metadata
    assert event.partition_key == MONTHS[1]
    assert told["overridden"].value == {"timeframes": ["D1", "M1"]}
    assert told["folder"].value == str(beside)
    assert len(instance.fetch_materializations(dg.AssetKey(NAME), limit=5).records) == 1


def test_the_standard_timeframes_in_another_order_are_the_standard_ones(
    platform, materialise, instance
):
    materialise(NAME, keys=MONTHS[1], config={"timeframes": ["D1", *reversed(STANDARD_TIMEFRAMES)]})
    assert folder_of(platform).exists()
    assert len(instance.fetch_materializations(dg.AssetKey(NAME), limit=5).records) == 1
