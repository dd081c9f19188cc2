"""Tables written together: all or none, whatever happens midway, and nothing else touched."""

import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.contracts import (
    OPEN_POSITIONS_ROLLUP,
    QUARANTINE_HISTORY,
    RISK_ALERTS_HISTORY,
    arrow_schema,
)
from streaming.errors import LakeError
from streaming.runtimes.table_files import write_together

KNOWN = (RISK_ALERTS_HISTORY, QUARANTINE_HISTORY, OPEN_POSITIONS_ROLLUP)
NAMES = [f"{table.name}.parquet" for table in KNOWN]


def tables(word: str, chosen=KNOWN):
    """Tables that hold one word, or nothing but their schema."""
    rows = {table: arrow_schema(table).empty_table() for table in chosen}
    for table in (RISK_ALERTS_HISTORY, QUARANTINE_HISTORY):
        if table in rows:
            cells = {field.name: _cell(field, word) for field in arrow_schema(table)}
            rows[table] = pa.table(cells, schema=arrow_schema(table))
    return rows


def _cell(field, word):
    return pa.array([word if pa.types.is_string(field.type) else 1], field.type)


def words(folder: Path):
    """Which word each file of the folder holds, None where there is no row."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        rows = pq.read_table(path)
        column = "message" if "message" in rows.column_names else "reason"
        found[path.name] = rows[column][0].as_py() if rows.num_rows else None
    return found


ALL = {NAMES[0]: "new", NAMES[1]: "new", NAMES[2]: None}
OLD = {NAMES[0]: "old", NAMES[1]: "old", NAMES[2]: None}


def test_tables_are_replaced_and_others_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    write_together(tmp_path, tables("old"), KNOWN)
    assert words(tmp_path) == OLD
    write_together(tmp_path, tables("new"), KNOWN)
    assert words(tmp_path) == ALL
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NAMES, "mine.txt"])
    schema = pq.read_schema(tmp_path / NAMES[2])
    assert schema.equals(arrow_schema(OPEN_POSITIONS_ROLLUP))


def test_tables_that_a_run_does_not_write_are_removed(tmp_path):
    write_together(tmp_path, tables("old"), KNOWN)
    write_together(tmp_path, tables("new", KNOWN[:2]), KNOWN)
    assert words(tmp_path) == {NAMES[0]: "new", NAMES[1]: "new"}


class StopError(BaseException):
    """A signal's exception, which nobody expects."""


@pytest.mark.parametrize("moves", range(7))
def test_a_stop_at_any_move_puts_back_what_was_there(tmp_path, monkeypatch, moves):
    write_together(tmp_path, tables("old"), KNOWN)
    move, done = Path.replace, []

    def stopped(self, target):
        if len(done) == moves:
            done.append("stopped")
            raise StopError
        done.append(self)
        return move(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    if moves < 6:  # three away, three in
        with pytest.raises(StopError):
            write_together(tmp_path, tables("new"), KNOWN)
    else:
        write_together(tmp_path, tables("new"), KNOWN)
    assert words(tmp_path) == (OLD if moves < 6 else ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_stop_puts_back_tables_that_the_run_would_not_write(tmp_path, monkeypatch):
    write_together(tmp_path, tables("old"), KNOWN)

    def stopped(self, target):
        monkeypatch.undo()
        raise StopError

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(StopError):
        write_together(tmp_path, tables("new", KNOWN[:2]), KNOWN)
    assert words(tmp_path) == OLD


def started(work) -> int:
    """Run something in a child process; give its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except LakeError:
            os._exit(1)
        except BaseException:
            os._exit(99)
        os._exit(0)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work) -> int:
    return ended(started(work))


@pytest.mark.parametrize("moves", range(6))
def test_a_kill_at_any_move_never_mixes_two_runs(tmp_path, moves):
    write_together(tmp_path, tables("old"), KNOWN)

    def killed():
        move, done = Path.replace, []

        def replace(self, target):
            if len(done) == moves:
                os._exit(9)
            done.append(self)
            return move(self, target)

        Path.replace = replace
        write_together(tmp_path, tables("new"), KNOWN)

    assert forked(killed) == 9
    left = words(tmp_path)
    assert not {"old", "new"} <= set(left.values())
    if NAMES[0] in left:
        assert left in (OLD, ALL), "where the first is, all are"
    write_together(tmp_path, tables("new"), KNOWN)
    assert words(tmp_path) == ALL
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_disk_that_refuses_leaves_everything_as_it_was(tmp_path):
    write_together(tmp_path, tables("old"), KNOWN)

    def limited():
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        write_together(tmp_path, tables("new"), KNOWN)

    assert forked(limited) == 1
    assert words(tmp_path) == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(LakeError, match="out: is a file"):
        write_together(tmp_path / "out", tables("new"), KNOWN)
    with pytest.raises(LakeError, match="lies in one"):
        write_together(tmp_path / "out" / "deeper", tables("new"), KNOWN)


def test_two_processes_write_one_after_the_other(tmp_path):
    def work(word):
        for _ in range(12):
            write_together(tmp_path, tables(word), KNOWN)

    children = [started(lambda word=word: work(word)) for word in ("old", "new")]
    assert [ended(child) for child in children] == [0, 0]
    assert words(tmp_path) in (OLD, ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
