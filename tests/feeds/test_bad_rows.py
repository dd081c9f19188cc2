"""A row that breaks its contract is quarantined with its reason and costs nothing else."""

import datetime as dt

import pytest

from .files import HEADER, import_text

_GOOD_BEFORE = "S,2024-03-04 12:30,10,12,9,11,5"
_GOOD_AFTER = "S,2024-03-04 12:32,10,12,9,11,5"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("S,2024-03-04 12:31,NaN,12,9,11,5", "open NaN is not finite"),
        ("S,2024-03-04 12:31,inf,12,9,11,5", "open inf is not finite"),
        ("S,2024-03-04 12:31,10,12,0,11,5", "low 0 is not above 0"),
        ("S,2024-03-04 12:31,10,12,-9,11,5", "low -9 is not above 0"),
        ("S,2024-03-04 12:31,10,12,9,,5", "price is missing"),
        ("S,2024-03-04 12:31,10,12,9,x,5", "price 'x' is not a number"),
        ("S,2024-03-04 12:31,10,8,9,10,5", "high 8 is below low 9"),
        ("S,2024-03-04 12:31,13,12,9,11,5", "open 13 is above high 12"),
        ("S,2024-03-04 12:31,10,12,9,8,5", "price 8 is below low 9"),
        ("S,2024-03-04 12:31,10,10000000000,9,11,5", "does not fit DECIMAL(18,8)"),
        ("S,2024-03-04 12:31,10.000000001,12,9,11,5", "does not fit DECIMAL(18,8)"),
        ("S,2024-03-04 12:31,10,12,9,11,-5", "volume -5 is below 0"),
        ("S,2024-03-04 12:31,10,12,9,11,inf", "volume inf is not finite"),
        ("S,2024-03-04 12:31:01,10,12,9,11,5", "is not on a whole minute"),
        ("S,1969-12-31 23:59,10,12,9,11,5", "is before 1970"),
        ("S,2190-03-04 12:31,10,12,9,11,5", "lies in the future"),
        ("S,2024-03-04,10,12,9,11,5", "time '2024-03-04' is no date and time of day"),
        ("S,,10,12,9,11,5", "time is empty"),
        (",2024-03-04 12:31,10,12,9,11,5", "symbol is missing"),
        ("S,2024-03-04 12:31,10,12,9", "line has 5 cells for 7 columns"),
        ("S,2024-03-04 12:31,10,12,9,11,5,6", "line has 8 cells for 7 columns"),
    ],
)
def test_the_row_alone_is_refused(tmp_path, row, reason):
    done = import_text(tmp_path, "\n".join([HEADER, _GOOD_BEFORE, row, _GOOD_AFTER, ""]))
    assert (done.report.read, done.report.written, done.report.quarantined) == (3, 2, 1)
    assert list(done.reasons) == [2]
    assert reason in done.reasons[2]
    assert done.report.reasons == ((2, done.reasons[2]),)
    assert len(done.bars["S"]) == 2
    (kept,) = done.quarantine
    assert (kept["tableName"], kept["source"]) == ("price_1m_history", "a.csv")


def test_a_refused_row_is_kept_whole_and_as_it_was(tmp_path):
    text = (
        "time,open,high,low,close,volume,trades,note\n2024-03-04 14:31,10.50,1e1,9,10,0,7,caf\u00e9"
    )
    done = import_text(tmp_path, text, symbol="S", tz="Europe/Oslo")
    assert done.row(1) == {
        "symbol": "S",
        "ts": "2024-03-04T13:31:00.000000Z",
        "open": "10.50",
        "high": "1e1",
        "low": "9",
        "price": "10",
        "volume": "0",
        "source": "a.csv",
        "time": "2024-03-04 14:31",
        "trades": "7",
        "note": "caf\u00e9",
    }
    assert done.quarantine[0]["ts"] == dt.datetime(2024, 3, 4, 13, 31, tzinfo=dt.UTC)


def test_a_row_without_a_time_keeps_the_text_that_is_none(tmp_path):
    done = import_text(tmp_path, f"{HEADER}\nS,soon,10,12,9,11,5\n")
    assert done.row(1)["ts in file"] == "soon"
    assert done.row(1)["ts"] is None
    assert done.quarantine[0]["ts"] is None


