"""What was imported wrongly is put right when a person says so, and recorded."""

import datetime as dt

import pytest

from streaming.errors import LakeError
from trading_assets.analytics.inbox_days import take_out

from .inbox_files import Place, bars, contents

FIRST = dt.date(2024, 3, 1)
UTC = "ts,symbol,open,high,low,close\n"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def closes(place, symbol="SPY"):
    return (place.lake.bars([symbol])[symbol].close / 1e8).tolist()


def hours(place, symbol="SPY"):
    return [(ts // 3_600_000_000) % 24 for ts in place.lake.bars([symbol])[symbol].ts.tolist()]


def one(place, name, **how):
    (report,) = place.inbox.import_named([name], **how)
    return report


def test_a_file_that_is_said_to_replace_wins_over_what_is_there(place):
    place.put("spy.csv", bars("2024-03-01", close=100.5))
    place.inbox.import_ready()
    place.put("right.csv", bars("2024-03-01", range(3, 8), close=100.7))
    (first,) = place.inbox.import_ready()
    assert (first.written, first.quarantined) == (2, 3)
    assert "3 rows differ from bars that were kept" in first.message
    assert 'files: ["right.csv"] and replace: true' in first.message
    again = one(place, "right.csv", replace=True)
    assert (again.fate, again.written, again.replaced) == ("imported", 3, 3)
    assert (again.duplicate, again.quarantined) == (2, 0)
    assert "3 rows took the place" in again.message
    assert closes(place) == [100.5] * 2 + [100.7] * 5
    assert place.lake.quarantine().num_rows == 0
    entry = next(each for each in place.inbox.unannounced() if each.name == "right.csv")
    assert (entry.replaced, entry.days) == (3, [FIRST])


def test_replacing_twice_changes_nothing(place):
    place.put("spy.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    place.put("right.csv", bars("2024-03-01", close=100.7))
    one(place, "right.csv", replace=True)
    before = contents(place.folders.lake)
    report = one(place, "right.csv", replace=True)
    assert (report.written, report.duplicate, report.replaced) == (0, 5, 0)
    assert contents(place.folders.lake) == before


def test_within_a_file_that_replaces_the_first_row_still_counts(place):
    text = bars("2024-03-01", close=100.7) + bars("2024-03-01", close=100.9).partition("\n")[2]
    place.put("spy.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    place.put("right.csv", text)
    report = one(place, "right.csv", replace=True)
    assert (report.replaced, report.quarantined) == (5, 5)
    assert closes(place) == [100.7] * 5
    # Against its own rows nothing helps but mending it.
    assert "differ from bars that were kept" not in report.message


def test_of_files_that_replace_together_the_last_one_wins(place):
    for name, close in (("a.csv", 100.6), ("b.csv", 100.7)):
        place.put(name, bars("2024-03-01", close=close))
    reports = place.inbox.import_named(["a.csv", "b.csv"], replace=True)
    assert [report.replaced for report in reports] == [0, 5]
    assert closes(place) == [100.7] * 5


def wrong_zone(place):
    """A file of New York's times at night, read as UTC; another file's bars beside it."""
    rows = "".join(f"2024-03-01 {hour:02d}:30,SPY,100,101,99,100.5\n" for hour in (9, 22))
    place.put("ny.csv", UTC + rows)
    place.put("other.csv", UTC + "2024-03-01 22:30,QQQ,100,101,99,100.5\n")
    place.inbox.import_ready()
    place.inbox.announce(place.inbox.unannounced())
    assert hours(place) == [9, 22]
    place.put("reading.toml", '["ny*"]\ntz = "America/New_York"\n')


def test_a_file_read_by_other_rules_now_is_told_and_waits_for_a_person(place):
    wrong_zone(place)
    listing = place.inbox.listing()
    assert listing.ready == []
    assert list(listing.waiting) == ["ny.csv"]
    assert "tz 'UTC', now 'America/New_York'" in listing.waiting["ny.csv"]
    assert one(place, "ny.csv").fate == "held"
    place.put("ny.csv", (place.folders.inbox / "ny.csv").read_text())
    assert place.ready == ["ny.csv"]
    assert [report.fate for report in place.inbox.import_ready()] == ["held"]
    assert place.ready == []
    assert hours(place) == [9, 22]


def test_said_to_replace_it_takes_out_what_it_gave_and_nothing_else(place):
    wrong_zone(place)
    report = one(place, "ny.csv", replace=True)
    assert (report.written, report.taken_out, report.quarantined) == (2, 2, 0)
    assert hours(place) == [14, 3]
    assert hours(place, "QQQ") == [22]
    # The days of the wrong bars are told, as well as those of the right ones.
    (entry,) = place.inbox.unannounced()
    assert entry.days == [FIRST, FIRST + dt.timedelta(days=1)]
    assert (entry.taken_out, entry.reading.tz) == (2, "America/New_York")
    assert place.inbox.listing() == ([], {})
    assert place.inbox.lost() == {}
    assert one(place, "ny.csv").fate == "duplicate"


def test_rules_that_cannot_read_the_file_take_nothing_out(place):
    wrong_zone(place)
    place.put("reading.toml", '["ny*"]\ncolumns = "close=nothing"\n')
    report = one(place, "ny.csv", replace=True)
    assert report.fate == "refused"
    assert hours(place) == [9, 22]


def test_a_correction_that_was_killed_is_ended_by_the_same_again(place, monkeypatch):
    from trading_assets.analytics import inbox

    wrong_zone(place)

    def killed(*args, **options):
        raise LakeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(inbox, "import_files", killed)
        with pytest.raises(LakeError, match="killed"):
            one(place, "ny.csv", replace=True)
    assert [entry.days for entry in place.inbox.unannounced()] == [[FIRST]]
    report = one(place, "ny.csv", replace=True)
    assert report.fate == "imported"
    assert hours(place) == [14, 3]
    (entry,) = place.inbox.unannounced()
    assert entry.days == [FIRST, FIRST + dt.timedelta(days=1)]


def test_rules_that_say_the_same_in_other_words_change_nothing(place):
    wrong_zone(place)
    place.put("reading.toml", '# none\ntz = "UTC"\nlast_line = "doubtful"\n')
    assert place.inbox.listing() == ([], {})


def test_days_taken_out_stay_out_until_a_file_replaces(place):
    for day in (1, 2, 3):
        text = bars(f"2024-03-0{day}") + bars(f"2024-03-0{day}", symbol="QQQ").partition("\n")[2]
        place.put(f"{day}.csv", text)
    place.inbox.import_ready()
    second = FIRST + dt.timedelta(days=1)
    assert take_out(place.folders, place.lake, FIRST, second, ["SPY"]) == {FIRST: 5, second: 5}
    assert [list(info.symbols) for info in place.lake.days()] == [["QQQ"], ["QQQ"], ["QQQ", "SPY"]]
    assert place.inbox.lost() == {}
    assert one(place, "1.csv").fate == "duplicate"
    report = one(place, "1.csv", replace=True)
    assert (report.written, report.duplicate) == (5, 5)
    assert take_out(place.folders, place.lake, second, second) == {second: 5}
    assert [info.day.day for info in place.lake.days()] == [1, 3]
    assert take_out(place.folders, place.lake, second, second) == {}
    assert place.inbox.lost() == {}
