"""Halted over a broker: no order that opens goes out, and of those that have the end is asked."""

import numpy as np
import pytest
from runtimes.markets import day_market, lake_of

from streaming.contracts import ACCEPTED_TRADE_SIGNAL_HISTORY
from streaming.feeds.replay import LakeReplay
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.halting import say
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings, load_settings
from streaming.store import TableStore

from .conftest import NOW
from .test_broker import TAME, WILD, Watched, alerts, reports
from .test_service import KilledError, dump, same


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    market = {name: bars.rows(0, 200) for name, bars in day_market(5).items()}
    return lake_of(tmp_path_factory.mktemp("halts") / "lake", market)


def run(
    folder, lake, strategies, habits=TAME, *, watch=lambda tick: None, limit=None, rows=3, **how
):
    """Replay the lake over an exchange, minute by minute or so; `watch` sees each tick."""
    store = TableStore(
        folder / "live.db", holder="test", lease_seconds=0.0,
        **({"at": how["at"]} if "at" in how else {}),
    )  # fmt: skip
    exchange = Watched(folder / "exchange.db", habits, **how)
    given = {} if limit is None else {"TRADING__LIVE__DAILYLOSSLIMIT": limit}
    settings = load_settings(environ=given) if given else Settings()
    try:
        plan = LivePlan(settings, strategies, broker="exchange")
        service = LiveService(store, plan, broker=exchange)
        for tick in service.run(LakeReplay(lake, lake.symbols(), rows=rows)):
            if tick is not None and watch(tick):
                break
    finally:
        store.close()
        exchange.close()
    return exchange.submitted


def ordered(tick, action):
    """orderIds that account `live` was given in a tick."""
    found = []
    for change in tick.changes:
        if change.table is ACCEPTED_TRADE_SIGNAL_HISTORY:
            rows = change.rows.to_pylist()
            found += [
                r["orderId"] for r in rows if (r["accountId"], r["action"]) == ("live", action)
            ]
    return found


class Speaker:
    """Halts when the n-th BUY is accepted, and may resume some ticks later."""

    def __init__(self, folder, nth=3, resume_after=None):
        self._store, self._left, self._resume = folder / "live.db", nth, resume_after
        self.orders, self.since = [], None

    def __call__(self, tick):
        if self.since is not None:
            self.since += 1
            if self.since == self._resume:
                say(self._store, "live", None, halted=False, now=NOW + 1)
            return
        buys = ordered(tick, "BUY")
        self._left -= bool(buys)
        if buys and self._left <= 0:
            self.orders, self.since = buys, 0
            say(self._store, "live", "drill", halted=True, now=NOW)


def of_orders(tables, table, orders):
    return [row for row in tables[table].to_pylist() if row["orderId"] in orders]


def test_a_buy_that_has_gone_out_is_asked_to_be_cancelled(tmp_path, lake, strategies):
    speaker = Speaker(tmp_path, nth=6)
    submitted = run(tmp_path, lake, strategies, watch=speaker)
    tables = dump(tmp_path / "live.db")
    assert set(speaker.orders) <= set(submitted)
    events = of_orders(tables, "order_event_history", speaker.orders)
    ended = [row for row in events if row["event"] == "CANCELLED"]
    assert {row["reason"] for row in ended} == {"as asked"}
    assert {row["orderId"] for row in ended} == set(speaker.orders)
    assert not of_orders(tables, "exec_report_history", speaker.orders)
    # None that opens has gone out since; what sells has.
    known = {r["orderId"]: r for r in tables["accepted_trade_signal_history"].to_pylist()}
    after = submitted[submitted.index(speaker.orders[-1]) + 1 :]
    assert {known[order]["action"] for order in after} == {"SELL"}
    assert not {code for code in alerts(tables) if code.startswith("RECONCILIATION")}


@pytest.mark.parametrize("resume_after", [1, 30])
def test_a_buy_that_has_not_gone_out_never_does(tmp_path, lake, strategies, resume_after):
    """The line is dead when it is accepted, and back when trading is halted, or soon resumed."""
    speaker = Speaker(tmp_path, resume_after=resume_after)
    buys = []

    def watch(tick):
        buys.extend(ordered(tick, "BUY"))
        speaker(tick)

    # Away from some bars before the order on, for as long as nobody has said anything.
    def away(call):
        return len(buys) >= 2 and speaker.since is None

    submitted = run(tmp_path, lake, strategies, watch=watch, away=away)
    tables = dump(tmp_path / "live.db")
    assert "BROKER_AWAY" in alerts(tables)
    assert speaker.orders
    assert not set(speaker.orders) & set(submitted)
    events = of_orders(tables, "order_event_history", speaker.orders)
    gone = ("CANCELLED", "trading is halted, and it had not gone out")
    for order in speaker.orders:
        mine = {(row["event"], row["reason"]) for row in events if row["orderId"] == order}
        assert mine == {("SENT", None), gone}
    assert len(events) == 2 * len(speaker.orders)
    assert [one for one in submitted if one in buys]
    assert not {code for code in alerts(tables) if code.startswith("RECONCILIATION")}


LIMIT = "60"


@pytest.fixture(scope="module")
def limited(tmp_path_factory, lake, strategies):
    folder = tmp_path_factory.mktemp("limited")
    run(folder, lake, strategies, WILD, limit=LIMIT, rows=20)
    tables = dump(folder / "live.db")
    assert "DAILY_LOSS_EXCEEDED" in alerts(tables)
    return tables


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_step_the_limit_holds_the_same(tmp_path, lake, strategies, limited, seed):
    rng = np.random.default_rng(seed)
    kills = 0
    for _ in range(25):
        left = int(rng.integers(1, 300))

        def at(step):
            nonlocal left
            left -= 1
            if left == 0:
                raise KilledError(step)

        try:
            run(tmp_path, lake, strategies, WILD, limit=LIMIT, rows=20, at=at)
        except KilledError:
            kills += 1
        else:
            break
    run(tmp_path, lake, strategies, WILD, limit=LIMIT, rows=20)
    assert kills > 2
    same(dump(tmp_path / "live.db"), limited)


def test_an_account_at_a_broker_that_is_never_stopped_is_the_same(tmp_path, lake, strategies):
    """Going from time to time gives what going there at once gives."""
    found = []
    for name, limit in (("free", None), ("limited", "1000000000")):
        (tmp_path / name).mkdir()
        run(tmp_path / name, lake, strategies, WILD, limit=limit, rows=20)
        found.append(dump(tmp_path / name / "live.db"))
    same(*found)
    assert reports(found[0]).num_rows > 10
