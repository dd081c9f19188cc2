"""The publisher: it writes beside the engine, all or nothing, and never what is the engine's."""

import shutil
from contextlib import closing
from random import Random

import pyarrow as pa
import pytest

from streaming.contracts import (
    EXEC_REPORT_HISTORY,
    OPEN_POSITIONS_ROLLUP,
    STRATEGY_PERF_LATEST,
    STRATEGY_WEIGHTS_LATEST,
    TABLES,
)
from streaming.errors import ContractError, StoreDamagedError, StoreError, StoreFullError
from streaming.store import (
    PUBLISHED,
    StorePublisher,
    StoreReader,
    TableStore,
    append,
    delete,
    upsert,
)

from .programs import as_commit
from .samples import (
    HandClock,
    arrow,
    keys_only,
    minute,
    open_as_dead,
    samples,
)
from .test_crash_steps import Axe, Killed
from .zygote import numbered_commit


def weights(day, count=4):
    """A publication of some strategies' weights."""
    random = Random(day)
    return [
        {
            "strategyId": f"s{number}",
            "weight": random.random(),
            "previousWeight": None,
            "equalPart": 0.1,
            "scorePart": random.random(),
            "asOf": minute(day),
            "effectiveFrom": minute(day + 1),
            "reason": None,
        }
        for number in range(count)
    ]


def publication(day):
    """Scores and weights of a day; a strategy of the day before is gone."""
    scores = samples(STRATEGY_PERF_LATEST, Random(day), 3)
    gone = [{**weights(day)[0], "strategyId": f"old{day - 1}"}]
    come = [{**weights(day)[0], "strategyId": f"old{day}"}]
    table = STRATEGY_WEIGHTS_LATEST
    return [
        upsert(STRATEGY_PERF_LATEST, arrow(STRATEGY_PERF_LATEST, scores)),
        upsert(table, arrow(table, weights(day) + come)),
        delete(table, keys_only(table, gone)),
    ]


