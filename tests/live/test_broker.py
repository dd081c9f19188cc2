"""The live engine over a broker: the same however it is stopped, whatever the broker does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from runtimes.markets import day_market, lake_of

from streaming.brokers.broker import BrokerOrder
from streaming.brokers.exchange import Habits, SimulatedExchange
from streaming.errors import BrokerError, RunError, StateError
from streaming.feeds.replay import LakeReplay
from streaming.rules.units import SCALE
from streaming.runtimes.backtest.definition import account_rules
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.running import run_live
from streaming.runtimes.live.service import LiveService
from streaming.settings import Settings, load_settings
from streaming.store import TableStore

from .test_engine import in_order
from .test_service import KilledError, dump, same

COSTS = account_rules(Settings())
TAME = Habits(slippage=COSTS.slippage, fee_rate=COSTS.fee_rate)
WILD = replace(
    TAME, seed=4, reject=0.1, expire=0.02, wait=0.3, part=0.5, twice=0.3, delay_ms=130_000
)


class Watched(SimulatedExchange):
    """An exchange that counts, may be away, and may kill who asks it."""

    def __init__(self, path, habits, at=lambda step: None, away=lambda call: False):
        super().__init__(path, "live", habits)
        self.submitted: list[str] = []
        self._at, self._away, self._calls = at, away, 0

    def _ask(self, what):
        self._calls += 1
        if self._away(self._calls):
            raise BrokerError("exchange: the line is dead.")
        self._at(f"broker: {what}")

    def submit(self, orders):
        self._ask("submit")
        self.submitted += [one.order_id for one in orders]
        super().submit(orders)
        self._at("broker: submitted")

    def cancel(self, order_ids):
        self._ask("cancel")
        super().cancel(order_ids)
        self._at("broker: cancelled")

    def reports(self, after):
        self._ask("reports")
        return super().reports(after)

    def show(self, bars, complete_to):
        super().show(bars, complete_to)
        self._at("broker: shown")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    market = {name: bars.rows(0, 500) for name, bars in day_market(5).items()}
    return lake_of(tmp_path_factory.mktemp("broker") / "lake", market)


def run(
    folder: Path, lake, strategies, habits, *, rows=30, stop_after=None, broker="exchange", **how
):
    """Replay the lake over an exchange until it ends, or is stopped or killed."""
    store = TableStore(folder / "live.db", holder="test", lease_seconds=0.0, **_at(how))
    exchange = Watched(folder / "exchange.db", habits, **how)
    ticks = 0
    try:
        plan = LivePlan(Settings(), strategies, broker=broker)
        service = LiveService(store, plan, broker=exchange if broker == "exchange" else None)
        for ticks, _ in enumerate(service.run(LakeReplay(lake, lake.symbols(), rows=rows)), 1):
            if ticks == stop_after:
                break
    finally:
        # As a process that is killed: the lease is not given back.
        store.close()
        exchange.close()
    return exchange.submitted, ticks


def _at(how):
    return {"at": how["at"]} if "at" in how else {}


def reports(tables):
    """The exec reports of the account that trades."""
    rows = tables["exec_report_history"]
    return rows.filter(pc.equal(rows.column("accountId"), "live"))


def alerts(tables):
    return set(tables["risk_alerts_history"].column("code").to_pylist())


@pytest.fixture(scope="module")
def wild(tmp_path_factory, lake, strategies):
    folder = tmp_path_factory.mktemp("wild")
    submitted, _ = run(folder, lake, strategies, WILD)
    assert len(submitted) == len(set(submitted)) > 40
    return dump(folder / "live.db")


@pytest.mark.slow
def test_minute_by_minute_a_tame_exchange_gives_the_matches_of_the_paper_broker(
    tmp_path, lake, strategies
):
    found = []
    for broker in ("exchange", "paper"):
        (tmp_path / broker).mkdir()
        run(tmp_path / broker, lake, strategies, TAME, rows=1, broker=broker)
        found.append(dump(tmp_path / broker / "live.db"))
    for name in ("trade_match_history", "paper_trade_match_history"):
        one, other = (in_order(tables[name].drop(["offset", "op"])) for tables in found)
        assert one.num_rows > 30
        assert one.equals(other), name
    for name in ("accepted_trade_signal_history", "rejected_trade_signal_history"):
        assert found[0][name].equals(found[1][name]), name
    assert found[0]["risk_alerts_history"].num_rows == 0


def test_a_wild_exchange_does_all_that_it_may(wild):
    told = reports(wild)
    ids = list(zip(*(told.column(name).to_pylist() for name in ("orderId", "fillId")), strict=True))
    assert len(set(ids)) < len(ids)
    times = told.column("ts").to_pylist()
    assert times != sorted(times)
    events = wild["order_event_history"]
    kinds = set(events.filter(pc.equal(events.column("accountId"), "live"))["event"].to_pylist())
    assert kinds == {"SENT", "ACKED", "REJECTED", "EXPIRED", "CANCELLED"}
    assert wild["trade_match_history"].num_rows > 30
    assert not {code for code in alerts(wild) if code.startswith("RECONCILIATION")}


def test_what_was_told_is_what_is_held(wild):
    """Fills, each counted once, less what was matched, are the positions."""
    units: dict[tuple[str, str], dict[str, float]] = {}
    for row in reports(wild).to_pylist():
        sign = 1 if row["side"] == "BUY" else -1
        units.setdefault(row["symbol"], {})[row["orderId"], row["fillId"]] = sign * row["fillQty"]
    held: dict[str, object] = {}
    for row in wild["open_positions_rollup"].to_pylist():
        key = (row["strategyId"], row["symbol"])
        if row["accountId"] == "live":
            held[key] = row["netQty"] if row["op"] in ("+I", "+U") else 0
    for symbol, fills in units.items():
        net = sum(quantity for (_, name), quantity in held.items() if name == symbol)
        waiting = abs(sum(fills.values()) - net)
        # The last minutes' fills may wait for the watermark.
        assert waiting == 0 or waiting in {abs(one) for one in fills.values()}


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_step_orders_go_out_once_and_the_tables_are_the_same(
    tmp_path, lake, strategies, wild, seed
):
    rng = np.random.default_rng(seed)
    kills, steps = 0, set()
    for _ in range(30):
        left = int(rng.integers(1, 600))

        def at(step):
            nonlocal left
            left -= 1
            if left == 0:
                steps.add(step.partition(":")[0])
                raise KilledError(step)

        try:
            run(tmp_path, lake, strategies, WILD, at=at)
        except KilledError:
            kills += 1
        else:
            break
    run(tmp_path, lake, strategies, WILD)
    assert kills > 2
    same(dump(tmp_path / "live.db"), wild)


@pytest.mark.parametrize("step", ["submit", "submitted", "cancel", "cancelled", "reports", "shown"])
def test_killed_at_each_call_of_the_broker_again_and_again(tmp_path, lake, strategies, wild, step):
    turn = 0
    for turn in range(1, 13):
        left = 3 * turn

        def at(name):
            nonlocal left
            left -= name == f"broker: {step}"
            if left == 0:
                raise KilledError(name)

        try:
            run(tmp_path, lake, strategies, WILD, at=at)
        except KilledError:
            continue
        break
    assert turn > 2
    run(tmp_path, lake, strategies, WILD)
    same(dump(tmp_path / "live.db"), wild)


def test_stopped_after_every_tick_gives_the_same(tmp_path, lake, strategies, wild):
    for _ in range(60):
        run(tmp_path, lake, strategies, WILD, stop_after=1)
    run(tmp_path, lake, strategies, WILD)
    same(dump(tmp_path / "live.db"), wild)


def test_a_broker_that_is_away_stops_no_bar_and_its_orders_wait(tmp_path, lake, strategies):
    inside = tmp_path / "away"
    inside.mkdir()
    submitted, ticks = run(
        inside, lake, strategies, TAME, rows=1, away=lambda call: 60 < call < 200
    )
    tables = dump(inside / "live.db")
    codes = tables["risk_alerts_history"].column("code").to_pylist()
    assert codes.count("BROKER_AWAY") == 1
    assert not [code for code in codes if code.startswith("RECONCILIATION")]
    # All that was accepted went out, and once.
    accepted = tables["accepted_trade_signal_history"]
    ours = accepted.filter(pc.equal(accepted.column("accountId"), "live"))
    assert sorted(submitted) == sorted(set(submitted))
    assert set(submitted) <= set(ours.column("orderId").to_pylist())
    assert len(submitted) >= ours.num_rows - 3
    bars = sum(len(one) for one in lake.bars(lake.symbols(), 0, 2**62).values())
    assert tables["price_1m_history"].num_rows == bars
    assert ticks > 300


def test_differences_from_the_brokers_books_are_alerted_and_change_nothing(
    tmp_path, lake, strategies
):
    run(tmp_path, lake, strategies, TAME, stop_after=4)
    before = dump(tmp_path / "live.db")
    exchange = SimulatedExchange(tmp_path / "exchange.db", "live", TAME)
    first = min(one.first_ts for one in lake.days())
    exchange.submit([BrokerOrder("by-hand", "ANT", 5 * SCALE, first)])
    exchange.submit([BrokerOrder("stuck", "NIX", 7 * SCALE, first)])
    exchange.close()
    run(tmp_path, lake, strategies, TAME, stop_after=1)
    after = dump(tmp_path / "live.db")
    new = after["risk_alerts_history"].slice(before["risk_alerts_history"].num_rows).to_pylist()
    messages = {(row["code"], row["message"].split(" is ")[0]) for row in new}
    assert ("RECONCILIATION_UNKNOWN_ORDER", "order stuck") in messages
    # The fill of the order by hand is told, and taken for what it is.
    assert {"UNKNOWN_ORDER"} <= {code for code, _ in messages}
    assert not {code for code, _ in messages} & {"RECONCILIATION_POSITION"}


def test_positions_that_differ_are_alerted_one_by_one(tmp_path, lake, strategies):
    class Odd(Watched):
        def positions(self):
            return super().positions() | {"XYZ": 3 * SCALE, "ABC": -SCALE // 2}

    run(tmp_path, lake, strategies, TAME, stop_after=2)
    store = TableStore(tmp_path / "live.db", holder="test", lease_seconds=0.0)
    exchange = Odd(tmp_path / "exchange.db", TAME)
    service = LiveService(
        store, LivePlan(Settings(), strategies, broker="exchange"), broker=exchange
    )
    next(iter(service.run(LakeReplay(lake, lake.symbols(), rows=30))))
    store.close()
    exchange.close()
    rows = dump(tmp_path / "live.db")["risk_alerts_history"].to_pylist()
    words = [row["message"] for row in rows if row["code"] == "RECONCILIATION_POSITION"]
    assert words == [
        "the broker holds -0.50 of ABC, and we hold 0.00",
        "the broker holds 3.00 of XYZ, and we hold 0.00",
    ]


def test_a_store_begun_with_one_broker_does_not_go_on_with_another(tmp_path, lake, strategies):
    run(tmp_path, lake, strategies, TAME, stop_after=1)
    with pytest.raises(StateError, match="broker"):
        run(tmp_path, lake, strategies, TAME, broker="paper")
    with pytest.raises(RunError, match=r"live\.broker = other"):
        run(tmp_path, lake, strategies, TAME, broker="other")


def test_the_settings_name_the_broker_and_its_habits(tmp_path, lake):
    settings = load_settings(
        environ={
            "TRADING__LIVE__BROKER": "exchange",
            "TRADING__LIVE__STRATEGIES": "bollinger_reversion",
            "TRADING__EXCHANGE__REJECT": "1",
        }
    )
    (tmp_path / "lake").symlink_to(lake.root)
    run_live(settings, tmp_path, until_end=True, holder="test")
    events = dump(tmp_path / "store" / "live.db")["order_event_history"]
    ours = events.filter(pc.equal(events.column("accountId"), "live"))["event"].to_pylist()
    assert {"SENT", "REJECTED"} == set(ours)
    assert (tmp_path / "store" / "live-exchange.db").exists()
