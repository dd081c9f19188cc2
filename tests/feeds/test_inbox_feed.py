"""The inbox as a feed: each file once, in order, whole; restarts anywhere; bad files aside."""

import gzip
import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.errors import SourceError
from streaming.feeds import json_lines, tabular
from streaming.feeds.inbox_feed import InboxFeed
from streaming.feeds.inbox_files import InboxFiles
from streaming.feeds.reading import Reading

from .arriving import REPORTS, bar, report, taken, write
from .files import HEADER, kline


@pytest.fixture
def root(tmp_path):
    for name in ("bars", "reports"):
        (tmp_path / "in" / name).mkdir(parents=True)
    return tmp_path / "in"


def feed(root, **how):
    return InboxFeed(root, settle_seconds=0.0, follow=False, **how)


def everything(root, position=None, **how):
    return list(feed(root, **how).batches(position))


def names(root, folder):
    return sorted(path.name.split("-", 3)[3] for path in (root / folder).glob("0*"))


def test_reports_come_before_bars_and_files_by_time_of_writing(root):
    for at, (name, age) in enumerate({"b.csv": 3, "c.csv": 2, "a.csv": 2}.items()):
        write(root / "bars" / name, [bar(at)], "csv")
        os.utime(root / "bars" / name, (time.time() - age,) * 2)
    now = time.time() - 2
    for name in ("a.csv", "c.csv"):
        os.utime(root / "bars" / name, (now, now))
    write(root / "reports" / "z.jsonl", [report(1)], "jsonl", REPORTS)
    (batch,) = everything(root)
    found = taken([batch])
    assert [row[0] for row in found["reports"]] == ["z.jsonl"]
    assert [row[0] for row in found["bars"]] == ["b.csv", "a.csv", "c.csv"]
    assert batch.complete_to is None
    assert names(root, "taken") == ["a.csv", "b.csv", "c.csv", "z.jsonl"]
    assert not list((root / "bars").iterdir())
    # Nothing is taken twice, and a store that begins later has the same in the same order.
    assert everything(root, batch.position) == []
    assert taken(everything(root)) == found


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_form_gives_the_same_rows(root, kind):
    write(root / "bars" / "x", [bar(at) for at in range(20)], kind)
    write(root / "reports" / "x", [report(at) for at in range(20)], kind, REPORTS)
    found = taken(everything(root))
    assert [row[1:] for row in found["bars"]] == [
        (at + 1, "S", f"2024-03-04 12:{at:02d}:00+00:00", "101.25", None) for at in range(20)
    ]
    assert [row[1:4] for row in found["reports"]] == [(at + 1, "o", str(at)) for at in range(20)]
    assert found["refused"] == found["alerts"] == []


def test_a_file_that_is_being_written_waits(root):
    for name in (".a.csv", "b.csv.tmp", "c.part", "d.filepart"):
        (root / "bars" / name).write_text(f"{HEADER}\n{bar(1)}\n")
    (root / "bars" / "folder.csv").mkdir()
    (root / "bars" / "link.csv").symlink_to(root / "bars" / ".a.csv")
    write(root / "bars" / "e.csv", [bar(2)], "csv")
    assert list(InboxFeed(root, settle_seconds=60.0, follow=False).batches(None)) == []
    (batch,) = everything(root)
    assert [row[0] for row in taken([batch])["bars"]] == ["e.csv"]
    assert len(list((root / "bars").iterdir())) == 6
    (root / "bars" / "b.csv.tmp").rename(root / "bars" / "b.csv")
    (batch,) = everything(root, batch.position)
    assert [row[0] for row in taken([batch])["bars"]] == ["b.csv"]


def test_a_content_counts_once_under_any_name(root):
    write(root / "bars" / "a.csv", [bar(1)], "csv")
    (batch,) = everything(root)
    write(root / "bars" / "b.csv", [bar(1)], "csv")
    write(root / "bars" / "a.csv", [bar(2)], "csv")
    (batch,) = everything(root, batch.position)
    assert [row[:2] for row in taken([batch])["bars"]] == [("a.csv", 1)]
    assert [path.name for path in (root / "repeated").iterdir()] == ["b.csv"]


