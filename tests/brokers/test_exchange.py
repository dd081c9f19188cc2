"""The simulated exchange: what it does with orders, whatever the way in which it is asked."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.brokers.broker import BrokerOrder
from streaming.brokers.exchange import Habits, SimulatedExchange
from streaming.errors import BrokerError
from streaming.rules.bars import MINUTE_US, Bars
from streaming.rules.fills import RATE_PER_BPS
from streaming.rules.units import SCALE

WILD = Habits(
    seed=3, reject=0.1, expire=0.02, wait=0.4, part=0.6, twice=0.4, delay_ms=150_000, fee_rate=7
)
START = 1_700_000_040_000_000


def minute(number):
    return START + number * MINUTE_US


def bars(closes):
    """A bar a minute from minute 1 on; None: none in that minute."""
    rows = [(minute(at), price * SCALE) for at, price in enumerate(closes, 1) if price is not None]
    ts, close = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Bars(ts, close, close, close, close, np.ones(len(ts)))


def buy(order_id, units=10, at=0, symbol="A"):
    return BrokerOrder(order_id, symbol, units * SCALE, minute(at))


@pytest.fixture
def opened(tmp_path):
    made = []

    def open_(habits=None, name="exchange.db", account="live"):
        made.append(SimulatedExchange(tmp_path / name, account, habits))
        return made[-1]

    yield open_
    for one in made:
        one.close()


def fills(said):
    return [
        (row["orderId"], row["fillId"], row["side"], float(row["fillQty"]), float(row["fillPrice"]))
        for row in said.fills.to_pylist()
    ]


def events(said):
    return [(row["orderId"], row["event"]) for row in said.events.to_pylist()]


def test_with_no_habits_an_order_fills_whole_at_the_next_bar(opened):
    exchange = opened(Habits(slippage=RATE_PER_BPS, fee_rate=RATE_PER_BPS))
    exchange.show({"A": bars([100])}, minute(1))
    exchange.submit([buy("o", at=1)])
    assert exchange.reports(None).fills.num_rows == 0
    exchange.show({"A": bars([100, 200, 300])}, minute(3))
    said = exchange.reports(None)
    assert fills(said) == [("o", "1", "BUY", 10.0, 200.02)]
    (row,) = said.fills.to_pylist()
    assert float(row["fees"]) == 0.20002
    assert events(said) == [("o", "ACKED")]
    assert said.complete_to == minute(3)
    assert exchange.positions() == {"A": 10 * SCALE}
    assert exchange.open_orders() == {}


def test_an_order_is_taken_once(opened):
    exchange = opened()
    exchange.show({"A": bars([100])}, minute(1))
    exchange.submit([buy("o", at=1), buy("o", at=1)])
    exchange.show({"A": bars([100, 100])}, minute(2))
    exchange.submit([buy("o", at=1)])
    exchange.show({"A": bars([100, 100, 100])}, minute(3))
    assert len(fills(exchange.reports(None))) == 1
    assert events(exchange.reports(None)) == [("o", "ACKED")]


def test_reports_go_on_from_a_position(opened):
    exchange = opened()
    exchange.show({"A": bars([100])}, minute(1))
    exchange.submit([buy("o", at=1)])
    first = exchange.reports(None)
    assert events(first) == [("o", "ACKED")]
    exchange.show({"A": bars([100, 100])}, minute(2))
    second = exchange.reports(first.position)
    assert events(second) == []
    assert len(fills(second)) == 1
    assert exchange.reports(second.position).fills.num_rows == 0
    assert exchange.reports(second.position).position == second.position


def test_a_cancelled_order_fills_no_more_and_may_be_asked_for_twice(opened):
    exchange = opened()
    exchange.show({"A": bars([100])}, minute(1))
    exchange.submit([buy("o", at=1), buy("p", at=1, symbol="B")])
    exchange.cancel(["o", "unknown"])
    exchange.cancel(["o"])
    exchange.show({"A": bars([100, 100]), "B": bars([5, 5])}, minute(2))
    said = exchange.reports(None)
    assert events(said) == [("o", "ACKED"), ("p", "ACKED"), ("o", "CANCELLED")]
    assert [row[0] for row in fills(said)] == ["p"]


def test_an_order_that_comes_late_does_not_fill_in_the_past(opened):
    exchange = opened()
    exchange.show({"A": bars([100, 100, 100])}, minute(3))
    exchange.submit([buy("o", at=1)])
    exchange.show({"A": bars([100, 100, 100, 100])}, minute(4))
    (row,) = exchange.reports(None).fills.to_pylist()
    assert int(row["ts"].timestamp() * 1e6) == minute(4)


def told(exchange, cuts, orders, market):
    """Play a market in some cuts; what was said, and the order in which it was."""
    position, found = None, []
    for end in cuts:
        exchange.show(market, minute(end))
        said = exchange.reports(position)
        position = said.position
        found += [tuple(row.values()) for row in said.fills.to_pylist()]
        found += [tuple(row.values()) for row in said.events.to_pylist()]
        exchange.submit([one for one in orders if one.ts <= minute(end)])
    return sorted(found, key=repr), exchange.positions()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_what_it_does_depends_on_no_cut(tmp_path_factory, seed, data):
    folder = tmp_path_factory.mktemp("exchange")
    rng = np.random.default_rng(seed)
    market = {name: bars(rng.integers(50, 60, 40).tolist()) for name in "AB"}
    orders = [
        buy(f"o{number}", int(rng.integers(1, 9)), 5, "AB"[number % 2]) for number in range(6)
    ]
    ends = data.draw(st.lists(st.integers(6, 39), max_size=6, unique=True))
    habits = replace(WILD, seed=seed)
    answers = []
    for number, cuts in enumerate(([5, 40], [5, *sorted(ends), 40])):
        exchange = SimulatedExchange(folder / f"{number}.db", "live", habits)
        answers.append(told(exchange, cuts, orders, market))
        exchange.close()
    assert answers[0] == answers[1]


def test_a_wild_one_does_all_that_it_may(opened):
    exchange = opened(WILD)
    rng = np.random.default_rng(1)
    market = {"A": bars(rng.integers(50, 60, 400).tolist())}
    orders = [buy(f"o{number}", int(rng.integers(1, 9)), 3 * number) for number in range(100)]
    position, rows, said_events = None, [], []
    for end in [*range(400), 500]:  # by then all that is on its way has been said
        exchange.show(market, minute(end))
        said = exchange.reports(position)
        position = said.position
        rows += said.fills.to_pylist()
        said_events += said.events.to_pylist()
        exchange.submit([one for one in orders if one.ts == minute(end)])
        if end % 7 == 0:
            exchange.cancel([f"o{end // 7}"])
    times = [row["ts"] for row in rows]
    assert times != sorted(times)
    ids = [(row["orderId"], row["fillId"]) for row in rows]
    assert len(set(ids)) < len(ids)
    assert len({order for order, _ in ids}) < len(set(ids))
    kinds = {row["event"] for row in said_events}
    assert kinds == {"ACKED", "REJECTED", "EXPIRED", "CANCELLED"}
    ordered = {one.order_id: one.quantity for one in orders}
    filled: dict[str, int] = {}
    for key, row in {(row["orderId"], row["fillId"]): row for row in rows}.items():
        filled[key[0]] = filled.get(key[0], 0) + int(row["fillQty"] * SCALE)
    assert all(filled[order] <= ordered[order] for order in filled)
    assert sum(filled.values()) == exchange.positions()["A"]
    # Every order has been filled or ended, or is open for what is left of it.
    over = {row["orderId"] for row in said_events if row["event"] != "ACKED"}
    left = {order: one.quantity for order, one in exchange.open_orders().items()}
    for order, units in ordered.items():
        still = 0 if order in over else units - filled.get(order, 0)
        assert left.get(order, 0) == still


def _serve(path):
    exchange = SimulatedExchange(path, "live")
    exchange.show({"A": bars([100])}, minute(1))
    for number in range(50):
        exchange.submit([buy(f"o{number}", at=1)])
    exchange.close()


def test_several_processes_may_ask_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_serve, args=(tmp_path / "e.db",)) for _ in range(2)]
    for one in others:
        one.start()
    for one in others:
        one.join()
    assert [one.exitcode for one in others] == [0, 0]
    exchange = SimulatedExchange(tmp_path / "e.db", "live")
    assert len(exchange.open_orders()) == 50
    assert exchange.reports(None).events.num_rows == 50
    exchange.close()


def test_the_file_of_another_account_is_refused(opened):
    opened()
    with pytest.raises(BrokerError, match="of account live, not of other"):
        opened(account="other")


def test_what_it_cannot_reach_it_says(tmp_path, opened):
    (tmp_path / "broken.db").write_bytes(b"no database " * 1000)
    with pytest.raises(BrokerError, match=r"broken\.db"):
        opened(name="broken.db")
