"""Each content of the inbox is imported once; nothing is lost, whatever it is."""

import datetime as dt
import os
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.errors import LakeError, SettingsError

from .inbox_files import HEADER, Place, bars


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_file_is_imported_once_and_stays_where_it_is(place):
    path = place.put("spy.csv", bars("2024-03-01"))
    (report,) = place.inbox.import_ready()
    assert (report.fate, report.read, report.written) == ("imported", 5, 5)
    assert report.days == (dt.date(2024, 3, 1),)
    assert path.exists()
    assert place.ready == []
    assert place.inbox.import_ready() == []
    assert place.inbox.import_one(path).fate == "duplicate"


def test_a_day_that_the_lake_lost_comes_back_with_its_file(place):
    path = place.put("spy.csv", bars("2024-03-01"))
    place.put("other.csv", bars("2024-03-02"))
    place.inbox.import_ready()
    place.lake.day_file(dt.date(2024, 3, 1)).unlink()
    assert place.rows == 5
    assert place.inbox.import_one(path).fate == "imported"
    assert place.rows == 10
    assert place.inbox.import_one(path).fate == "duplicate"


def test_figures_add_up_and_reasons_are_told(place):
    text = bars("2024-03-01") + bars("2024-03-01").splitlines()[1] + "\nSPY,2024-03-01T00:09:00Z,"
    place.put("spy.csv", text + "1,2,3,-4,0\n")
    (report,) = place.inbox.import_ready()
    assert (report.read, report.written, report.duplicate, report.quarantined) == (7, 5, 1, 1)
    assert "row 7" in report.message
    (entry,) = place.inbox.unannounced()
    assert (entry.name, entry.read, entry.written) == ("spy.csv", 7, 5)
    assert (entry.duplicate, entry.quarantined) == (1, 1)
    assert entry.size == len(text + "1,2,3,-4,0\n")


def test_a_file_that_changed_a_moment_ago_waits(tmp_path):
    """Also where its mtime is old, as of a copy that keeps the times."""
    place = Place(tmp_path, settle_seconds=60)
    path = place.put_old("spy.csv", bars("2024-03-01"))
    listing = place.inbox.listing()
    assert listing.ready == []
    assert "changed less than 60 s ago" in listing.waiting["spy.csv"]
    assert place.inbox.import_ready() == []
    assert place.inbox.import_one(path).fate == "waiting"
    assert place.rows == 0


@pytest.mark.parametrize("name", ["a.csv.part", "a.csv.tmp", "a.csv.crdownload", "a.pdf", "a"])
def test_files_that_are_named_as_unfinished_or_as_something_else_wait(place, name):
    place.put(name, bars("2024-03-01"))
    listing = place.inbox.listing()
    assert listing.ready == []
    assert list(listing.waiting) == [name]


