"""What a store has recorded, a broker's word too, played into a new one and compared."""

import pytest
from runtimes.markets import day_market, lake_of

from streaming.brokers.broker import BrokerOrder
from streaming.brokers.exchange import SimulatedExchange
from streaming.errors import RunError, StateError
from streaming.rules.units import SCALE
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.playing import PlayRequest, play, recorded_plan
from streaming.settings import Settings, load_settings

from .test_broker import TAME, WILD, alerts, run
from .test_service import dump


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    market = {name: bars.rows(0, 350) for name, bars in day_market(5).items()}
    return lake_of(tmp_path_factory.mktemp("playing") / "lake", market)


def played(folder, strategies, settings=None, broker="exchange"):
    plan = LivePlan(settings or Settings(), strategies, broker=broker)
    return play(PlayRequest(folder / "live.db", folder / "again.db", plan))


def equal(report, path):
    """All tables are equal, and there was something to compare."""
    assert [one.table for one in report.tables if one.first is not None] == []
    assert report.equal
    counts = {one.table: one.recorded for one in report.tables}
    assert counts == {name: rows.num_rows for name, rows in dump(path).items()}
    assert min(counts["exec_report_history"], counts["trade_match_history"]) > 5


@pytest.mark.parametrize("stop_after", [None, 2])
def test_what_a_wild_broker_said_is_in_the_record(tmp_path, lake, strategies, stop_after):
    """Also where the engine was stopped again and again, and asked anew what the broker has."""
    for _ in range(8 if stop_after else 0):
        run(tmp_path, lake, strategies, WILD, rows=20, stop_after=stop_after)
    run(tmp_path, lake, strategies, WILD, rows=20)
    assert {"CANCELLED", "REJECTED"} < set(
        dump(tmp_path / "live.db")["order_event_history"].column("event").to_pylist()
    )
    equal(played(tmp_path, strategies), tmp_path / "live.db")
    assert recorded_plan(tmp_path / "live.db").broker == "exchange"


def test_so_are_its_differences_and_its_absences(tmp_path, lake, strategies):
    run(tmp_path, lake, strategies, TAME, stop_after=4)
    exchange = SimulatedExchange(tmp_path / "exchange.db", "live", TAME)
    first = min(one.first_ts for one in lake.days())
    exchange.submit([BrokerOrder("by-hand", "ANT", 5 * SCALE, first)])
    exchange.submit([BrokerOrder("stuck", "NIX", 7 * SCALE, first)])
    exchange.close()
    run(tmp_path, lake, strategies, TAME, rows=10, away=lambda call: 20 < call < 60)
    codes = alerts(dump(tmp_path / "live.db"))
    assert {"RECONCILIATION_UNKNOWN_ORDER", "UNKNOWN_ORDER", "BROKER_AWAY"} <= codes
    equal(played(tmp_path, strategies), tmp_path / "live.db")


def test_other_settings_give_other_tables_and_the_first_that_differs_is_named(
    tmp_path, lake, strategies
):
    run(tmp_path, lake, strategies, TAME, broker="paper")
    other = load_settings(environ={"TRADING__ACCOUNT__CAPITAL": "50000"})
    report = played(tmp_path, strategies, other, broker="paper")
    found = {one.table: one for one in report.tables}
    assert not report.equal
    assert found["price_1m_history"].first is None
    assert found["accepted_trade_signal_history"].first == 0


def test_another_plan_is_refused_and_so_is_a_store_without_a_commit(tmp_path, lake, strategies):
    run(tmp_path, lake, strategies, TAME, stop_after=3)
    with pytest.raises(StateError, match="broker"):
        played(tmp_path, strategies, broker="paper")
    with pytest.raises(StateError, match="strategies"):
        played(tmp_path, strategies[:1])
    assert not (tmp_path / "again.db").exists()
    run(tmp_path, lake, strategies, TAME)
    assert played(tmp_path, strategies).equal
    with pytest.raises(RunError, match="has commits already"):
        played(tmp_path, strategies)
