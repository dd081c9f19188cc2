"""Feed to store: the same tables however it is stopped and started again."""

import numpy as np
import pyarrow as pa
import pytest
from runtimes.markets import lake_of

from streaming.contracts import TABLES
from streaming.errors import StateError
from streaming.feeds.replay import LakeReplay
from streaming.jobs.strategies import make
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import StoreReader, TableStore

from .test_engine import MAPPED, in_order


class KilledError(Exception):
    """In place of a SIGKILL."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory, market):
    return lake_of(tmp_path_factory.mktemp("live") / "lake", market)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live.db"


def run(path, lake, strategies, *, rows=700, stop_after=None, at=None, plan=None):
    """Replay the lake into a store; stop after some ticks, or where `at` raises."""
    store = TableStore(path, holder="test", lease_seconds=0.0, **({"at": at} if at else {}))
    try:
        service = LiveService(store, plan or LivePlan(Settings(), strategies))
        feed = LakeReplay(lake, lake.symbols(), rows=rows)
        for number, _ in enumerate(service.run(feed), 1):
            if number == stop_after:
                break
    finally:
        # As a process that is killed: the lease is not given back.
        store.close()


def dump(path):
    """Every table and changelog of a store, but for the wall clock."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        tables = {}
        for name, table in TABLES.items():
            rows = view.changes(table, 0, 10**9).rows
            clocks = ["calcTs", *(["ts"] if name == "watermark_history" else [])]
            tables[name] = rows.drop([one for one in clocks if one in rows.column_names])
        return tables


def same(one, other):
    for name, rows in one.items():
        assert rows.equals(other[name]), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, lake, strategies):
    path = tmp_path_factory.mktemp("live") / "live.db"
    run(path, lake, strategies)
    return dump(path)


def test_matches_in_the_store_are_the_backtests(lake, strategies, undisturbed):
    made = run_backtest(lake, BacktestRequest(Settings(), strategies, layout="shared")).matches()
    found = undisturbed["trade_match_history"].drop(["offset", "op"])
    assert made.num_rows > 20
    assert in_order(found.drop(MAPPED)).equals(in_order(made.drop(MAPPED)))


def test_stopped_and_started_again_at_every_tick(path, lake, strategies, undisturbed):
    for _ in range(40):
        run(path, lake, strategies, stop_after=1)
    same(dump(path), undisturbed)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_step_and_started_again(path, lake, strategies, undisturbed, seed):
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(40):
        left = int(rng.integers(1, 400))

        def at(step):
            nonlocal left
            left -= 1
            if left == 0:
                raise KilledError(step)

        try:
            run(path, lake, strategies, at=at)
        except KilledError:
            kills += 1
        else:
            break
    run(path, lake, strategies)
    assert kills > 2
    same(dump(path), undisturbed)


def test_a_store_goes_on_only_with_what_it_was_begun_with(path, lake, strategies):
    run(path, lake, strategies, stop_after=2)
    other = (*strategies, make("sma_cross"))
    with pytest.raises(StateError, match="strategies"):
        run(path, lake, other)


def test_latest_tables_are_their_changelogs(undisturbed):
    rows = undisturbed["open_positions_rollup"]
    assert set(pa.compute.unique(rows["op"]).to_pylist()) == {"+I", "-U", "+U", "-D"}