def test_what_is_no_regular_file_waits_and_hidden_files_are_none(place, tmp_path):
    (tmp_path / "elsewhere.csv").write_text(bars("2024-03-01"))
    (place.folders.inbox / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (place.folders.inbox / "more.csv").mkdir()
    os.mkfifo(place.folders.inbox / "pipe.csv")
    place.put(".hidden.csv", bars("2024-03-01"))
    listing = place.inbox.listing()
    assert listing.ready == []
    assert sorted(listing.waiting) == ["link.csv", "more.csv", "pipe.csv"]


def test_a_name_that_is_not_utf8_is_told(place):
    path = os.fsencode(place.folders.inbox) + b"/\xff.csv"
    with open(path, "w") as file:  # noqa: PTH123
        file.write(bars("2024-03-01"))
    listing = place.inbox.listing()
    assert listing.ready == []
    assert list(listing.waiting) == ["?.csv"]


def test_a_half_written_file_that_got_through_is_completed_by_the_whole_one(place):
    whole = bars("2024-03-01")
    place.put("spy.csv", whole[:-20])
    (first,) = place.inbox.import_ready()
    place.put("spy.csv", whole)
    (second,) = place.inbox.import_ready()
    assert first.written + second.written == place.rows == 5
    assert second.fate == "imported"


def test_the_same_content_under_another_name_is_told_as_a_duplicate(place):
    place.put("first.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    place.put("second.csv", bars("2024-03-01"))
    (report,) = place.inbox.import_ready()
    assert report.fate == "duplicate"
    assert "as first.csv" in report.message
    assert place.ready == []


def test_twice_the_same_at_once_is_imported_once(place):
    place.put("a.csv", bars("2024-03-01") + "x\n")
    place.put("b.csv", bars("2024-03-01") + "x\n")
    reports = place.inbox.import_ready()
    assert [report.fate for report in reports] == ["imported", "duplicate"]
    assert place.lake.quarantine().num_rows == 1
    assert place.ready == []


def test_the_same_name_with_other_content_is_imported_and_the_first_bar_kept(place):
    place.put("spy.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    place.put("spy.csv", bars("2024-03-01", range(1, 8), close=100.7))
    (report,) = place.inbox.import_ready()
    assert (report.fate, report.read, report.written) == ("imported", 7, 2)
    assert report.quarantined == 5
    assert place.lake.bars()["SPY"].close.tolist()[:5] == [10_050_000_000] * 5


def _truncated(path):
    pq.write_table(pa.table({"symbol": ["SPY"] * 100, "ts": range(100)}), path)
    return path.read_bytes()[:-30]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "is empty"),
        ("head.csv", HEADER.encode(), "no rows"),
        ("web.csv", b"<html><body>404</body></html>", "web page"),
        ("noise.parquet", bytes(range(256)) * 9, ""),
        ("cut.parquet", None, "damaged or cut short"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00", ""),
        ("other.csv", b"name,age\nx,1\n", "reading.toml"),
        ("BTCUSDT-1m-2024-01.csv", b"1,2,3\n", "12"),
    ],
)
def test_what_cannot_be_read_is_moved_whole_with_its_reason(place, tmp_path, name, content, why):
    content = _truncated(tmp_path / "x") if content is None else content
    path = place.put(name, content)
    good = place.put("good.csv", bars("2024-03-01"))
    reports = {report.name: report for report in place.inbox.import_ready()}
    assert reports["good.csv"].fate == "imported"
    assert reports[name].fate == "refused"
    moved = place.folders.refused / name
    assert reports[name].moved_to == moved
    assert moved.read_bytes() == content
    assert good.exists()
    assert not path.exists()
    reason = (place.folders.refused / f"{name}.reason.txt").read_text()
    assert name in reason
    assert why in reason
    assert "reading.toml" in reason
    assert place.rows == 5


def test_a_refused_file_overwrites_none_of_the_same_name(place):
    for content in (b"", b"<x>", b"{}"):
        place.put("spy.csv", content)
        assert [report.fate for report in place.inbox.import_ready()] == ["refused"]
    refused = place.folders.refused
    found = {path.name: path.read_bytes() for path in refused.glob("*.csv")}
    assert found == {"spy.csv": b"", "spy.2.csv": b"<x>", "spy.3.csv": b"{}"}
    assert len(list(refused.glob("*.reason.txt"))) == 3


def test_a_refused_file_that_is_mended_and_moved_back_is_imported(place):
    """The same content too, once reading.toml says how to read it."""
    place.put("prices.csv", "when,o,h,l,c\n2024-03-01T00:01:00Z,1,2,1,2\n")
    before = place.inbox.listing().ready[0]
    (report,) = place.inbox.import_ready()
    place.put("reading.toml", 'symbol = "SPY"\ncolumns = "ts=when,open=o,high=h,low=l,close=c"\n')
    assert report.moved_to is not None
    report.moved_to.rename(place.folders.inbox / "prices.csv")
    again = place.inbox.listing().ready[0]
    assert again.key != before.key
    assert [report.fate for report in place.inbox.import_ready()] == ["imported"]


def test_a_file_that_is_gone_is_told_and_stops_no_other(place):
    place.put("spy.csv", bars("2024-03-01"))
    reports = place.inbox.import_named(["gone.csv", "spy.csv"])
    assert [report.fate for report in reports] == ["missing", "imported"]


@pytest.mark.parametrize("name", ["../spy.csv", "/etc/passwd", "a/b.csv", ""])
def test_a_name_that_leads_out_of_the_inbox_is_refused(place, name):
    with pytest.raises(SettingsError, match="is not the name of a file"):
        place.inbox.import_named([name])


def test_patterns_say_how_files_are_read(place):
    place.put(
        "reading.toml",
        'tz = "America/New_York"\n["vendor_*"]\nlabel = "open"\nsymbol = "QQQ"\n'
        '["v*"]\nsymbol = "NO"\n',
    )
    place.put("vendor_a.csv", "ts,open,high,low,close\n2024-03-01 09:30,1,2,1,2\n")
    place.put("other.csv", "symbol,ts,open,high,low,close\nSPY,2024-03-01 09:30,1,2,1,2\n")
    assert [report.written for report in place.inbox.import_ready()] == [1, 1]
    moments = {
        name: dt.datetime.fromtimestamp(part.ts[0] / 1e6, dt.UTC).strftime("%H:%M")
        for name, part in place.lake.bars().items()
    }
    assert moments == {"QQQ": "14:31", "SPY": "14:30"}


def test_names_of_binance_are_read_as_binance(place):
    begin = 1_709_251_200_000
    line = f"{begin},1,2,1,2,5,{begin + 59_999},1,1,1,1,0\n"
    place.put("BTCUSDT-1m-2024-03-01.csv", line)
    (report,) = place.inbox.import_ready()
    assert report.written == 1
    assert place.lake.symbols() == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = ", "not TOML"),
        ('zone = "UTC"', "zone: there is no such key"),
        ('["a*"]\nlabel = "middle"', r"\['a\*'\].label = 'middle': must be open or close"),
        ("symbol = 5", "symbol = 5: must be a text"),
        ('columns = "when=ts"', "columns = 'when=ts': "),
        ('tz = "Oslo"', "tz = 'Oslo': time zone"),
        ('source = "binance"\ntz = "Europe/Oslo"', "tz = .*: Binance klines have fixed columns"),
        ('source = "binance"\ncolumns = "ts=t"', "leave columns out for them, or use source = "),
        ('columns = "ts=t"\n["B*"]\nsource = "binance"\nlabel = "close"', r"\['B\*'\].label = "),
        ('source = "binance"\n["a*"]\ncolumns = "ts=t"', r"\['a\*'\].columns = "),
        ('last_line = "maybe"', "last_line = 'maybe': must be whole or doubtful"),
    ],
)
def test_a_reading_file_that_makes_no_sense_stops_the_import_and_moves_nothing(place, text, words):
    path = place.put("spy.csv", bars("2024-03-01"))
    place.put("reading.toml", text)
    with pytest.raises(SettingsError, match=words) as error:
        place.inbox.import_ready()
    assert "reading.toml" in str(error.value)
    assert path.exists()
    assert place.rows == 0


