"""Corrections as a person launches them: the jobs, what their runs say, and what then follows."""

import datetime as dt

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeProcessError

from streaming.contracts import PRICE_1M_HISTORY
from trading_assets.analytics.backtests import BACKTESTS
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.equity import METRICS

from .inbox_files import Place, bars
from .price_platform import failure_of, told

ROWS = "dagster/row_count"
FRESH = "months_are_of_todays_bars_and_settings"


@pytest.fixture
def settled(monkeypatch):
    """Files need not settle."""
    from trading_assets.analytics import inbox_listing

    always = inbox_listing.why_not
    for module in ("inbox", "inbox_listing"):
        monkeypatch.setattr(
            f"trading_assets.analytics.{module}.why_not",
            lambda name, info, settle: always(name, info, 0.0),
        )


@pytest.fixture
def place(platform, settled):
    return Place(platform.folders.root)


@pytest.fixture
def launched(platform, instance):
    """Run a job with a configuration of its only op."""

    def run(name, **config):
        job = definitions(platform).resolve_job_def(name)
        (op,) = [node.name for node in job.nodes]
        return job.execute_in_process(
            instance=instance,
            run_config={"ops": {op: {"config": config}}},
            raise_on_error=False,
        )

    return run


def test_a_corrected_bar_reaches_the_months_that_rest_on_it(
    platform, place, launched, materialise, checked, instance
):
    keys = ("2024-02|ema_cross", "2024-02|ema_cross")
    materialise(BACKTESTS, METRICS, keys=keys)
    lake = platform.lake()
    name = lake.symbols()[0]
    day = next(info for info in lake.days() if info.day.month == 2 and name in info.symbols)
    held = lake.bars([name], day.first_ts - 1, day.last_ts)[name]
    moment = dt.datetime.fromtimestamp(held.ts[0] / 1e6, dt.UTC).strftime("%Y-%m-%d %H:%M")
    place.put(
        "right.csv",
        f"ts,symbol,open,high,low,close,volume\n{moment},{name},900,901,899,900.5,1\n",
    )
    assert launched("import_inbox", files=["right.csv"]).success
    assert checked(BACKTESTS, FRESH)[FRESH].passed
    result = launched("import_inbox", files=["right.csv"], replace=True)
    assert result.success
    page = told(instance)[day.day.isoformat()]
    assert page[ROWS].value == day.rows
    (receipt,) = page["files"].records
    assert receipt.data["file"] == "right.csv"
    assert (receipt.data["written"], receipt.data["replaced"]) == (1, 1)
    (event,) = instance.fetch_materializations(dg.AssetKey(PRICE_1M_HISTORY.name), limit=1).records
    assert event.asset_materialization.description == "Changed by right.csv."
    found = checked(BACKTESTS, FRESH)[FRESH]
    assert not found.passed
    assert keys[0] in found.description
    materialise(BACKTESTS, METRICS, keys=keys)
    assert checked(BACKTESTS, FRESH)[FRESH].passed


def test_a_file_that_waits_for_a_person_fails_its_run_with_what_to_do(place, launched):
    place.put("spy.csv", bars("2024-03-01"))
    assert launched("import_inbox", files=["spy.csv"]).success
    place.put("reading.toml", 'label = "open"\n')
    data = failure_of(launched("import_inbox", files=["spy.csv"]))
    said = data.user_failure_data.description
    assert "label None, now 'open'" in said
    assert 'files: ["spy.csv"] and replace: true' in said
    assert launched("import_inbox", files=["spy.csv"], replace=True).success
    minutes = [ts // 60_000_000 % 60 for ts in place.lake.bars(["SPY"])["SPY"].ts.tolist()]
    assert minutes == [2, 3, 4, 5, 6]


def test_days_are_taken_out_and_told(place, launched, instance):
    for day in ("2024-05-01", "2024-05-02"):
        place.put(f"{day}.csv", bars(day) + bars(day, symbol="QQQ").partition("\n")[2])
        assert launched("import_inbox", files=[f"{day}.csv"]).success
    config = {"first": "2024-05-01", "last": "2024-05-02"}
    assert launched("take_out_prices", **config, symbols=["SPY"]).success
    pages = told(instance)
    for day in ("2024-05-01", "2024-05-02"):
        assert (pages[day][ROWS].value, pages[day]["bars taken out"].value) == (5, 5)
    assert launched("take_out_prices", first="2024-05-01", last="2024-05-01").success
    assert told(instance)["2024-05-01"][ROWS].value == 0
    assert "SPY" not in place.lake.symbols()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"first": "yesterday", "last": "2024-05-01"}, "first = 'yesterday': is not a day"),
        ({"first": "2024-05-02", "last": "2024-05-01"}, "is before first"),
    ],
)
def test_days_that_cannot_be_meant_are_refused(launched, config, words):
    with pytest.raises(DagsterUserCodeProcessError, match=words):
        launched("take_out_prices", **config)


def test_a_page_counts_the_quarantined_rows_of_its_own_day(
    place, materialise, launched, facts, instance
):
    bad = "".join(f"SPY,2024-05-0{day}T00:09:00Z,1,2,3,-4,0\n" * day for day in (1, 2))
    place.put("spy.csv", bars("2024-05-01") + bad + "SPY,never,1,2,1,2,0\n")
    materialise("price_1m_history", keys=("2024-05-01", "2024-05-03"))
    found = {key: one["quarantined rows"] for key, one in facts("price_1m_history").items()}
    assert found == {"2024-05-01": 1, "2024-05-02": 2, "2024-05-03": 0}
    # Also when nothing is imported any more.
    materialise("price_1m_history", keys="2024-05-02")
    assert facts("price_1m_history", "2024-05-02")["quarantined rows"] == 2
