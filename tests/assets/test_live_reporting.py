"""How often Dagster is told of a table, and how much time that may take."""

import itertools

import pytest

from streaming.contracts import TABLES
from trading_assets.live import reporting
from trading_assets.live.reporting import Reporter, StoreFacts, TableFacts


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """A reporter over a store in which every table changes with every look; time by hand."""

    class Engine:
        def __init__(self):
            self.now, self.next, self.costs, self.told = 0.0, 0, 0.0, []
            self.reporter = Reporter(tmp_path, self.tell, 60.0, clock=lambda: self.now)

        def tell(self, name, facts):
            self.told.append((name, self.now))
            self.now += self.costs

        def run(self, seconds, step=0.25):
            end = self.now + seconds
            while self.now < end:
                self.now += step
                self.reporter.tick()

    made = Engine()

    def facts(store):
        made.next += 1
        return StoreFacts(0, made.next, {name: TableFacts(1, made.next) for name in TABLES})

    monkeypatch.setattr(reporting, "read_facts", facts)
    return made


def test_a_table_is_told_of_at_most_so_often(engine):
    engine.run(600)
    by_table = {}
    for name, at in engine.told:
        by_table.setdefault(name, []).append(at)
    assert set(by_table) == set(TABLES)
    for times in by_table.values():
        assert len(times) in (10, 11)
        assert min(b - a for a, b in itertools.pairwise(times)) >= 60


def test_it_takes_a_twentieth_of_the_time_and_every_table_has_its_turn(engine):
    engine.costs = 0.5
    engine.run(2000)
    # A second is allowed at once, the event that goes past the end is ended.
    assert len(engine.told) * engine.costs <= 0.05 * engine.now + 1.5
    counts = [sum(name == one for one, _ in engine.told) for name in TABLES]
    assert min(counts) >= max(counts) - 1 > 0


def test_at_the_end_every_table_that_changed_is_told_of(engine):
    engine.costs = 0.5
    engine.run(2)
    engine.told.clear()
    engine.reporter.finish()
    assert {name for name, _ in engine.told} == set(TABLES)