def test_it_waits_for_more_and_says_that_there_is_nothing(root):
    running = InboxFeed(root, settle_seconds=0.0).batches(None)
    assert [next(running), next(running)] == [None, None]
    write(root / "bars" / "a.csv", [bar(1)], "csv")
    assert taken([next(running)])["bars"]
    assert next(running) is None


BAD = {
    "empty.csv": b"",
    "header.csv": HEADER.encode(),
    "half.csv.gz": gzip.compress("\n".join([HEADER, *map(bar, range(200))]).encode())[:-9],
    "other.csv": b"a,b\n1,2\n",
    "page.html": b"<html></html>",
    "array.json": b'[{"ts": 1}]',
    "cut.parquet": b"PAR1 but no more",
}


def test_a_bad_file_goes_aside_with_a_message_and_stops_nothing(root):
    write(root / "bars" / "0.csv", [bar(0)], "csv")
    for name, content in BAD.items():
        (root / "bars" / name).write_bytes(content)
    write(root / "reports" / "bars.csv", [bar(0, "T")], "csv")
    write(root / "bars" / "z.csv", ["S,soon,1,1,1,1,1", bar(1), "cut,short"], "csv")
    found = taken(everything(root))
    assert [row[:2] for row in found["bars"]] == [("0.csv", 1), ("z.csv", 1), ("z.csv", 2)]
    assert "time 'soon' is no date" in found["bars"][1][-1]
    refused = {row[0]: row[1:] for row in found["refused"]}
    assert set(refused) == {*BAD, "bars.csv", "z.csv"}
    assert refused.pop("z.csv") == (3, "line has 2 cells for 7 columns")
    assert refused["bars.csv"][1].startswith("bars.csv: column accountId of exec_report_history is")
    assert refused["half.csv.gz"][1].startswith("half.csv.gz: is damaged or cut short")
    assert len(found["alerts"]) == len(refused)
    for message in found["alerts"]:
        told, _, place = message.rpartition(" Nothing of it was used; it lies in ")
        assert told in {reason for _, reason in refused.values()}
        assert (root / place.removesuffix(".")).is_file()
    # Read again from the beginning, all of it is the same.
    assert taken(everything(root)) == found


def test_a_column_of_another_kind_refuses_the_file_not_the_engine(root):
    names = HEADER.split(",")
    columns = [pa.array(["S"]), pa.array([1709555400]), *[pa.array([True])] * 5]
    pq.write_table(pa.table(columns, names), root / "bars" / "a.parquet")
    found = taken(everything(root))
    assert found["bars"] == []
    assert "column open is of type bool" in found["alerts"][0]


def test_a_refused_file_may_come_again_once_it_can_be_read(root):
    (root / "bars" / "BTCUSDT-1m-2024-03.csv").write_text(kline(1709555400) + "\n")
    (batch,) = everything(root)
    (aside,) = (root / "refused").iterdir()
    aside.rename(root / "bars" / "BTCUSDT-1m-2024-03.csv")
    (batch,) = everything(root, batch.position, reading_of=lambda name: Reading(source="binance"))
    assert taken([batch])["bars"][0][2] == "BTCUSDT"


def test_a_file_written_to_after_it_was_taken_is_refused(root):
    write(root / "bars" / "a.csv", [bar(at) for at in range(10)], "csv")
    (first, *_) = everything(root, rows=4)
    (path,) = (root / "taken").glob("0*")
    with path.open("a") as file:
        file.write(bar(11))
    found = taken(everything(root, first.position, rows=4))
    assert found["bars"] == []
    assert "was written to after it had been taken" in found["alerts"][0]
    assert " Its rows up to 4 were used; " in found["alerts"][0]


def test_a_large_file_is_given_in_parts_whole_or_not_at_all(root, monkeypatch):
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 400)
    lines = [bar(at) for at in range(60)]
    write(root / "bars" / "a.csv", lines, "csv")
    batches = everything(root, rows=5)
    assert max(batch.arrivals[0].rows.num_rows for batch in batches) == 5
    assert len(taken(batches)["bars"]) == 60
    packed = gzip.compress("\n".join([HEADER, *lines, bar(61)]).encode())
    (root / "bars" / "b.csv.gz").write_bytes(packed[:-6])
    (batch,) = everything(root, batches[-1].position, rows=5)
    assert taken([batch])["bars"] == []
    assert "damaged or cut short" in taken([batch])["alerts"][0]


