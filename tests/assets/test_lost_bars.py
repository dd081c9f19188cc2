"""Bars that the lake has lost are noticed, and come back with their files."""

import dagster as dg
import pytest

from streaming.errors import LakeError
from trading_assets.analytics.definitions import definitions
from trading_assets.analytics.prices import open_inbox

from .inbox_files import Place, bars
from .price_platform import Prices, told

CHECK = "nothing_imported_is_lost"
DAY = "2024-03-01"


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "data")
    both = bars(DAY) + bars(DAY, symbol="QQQ").partition("\n")[2]
    place.put("both.csv", both)
    place.put("next.csv", bars("2024-03-02"))
    place.inbox.import_ready()
    return place


@pytest.fixture
def checked(place):
    """Run the check alone."""
    made = definitions(Prices(place.folders.root).platform)
    keys = [key for key in made.resolve_asset_graph().asset_check_keys if key.name == CHECK]
    job = dg.define_asset_job("checks", dg.AssetSelection.checks(*keys))
    whole = dg.Definitions.merge(made, dg.Definitions(jobs=[job]))

    def run():
        with dg.DagsterInstance.ephemeral() as instance:
            result = whole.resolve_job_def("checks").execute_in_process(
                instance=instance, raise_on_error=False
            )
        (one,) = result.get_asset_check_evaluations()
        return one

    return run


def file_of(place, day=DAY):
    return place.folders.lake / "price_1m_history" / f"day={day}" / "bars.parquet"


def without_spy(place):
    """The day's file as of a lake that never had SPY: whole, and not what was imported."""
    other = Place(place.folders.root.with_name("other"))
    other.put("qqq.csv", bars(DAY, symbol="QQQ"))
    other.inbox.import_ready()
    file_of(place).write_bytes(file_of(other).read_bytes())


def deleted(place):
    file_of(place).unlink()


@pytest.mark.parametrize("lose", [deleted, without_spy])
def test_it_is_noticed_by_day_and_symbol_and_the_day_brings_it_back(place, checked, lose):
    assert checked().passed
    lose(place)
    found = checked()
    assert not found.passed
    assert "both.csv" in found.description
    assert "next.csv" not in found.description
    assert "SPY 0 of 5 bars" in found.metadata["days"].value[0]
    with dg.DagsterInstance.ephemeral() as instance:
        assert Prices(place.folders.root).materialize(instance, DAY).success
        assert told(instance)[DAY]["dagster/row_count"].value == 10
    assert checked().passed


@pytest.mark.parametrize("lose", [deleted, without_spy])
def test_its_file_imported_again_brings_it_back(place, lose):
    lose(place)
    reports = {one.name: one for one in place.inbox.import_named(["both.csv", "next.csv"])}
    assert reports["both.csv"].fate == "imported"
    assert reports["next.csv"].fate == "duplicate"
    assert place.rows == 15


def test_a_file_that_brought_nothing_new_brings_it_back_too(place):
    place.put("copy.csv", bars(DAY) + "\n")
    place.inbox.import_ready()
    (place.folders.inbox / "both.csv").unlink()
    deleted(place)
    assert place.inbox.restoring(place.inbox.lost()) == ["copy.csv"]
    (report,) = place.inbox.import_named(["copy.csv"])
    assert report.written == 5


def test_other_bars_of_that_day_do_not_hide_the_loss(place, checked):
    deleted(place)
    place.put("dia.csv", bars(DAY, symbol="DIA"))
    place.inbox.import_ready()
    assert not checked().passed
    assert sorted(next(iter(place.inbox.lost().values()))) == ["QQQ", "SPY"]


def test_more_than_was_imported_is_no_loss(place, checked):
    from streaming.feeds.importing import import_file
    from streaming.feeds.reading import Reading

    path = place.put(".elsewhere.csv", bars(DAY, range(1, 20)))
    import_file(place.lake, path, Reading())
    assert checked().passed


def test_a_damaged_list_is_named(place, checked):
    path = place.folders.imported_days / "2024-03.json"
    path.write_text("[")
    assert str(path) in checked().description
    with pytest.raises(LakeError, match="Delete it"):
        open_inbox(Prices(place.folders.root).platform).lost()
    path.unlink()
    assert checked().passed
