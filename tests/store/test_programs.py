"""Random programs give the tables, changelogs and offsets of an oracle in dicts and lists."""

import os
from random import Random

import pytest

from streaming.errors import PrunedError, StoreDamagedError
from streaming.store import StorePruner, StoreReader

from .oracle import Oracle, replayed
from .programs import as_commit, random_commit, random_prune
from .samples import LATEST, LOGS, HandClock, arrow, contents, keys_only, micros, open_as_dead


def prune_all(pruner, before, offsets, rows):
    before = None if before is None else micros(before)
    while pruner.prune(before=before, offsets=offsets, rows=rows).more:
        pass


class Run:
    """A store and an oracle that are told the same."""

    def __init__(self, path, seed):
        self.path, self.random = path, Random(seed)
        self.oracle, self.clock = Oracle(), HandClock()
        self.moment = 0
        self.store = self.opened()

    def opened(self):
        pages = self.random.choice([1, 50, 10**6])
        return open_as_dead(self.path, self.clock, checkpoint_pages=pages)

    def step(self):
        getattr(self, self.random.choice(["commit"] * 5 + ["prune", "keep", "reopen", "read"]))()
        self.moment += 1
        self.clock.sleep(1)

    def commit(self):
        given = random_commit(self.random, self.moment)
        done = self.store.commit(as_commit(*given))
        self.oracle.commit(*given)
        assert done.number == self.oracle.number
        for name, after in done.next_offsets.items():
            assert after == len(self.oracle.logs[name])

    def prune(self):
        before, offsets = random_prune(self.random, self.moment, self.oracle)
        rows = self.random.choice([1, 3, 2000])
        if self.random.random() < 0.5:
            prune_all(self.store, before, offsets, rows)
        else:
            other = StorePruner(self.path)
            prune_all(other, before, offsets, rows)
            other.close()
        self.oracle.prune(before, offsets)

    def keep(self):
        table = self.random.choice([*LATEST, *LOGS])
        consumer = self.random.choice(["lake", "bridge"])
        low, high = self.oracle.first[table.name], len(self.oracle.logs[table.name])
        offset = self.random.randint(low, high)
        self.store.keep(consumer, table, offset)
        self.oracle.kept[consumer, table.name] = offset
        if self.random.random() < 0.2:
            self.store.forget(consumer)
            self.oracle.kept = {k: v for k, v in self.oracle.kept.items() if k[0] != consumer}

    def reopen(self):
        self.store.release() if self.random.random() < 0.5 else self.store.close()
        epoch = self.store.epoch
        self.store = self.opened()
        assert self.store.epoch == epoch + 1

    def read(self):
        table = self.random.choice([*LATEST, *LOGS])
        log = self.oracle.logs[table.name]
        start, limit = self.random.randint(-1, len(log) + 1), self.random.choice([1, 2, 1000])
        with StoreReader(self.path) as reader:
            if start < self.oracle.first[table.name]:
                with pytest.raises(PrunedError) as error:
                    reader.changes(table, start, limit)
                assert error.value.first == self.oracle.first[table.name]
            elif start > len(log):
                with pytest.raises(StoreDamagedError, match="ends before offset"):
                    reader.changes(table, start, limit)
            else:
                rows, after = reader.changes(table, start, limit)
                assert rows.to_pylist() == log[start : start + limit]
                assert after == min(len(log), start + limit)
            if table.kind == "latest":
                held = list(self.oracle.rows[table.name].values())
                asked = held[::2]
                found = reader.lookup(table, keys_only(table, asked))
                assert found.to_pylist() == arrow(table, asked).to_pylist()


@pytest.mark.parametrize("seed", range(int(os.environ.get("STORE_PROGRAMS", "6"))))
def test_random_programs(folder, seed):
    run = Run(folder / "store.db", seed)
    for number in range(50):
        run.step()
        if number % 10 == 9:
            assert contents(run.path) == run.oracle.contents()
    run.store.release()
    assert contents(run.path) == run.oracle.contents()
    with StoreReader(run.path) as reader:
        assert reader.verify()


@pytest.mark.parametrize("seed", range(3))
def test_replaying_a_changelog_gives_the_latest_table(folder, seed):
    run = Run(folder / "store.db", 1000 + seed)
    for _ in range(40):
        run.commit()
        run.moment += 1
    run.store.release()
    found = contents(run.path)
    for table in LATEST:
        changes = found[f"{table.name} changes"]
        assert len(changes) > 20
        rows = replayed(table, changes)
        assert sorted(rows.values(), key=str) == sorted(found[table.name], key=str)
