"""A full disk and back, and files that are damaged, foreign or gone."""

from random import Random

import apsw
import pytest

from streaming.contracts import EXEC_REPORT_HISTORY, RISK_ALERTS_HISTORY
from streaming.errors import StoreDamagedError, StoreError, StoreFullError
from streaming.store import Commit, StorePruner, StoreReader, TableStore

from .oracle import Oracle
from .programs import as_commit, random_commit
from .samples import HandClock, contents, copy_as_killed, open_as_dead, samples

LITTLE = 4096


@pytest.fixture
def disk(small_disk):
    """A disk of 2 MiB."""
    return small_disk("2m")


class TestFullDisk:
    def test_it_is_told_leaves_all_as_it_was_and_passes(self, disk):
        path, ballast = disk / "store.db", disk / "ballast"
        oracle, random = Oracle(), Random(1)
        with open_as_dead(path, HandClock(), checkpoint_pages=30) as store:
            for _ in range(3):
                ballast.write_bytes(bytes(1 << 19))
                given = None
                with pytest.raises(StoreFullError, match=r"the disk is full\. Nothing of it was"):
                    while True:
                        rows = samples(EXEC_REPORT_HISTORY, random, 5)
                        state = {f"{oracle.number}": random.randbytes(40_000)}
                        given = [("append", EXEC_REPORT_HISTORY, rows)], state, {}, None
                        store.commit(as_commit(*given))
                        oracle.commit(*given)
                assert contents(path) == oracle.contents()
                ballast.unlink()  # there is room again
                store.commit(as_commit(*given))
                oracle.commit(*given)
                assert contents(path) == oracle.contents()
                given = [], dict.fromkeys(oracle.state), {}, None
                store.commit(as_commit(*given))
                oracle.commit(*given)
                assert store.checkpoint()
            assert oracle.number > 6
            with store.reader() as reader:
                assert reader.verify()

    def test_a_store_cannot_be_made_on_it(self, disk):
        (disk / "ballast").write_bytes(bytes(2 * 2**20 - 8 * LITTLE))
        with pytest.raises(StoreFullError, match=r"store\.db: the disk is full"):
            TableStore(disk / "store.db", holder="x")
        (disk / "ballast").unlink()
        with open_as_dead(disk / "store.db", HandClock()):
            pass
        assert contents(disk / "store.db") == Oracle().contents()


@pytest.fixture
def made(folder):
    """A store of some pages, and the contents after each of its last commits."""
    path, random = folder / "store.db", Random(3)
    with open_as_dead(path, HandClock()) as store:
        for moment in range(20):
            store.commit(as_commit(*random_commit(random, moment)))
        rows = samples(EXEC_REPORT_HISTORY, random, 3000)
        store.commit(as_commit([("append", EXEC_REPORT_HISTORY, rows)], {}, {}, None))
    return path


def overwrite(path, place, data):
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


DAMAGED = r"store\.db: the store's file is damaged \(.*move it aside with store\.db-wal and"