def test_what_stands_at_the_top_is_not_meant_for_a_section_of_klines(place):
    begin = 1_709_251_200_000
    place.put("coins.csv", f"{begin},1,2,1,2,5,{begin + 59_999},1,1,1,1,0\n")
    place.put(
        "reading.toml",
        'tz = "Europe/Oslo"\ncolumns = "ts=t"\n["coins*"]\nsource = "binance"\nsymbol = "BTC"\n',
    )
    assert [report.written for report in place.inbox.import_ready()] == [1]
    assert place.lake.bars()["BTC"].ts.tolist() == [(begin + 60_000) * 1_000]


def test_a_refusal_advises_keys_of_the_reading_file_not_options(place):
    place.put("a.csv", "when,open,high,low,close\n2024-03-01T00:01:00Z,1,2,1,2\n")
    (report,) = place.inbox.import_ready()
    assert 'columns = "ts=NAME"' in report.message
    assert str(place.folders.inbox / "reading.toml") in report.message
    assert "--" not in report.message
    assert "--" not in (place.folders.refused / "a.csv.reason.txt").read_text()


def test_another_content_of_the_same_size_and_mtime_is_seen(place):
    path = place.put_old("spy.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    assert place.ready == []
    place.put_old("spy.csv", bars("2024-03-02"))
    assert path.stat().st_size == len(bars("2024-03-01"))
    assert place.ready == ["spy.csv"]
    (report,) = place.inbox.import_ready()
    assert (report.fate, report.written) == ("imported", 5)


def test_a_damaged_ledger_is_named_and_may_be_moved_away(place):
    place.put("spy.csv", bars("2024-03-01"))
    place.inbox.import_ready()
    place.folders.ledger.write_text('{"version": 1, "begun"')
    with pytest.raises(LakeError, match="Move it away"):
        place.inbox.listing()
    place.folders.ledger.unlink()
    (report,) = place.inbox.import_ready()
    assert (report.written, report.duplicate) == (0, 5)


def test_days_of_an_import_are_told_until_they_are_announced(place):
    place.put("spy.csv", bars("2024-03-01") + bars("2024-03-03").partition("\n")[2])
    place.inbox.import_ready()
    entries = place.inbox.unannounced()
    assert [entry.days for entry in entries] == [[dt.date(2024, 3, 1), dt.date(2024, 3, 3)]]
    place.inbox.announce(entries)
    assert place.inbox.unannounced() == []


def test_a_file_that_changes_while_it_is_read_waits_for_the_next_time(place, monkeypatch):
    from trading_assets.analytics import inbox

    path = place.put("spy.csv", bars("2024-03-01"))
    original = inbox.import_files

    def meanwhile(*args, **options):
        reports = original(*args, **options)
        path.write_text(bars("2024-03-01", range(1, 9)))
        return reports

    monkeypatch.setattr(inbox, "import_files", meanwhile)
    assert [report.fate for report in place.inbox.import_ready()] == ["waiting"]
    monkeypatch.undo()
    assert [report.fate for report in place.inbox.import_ready()] == ["imported"]
    assert place.rows == 8


@pytest.fixture
def ours():
    """A place of somebody who may not read and write everything, as root may."""
    root = Path(tempfile.mkdtemp())
    place = Place(root)
    place.put("spy.csv", bars("2024-03-01"))
    user = os.geteuid()
    if user == 0:
        for path in [root, *root.rglob("*")]:
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    try:
        yield place
    finally:
        os.seteuid(user)
        root.chmod(0o700)
        shutil.rmtree(root)


def test_a_file_that_may_not_be_read_is_refused(ours):
    (ours.folders.inbox / "spy.csv").chmod(0)
    (report,) = ours.inbox.import_ready()
    assert report.fate == "refused"
    assert "cannot be read (Permission denied)" in report.message


def test_a_read_only_data_folder_is_told_and_nothing_moves(ours):
    path = ours.folders.inbox / "spy.csv"
    ours.folders.root.chmod(0o500)
    with pytest.raises(LakeError, match="cannot be written"):
        ours.inbox.import_ready()
    assert path.exists()
    ours.folders.root.chmod(0o700)
    assert [report.fate for report in ours.inbox.import_ready()] == ["imported"]


def test_a_file_that_cannot_leave_the_inbox_is_told(ours):
    path = ours.put("empty.csv", "")
    ours.folders.inbox.chmod(0o500)
    with pytest.raises(LakeError, match="stays where it is"):
        ours.inbox.import_ready()
    assert path.exists()
    ours.folders.inbox.chmod(0o700)
    fates = {report.name: report.fate for report in ours.inbox.import_ready()}
    assert fates["empty.csv"] == "refused"
    assert len(list(ours.folders.refused.iterdir())) == 2
    assert ours.rows == 5