def everything(path):
    """All that a store holds, the lease apart."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        found = {name: view.changes(table, 0, 10**9).rows for name, table in TABLES.items()}
        found |= {f"{one.name} now": view.rows(one) for one in PUBLISHED}
        tables = {name: rows.to_pylist() for name, rows in found.items()}
        return tables, view.positions(), view.ticks(), view.states(), view.consumers()


@pytest.fixture
def path(folder):
    """A store with some commits, and one publication."""
    made = folder / "store.db"
    with open_as_dead(made, HandClock()) as store:
        for number in range(1, 6):
            store.commit(as_commit(*numbered_commit(number)))
    with closing(StorePublisher(made, name="test")) as publisher:
        publisher.publish(publication(1), "1")
    return made


def test_what_is_published_is_there_for_all_and_the_engines_commits_are_untouched(path):
    before = everything(path)
    with closing(StorePublisher(path, name="test")) as publisher:
        assert publisher.last() == "1"
        made = publisher.publish(publication(2), "2")
        assert publisher.last() == "2"
    tables, positions, *rest = everything(path)
    published = (STRATEGY_PERF_LATEST, STRATEGY_WEIGHTS_LATEST)
    assert made == {one.name: len(tables[one.name]) for one in published}
    assert [row["op"] for row in tables[STRATEGY_WEIGHTS_LATEST.name][-2:]] == ["+I", "-D"]
    names = {row["strategyId"] for row in tables[f"{STRATEGY_WEIGHTS_LATEST.name} now"]}
    assert names == {"s0", "s1", "s2", "s3", "old2"}
    assert rest == list(before[2:])
    changed = {name for name, rows in tables.items() if rows != before[0][name]}
    assert {name.removesuffix(" now") for name in changed} == {one.name for one in published}
    assert positions == before[1] | {"published by test": "2"}


def test_the_same_again_changes_nothing(path):
    with closing(StorePublisher(path, name="test")) as publisher:
        publisher.publish(publication(2)[1:], "2")
        before = everything(path)
        publisher.publish(publication(2)[1:], "2")
    assert everything(path) == before


def test_each_publisher_has_a_name_of_its_own(path):
    with closing(StorePublisher(path, name="another")) as publisher:
        assert publisher.last() is None
        publisher.publish([], "x")
    assert everything(path)[1].items() >= {
        ("published by test", "1"),
        ("published by another", "x"),
    }


def killed_at(path, folder, number):
    """Publish day 2 on a copy; where it is killed, give what the kill left, and all steps."""
    made = shutil.copytree(path.parent, folder / f"run{number}") / path.name
    axe = Axe(made, folder / f"run{number}-killed", number)
    publisher = StorePublisher(made, name="test", at=axe)
    try:
        publisher.publish(publication(2), "2")
    except Killed:
        made = axe.folder / path.name
    finally:
        publisher.close()
    return made, axe.steps


def test_killed_at_every_step_all_of_it_is_there_or_nothing(path, tmp_path):
    before = everything(path)
    made, steps = killed_at(path, tmp_path, None)
    after = everything(made)
    assert steps[0] == "publish: begin"
    assert steps[-1] == "publish: committed"
    assert f"upsert {STRATEGY_WEIGHTS_LATEST.name}" in steps
    assert f"delete {STRATEGY_WEIGHTS_LATEST.name}" in steps
    seen = []
    for number, step in enumerate(steps):
        made, _ = killed_at(path, tmp_path, number)
        found = everything(made)
        assert found in (before, after), step
        seen.append(found == after)
        with closing(StorePublisher(made, name="test")) as publisher:
            assert publisher.last() == ("2" if found == after else "1")
            if found != after:
                publisher.publish(publication(2), "2")
        assert everything(made) == after
        with StoreReader(made) as reader:
            assert reader.verify()
    assert seen == [False] * (len(steps) - 1) + [True]


def test_an_error_midway_leaves_nothing_and_the_publisher_goes_on(path):
    before, fail = everything(path), ["write positions"]

    def at(step):
        if step in fail:
            raise StoreFullError("here")

    with closing(StorePublisher(path, name="test", at=at)) as publisher:
        with pytest.raises(StoreFullError):
            publisher.publish(publication(2), "2")
        assert everything(path) == before
        fail.clear()
        publisher.publish(publication(2), "2")
        assert publisher.last() == "2"


def test_it_needs_no_lease_and_takes_none(path):
    """Beside the living engine, before and after its commits; the lease does not change hands."""
    clock = HandClock()
    with TableStore(path, holder="engine", lease_seconds=10, clock=clock) as store:
        epoch = store.epoch
        with closing(StorePublisher(path, name="test")) as publisher:
            publisher.publish(publication(2), "2")
            store.commit(as_commit(*numbered_commit(6)))
            publisher.publish(publication(3), "3")
            # Also past the engine's lease: what it writes is no business of the lease.
            clock.sleep(1000)
            publisher.publish(publication(4), "4")
        store.heartbeat()
        assert store.commit(as_commit(*numbered_commit(7))).number == 7
        with store.reader() as reader:
            lease = reader.lease()
            assert (lease.epoch, lease.holder, lease.released) == (epoch, "engine", False)
            assert reader.positions()["published by test"] == "4"


def test_a_heartbeat_of_the_engine_is_not_touched(path):
    clock = HandClock()
    with TableStore(path, holder="engine", clock=clock) as store, store.reader() as reader:
        seen = reader.lease()
        clock.sleep(3)
        with closing(StorePublisher(path, name="test")) as publisher:
            publisher.publish(publication(2), "2")
        assert reader.lease() == seen


@pytest.mark.parametrize("table", [OPEN_POSITIONS_ROLLUP, EXEC_REPORT_HISTORY])
def test_the_engines_tables_are_not_published(path, table):
    before = everything(path)
    rows = arrow(table, samples(table, Random(1), 2))
    change = append(table, rows) if table.kind == "log" else upsert(table, rows)
    with (
        closing(StorePublisher(path, name="test")) as publisher,
        pytest.raises(StoreError, match=f"table {table.name}: only the engine that holds the"),
    ):
        publisher.publish([*publication(2), change], "2")
    assert everything(path) == before


def test_a_row_that_breaks_the_contract_is_named_and_nothing_of_it_written(path):
    before = everything(path)
    table = STRATEGY_WEIGHTS_LATEST
    rows = arrow(table, weights(2))
    bad = rows.set_column(
        rows.column_names.index("weight"),
        rows.schema.field("weight"),
        pa.array([0.1, -0.2, 0, 0.0]),
    )
    with (
        closing(StorePublisher(path, name="test")) as publisher,
        pytest.raises(ContractError, match=r"table strategy_weights_latest: .*s1"),
    ):
        publisher.publish([publication(2)[0], upsert(table, bad)], "2")
    assert everything(path) == before


def test_there_must_be_a_store_and_a_whole_one(folder):
    with pytest.raises(StoreError, match="there is no store to publish to"):
        StorePublisher(folder / "store.db", name="test")
    (folder / "store.db").write_bytes(b"what is this" * 1000)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        StorePublisher(folder / "store.db", name="test")
