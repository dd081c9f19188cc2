"""Children that start at once: a process with all imports done forks them on demand.

A child runs one function of this module; what it tells goes to a file that it appends to.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from streaming.contracts import TABLES
from streaming.errors import TradingError
from streaming.store import StoreReader, TableStore
from streaming.store.commit import Plan

from .programs import as_commit, random_commit

ROOT = Path(__file__).parents[2]


class Zygote:
    """Forks children that do a module's work; to be used as a context manager."""

    def __init__(self, module="tests.store.zygote", *words):
        self._command = [sys.executable, "-m", module, *map(str, words)]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        return self

    def fork(self, work, path, told, **more) -> int:
        order = {"work": work, "path": str(path), "told": str(told)} | more
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(60)


def lines(told):
    return told.read_text().splitlines() if told.exists() else []


def until(condition, seconds=60):
    """Wait until a condition holds, and give its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.002)
    raise AssertionError(f"not within {seconds} s")


def numbered_commit(number):
    """The same commit for the same number, in every process."""
    random = Random(number)
    changes, state, positions, _ = random_commit(random, number)
    positions = {**positions, "n": str(number)}
    return changes, {**state, "n": b"%d" % number}, positions, number


def commits(path, tell, *, lease=5.0, limit=10**9, pause=0.0, pages=40, **_):
    """Commit one numbered commit after the other, from where the store is."""
    store = TableStore(path, holder="child", lease_seconds=lease, checkpoint_pages=pages)
    with store.reader() as reader:
        number = int(reader.positions().get("n", "0"))
    tell("opened")
    while number < limit:
        number += 1
        store.commit(as_commit(*numbered_commit(number)))
        tell(number)
        time.sleep(pause)


def commits_from_time(path, tell, *, at, **more):
    """Open at an agreed moment."""
    time.sleep(max(0.0, at - time.time()))
    commits(path, tell, **more)


def follows(path, tell, *, seconds, **_):
    """Read all changes of all tables for a while; tell how many."""
    at, end = dict.fromkeys(TABLES, 0), time.monotonic() + seconds
    tell("started")
    with StoreReader(path) as reader:
        while time.monotonic() < end:
            for name, table in TABLES.items():
                rows, after = reader.changes(table, at[name], 50)
                assert rows["offset"].to_pylist() == list(range(at[name], after))
                at[name] = after
            with reader.snapshot() as view:
                number = int(view.positions().get("n", "0"))
                assert view.ticks().number == number == int(view.state("n") or 0)
    tell(f"read {sum(at.values())}")


def reads_long(path, tell, *, until, **_):
    """Keep one snapshot open until a file is there; what it sees must not change."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        before = view.ticks().number
        tell("open")
        while not Path(until).exists():
            assert view.ticks().number == before
            time.sleep(0.01)
    tell("closed")


def _child(order, works):
    told = os.open(order["told"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def tell(what):
        os.write(told, f"{what}\n".encode())

    try:
        works[order.pop("work")](Path(order.pop("path")), tell, **order)
    except TradingError as error:
        tell(f"{type(error).__name__}: {error}")
    except BaseException as error:
        tell(f"DEFECT {error!r}")
        raise


def serve(works):
    """Fork a child for every line of orders; `works` are functions by name."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                _child(order, works)
            finally:
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    for number in range(20):
        Plan(as_commit(*numbered_commit(number)))  # whatever loads itself on first use
    serve(globals())
