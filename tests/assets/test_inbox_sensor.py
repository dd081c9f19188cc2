"""The sensor gives each file to one run, also after a restart."""

import json

import dagster as dg
import pytest

from trading_assets.analytics.sensors import tick

from .inbox_files import Place, bars
from .price_platform import Prices


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def _evaluate(place, cursor=None):
    """A tick as the daemon does it, in a process that knows nothing of the last one."""
    prices = Prices(place.folders.root)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            repository_def=prices.repository,
            resources={"platform": prices.platform},
        )
        return prices.repository.get_sensor_def("inbox_sensor").evaluate_tick(context)


def test_it_is_on_from_the_first_start_and_looks_every_half_minute(place):
    sensor = Prices(place.folders.root).repository.get_sensor_def("inbox_sensor")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30


def test_an_empty_inbox_is_made_and_told(tmp_path):
    result = _evaluate(Place(tmp_path / "data"))
    assert result.run_requests == []
    assert result.skip_message == "The inbox has no new files."


def test_a_file_that_is_still_changing_is_told_by_name(place):
    place.put("spy.csv", bars("2024-03-01"))
    place.put("notes.docx", "x")
    result = _evaluate(place)
    assert result.run_requests == []
    assert "spy.csv changed less than 5 s ago" in result.skip_message
    assert "notes.docx is not named as a file of bars" in result.skip_message


def test_each_file_gets_a_run_of_its_own_that_the_job_can_do(place):
    place.put("a.csv", bars("2024-03-01"))
    place.put("b.csv", bars("2024-03-02"))
    result = tick(place.inbox.listing(), None, "import_files")
    assert len({request.run_key for request in result.run_requests}) == 2
    prices = Prices(place.folders.root)
    job = prices.defs.resolve_job_def("import_inbox")
    for request in result.run_requests:
        assert dg.validate_run_config(job, request.run_config)
    names = [request.run_config["ops"]["import_files"]["config"] for request in result.run_requests]
    assert names == [{"files": ["a.csv"]}, {"files": ["b.csv"]}]


def test_the_next_tick_asks_for_the_new_file_alone(place):
    place.put("a.csv", bars("2024-03-01"))
    first = tick(place.inbox.listing(), None, "op")
    place.put("b.csv", bars("2024-03-02"))
    second = tick(place.inbox.listing(), first.cursor, "op")
    assert [request.run_key for request in second.run_requests] == [
        file.key for file in place.inbox.listing().ready if file.name == "b.csv"
    ]
    third = tick(place.inbox.listing(), second.cursor, "op")
    assert third.run_requests == []
    assert "a.csv has its run, which is not done or has failed" in str(third.skip_reason)


def test_after_a_restart_without_cursor_the_run_keys_are_the_same(place):
    """So Dagster, which keeps the run keys of all runs, starts none of them again."""
    place.put("a.csv", bars("2024-03-01"))
    keys = [
        [request.run_key for request in tick(place.inbox.listing(), None, "op").run_requests]
        for _ in range(2)
    ]
    assert keys[0] == keys[1] != []


def test_an_imported_file_is_never_asked_for_again(place):
    place.put("a.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    assert tick(place.inbox.listing(), None, "op").run_requests == []


def test_a_file_with_other_content_is_asked_for_again(place):
    place.put("a.csv", bars("2024-03-01"))
    cursor = tick(place.inbox.listing(), None, "op").cursor
    place.inbox.import_ready()
    place.put("a.csv", bars("2024-03-02", range(1, 9)))
    assert len(tick(place.inbox.listing(), cursor, "op").run_requests) == 1


def test_the_cursor_does_not_grow_with_what_was_imported(place):
    cursor = None
    for day in range(1, 10):
        place.put(f"{day}.csv", bars(f"2024-03-0{day}"))
        cursor = tick(place.inbox.listing(), cursor, "op").cursor
        place.inbox.import_ready()
    assert len(json.loads(cursor)) == 1


@pytest.mark.parametrize(
    ("file", "text"), [("inbox/reading.toml", "zone = 1"), ("imported/ledger.json", "{")]
)
def test_what_would_fail_every_run_is_told_and_no_run_is_spent_on_it(place, file, text):
    path = place.folders.root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    place.put("a.csv", bars("2024-03-01"))
    result = _evaluate(place)
    assert result.run_requests == []
    assert str(path) in result.skip_message


def test_long_lists_are_cut(place):
    for at in range(50):
        place.put(f"{at}.doc", "")
    result = tick(place.inbox.listing(), None, "op")
    assert "and 40 more" in str(result.skip_reason)
