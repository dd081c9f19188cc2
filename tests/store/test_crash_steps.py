"""An abort at every single step: what is left is before or after, and doing it again heals."""

import shutil
from random import Random

import pytest

from streaming.contracts import OPEN_POSITIONS_ROLLUP, TABLES
from streaming.errors import StoreFullError
from streaming.store import StoreReader

from .oracle import Oracle
from .programs import as_commit, random_commit
from .samples import (
    LATEST,
    LOGS,
    HandClock,
    contents,
    copy_as_killed,
    file_bytes,
    open_as_dead,
    samples,
)


class Killed(BaseException):
    """No handler may take it for an error that it can mend."""


class Axe:
    """Ends the process at one step, and keeps the files as they are at that instant."""

    def __init__(self, path, folder, at=None):
        self.path, self.folder, self.at = path, folder, at
        self.steps = []

    def __call__(self, step):
        self.steps.append(step)
        if len(self.steps) - 1 == self.at:
            copy_as_killed(self.path, self.folder)
            raise Killed


def rich_commit():
    """Every kind of change: also twice on one key, and deletes that meet a row."""
    random = Random(7)
    changes = [("append", table, samples(table, random, 3)) for table in LOGS]
    for table in LATEST:
        rows = samples(table, random, 4)
        changes += [("upsert", table, rows), ("delete", table, rows[:1]), ("upsert", table, rows)]
        changes.append(("delete", table, rows[1:2]))
    return changes, {"p": b"new", "q": None}, {"f": "9", "g": None}, 60


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A store with some history, and the oracle of it."""
    folder = tmp_path_factory.mktemp("base")
    oracle, random = Oracle(), Random(1)
    with open_as_dead(folder / "store.db", HandClock()) as store:
        for moment in range(8):
            given = random_commit(random, moment)
            store.commit(as_commit(*given))
            oracle.commit(*given)
        given = [("upsert", OPEN_POSITIONS_ROLLUP, samples(OPEN_POSITIONS_ROLLUP, random, 5))]
        store.commit(as_commit(given, {"q": b"old"}, {"g": b"old"}, None))
        oracle.commit(given, {"q": b"old"}, {"g": b"old"})
    assert contents(folder / "store.db") == oracle.contents()
    return folder


def a_commit(store):
    store.commit(as_commit(*rich_commit()))


def a_prune(store):
    offsets = {table.name: 3 for table in LATEST}
    while store.prune(before=None, offsets=offsets, rows=9).more:
        pass


def a_keep(store):
    store.keep("lake", LATEST[0], 1)


def a_heartbeat(store):
    store.heartbeat()


WORK = [a_commit, a_prune, a_keep, a_heartbeat]


def run(base, folder, name, work, kill_at=None):
    """Do work on a copy of the base; where it is killed, give what the kill left."""
    path = shutil.copytree(base, folder / name) / "store.db"
    axe = Axe(path, folder / f"{name}-killed", kill_at)
    store = None
    try:
        store = open_as_dead(path, HandClock(), checkpoint_pages=1, at=axe)
        work(store)
        store.release()
    except Killed:
        if store is not None:
            store.close()
        return axe.folder / "store.db", axe.steps
    return path, axe.steps


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_a_kill_at_every_step_leaves_before_or_after(base, folder, work):
    before = contents(base / "store.db")
    path, steps = run(base, folder, "whole", work)
    after, exported = contents(path), file_bytes(path)
    assert (before == after) == (work is a_heartbeat)
    seen = set()
    for number, step in enumerate(steps):
        path, _ = run(base, folder, f"kill{number}", work, number)
        found = contents(path)
        if work is a_prune:  # several transactions, each whole
            assert found["ticks"] == before["ticks"]
        else:
            assert found in (before, after), step
        seen.add(found == after)
        with open_as_dead(path, HandClock()) as store:
            assert store.reader().verify()
            if found != after:
                work(store)
        assert file_bytes(path) == exported, step
    assert True in seen and (False in seen or work is a_heartbeat)


def test_every_statement_of_a_commit_is_a_step(base, folder):
    _, steps = run(base, folder, "whole", a_commit)
    begin = steps.index("commit: begin")
    names = steps[begin : steps.index("commit: committed") + 1]
    assert names[:3] == ["commit: begin", "commit: fence", "read offsets"]
    assert names[-2:] == ["commit: commit", "commit: committed"]
    for table in LATEST:
        for step in ("read", "upsert", "delete"):
            assert f"{step} {table.name}" in names
        assert f"write {table.name}_changes" in names
    assert [f"append {table.name}" for table in LOGS if f"append {table.name}" in names]
    assert steps[begin + len(names) : begin + len(names) + 2] == ["checkpoint", "checkpointed"]


def test_a_kill_while_the_store_is_made_leaves_nothing_or_all(folder):
    steps = []
    whole = folder / "whole.db"
    open_as_dead(whole, HandClock(), at=steps.append).release()
    assert steps[:4] == ["create: begin", "create: commit", "create: committed", "open: begin"]
    for number in range(len(steps)):
        path = folder / f"{number}.db"
        axe = Axe(path, folder / f"{number}-killed", number)
        with pytest.raises(Killed):
            open_as_dead(path, HandClock(), at=axe).release()
        killed = axe.folder / path.name
        with open_as_dead(killed, HandClock()):
            pass
        assert contents(killed) == contents(whole)


def test_an_error_midway_leaves_the_open_store_as_it_was(base, folder):
    """Not a kill: the same writer goes on."""
    path = shutil.copytree(base, folder / "b") / "store.db"
    before = contents(path)
    _, steps = run(base, folder, "whole", a_commit)
    names = steps[steps.index("commit: begin") : steps.index("commit: committed")]
    fail = [None]

    def at(step):
        if step == fail[0]:
            raise StoreFullError("here")

    with open_as_dead(path, HandClock(), at=at) as store:
        for step in names:
            fail[0] = step
            with pytest.raises(StoreFullError):
                a_commit(store)
            assert contents(path) == before
        fail[0] = None
        a_commit(store)
    assert file_bytes(path) == file_bytes(folder / "whole" / "store.db")


def test_a_deleted_key_that_is_not_there_is_no_change(base, folder):
    path = shutil.copytree(base, folder / "b") / "store.db"
    before = contents(path)
    rows = samples(OPEN_POSITIONS_ROLLUP, Random(1), 3)
    nobody = [row | {"accountId": "nobody"} for row in rows]
    with open_as_dead(path, HandClock()) as store:
        store.commit(as_commit([("delete", OPEN_POSITIONS_ROLLUP, nobody)], {}, {}, None))
        store.commit(as_commit([("upsert", OPEN_POSITIONS_ROLLUP, [])], {}, {}, None))
    found = contents(path)
    assert found.pop("ticks")[0] == before.pop("ticks")[0] + 2
    assert found == before


def test_every_table_of_the_contracts_can_be_read_from_an_empty_store(folder):
    open_as_dead(folder / "store.db", HandClock()).release()
    with StoreReader(folder / "store.db") as reader:
        for table in TABLES.values():
            assert reader.rows(table).num_rows == 0
            assert reader.changes(table, 0).next == 0
