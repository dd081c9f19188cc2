"""The real process killed at random times under load: the tables of a run without it."""

import time
from random import Random

import pytest
from rules import soak
from runtimes.markets import day_market, month_market
from store.zygote import until

from streaming.instruments import Instruments
from streaming.runtimes.live.status import read_status

from .processes import Engines, commits, store_of
from .test_service import dump, same

FAST = "100000000"
"""Seconds of the market in one: every minute is a tick of its own, and none is waited for."""

EXCHANGE = """
[exchange]
seed = 3
reject = 0.1
wait = 0.3
part = 0.5
twice = 0.3
delayMs = 90000
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broker", "kills"), [("paper", soak.share(150, 8)), ("exchange", soak.share(50, 4))]
)
def test_killed_again_and_again_under_load(memory_folder, broker, kills):
    market = month_market(6, days=2 + kills // 10)
    given = {"broker": broker, "speed": FAST, "more": EXCHANGE if broker != "paper" else ""}
    random, path = Random(kills), None
    with Engines(memory_folder, day_market(2, 300)) as engines:
        whole, cut = (engines.folder(name, market, **given) for name in ("whole", "cut"))
        path = store_of(cut)
        for kill in range(kills):
            before = commits(path)
            engine = engines.start(cut, "live")
            if kill % 3:  # the others may be killed while they start
                until(lambda: commits(path) > before)  # noqa: B023
                assert read_status(path, Instruments()).commits > before
            time.sleep(random.uniform(0, 0.2))
            assert not engine.gone, engine.said
            engine.kill()
        reached = commits(path)
        assert engines.start(whole, "catch-up").ended(600) == 0
        assert kills / 2 < reached < commits(store_of(whole)), "killed under load"
        assert engines.start(cut, "catch-up").ended(600) == 0
    same(dump(path), dump(store_of(whole)))
    assert dump(path)["trade_match_history"].num_rows > 0
