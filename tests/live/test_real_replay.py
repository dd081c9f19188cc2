"""The real bars through the live engine, in random cuts, killed and not: the backtest's matches."""

import shutil

import numpy as np
import pytest
from runtimes.test_real_bars import lake
from store.samples import DEAD

from streaming.feeds.replay import LakeReplay
from streaming.jobs.strategies import select
from streaming.runtimes.backtest import BacktestRequest, run_backtest
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings
from streaming.store import StoreReader, TableStore

from .lives import Axe, Killed
from .test_engine import MAPPED, in_order
from .test_service import dump

pytestmark = pytest.mark.slow

__all__ = ["lake"]  # a fixture

STRATEGIES = tuple(select("all"))


@pytest.fixture(scope="module")
def matches(lake):
    """The matches of a backtest in one account."""
    found = run_backtest(lake, BacktestRequest(Settings(), STRATEGIES, layout="shared")).matches()
    assert found.num_rows > 100
    return in_order(found.drop(MAPPED))


def go_on(path, lake, rows, stop_after, axe):
    """Replay from where the store is, until some ticks have gone by; tell whether to go on."""
    store = TableStore(path, holder="test", process=DEAD, **({"at": axe} if axe else {}))
    service = None
    try:
        service = LiveService(store, LivePlan(Settings(), STRATEGIES))
        for number, _ in enumerate(service.run(LakeReplay(lake, rows=rows)), 1):
            if number == stop_after:
                return True
        return False
    except Killed:
        return True
    finally:
        if service is not None:
            service.close()
        store.close()


@pytest.mark.parametrize(("seed", "kills"), [(1, False), (2, True), (3, True)])
def test_matches_are_the_backtests_field_for_field(memory_folder, lake, matches, seed, kills):
    rng, path, cuts = np.random.default_rng(seed), memory_folder / "first" / "live.db", 0
    path.parent.mkdir()
    while True:
        into = memory_folder / f"killed{cuts}"
        axe = Axe(path.parent, into, int(rng.integers(1, 500))) if kills else None
        rows, stop = int(rng.integers(300, 6_000)), int(rng.integers(1, 8))
        if not go_on(path, lake, rows, stop, axe):
            break
        cuts += 1
        if into.exists():
            shutil.rmtree(path.parent)
            path = into / path.name
    assert cuts > 5
    tables = dump(path)
    found = tables["trade_match_history"].drop(["offset", "op"])
    assert in_order(found.drop(MAPPED)).equals(matches)
    bars = sum(len(one) for one in lake.bars(lake.symbols()).values())
    assert tables["price_1m_history"].num_rows == bars
    with StoreReader(path) as reader:
        assert reader.verify()
