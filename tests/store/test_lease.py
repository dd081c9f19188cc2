"""The lease: who gets it when, on which clock, and what the loser is told."""

import dataclasses
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from random import Random

import apsw
import pytest

from streaming.contracts import RISK_ALERTS_HISTORY
from streaming.errors import FencedError, LeaseHeldError, StoreError
from streaming.store import Clock, Commit, Process, StorePruner, StoreReader, TableStore, append

from .samples import DEAD, HandClock, arrow, contents, samples

HERE = Process.this()


def alerts(count=1):
    return Commit([append(RISK_ALERTS_HISTORY, arrow(RISK_ALERTS_HISTORY, rows(count)))])


def rows(count):
    return samples(RISK_ALERTS_HISTORY, Random(1), count)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def path(folder):
    return folder / "store.db"


def test_a_living_process_keeps_it_until_its_time_is_over(path, clock):
    first = TableStore(path, holder="first", lease_seconds=10, clock=clock)
    since = f"{datetime.fromtimestamp(clock.wall() // 1_000_000, UTC):%Y-%m-%d %H:%M:%SZ}"
    clock.sleep(9.5)
    who = rf"held by first \(process \d+, epoch 1\) since {since}, and for another 0.5 s"
    with pytest.raises(LeaseHeldError, match=who):
        TableStore(path, holder="second", clock=clock)
    clock.sleep(0.5)
    second = TableStore(path, holder="second", clock=clock)
    assert (first.epoch, second.epoch) == (1, 2)
    before = contents(path)
    for work in (
        lambda: first.commit(alerts()),
        first.heartbeat,
        first.prune,
        lambda: first.keep("lake", RISK_ALERTS_HISTORY, 0),
        lambda: first.forget("lake"),
        first.release,
    ):
        with pytest.raises(FencedError, match=r"first .*epoch 1\) has gone to second .*epoch 2\)"):
            work()
        assert contents(path) == before
    second.commit(alerts())
    second.release()


@pytest.mark.parametrize("beat", ["heartbeat", "commit"])
def test_heartbeats_and_commits_prolong_it(path, clock, beat):
    store = TableStore(path, holder="first", lease_seconds=10, clock=clock)
    for _ in range(5):
        clock.sleep(9)
        store.heartbeat() if beat == "heartbeat" else store.commit(alerts())
    with pytest.raises(LeaseHeldError, match=r"another 10\.0 s"):
        TableStore(path, holder="second", clock=clock)
    store.release()


def test_a_lease_that_passed_while_nobody_wanted_it_is_still_its_holders(path, clock):
    store = TableStore(path, holder="first", lease_seconds=10, clock=clock)
    clock.sleep(1000)
    assert store.commit(alerts()).number == 1
    with pytest.raises(LeaseHeldError):
        TableStore(path, holder="second", clock=clock)
    store.release()


def test_a_released_lease_is_free_at_once(path, clock):
    with TableStore(path, holder="first", lease_seconds=1000, clock=clock):
        pass
    with TableStore(path, holder="second", clock=clock) as store:
        assert store.epoch == 2


def test_a_fenced_writer_leaves_its_block_with_that_error_alone(path, clock):
    with (
        pytest.raises(FencedError),
        TableStore(path, holder="a", lease_seconds=1, clock=clock) as a,
    ):
        clock.sleep(2)
        TableStore(path, holder="b", clock=clock).release()
        a.commit(alerts())


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_wall_clock_may_jump(path, clock, hours):
    store = TableStore(path, holder="first", lease_seconds=10, clock=clock)
    clock.now += hours * 3600 * 10**6
    clock.sleep(4)
    with pytest.raises(LeaseHeldError, match=r"another 6\.0 s"):
        TableStore(path, holder="second", clock=clock)
    store.heartbeat()
    clock.sleep(10)
    TableStore(path, holder="second", clock=clock).release()


