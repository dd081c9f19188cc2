"""`indicator_history` by month: the rows of one pass over all bars, in whatever order."""

import shutil
from itertools import permutations

import pyarrow as pa
import pytest

from streaming.contracts import INDICATOR_HISTORY, validate
from streaming.jobs.indicators import IndicatorState, indicator_history_rows, step
from streaming.jobs.price_rows import rows_of_bars
from streaming.rules.indicators import PUBLISHED_FEATURES
from trading_assets.analytics.indicator_months import read_indicator_month, run_indicator_month
from trading_assets.analytics.partitions import month_bounds

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
        tables = [read_indicator_month(lake, month) for month in MONTHS]
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
    tables = [read_indicator_month(lake, month) for month in MONTHS]
    assert rows_of(pa.concat_tables(tables)) == at_once(lake)


@pytest.mark.parametrize("name", ["state.bin", "month.json"])
def test_a_damaged_month_is_no_reason_to_fail(platform, name):
    lake = platform.lake()
    for month in MONTHS[:2]:
        run_indicator_month(lake, month, FRAMES)
    path = lake.root / NAME / "month=2024-02" / name
    path.write_bytes(path.read_bytes()[:-20])
    assert run_indicator_month(lake, "2024-03", FRAMES).resumed == "2024-01"


def test_the_asset_tells_its_rows_and_keeps_the_contract(platform, materialise, facts):
    materialise(NAME, keys=("2024-01", "2024-05"), config={"timeframes": list(FRAMES)})
    told = facts(NAME)
    rows = read_indicator_month(platform.lake(), "2024-02")
    assert told["2024-02"]["dagster/row_count"] == rows.num_rows > 0
    assert told["2024-02"]["went on from"] == "2024-01"
    assert "no prices" in told["2024-05"]["note"]
    assert validate(INDICATOR_HISTORY, rows, "test").quarantine.num_rows == 0
