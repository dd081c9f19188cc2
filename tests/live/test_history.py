"""Aged history moves from the store to the lake: nothing is lost or doubled, killed anywhere."""

import os
import shutil
import signal

import numpy as np
import pyarrow as pa
import pytest
from runtimes.markets import lake_of

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    INDICATOR_LATEST,
    PRICE_1M_HISTORY,
    QUARANTINE_HISTORY,
    TABLES,
    arrow_schema,
)
from streaming.errors import LakeError
from streaming.feeds.replay import LakeReplay
from streaming.jobs.price_rows import rows_of_bars, rows_of_table
from streaming.lake import Lake, atomic
from streaming.lake.history import add_history, day_file, history_days, read_history
from streaming.rules.bars import DAY_US
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.history import CONSUMER, aged_before, move_history
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import Commit, StorePruner, StoreReader, TableStore, append

from .test_engine import changed

LOGS = [table for table in TABLES.values() if table.kind == "log"]
KEEP = 2


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch):
    """What a file system does with fsync is not what is tested here."""
    monkeypatch.setattr(atomic, "_flush", lambda path: None)


@pytest.fixture(scope="module")
def bars(market):
    return {name: one.rows(0, 420) for name, one in market.items()}


def play(path, lake, strategies, end=None, rows=100):
    with TableStore(path, holder="test") as store:
        service = LiveService(store, LivePlan(Settings(), strategies))
        for _ in service.run(LakeReplay(lake, lake.symbols(), end=end, rows=rows)):
            pass
        service.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory, bars):
    return lake_of(tmp_path_factory.mktemp("history") / "source", bars)


@pytest.fixture(scope="module")
def played(source, strategies):
    path = source.root.with_name("live.db")
    play(path, source, strategies)
    return path


@pytest.fixture
def store(played, tmp_path):
    """A copy of the store: nobody has it open."""
    return shutil.copy(played, tmp_path / "live.db")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def rows_of(store):
    """Every history table of a store."""
    with StoreReader(store) as reader:
        return {table.name: reader.rows(table) for table in LOGS}


def joined(store, lake):
    """What the lake and the store have together."""
    left = rows_of(store)
    return {
        table.name: pa.concat_tables([read_history(lake.root, table), left[table.name]])
        for table in LOGS
        if table is not PRICE_1M_HISTORY
    }


