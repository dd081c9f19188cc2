"""Each setting of the specification that the live engine knows changes what it says it changes."""

import numpy as np
import pytest

from streaming.contracts import INDICATOR_HISTORY
from streaming.runtimes.live.engine import LiveEngine, LivePlan
from streaming.settings import load_settings

from .conftest import NOW, Tick, arrival, by_row, histories, latest, nothing_held, ticks


def run(strategies, stream, ends=8, declared=True, **given):
    """What the engine makes of the stream with some settings, `a__b` for `a.b`."""
    environ = {f"TRADING__{name.upper()}": str(value) for name, value in given.items()}
    engine = LiveEngine(LivePlan(load_settings(environ=environ), strategies))
    cuts = np.linspace(0, len(stream), ends).astype(int)
    return list(ticks(engine, stream, cuts, declared=declared))


def of_live(made, table):
    rows = histories(made)[table].to_pylist()
    return [row for row in rows if row["accountId"] == "live"]


def codes(made):
    return {row["code"] for row in of_live(made, "rejected_trade_signal_history")}


def most_open(made):
    """The most symbols that account `live` had open at once, by its matches and open lots."""
    rows = [
        (row["ts"], row["symbol"], float(row["fillQty"]) * (1 if row["side"] == "BUY" else -1))
        for row in of_live(made, "exec_report_history")
    ]
    held, most = {}, 0
    for _, symbol, quantity in rows:
        held[symbol] = held.get(symbol, 0.0) + quantity
        most = max(most, sum(abs(one) > 1e-9 for one in held.values()))
    return most


@pytest.fixture(scope="module")
def usual(strategies, stream):
    return run(strategies, stream)


@pytest.mark.parametrize("limit", [1, 2])
def test_max_open_positions(strategies, stream, usual, limit):
    fewer = run(strategies, stream, tradepicker__maxopenpositions=limit)
    assert most_open(fewer) == limit < most_open(usual) == 3
    assert "OPEN_LIMIT_EXCEEDED" in codes(fewer)


def test_sell_requires_long(strategies, stream, usual):
    loose = run(strategies, stream, tradepicker__sellrequireslong="false")
    assert {row["direction"] for row in of_live(usual, "trade_match_history")} == {"LONG"}
    assert {row["direction"] for row in of_live(loose, "trade_match_history")} == {"LONG", "SHORT"}


def test_reserve_on_open(strategies, stream):
    """Without it pending orders hold no place, and fills may go past the limit, with an alert."""
    words = {"tradepicker__maxopenpositions": 1}
    kept, loose = (
        run(strategies, stream, tradepicker__reserveonopen=one, **words)
        for one in ("true", "false")
    )
    assert most_open(kept) == 1 < most_open(loose)
    alerts = {row["code"] for row in of_live(loose, "risk_alerts_history")}
    assert "OPEN_LIMIT_BREACHED" in alerts


def test_reservation_ttl(strategies, stream, usual):
    """The next bar may come after a short one: the order is cancelled."""
    brief = run(strategies, stream, tradepicker__reservationttlms=1)

    def cancelled(made):
        rows = of_live(made, "order_event_history")
        return sum(row["event"] == "CANCELLED" for row in rows)

    assert cancelled(brief) > cancelled(usual)


def test_the_key_of_the_gate(strategies, stream):
    words = {"tradepicker__maxopenpositions": 1}
    together = run(strategies, stream, **words)
    each = run(strategies, stream, tradepicker__key="account+strategy", **words)
    assert most_open(together) == 1 < most_open(each)


def test_outputs(strategies, stream, usual):
    only = run(strategies, stream, engine__outputs="matches-only")
    positions = {"open_positions_lots", "open_positions_rollup", "realized_pnl_latest"}
    assert positions <= set(latest(usual))
    assert not positions & set(latest(only))
    assert by_row(histories(only)) == by_row(histories(usual))


@pytest.mark.parametrize("export", ["metrics", "fluss", "both"])
def test_monitoring_export(strategies, stream, export):
    made = run(strategies, stream, monitoring__export=export)
    assert ("unrealized_pnl_latest" in latest(made)) == (export != "metrics")


@pytest.mark.parametrize("seconds", [0, 5, 90])
def test_lateness_of_prices(strategies, stream, seconds):
    part = stream.take(slice(0, 300))
    (tick,) = [
        one
        for one in run(strategies, part, ends=2, declared=False, wm__prices__latenesssec=seconds)
        if one.bars
    ]
    assert tick.complete_to == part.ts[-1] - seconds * 1_000_000 - 1


def test_a_bar_within_the_lateness_is_used_and_one_beyond_it_is_late(strategies, stream):
    before, behind = stream.take(slice(0, 50)), stream.take(slice(45, 46))
    newer = stream.take(np.r_[0:45, 46:50])
    away = int(before.ts[-1] - behind.ts[0]) // 1_000_000
    assert away > 5
    for seconds, late in ((away + 60, 0), (5, 1)):
        environ = {"TRADING__WM__PRICES__LATENESSSEC": str(seconds)}
        engine = LiveEngine(LivePlan(load_settings(environ=environ), strategies))
        tick = Tick()
        for rows in (newer, behind):
            engine.receive(tick, "feed", arrival(rows), NOW, nothing_held)
        assert len(tick.late_bars) == late


def test_intrabar(strategies, stream, usual):
    more = run(strategies, stream.take(slice(0, 200)), indicators__intrabar="true")
    final = INDICATOR_HISTORY.column("final").name
    assert set(histories(more)[INDICATOR_HISTORY.name].column(final).to_pylist()) == {True, False}
    assert set(histories(usual)[INDICATOR_HISTORY.name].column(final).to_pylist()) == {True}
