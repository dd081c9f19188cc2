"""The asset imports what is ready and says what the lake has of each day."""

import time

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeProcessError

from streaming.contracts import PRICE_1M_HISTORY, TABLES
from streaming.feeds.synthetic_files import REFUSED_PER_FILE
from trading_assets.contract_metadata import column_schema

from .inbox_files import Place, bars
from .price_platform import Prices, failure_of, told

ROWS = "dagster/row_count"


@pytest.fixture(params=["ephemeral", "sqlite"])
def instance(request, tmp_path):
    if request.param == "ephemeral":
        opened = dg.DagsterInstance.ephemeral()
    else:
        (tmp_path / "dagster").mkdir()
        opened = dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))
    with opened:
        yield opened


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


@pytest.fixture
def prices(place, monkeypatch):
    """The definitions, over files that need not settle."""
    from trading_assets.analytics import inbox_listing

    always = inbox_listing.why_not
    for module in ("inbox", "inbox_listing"):
        monkeypatch.setattr(
            f"trading_assets.analytics.{module}.why_not",
            lambda name, info, settle: always(name, info, 0.0),
        )
    return Prices(place.folders.root)


def test_a_day_says_what_the_lake_has_of_it(prices, place, instance):
    place.put("spy.csv", bars("2024-03-01") + "SPY,2024-03-01T00:09:00Z,1,2,3,-4,0\n")
    assert prices.materialize(instance, "2024-03-01").success
    (day,) = told(instance).values()
    assert day[ROWS].value == 5
    assert day["symbols"].value == 1
    assert day["first bar"].value == "2024-03-01 00:01 UTC"
    assert day["last bar"].value == "2024-03-01 00:05 UTC"
    assert day["file"].value == str(
        place.folders.lake / "price_1m_history/day=2024-03-01/bars.parquet"
    )
    assert day["quarantined rows"].value == 1
    assert "SPY | 2024-03-01 00:01 | 100" in day["preview"].value
    (quarantine,) = told(instance, "quarantine_history").values()
    assert quarantine["quarantined rows"].value == 1
    assert "spy.csv, row 6" in quarantine["first reasons"].value


def test_a_day_without_bars_is_there_with_no_rows_and_says_so(prices, instance):
    assert prices.materialize(instance, "2024-03-01").success
    (day,) = told(instance).values()
    assert day[ROWS].value == 0
    assert "has no bars of 2024-03-01" in day["note"].value


def test_a_range_of_days_is_one_run_and_other_days_are_told_too(prices, place, instance):
    for day in (1, 2, 3, 9):
        place.put(f"{day}.csv", bars(f"2024-03-0{day}", range(1, 1 + day)))
    assert prices.materialize(instance, "2024-03-02", "2024-03-04").success
    rows = {key: day[ROWS].value for key, day in told(instance).items()}
    assert rows == {
        "2024-03-01": 1,
        "2024-03-02": 2,
        "2024-03-03": 3,
        "2024-03-04": 0,
        "2024-03-09": 9,
    }
    before = len(instance.fetch_materializations(prices.asset.key, limit=100).records)
    assert prices.materialize(instance, "2024-03-02").success
    after = len(instance.fetch_materializations(prices.asset.key, limit=100).records)
    assert after == before + 1


def test_the_demo_market_comes_through_the_inbox_once(prices, place, instance):
    demo = {"demo_market": True, "symbols": 2, "days": 2, "seed": 7}
    assert prices.materialize(instance, "2024-02-05", **demo).success
    rows = {key: day[ROWS].value for key, day in told(instance).items()}
    assert sorted(rows) == ["2024-02-05", "2024-02-06"]
    assert sum(rows.values()) == place.rows > 0
    names = sorted(path.name for path in place.folders.inbox.iterdir())
    assert names == ["demo-7-2x2-LUMAUSD.csv", "demo-7-2x2-NOVAUSD.csv"]
    assert prices.materialize(instance, "2024-02-05", **demo).success
    assert sum(rows.values()) == place.rows
    assert place.lake.quarantine().num_rows == 2 * REFUSED_PER_FILE
    assert sorted(path.name for path in place.folders.inbox.iterdir()) == names


@pytest.mark.parametrize(
    "config", [{"symbols": 0}, {"days": 100_000}, {"seed": -1}, {"demo": True}, {"days": "x"}]
)
def test_a_configuration_out_of_its_limits_is_refused(prices, config):
    (name,) = config
    refusals = (DagsterUserCodeProcessError, dg.DagsterInvalidConfigError)
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(refusals, match=name):
            prices.materialize(instance, "2024-03-01", **config)
        assert instance.get_runs_count() == 0


