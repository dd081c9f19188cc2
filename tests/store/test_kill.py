"""Real processes: killed under load, opened two at once, paused past the lease, read meanwhile."""

import os
import signal
import time
from random import Random

import apsw
import pytest

from streaming.errors import LeaseHeldError
from streaming.store import Process, StoreReader, TableStore

from .programs import as_commit
from .samples import contents, file_bytes, files_of, wal_size
from .zygote import Zygote, lines, numbered_commit, until


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as running:
        yield running


def undisturbed(path, count):
    """The store that the same commits give without a kill."""
    with TableStore(path, holder="whole") as store:
        for number in range(1, count + 1):
            store.commit(as_commit(*numbered_commit(number)))
    return file_bytes(path)


def kill_and_wait(pid):
    here = Process.this()
    running = Process(pid, 0, here.boot, here.space)
    os.kill(pid, signal.SIGKILL)
    until(lambda: running.gone(here))  # a kill takes a moment


def killed_again_and_again(zygote, folder, kills):
    path, told, random = folder / "store.db", folder / "told", Random(kills)
    committed = 0
    for kill in range(kills):
        told.unlink(missing_ok=True)
        pid = zygote.fork("commits", path, told)
        until(lambda: lines(told))
        assert lines(told)[0] == "opened", lines(told)
        time.sleep(random.uniform(0, 0.06))
        kill_and_wait(pid)
        seen = [int(line) for line in lines(told)[1:]]
        # Nothing that was told as committed is lost, and there is at most one more.
        with StoreReader(path) as reader, reader.snapshot() as view:
            number = view.ticks().number
            assert number - max([committed, *seen]) in (0, 1)
            assert int(view.positions().get("n", "0")) == int(view.state("n") or 0) == number
            assert view.lease().epoch == kill + 1
        committed = number
    assert committed > kills / 2
    with TableStore(path, holder="last") as store:
        assert store.epoch == kills + 1
        assert store.reader().verify()
    assert file_bytes(path) == undisturbed(folder / "whole.db", committed)
    assert contents(path) == contents(folder / "whole.db")


def test_killed_fifty_times(zygote, folder):
    killed_again_and_again(zygote, folder, 50)


@pytest.mark.slow
def test_killed_hundreds_of_times(zygote, tmp_path):
    killed_again_and_again(zygote, tmp_path, 400)


def test_of_several_that_open_at_once_one_gets_the_store(zygote, folder):
    at = time.time() + 0.3
    told = [folder / f"told{i}" for i in range(5)]
    pids = [
        zygote.fork("commits_from_time", folder / "store.db", one, at=at, pause=0.01, lease=60.0)
        for one in told
    ]
    until(lambda: all(lines(one) for one in told))
    first = sorted(lines(one)[0] for one in told)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert first[-1] == "opened"
    for refused in first[:-1]:
        assert refused.startswith("LeaseHeldError: ")
        assert "the store is held by child (process " in refused
    with StoreReader(folder / "store.db") as reader:
        assert reader.lease().epoch == 1


def test_a_killed_holder_is_known_as_gone_though_nobody_waited_for_it(zygote, folder):
    path, told = folder / "store.db", folder / "told"
    pid = zygote.fork("commits", path, told, lease=3600.0)
    until(lambda: len(lines(told)) > 2)
    with pytest.raises(LeaseHeldError) as error:
        TableStore(path, holder="second")
    assert error.value.holder == "child"
    assert 3500 < error.value.seconds <= 3600
    assert f"process {pid}" in str(error.value)
    os.kill(pid, signal.SIGKILL)
    with StoreReader(path) as reader:
        lease = reader.lease()
    until(lambda: lease.process.gone(Process.this()))
    TableStore(path, holder="second").release()


def stop_between_commits(pid, path):
    """Stop a process where it holds no lock: within a commit nobody else could get at the store."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        db = apsw.Connection(str(path))
        db.set_busy_timeout(100)
        try:
            db.execute("BEGIN IMMEDIATE; ROLLBACK")
        except apsw.BusyError:
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.002)
        else:
            return
        finally:
            db.close()


def test_a_zombie_that_wakes_up_past_its_lease_is_refused(zygote, folder):
    path, told = folder / "store.db", folder / "told"
    pid = zygote.fork("commits", path, told, lease=0.4, pause=0.001)
    until(lambda: len(lines(told)) > 3)
    stop_between_commits(pid, path)
    stopped = time.monotonic()

    def taken():
        try:
            return TableStore(path, holder="successor", lease_seconds=60)
        except LeaseHeldError:
            return None

    try:
        store = until(taken)
        assert time.monotonic() - stopped > 0.2
        with store.reader() as reader:
            number = reader.ticks().number
        store.commit(as_commit(*numbered_commit(number + 1)))
        after = contents(path)
    finally:
        os.kill(pid, signal.SIGCONT)
    last = until(lambda: lines(told)[-1].startswith("FencedError") and lines(told)[-1])
    assert "the lease of child (process " in last
    assert "has gone to successor (process " in last
    assert contents(path) == after
    store.commit(as_commit(*numbered_commit(number + 2)))
    store.release()
    assert file_bytes(path) == undisturbed(folder / "whole.db", number + 2)


def test_readers_in_three_processes_see_whole_commits_only(zygote, folder):
    path = folder / "store.db"
    with TableStore(path, holder="writer", checkpoint_pages=50) as store:
        told = [folder / f"told{i}" for i in range(3)]
        for one in told:
            zygote.fork("follows", path, one, seconds=2.0)
        until(lambda: all(lines(one) for one in told))
        number, waited = 0, []
        while not all(len(lines(one)) > 1 for one in told):
            number += 1
            begin = time.monotonic()
            store.commit(as_commit(*numbered_commit(number)))
            waited.append(time.monotonic() - begin)
            time.sleep(0.005)
        # Far below the 5 s of a lock that is waited for.
        assert max(waited) < 2
    for one in told:
        assert int(lines(one)[1].removeprefix("read ")) > 50, lines(one)


def test_a_long_reader_sees_its_moment_and_the_log_shrinks_when_it_ends(zygote, folder):
    path, told, end = folder / "store.db", folder / "told", folder / "end"
    with TableStore(path, holder="writer", checkpoint_pages=100) as store:
        store.commit(as_commit(*numbered_commit(1)))
        zygote.fork("reads_long", path, told, until=str(end))
        until(lambda: lines(told) == ["open"])
        small = as_commit([], {"n": b"x"}, {"n": "1"}, None)
        for _ in range(1000):
            store.commit(small)
        held = store.wal_bytes
        assert held == wal_size(path) > 1000 * 4096
        assert not store.checkpoint()
        end.touch()
        until(lambda: lines(told)[-1] == "closed")
        assert store.checkpoint()
        assert store.wal_bytes == 0
        most = 0
        for _ in range(1000):
            store.commit(small)
            most = max(most, store.wal_bytes)
        assert 0 < most < held / 4
    assert not files_of(path)[1].exists()
