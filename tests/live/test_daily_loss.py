"""The limit on a day's loss: what a naive account of the fills says, and nothing else, stops."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.fifo import Book, Fill
from oracle.money import SCALE, product

from streaming.jobs.daily_loss import DailyLoss
from streaming.rules.fifo import MATCH
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.settings import load_settings

from .conftest import by_row, histories, latest, ticks

OSLO = ZoneInfo("Europe/Oslo")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CODE = "DAILY_LOSS_EXCEEDED"


def us(when):
    return (when - EPOCH) // timedelta(microseconds=1)


def cents(amount):
    return int(amount * SCALE)


def plan(strategies, limit, **more):
    given = {**more, **({} if limit is None else {"live__dailylosslimit": limit})}
    environ = {f"TRADING__{name.upper()}": str(value) for name, value in given.items()}
    return LivePlan(load_settings(environ=environ), strategies)


def run(strategies, stream, limit, ends=9, **more):
    cuts = np.linspace(0, len(stream), ends).astype(int)
    return list(ticks(LiveEngine(plan(strategies, limit, **more)), stream, cuts))


def of_live(made, table):
    rows = histories(made).get(table)
    return [] if rows is None else [r for r in rows.to_pylist() if r.get("accountId") == "live"]


def day_of(ts):
    """The local day: midnight belongs to the one that ends."""
    return (EPOCH + timedelta(microseconds=ts - 1)).astimezone(OSLO).date()


def reckoned(made, limit):
    """Breaches, and for each time whether openings are stopped, from fills and bars alone."""
    bars = histories(made)["price_1m_history"].to_pylist()
    signals = histories(made)["strategy_signal_history"].to_pylist()
    owner = {r["orderId"]: r["strategyId"] for r in of_live(made, "accepted_trade_signal_history")}
    fills, closes = {}, {}
    for row in sorted(of_live(made, "exec_report_history"), key=lambda r: r["orderId"]):
        fills.setdefault(us(row["ts"]), []).append(row)
    for row in bars:
        closes.setdefault(us(row["ts"]), {})[row["symbol"]] = cents(row["price"])
    books, last, stopped, breaches = {}, {}, {}, []
    day, began, worth, over = None, 0, 0, False
    for now in sorted({*closes, *(us(row["signalTs"]) for row in signals)}):
        for row in fills.get(now, []):
            key = (owner[row["orderId"]], row["symbol"])
            qty = cents(row["fillQty"]) * (1 if row["side"] == "BUY" else -1)
            fill = Fill(row["orderId"], qty, cents(row["fillPrice"]), cents(row["fees"]), now)
            books.setdefault(key, Book()).apply(fill)
        last |= closes.get(now, {})
        before, worth = worth, 0
        for (_, symbol), book in books.items():
            worth += book.realized_pnl - book.fees
            if book.net:
                worth += product(last[symbol] - book.avg_price, book.net, SCALE)
        if day != day_of(now):
            began, day, over = (worth if day is None else before), day_of(now), False
        if not over and worth - began <= -limit * SCALE:
            over = True
            breaches.append((now, worth - began))
        stopped[now] = over
    return breaches, stopped


LIMIT = 150


@pytest.fixture(scope="module")
def stopped(strategies, stream):
    return run(strategies, stream, LIMIT)


def test_what_opens_is_stopped_when_the_fills_say_so_and_at_no_other_time(stopped):
    breaches, halted = reckoned(stopped, LIMIT)
    assert len(breaches) > 3
    accepted = of_live(stopped, "accepted_trade_signal_history")
    rejected = of_live(stopped, "rejected_trade_signal_history")
    assert {row["action"] for row in rejected if row["code"] == CODE} == {"BUY"}
    for row in rejected:
        if row["action"] == "BUY":
            assert (row["code"] == CODE) == halted[us(row["ts"])], row
    assert not [r for r in accepted if r["action"] == "BUY" and halted[us(r["ts"])]]
    assert [r for r in accepted if r["action"] == "SELL" and halted[us(r["ts"])]]


def test_each_breach_is_alerted_once_with_what_was_lost(stopped):
    breaches, _ = reckoned(stopped, LIMIT)
    alerts = [r for r in of_live(stopped, "risk_alerts_history") if r["code"] == CODE]
    assert [us(row["ts"]) for row in alerts] == [ts for ts, _ in breaches]
    for row, (ts, pnl) in zip(alerts, breaches, strict=True):
        assert row["message"].startswith(f"the day's PnL is -{-pnl // SCALE}.")
        # The end of that day in Oslo, in winter.
        assert f"{day_of(ts)}T23:00:00Z" in row["message"]


def waiting_at_breaches(stopped, limit):
    """Orders that opened and waited for a bar: those cancelled, and those that should be."""
    breaches, _ = reckoned(stopped, limit)
    events = of_live(stopped, "order_event_history")
    ended = {r["orderId"]: us(r["ts"]) for r in events if r["reason"] and "loss" in r["reason"]}
    filled = {r["orderId"]: us(r["ts"]) for r in of_live(stopped, "exec_report_history")}
    over = {
        r["orderId"]: us(r["ts"])
        for r in events
        if r["event"] == "CANCELLED" and r["orderId"] not in ended
    }
    wanted = {
        row["orderId"]: ts
        for ts, _ in reversed(breaches)  # the first ends it
        for row in of_live(stopped, "accepted_trade_signal_history")
        if row["action"] == "BUY"
        and us(row["ts"]) < ts
        and filled.get(row["orderId"], ts + 1) > ts
        and over.get(row["orderId"], ts + 1) > ts
    }
    assert not set(ended) & set(filled)
    return ended, wanted


def test_orders_that_wait_for_their_bar_then_are_cancelled(strategies, stream):
    count = 0
    for limit in (20, 50, 80, 120):
        ended, wanted = waiting_at_breaches(run(strategies, stream, limit, 2), limit)
        assert ended == wanted
        count += len(wanted)
    assert count > 0


def test_the_paper_account_knows_no_limit(strategies, stream, stopped):
    free = histories(run(strategies, stream, None))
    for name in ("paper_trade_match_history", "strategy_signal_history"):
        assert histories(stopped)[name].equals(free[name]), name


@pytest.mark.parametrize("shorts", ["true", "false"])
def test_a_limit_that_is_never_reached_changes_nothing(strategies, stream, shorts):
    """Going from time to time gives what going there at once gives."""
    words = {"tradepicker__sellrequireslong": shorts}
    free, limited = (run(strategies, stream, one, **words) for one in (None, 10**9))
    assert by_row(histories(limited)) == by_row(histories(free))
    assert latest(limited) == latest(free)


def test_with_shorts_nothing_grows_while_it_is_stopped(strategies, stream):
    made = run(strategies, stream, LIMIT, tradepicker__sellrequireslong="false")
    breaches, halted = reckoned(made, LIMIT)
    rejected = of_live(made, "rejected_trade_signal_history")
    assert {row["action"] for row in rejected if row["code"] == CODE} == {"BUY", "SELL"}
    kinds = {"against": 0, "with": 0}
    accepted = of_live(made, "accepted_trade_signal_history")
    order = {r["orderId"]: r for r in accepted}
    books = {}
    for row in sorted(of_live(made, "exec_report_history"), key=lambda r: (r["ts"], r["orderId"])):
        signal = order[row["orderId"]]
        book = books.setdefault((signal["strategyId"], row["symbol"]), Book())
        qty = cents(row["fillQty"]) * (1 if row["side"] == "BUY" else -1)
        if halted[us(signal["ts"])]:
            kinds["against" if book.net * qty < 0 else "with"] += 1
        book.apply(Fill(row["orderId"], qty, cents(row["fillPrice"])))
    assert breaches
    assert kinds["against"] > 0 == kinds["with"]


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_any_cut_gives_the_same_tables(data, strategies, stream, stopped):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12, unique=True))
    engine = LiveEngine(plan(strategies, LIMIT))
    made = list(ticks(engine, stream, [*sorted(cuts), len(stream)]))
    assert by_row(histories(made)) == by_row(histories(stopped))
    assert latest(made) == latest(stopped)


def test_every_minute_by_itself_gives_the_same_tables(strategies, stream):
    part = stream.take(slice(0, 700))
    ends = np.flatnonzero(np.diff(part.ts)) + 1
    once = list(ticks(LiveEngine(plan(strategies, 40)), part, [len(part)]))
    each = list(ticks(LiveEngine(plan(strategies, 40)), part, [*ends, len(part)]))
    assert of_live(once, "risk_alerts_history")
    assert by_row(histories(each)) == by_row(histories(once))
    assert latest(each) == latest(once)


def matches(*pnl):
    found = np.zeros(len(pnl), MATCH)
    found["pnl"], found["fees"] = pnl, 1
    return found


@pytest.fixture
def days():
    """Days of 100, a limit of 10."""
    return DailyLoss(10, lambda ts: -(-ts // 100) * 100)


def test_the_limit_itself_is_too_much_and_a_little_less_is_not(days):
    assert not days.look(1, 5)
    assert not days.look(2, -4)
    assert days.look(3, -5)
    assert (days.over, days.pnl, days.ends) == (True, -10, 100)


def test_it_is_told_once_a_day_and_ends_with_it(days):
    assert not days.look(1, 0)
    assert days.look(50, -10)
    assert not days.look(100, -30)
    assert days.over
    # The next day counts from what was left at the last bar of this one.
    assert not days.look(101, -39)
    assert not days.over
    assert days.look(102, -40)


def test_what_was_realised_counts_less_its_fees(days):
    days.look(1, 0)
    days.book(matches(-3, -4))
    assert not days.look(2, 0)
    assert days.pnl == -9
    days.book(matches(0))
    assert days.look(3, 0)


def test_lifted_it_may_lose_as_much_once_more(days):
    days.look(1, 0)
    days.lift()
    assert days.look(2, -12)
    days.lift()
    assert not days.look(3, -21)
    assert days.look(4, -22)


def test_its_facts_are_all_of_it(days):
    rng = np.random.default_rng(3)
    other, told = days, 0
    whole = DailyLoss(10, lambda ts: -(-ts // 100) * 100)
    for ts in range(1, 900, 7):
        worth = int(rng.integers(-20, 20))
        before, other = other, DailyLoss(10, lambda ts: -(-ts // 100) * 100)
        other.restore(before.facts())
        found = whole.look(ts, worth)
        assert other.look(ts, worth) == found
        told += found
    assert told > 3