def test_the_clock_of_leases_is_one_that_nobody_sets():
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    assert before <= Clock().uptime() <= before + 10**7
    assert abs(Clock().wall() - time.time_ns() // 1000) < 10**7


def test_without_such_a_clock_it_is_the_wall_clock(monkeypatch):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert abs(Clock().uptime() - time.time_ns() // 1000) < 10**7


def test_a_heartbeat_from_the_future_holds_nothing(path, clock):
    TableStore(path, holder="first", lease_seconds=10, clock=clock).close()
    clock.up -= 3_000_000
    TableStore(path, holder="second", clock=clock).release()


@pytest.mark.parametrize(
    ("gone", "process"),
    [
        (True, DEAD),
        (True, dataclasses.replace(HERE, boot="another boot", space="another")),
        (False, HERE),
        (False, dataclasses.replace(HERE, started=0)),
        (False, dataclasses.replace(HERE, pid=1, started=0)),
        # Another container's processes cannot be seen from here: only time tells.
        (False, dataclasses.replace(DEAD, space="pid:[1]")),
        (True, dataclasses.replace(DEAD, boot="")),
    ],
)
def test_who_is_gone(path, clock, gone, process):
    assert process.gone(HERE) == gone
    TableStore(path, holder="first", lease_seconds=10, clock=clock, process=process).close()
    if gone:
        TableStore(path, holder="second", clock=clock).release()
    else:
        with pytest.raises(LeaseHeldError):
            TableStore(path, holder="second", clock=clock)


def test_an_ended_process_is_gone_also_before_its_parent_takes_note():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    running = Process(child.pid, 0, HERE.boot, HERE.space)
    assert not running.gone(HERE)
    child.stdin.close()
    while not running.gone(HERE):  # a zombie, until it is waited for
        time.sleep(0.01)
    child.wait()
    assert running.gone(HERE)


def test_a_reader_sees_the_lease(path, clock):
    with TableStore(path, holder="first", lease_seconds=10, clock=clock) as store:
        clock.sleep(4)
        with store.reader() as reader:
            lease = reader.lease()
    assert (lease.epoch, lease.holder, lease.process, lease.released) == (1, "first", HERE, False)
    assert (lease.age(clock), lease.remaining(clock)) == (4_000_000, 6_000_000)
    with StoreReader(path) as reader:
        assert reader.lease().released
        assert reader.lease().remaining(clock) == 0


def test_a_pruner_needs_no_lease_and_a_store_that_is_there(path, clock):
    with pytest.raises(StoreError, match="there is no store"):
        StorePruner(path)
    with TableStore(path, holder="first", clock=clock) as store:
        store.commit(alerts(3))
        pruner = StorePruner(path)
        pruner.keep("lake", RISK_ALERTS_HISTORY, 2)
        assert pruner.prune(offsets={"risk_alerts_history": 3}).rows == {"risk_alerts_history": 2}
        pruner.forget("lake")
        assert pruner.prune(offsets={"risk_alerts_history": 3}).rows == {"risk_alerts_history": 1}
        pruner.close()
        assert store.commit(alerts()).next_offsets == {"risk_alerts_history": 4}


def test_a_store_is_not_used_after_a_fork(path, clock, monkeypatch):
    with TableStore(path, holder="first", clock=clock) as store:
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: 1)
            with pytest.raises(StoreError, match="opened before a fork"):
                store.heartbeat()
        store.heartbeat()


def test_a_lock_that_is_held_too_long_is_told(path, clock, monkeypatch):
    monkeypatch.setattr("streaming.store.connection.BUSY_MS", 50)
    with TableStore(path, holder="first", clock=clock) as store:
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"has kept the store locked for 0\.05 s"):
            store.commit(alerts())
        other.close()
        assert store.commit(alerts()).number == 1


def test_heartbeats_may_come_from_another_thread(path):
    with TableStore(path, holder="first") as store:
        stop = threading.Event()
        beats = []

        def beat():
            while not stop.is_set():
                store.heartbeat()
                beats.append(1)

        thread = threading.Thread(target=beat)
        thread.start()
        for _ in range(20):
            store.commit(alerts(3))
        stop.set()
        thread.join()
        assert beats
        with store.reader() as reader:
            assert reader.ticks().number == 20
            assert reader.rows(RISK_ALERTS_HISTORY).num_rows == 60