def content(lake):
    """Every file of a lake but locks."""
    return {
        str(path.relative_to(lake.root)): path.read_bytes()
        for path in sorted(lake.root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }


def test_what_is_old_goes_to_the_lake_and_out_of_the_store(store, lake, bars):
    before = rows_of(store)
    moved = move_history(store, lake, KEEP)
    after = rows_of(store)
    assert {name: rows.to_pylist() for name, rows in joined(store, lake).items()} == {
        name: before[name].to_pylist() for name in before if name != PRICE_1M_HISTORY.name
    }
    limit = aged_before(max(int(one.ts[-1]) for one in bars.values()), KEEP)
    assert len(history_days(lake.root, TABLES["indicator_history"])) >= 3
    for name, rows in after.items():
        times = rows.column(TABLES[name].event_time).cast(pa.int64()).to_numpy()
        assert (times >= limit).all(), name
    for table in LOGS:
        for day in history_days(lake.root, table):
            with pa.parquet.ParquetFile(day_file(lake.root, table, day)) as file:
                times = file.read().column(table.event_time).cast(pa.int64()).to_numpy()
            assert set(((times - 1) // DAY_US).tolist()) == {
                int(np.datetime64(day, "D").astype(int))
            }
    for name, one in moved.items():
        if TABLES[name].kind == "log":
            assert one.rows == one.added == one.pruned == len(before[name]) - len(after[name])
    # Changes of latest tables have no other end.
    assert moved[INDICATOR_LATEST.name].pruned > 0
    with StoreReader(store) as reader:
        assert reader.verify()
        assert reader.latest(INDICATOR_LATEST).num_rows > 0
    assert move_history(store, lake, KEEP) == {}


def test_bars_stand_beside_the_imported_ones_once(store, source, played, lake):
    with StoreReader(played) as reader:
        wanted = rows_of_table(reader.rows(PRICE_1M_HISTORY))
    # The lake that they came from has them all.
    copied = Lake(shutil.copytree(source.root, lake.root.with_name("same")))
    files = content(copied)
    moved = move_history(shutil.copy(store, store.with_name("b.db")), copied, KEEP)
    bar_files = {name: data for name, data in content(copied).items() if "bars.parquet" in name}
    assert bar_files == files
    assert moved[PRICE_1M_HISTORY.name].added == 0
    # One that has another bar keeps it; the live one goes to quarantine.
    other = wanted.take(slice(5, 6))
    lake.write_prices(changed(other, price=other.price + 1, high=other.high + 2))
    moved = move_history(store, lake, KEEP)[PRICE_1M_HISTORY.name]
    assert (moved.rows, moved.conflicts) == (moved.added + 1, 1)
    (refused,) = lake.quarantine(PRICE_1M_HISTORY.name).to_pylist()
    assert "another bar" in refused["reason"]
    assert sum(info.rows for info in lake.days()) == moved.rows


def killed_at(number, store, lake, keep):
    """Move in a process of its own that kills itself before a step; give whether it got there."""
    pid = os.fork()
    if pid == 0:
        left = number

        def at(step):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            move_history(store, lake, keep, at=at)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_killed_between_any_two_steps_and_done_again(tmp_path, bars, strategies, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size: "aa" * size)
    few = {name: one.rows(0, 160) for name, one in bars.items()}
    store, names = tmp_path / "live.db", []
    play(store, lake_of(tmp_path / "source", few), strategies, rows=500)
    kept, whole = shutil.copy(store, tmp_path / "whole.db"), Lake(tmp_path / "whole")
    move_history(kept, whole, 0, at=names.append)
    assert {"prune", "write exec_report_history", "keep exec_report_history"} <= set(names)
    wanted, left = content(whole), rows_of(kept)
    for number in range(1, len(names) + 1):
        one, lake = tmp_path / f"{number}.db", Lake(tmp_path / str(number))
        shutil.copy(store, one)
        assert killed_at(number, one, lake, 0), names[number - 1]
        # A row is in the lake, or still in the store.
        with StoreReader(one) as reader:
            offsets = reader.offsets()
            assert all(end >= offsets[name].first for (_, name), end in reader.consumers().items())
        move_history(one, lake, 0)
        assert content(lake) == wanted, names[number - 1]
        found = rows_of(one)
        assert all(found[name].equals(rows) for name, rows in left.items()), names[number - 1]


def test_an_engine_goes_on_over_a_store_that_is_moved_meanwhile(
    tmp_path, source, strategies, played, lake
):
    path = tmp_path / "live.db"
    ends = np.linspace(*(rows_of_bars_times(source)[at] for at in (0, -1)), 6).astype(int)[1:]
    for end in ends.tolist():
        play(path, source, strategies, end=end)
        move_history(path, lake, 1)
    wanted = rows_of(played)
    for name, rows in joined(path, lake).items():
        if name == "watermark_history":
            continue  # it tells how the input was cut
        clock = [one for one in ("calcTs",) if one in rows.column_names]
        assert rows.drop(clock).to_pylist() == wanted[name].drop(clock).to_pylist(), name
    with StoreReader(path) as reader, StoreReader(played) as whole:
        for table in TABLES.values():
            if table.kind == "latest" and table is not INDICATOR_LATEST:
                assert reader.latest(table).equals(whole.latest(table)), table.name


def rows_of_bars_times(lake):
    return np.sort(rows_of_bars(lake.bars(), "x").ts)


def test_a_store_that_was_begun_anew_doubles_nothing(store, played, lake):
    move_history(store, lake, KEEP)
    wanted = {table.name: read_history(lake.root, table) for table in LOGS}
    again = shutil.copy(played, store.with_name("anew.db"))
    moved = move_history(again, lake, KEEP, rows=700)
    for table in LOGS:
        assert read_history(lake.root, table).equals(wanted[table.name]), table.name
        if table.name in moved:
            assert moved[table.name].added == 0
            assert moved[table.name].rows == moved[table.name].pruned


def test_nothing_is_pruned_that_another_reader_wants(store, lake):
    pruner = StorePruner(store)
    pruner.keep("bridge", EXEC_REPORT_HISTORY, 3)
    pruner.close()
    move_history(store, lake, KEEP)
    with StoreReader(store) as reader:
        assert reader.offsets()[EXEC_REPORT_HISTORY.name].first == 3
    # They are in the lake all the same, and not again when they can go.
    held = read_history(lake.root, EXEC_REPORT_HISTORY)
    pruner = StorePruner(store)
    pruner.forget("bridge")
    pruner.close()
    assert move_history(store, lake, KEEP)[EXEC_REPORT_HISTORY.name].pruned > 0
    assert read_history(lake.root, EXEC_REPORT_HISTORY).equals(held)


def test_rows_without_a_time_go_with_the_next(tmp_path, lake):
    day = DAY_US
    times = [None, 10 * day + 5, None, None, 11 * day + 5, None, 20 * day]
    rows = pa.Table.from_pylist(
        [
            {"tableName": "t", "source": "s", "rowNumber": at, "ts": ts, "reason": "r", "row": "{}"}
            for at, ts in enumerate(times)
        ],
        arrow_schema(QUARANTINE_HISTORY),
    )
    path = tmp_path / "q.db"
    with TableStore(path, holder="test") as store:
        store.commit(Commit([append(QUARANTINE_HISTORY, rows)], complete_to=20 * day))
    moved = move_history(path, lake, 1, rows=1)
    assert moved[QUARANTINE_HISTORY.name].rows == 5
    assert [str(one) for one in history_days(lake.root, QUARANTINE_HISTORY)] == [
        "1970-01-11",
        "1970-01-12",
    ]
    assert read_history(lake.root, QUARANTINE_HISTORY).column("rowNumber").to_pylist() == [
        *range(5)
    ]


def test_a_damaged_file_of_a_day_stops_the_move_and_loses_nothing(store, lake):
    rows = rows_of(store)[EXEC_REPORT_HISTORY.name]
    before = rows_of(store)
    times = rows.column("ts").cast(pa.int64()).to_numpy()
    (day,) = {(int(times[0]) - 1) // DAY_US}
    path = day_file(lake.root, EXEC_REPORT_HISTORY, np.datetime64(day, "D").item())
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(LakeError, match="is damaged, or no file of live history"):
        move_history(store, lake, KEEP)
    after = rows_of(store)
    for name, found in after.items():
        assert found.equals(before[name]), name
    path.unlink()
    move_history(store, lake, KEEP)
    assert joined(store, lake)[EXEC_REPORT_HISTORY.name].equals(rows)


def test_rows_are_added_to_a_day_once(lake, store):
    rows = rows_of(store)[EXEC_REPORT_HISTORY.name].slice(0, 10)
    day = np.datetime64("2024-01-22", "D").item()
    parts = [(0, 4), (0, 4), (2, 7), (7, 10), (0, 10)]
    added = [
        add_history(
            lake.root,
            EXEC_REPORT_HISTORY,
            day,
            rows.slice(begin, end - begin),
            list(range(begin, end)),
            "one",
            end,
        )
        for begin, end in parts
    ]
    assert added == [4, 0, 3, 3, 0]
    assert read_history(lake.root, EXEC_REPORT_HISTORY).equals(rows)


def test_a_store_knows_the_lake_under_one_name(store, lake):
    move_history(store, lake, KEEP)
    move_history(store, lake, 1)
    with StoreReader(store) as reader:
        names = {name for name, _ in reader.consumers()}
    (name,) = names - {"live engine"}  # which keeps the weights that it has not read
    assert name.startswith(CONSUMER)
