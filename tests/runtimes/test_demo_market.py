"""Every strategy on the market that `make demo` makes."""

from streaming.feeds.synthetic import make_market
from streaming.jobs.strategies import STRATEGIES

from .markets import lake_of, run


def test_every_strategy_trades(tmp_path):
    found = run(lake_of(tmp_path, make_market(seed=1, symbols=12, days=60)), trace=False)
    trades = {name: one["trades"] for name, one in found.facts["figures"].items()}
    assert trades.keys() == STRATEGIES.keys()
    assert [name for name, count in trades.items() if not count] == []