def test_a_day_that_has_no_partition_is_refused(prices):
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(dg.DagsterUnknownPartitionError, match="1999-01-01"),
    ):
        prices.materialize(instance, "1999-01-01")


def test_a_file_that_cannot_be_read_does_not_stop_the_days(prices, place, instance):
    place.put("bad.csv", "")
    place.put("spy.csv", bars("2024-03-01"))
    assert prices.materialize(instance, "2024-03-01").success
    (day,) = told(instance).values()
    assert day[ROWS].value == 5
    assert "bad.csv: is empty" in day["refused files"].value


def test_a_damaged_day_fails_the_run_by_its_file(prices, place, instance):
    place.put("spy.csv", bars("2024-03-01"))
    assert prices.materialize(instance, "2024-03-01").success
    file = place.folders.lake / "price_1m_history/day=2024-03-01/bars.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    data = failure_of(prices.materialize(instance, "2024-03-01"))
    assert f"{file}: is damaged" in data.user_failure_data.description


def test_days_before_the_first_partition_are_imported_and_told(prices, place, instance):
    place.put("old.csv", bars("2023-12-30"))
    result = prices.import_files(instance, "old.csv")
    assert result.success
    assert told(instance) == {}
    assert place.rows == 5


def test_the_job_tells_every_day_that_changed(prices, place, instance):
    place.put("spy.csv", bars("2024-03-01") + bars("2024-03-03").partition("\n")[2])
    assert prices.import_files(instance, "spy.csv").success
    assert {key: day[ROWS].value for key, day in told(instance).items()} == {
        "2024-03-01": 5,
        "2024-03-03": 5,
    }


def test_the_job_fails_with_the_file_and_the_reason(prices, place, instance):
    place.put("bad.csv", "<html>")
    place.put("spy.csv", bars("2024-03-01"))
    data = failure_of(prices.import_files(instance, "bad.csv", "spy.csv"))
    assert "bad.csv" in data.user_failure_data.description
    assert "refused/bad.csv" in data.user_failure_data.description
    assert list(told(instance)) == ["2024-03-01"]


def test_the_job_retried_after_a_refusal_says_where_the_file_is(prices, place, instance):
    place.put("bad.csv", "<html>")
    prices.import_files(instance, "bad.csv")
    data = failure_of(prices.import_files(instance, "bad.csv"))
    assert "there is no such file" in data.user_failure_data.description
    assert "bad.csv.reason.txt" in data.user_failure_data.description


def test_the_job_fails_on_a_file_that_is_still_being_written(place, instance):
    place.put("spy.csv", bars("2024-03-01"))
    prices = Prices(place.folders.root)
    data = failure_of(prices.import_files(instance, "spy.csv"))
    assert "changed less than 5 s ago" in data.user_failure_data.description
    assert place.rows == 0


def test_a_run_that_died_before_it_told_is_made_up_for(prices, place, instance, monkeypatch):
    place.put("spy.csv", bars("2024-03-01"))

    def dies(*args, **options):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("trading_assets.analytics.prices.announce", dies)
        assert not prices.import_files(instance, "spy.csv").success
    assert told(instance) == {}
    # Whatever imports next, or the same run retried.
    assert prices.import_files(instance, "spy.csv").success
    assert list(told(instance)) == ["2024-03-01"]


def test_a_reading_file_that_makes_no_sense_fails_the_run_by_its_key(prices, place, instance):
    place.put("reading.toml", "zone = 'UTC'")
    place.put("spy.csv", bars("2024-03-01"))
    data = failure_of(prices.materialize(instance, "2024-03-01"))
    assert "reading.toml, zone" in data.user_failure_data.description


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_schema_shows_every_column_with_its_rule(table):
    schema = column_schema(table)
    assert [column.name for column in schema.columns] == table.names
    for shown, column in zip(schema.columns, table.columns, strict=True):
        assert shown.description == column.description
        assert shown.constraints.nullable == column.nullable
        assert (column.rule in shown.constraints.other) or not column.rule


def test_the_schema_of_prices_tells_key_and_rules(prices):
    metadata = prices.asset.metadata_by_key[prices.asset.key]
    schema = metadata["dagster/column_schema"]
    assert "unique (symbol, ts)" in schema.constraints.other
    assert "high >= low" in schema.constraints.other
    types = {column.name: column.type for column in schema.columns}
    assert types["price"] == "decimal128(18, 8)"
    assert metadata["dagster/table_name"] == PRICE_1M_HISTORY.name


def test_what_a_tick_of_the_sensor_needs_takes_no_time_with_many_files(place):
    for at in range(500):
        place.put(f"{at}.csv", bars("2024-03-01"))
    begin = time.perf_counter()
    assert len(place.ready) == 500
    assert time.perf_counter() - begin < 1