def test_a_line_cut_short_is_kept_as_it_was(tmp_path):
    done = import_text(tmp_path, f"{HEADER}\n{_GOOD_BEFORE}\nS,2024-03-04 12:3")
    assert done.row(2) == {"line": "S,2024-03-04 12:3"}


def test_volume_may_be_missing_row_by_row_or_as_a_column(tmp_path):
    rows = "S,2024-03-04 12:30,10,12,9,11,\nS,2024-03-04 12:31,10,12,9,11,NaN\n"
    done = import_text(tmp_path, f"{HEADER}\n{rows}")
    assert done.report.written == 2
    assert str(done.bars["S"].volume.tolist()) == "[nan, nan]"
    done = import_text(tmp_path, "ts,open,high,low,close\n2024-03-04 12:30,10,12,9,11", symbol="T")
    assert str(done.bars["T"].volume.tolist()) == "[nan]"


def test_a_bar_of_this_minute_is_no_future_but_one_in_another_zone_is(tmp_path):
    now = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
    rows = [f"S,{(now + dt.timedelta(minutes=m)):%Y-%m-%d %H:%M},10,12,9,11,5" for m in (0, 1, 60)]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]))
    assert list(done.reasons) == [3]
    assert "lies in the future" in done.reasons[3]


def test_equal_duplicates_are_counted_and_differing_ones_quarantined(tmp_path):
    rows = [
        "S,2024-03-04 12:31,10,12,9,11,5",
        "S,2024-03-04 12:31,10.0,12.00,9,11,5.0",
        "S,2024-03-04 12:31,10,12.5,9,11.25,5",
        "S,2024-03-04 12:31,10,12,9,11,6",
        "T,2024-03-04 12:31,10,12.5,9,11,5",
    ]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]))
    report = done.report
    assert (report.read, report.written, report.duplicate, report.quarantined) == (5, 2, 1, 2)
    assert done.reasons == {
        3: "another bar of S at 2024-03-04T12:31Z was kept before, from a.csv: "
        "high 12.50 against 12.00, price 11.25 against 11.00",
        4: "another bar of S at 2024-03-04T12:31Z was kept before, from a.csv: volume 6 against 5",
    }
    assert done.row(3)["high"] == "12.50000000"
    # The same again: what is there is a duplicate, what differed differs.
    again = import_text(tmp_path, "\n".join([HEADER, *rows]))
    assert again.quarantine == done.quarantine
    assert (again.report.written, again.report.duplicate, again.report.quarantined) == (0, 3, 2)


def test_a_bar_that_differs_from_an_earlier_files_names_that_file(tmp_path):
    import_text(tmp_path, f"{HEADER}\n{_GOOD_BEFORE}\n", "first.csv")
    done = import_text(tmp_path, f"{HEADER}\n{_GOOD_BEFORE.replace('12,9', '13,9')}\n", "next.csv")
    assert done.reasons[1].endswith("from first.csv: high 13.00 against 12.00")
    assert done.bars["S"].high.tolist() == [12 * 10**8]


def test_bars_out_of_order_are_sorted(tmp_path):
    rows = [f"S,2024-03-0{d} 12:3{m},10,12,9,11,5" for d, m in [(5, 1), (4, 3), (4, 1), (5, 0)]]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]))
    assert done.report.written == 4
    assert (done.bars["S"].ts[1:] > done.bars["S"].ts[:-1]).all()


def test_unknown_symbols_are_quarantined_by_name(tmp_path):
    rows = [_GOOD_BEFORE, _GOOD_AFTER.replace("S,", "X,"), _GOOD_AFTER, ",,,,,,"]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]), symbols={"S", "T"})
    assert done.reasons[2] == "symbol 'X' is not in the instruments file"
    assert list(done.reasons) == [2, 4]
    assert list(done.bars) == ["S"]
    assert done.row(2)["symbol"] == "X"


def test_local_times_that_are_unclear_are_quarantined(tmp_path):
    texts = ["2024-10-27 01:59", "2024-10-27 02:30", "2024-10-27 03:00", "2024-03-31 02:30"]
    rows = [f"S,{text},10,12,9,11,5" for text in texts]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]), tz="Europe/Oslo")
    assert "happens twice in Europe/Oslo" in done.reasons[2]
    assert "does not exist in Europe/Oslo" in done.reasons[4]
    # From 01:59 summer time to 03:00 winter time there are 121 minutes.
    assert (done.bars["S"].ts[1] - done.bars["S"].ts[0]) == 121 * 60_000_000
