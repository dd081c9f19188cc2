"""Files that somebody damaged: what reads them names them, and making them again mends it."""

import pyarrow.parquet as pq
import pytest

from streaming.runtimes.runs import find_run
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.records import Records
from trading_assets.analytics.warehouse import WAREHOUSE

from .test_asset_checks import with_first

KEYS = ("2024-01|ema_cross", "2024-02|ema_cross")
KEY = KEYS[1]


@pytest.fixture
def made(materialise):
    materialise(BACKTESTS, METRICS, keys=KEYS)


def said(failed):
    (event,) = failed.get_step_failure_events()
    return event.event_specific_data.error_display_string


def run_of(platform):
    return find_run(
        platform.lake(), Records(platform.folders.partitions, BACKTESTS).get(*KEY.split("|")).run_id
    )


def damage(path, content=b"{"):
    path.write_bytes(content)


def test_a_partitions_record(platform, made, materialise, checked):
    path = platform.folders.partitions / BACKTESTS / "2024-02.ema_cross.json"
    whole = path.read_bytes()
    damage(path)
    found = checked(BACKTESTS, "contract")["contract"]
    assert not found.passed
    assert path.name in found.description
    failed = said(materialise(METRICS, keys=KEYS, ok=False))
    assert path.name in failed
    materialise(METRICS, keys=KEYS[0])
    materialise(BACKTESTS, keys=KEY)
    assert path.read_bytes() == whole


def test_a_runs_description(platform, made, materialise, checked):
    run = run_of(platform)
    path = run.folder / "run.json"
    whole = path.read_bytes()
    damage(path)
    assert str(path) in checked(BACKTESTS, "contract")["contract"].description
    assert str(path) in said(materialise(METRICS, keys=KEY, ok=False))
    materialise(BACKTESTS, METRICS, keys=KEY)
    assert path.read_bytes() == whole


def test_a_runs_matches(platform, made, materialise, checked):
    path = next((run_of(platform).folder / "trade_match_history").rglob("*.parquet"))
    whole = path.read_bytes()
    damage(path, whole[:-20])
    assert path.name in checked(BACKTESTS, "contract")["contract"].description
    assert "trade_match_history" in said(materialise(METRICS, keys=KEY, ok=False))
    materialise(BACKTESTS, METRICS, keys=KEY)
    assert path.read_bytes() == whole


def test_matches_that_were_altered_within_their_contract(platform, made, materialise):
    path = next((run_of(platform).folder / "trade_match_history").rglob("*.parquet"))
    whole = path.read_bytes()
    rows = with_first(pq.read_table(path, partitioning=None), "realizedPnl", lambda pnl: pnl + 1000)
    pq.write_table(rows, path, store_decimal_as_integer=True)
    for name, keys in ((METRICS, KEY), (LEADERBOARD, None)):
        told = said(materialise(name, keys=keys, ok=False))
        assert KEY in told
        assert f"{path.name} was changed since the run wrote it" in told
    materialise(METRICS, keys=KEYS[0])
    materialise(BACKTESTS, METRICS, keys=KEY)
    assert path.read_bytes() == whole
    materialise(LEADERBOARD)


@pytest.mark.parametrize("name", ["open_positions_lots.parquet", "state/accounts.bin"])
def test_what_a_run_keeps_beside_its_matches(platform, made, materialise, name):
    path = run_of(platform).folder / name
    whole = path.read_bytes()
    damage(path, whole[:-1] + bytes([whole[-1] ^ 1]))
    materialise(BACKTESTS, METRICS, keys=KEY)
    assert path.read_bytes() == whole


def test_a_months_metrics(platform, made, materialise):
    materialise(LEADERBOARD)
    path = platform.folders.metrics / METRICS / "month=2024-02" / "strategy=ema_cross.parquet"
    whole = path.read_bytes()
    damage(path)
    assert METRICS in said(materialise(WAREHOUSE, ok=False))
    materialise(METRICS, keys=KEY)
    assert path.read_bytes() == whole
    materialise(WAREHOUSE)


def test_the_warehouse(platform, made, materialise):
    platform.folders.warehouse.write_bytes(b"no database" * 1000)
    assert str(platform.folders.warehouse) in said(materialise(WAREHOUSE, ok=False))
    platform.folders.warehouse.unlink()
    materialise(WAREHOUSE)