@pytest.mark.parametrize("make", [StoreReader, StorePruner, lambda p: TableStore(p, holder="x")])
class TestOpening:
    def test_a_damaged_header(self, made, make):
        overwrite(made, 0, b"\0" * 100)
        with pytest.raises(StoreDamagedError, match=DAMAGED):
            make(made)

    def test_a_file_of_something_else(self, folder, make):
        path = folder / "store.db"
        path.write_text("symbol,ts,price\n" * 500)
        with pytest.raises(StoreDamagedError, match=DAMAGED):
            make(path)

    def test_another_programs_database(self, folder, make):
        path = folder / "store.db"
        other = apsw.Connection(str(path))
        other.execute("CREATE TABLE t (a)")
        other.close()
        before = path.read_bytes()
        with pytest.raises(StoreDamagedError, match="is a SQLite file, but no table store"):
            make(path)
        if make is StoreReader:
            assert path.read_bytes() == before

    def test_a_file_cut_short(self, made, make):
        with made.open("r+b") as file:
            file.truncate(made.stat().st_size // 2)
        with pytest.raises(StoreDamagedError, match=DAMAGED):
            make(made)

    def test_no_folder(self, folder, make):
        with pytest.raises(StoreError, match=r"there is no such file|there is no store"):
            make(folder / "nowhere" / "store.db")

    def test_a_table_that_is_missing(self, made, make):
        other = apsw.Connection(str(made))
        other.execute("DROP TABLE store_positions")
        other.close()
        with pytest.raises(StoreDamagedError, match="table store_positions is missing"):
            make(made)


def test_a_reader_of_no_file_makes_none(folder):
    with pytest.raises(StoreError, match="there is no such file"):
        StoreReader(folder / "store.db")
    assert list(folder.iterdir()) == []


def test_a_store_that_is_being_made_is_empty_not_damaged(folder):
    path = folder / "store.db"
    path.touch()
    for make in (StoreReader, StorePruner):
        with pytest.raises(StoreError, match="the store is empty") as error:
            make(path)
        assert not isinstance(error.value, StoreDamagedError)
    with open_as_dead(path, HandClock()):
        pass
    assert contents(path) == Oracle().contents()


def test_a_damaged_page_in_the_middle_is_found_by_the_check(made):
    pages = made.stat().st_size // 4096
    found = 0
    for page in range(pages // 2, pages - 2, 7):
        damaged = copy_as_killed(made, made.parent / f"page{page}") / ""
        overwrite(damaged, page * 4096, b"\xa5" * 4096)
        try:
            with StoreReader(damaged) as reader:
                reader.verify()
        except StoreDamagedError as error:
            assert "store.db: the store's file is damaged (" in str(error)
            found += 1
    assert found == len(range(pages // 2, pages - 2, 7)) > 5


def test_rows_that_vanished_are_found_by_the_check(made):
    other = apsw.Connection(str(made))
    other.execute("DELETE FROM exec_report_history WHERE offset = 7")
    other.close()
    with (
        StoreReader(made) as reader,
        pytest.raises(StoreDamagedError, match="table exec_report_history should have the offsets"),
    ):
        reader.verify()


def test_a_row_that_no_commit_would_take_is_found_by_the_check(made):
    other = apsw.Connection(str(made))
    other.execute("PRAGMA ignore_check_constraints = ON")
    other.execute("INSERT INTO open_positions_rollup VALUES ('A', 'x', 'odd', 'LONG', 1, 0, 0)")
    other.close()
    with (
        StoreReader(made) as reader,
        pytest.raises(StoreDamagedError, match="CHECK constraint failed in open_positions_rollup"),
    ):
        reader.verify()


def test_a_check_may_be_given_little_time(made):
    with StoreReader(made) as reader:
        assert reader.verify(seconds=0) is False
        assert reader.verify(seconds=60) is True


def test_a_log_cut_short_leaves_an_earlier_commit_whole(folder):
    path, random = folder / "store.db", Random(5)
    oracle, states = Oracle(), []
    store = open_as_dead(path, HandClock(), checkpoint_pages=10**6)
    for moment in range(12):
        given = random_commit(random, moment)
        rows = samples(RISK_ALERTS_HISTORY, random, 1)
        given[0].append(("append", RISK_ALERTS_HISTORY, rows))
        store.commit(as_commit(*given))
        oracle.commit(*given)
        states.append(oracle.contents() | {"state": dict(oracle.state)})
        states[-1]["positions"] = dict(oracle.positions)
    killed = copy_as_killed(path, folder / "killed")
    end = oracle.logs[RISK_ALERTS_HISTORY.name][-1]["offset"] + 1
    store.close()
    log = killed.with_name("store.db-wal")
    size = log.stat().st_size
    lost = 0
    for part in (0.999, 0.9, 0.7, 0.5):
        cut = copy_as_killed(killed, folder / f"cut{part}")
        with cut.with_name("store.db-wal").open("r+b") as file:
            file.truncate(int(size * part))
        found = contents(cut)
        assert states[found["ticks"][0] - 1] == found
        lost += found["ticks"][0] < 12
        with open_as_dead(cut, HandClock()) as again, again.reader() as reader:
            assert again.commit(Commit()).number == found["ticks"][0] + 1
            # Who has read more than there is now is told so.
            with pytest.raises(StoreDamagedError, match="it has lost its last commits"):
                reader.changes(RISK_ALERTS_HISTORY, end)
    assert lost == 4