def test_a_position_of_another_inbox_or_feed_is_refused(root, tmp_path):
    write(root / "bars" / "a.csv", [bar(1)], "csv")
    (batch,) = everything(root)
    write(tmp_path / "a.csv", [bar(2)], "csv")
    (tmp_path / "other" / "bars").mkdir(parents=True)
    (tmp_path / "a.csv").rename(tmp_path / "other" / "bars" / "a.csv")
    everything(tmp_path / "other")
    with pytest.raises(SourceError, match="was fed from another inbox"):
        everything(tmp_path / "other", batch.position)
    with pytest.raises(SourceError, match="is none of an inbox"):
        everything(root, "1709555400 abc")


def test_used_files_may_be_deleted_and_numbers_go_on(root):
    write(root / "bars" / "a.csv", [bar(1)], "csv")
    (batch,) = everything(root)
    for path in (root / "taken").iterdir():
        path.unlink()
    write(root / "bars" / "b.csv", [bar(2)], "csv")
    (batch,) = everything(root, batch.position)
    assert batch.position.startswith("2 all ")


def test_two_engines_share_an_inbox(root):
    one, other = (InboxFiles(root, 0, 0.0) for _ in range(2))
    numbers = []
    for at in range(6):
        write(root / "bars" / "a.csv", [bar(at)], "csv")
        taker, follower = (one, other) if at % 2 else (other, one)
        numbers.append((taker.next().number, follower.next().number))
        assert follower.next() is None
    assert numbers == [(at + 1, at + 1) for at in range(6)]


LINES = st.sampled_from(["bar", "bar", "bar", "soon", "short"])


def line(at, kind):
    return {"bar": bar(at), "soon": f"S,soon{at},1,2,1,1,1", "short": f"cut,{at}"}[kind]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_cut_and_any_restarts_give_the_same_rows(data, tmp_path_factory):
    """Files of any sizes, batches of any, blocks of any; begun again from any batch."""
    root = tmp_path_factory.mktemp("cut") / "in"
    for name in ("bars", "reports"):
        (root / name).mkdir(parents=True)
    sizes = data.draw(st.lists(st.integers(1, 25), min_size=1, max_size=5))
    wanted, at = [], 0
    for number, size in enumerate(sizes):
        kinds = data.draw(st.lists(LINES, min_size=size, max_size=size))
        lines = [line(at + row, kind) for row, kind in enumerate(kinds)]
        form = (
            "csv" if "short" in kinds else data.draw(st.sampled_from(["csv", "jsonl", "parquet"]))
        )
        if data.draw(st.booleans()):
            lines = [report(at + row) for row in range(size)]
            write(root / "reports" / f"{number}.x", lines, form, REPORTS)
            kinds = ["report"] * size
        else:
            write(root / "bars" / f"{number}.x", lines, form)
        wanted += [(f"{number}.x", row, kind) for row, kind in enumerate(kinds, 1)]
        at += size
    block = data.draw(st.integers(300, 1500))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tabular, "BLOCK_BYTES", block)
        patched.setattr(json_lines, "BLOCK_BYTES", block)
        kept, position = [], None
        while True:
            how = {"rows": data.draw(st.integers(1, 30))}
            running = feed(root, **how).batches(position)
            steps = data.draw(st.integers(1, 4))
            got = [batch for batch, _ in zip(running, range(steps), strict=False)]
            if not got:
                break
            # The last may not have been kept: it was read, and the engine was killed.
            if data.draw(st.booleans()):
                got.pop()
            kept += got
            position = got[-1].position if got else position
        whole = taken(everything(root))
    found = taken(kept)
    assert found == whole
    rows = [row[:2] for name in ("reports", "bars", "refused") for row in found[name]]
    assert sorted(rows) == sorted(row[:2] for row in wanted)
