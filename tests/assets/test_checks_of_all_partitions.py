"""A check speaks for all partitions: what is red stays red until it is mended, in any run."""

import shutil

import dagster as dg
import pyarrow.parquet as pq
import pytest

from streaming.runtimes.runs import find_run
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.records import Records

from .test_asset_checks import with_first

PRICES = "price_1m_history"
RED, GREEN = "2024-02|ema_cross", "2024-02|squeeze"
PNL = "pnl_of_matches_is_that_of_the_metrics"


@pytest.fixture
def with_checks(platform, instance):
    """Materialise a partition with the checks of its asset; give what they found."""

    def run(name, key):
        whole = definitions(platform).resolve_implicit_global_asset_job_def()
        job = whole.get_subset(asset_selection={dg.AssetKey(name)})
        result = job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
        return {one.check_name: one for one in result.get_asset_check_evaluations()}

    return run


def matches_of(platform, key):
    record = Records(platform.folders.partitions, BACKTESTS).get(*key.split("|"))
    run = find_run(platform.lake(), record.run_id)
    return next((run.folder / "trade_match_history").rglob("*.parquet"))


def rewrite(path, column, value):
    rows = with_first(pq.read_table(path, partitioning=None), column, value)
    pq.write_table(rows, path, store_decimal_as_integer=True)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("buyPrice", lambda price: -price, "buyPrice > 0"),
        ("realizedPnl", lambda pnl: pnl + 1, "was changed since the run wrote it"),
    ],
    ids=["breaking the contract", "within the contract"],
)
def test_a_red_partition_is_red_in_the_run_of_another_one(
    platform, with_checks, checked, column, value, says
):
    assert with_checks(BACKTESTS, RED)["contract"].passed
    path = matches_of(platform, RED)
    whole = path.read_bytes()
    rewrite(path, column, value)
    for _ in range(2):
        found = with_checks(BACKTESTS, GREEN)
        assert not found["contract"].passed
        assert not found[PNL].passed
        assert says in found["contract"].description
        told = found["contract"].metadata
        assert told["partitions failing"].value == [RED]
        assert told["partitions"].value == f"{GREEN}, and 1 others that have not passed as they are"
    # Its own run makes it again.
    mended = with_checks(BACKTESTS, RED)
    assert path.read_bytes() == whole
    assert mended["contract"].passed and mended[PNL].passed
    assert all(one.passed for one in with_checks(BACKTESTS, GREEN).values())


def test_what_passed_is_not_looked_at_again_and_is_counted(platform, with_checks, checked):
    with_checks(BACKTESTS, RED)
    found = with_checks(BACKTESTS, GREEN)["contract"]
    of_green = pq.read_metadata(matches_of(platform, GREEN)).num_rows
    assert found.metadata["rows"].value == of_green
    assert found.metadata["partitions"].value == GREEN
    assert found.metadata["partitions passed before"].value == 1
    assert "1 more partitions passed before" in found.description
    # Run alone it looks at everything; so it does where nothing is remembered.
    both = of_green + pq.read_metadata(matches_of(platform, RED)).num_rows
    assert checked(BACKTESTS, "contract")["contract"].metadata["rows"].value == both
    shutil.rmtree(platform.folders.verdicts)
    assert with_checks(BACKTESTS, GREEN)["contract"].metadata["rows"].value == both


def test_a_bad_day_stays_red_after_the_run_of_a_good_one(platform, with_checks):
    first, bad = "2024-02-13", "2024-02-14"
    assert with_checks(PRICES, first)["contract"].passed
    path = platform.folders.lake / PRICES / f"day={bad}" / "bars.parquet"
    whole = path.read_bytes()
    rewrite(path, "high", lambda high: high / 2)
    for day in (first, "2024-02-15"):
        found = with_checks(PRICES, day)["contract"]
        assert not found.passed
        assert f"day={bad}" in found.description
        assert found.metadata["partitions failing"].value == [bad]
    path.write_bytes(whole)
    assert with_checks(PRICES, first)["contract"].passed


def test_a_run_that_is_lost_is_told_with_its_partition(platform, with_checks):
    with_checks(BACKTESTS, RED)
    shutil.rmtree(matches_of(platform, RED).parents[2])
    found = with_checks(BACKTESTS, GREEN)
    for name in ("contract", PNL):
        assert not found[name].passed
        assert f"Partition {RED}: " in found[name].description
        assert "Materialise that partition again" in found[name].description
    assert all(one.passed for one in with_checks(BACKTESTS, RED).values())
