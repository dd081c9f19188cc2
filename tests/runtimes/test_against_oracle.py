"""Whole backtests against the oracle, which is given the traced signals and the bars."""

import os
from decimal import Decimal
from random import Random

import pytest
from oracle.money import half_even, product

from streaming.rules.units import SCALE

from .composed import assert_as_composed
from .markets import (
    by_strategy,
    day_market,
    lake_of,
    listed,
    month_market,
    request,
    run,
    settings_of,
    single,
)

QUICK = (
    "atr_channel,donchian_breakout,ema_cross,roc_momentum,vwap_reversion,rsi_reversion,"
    "time_series_momentum"
)
FUTURES = listed(
    ANT={"lot_size": SCALE, "min_qty": 3 * SCALE, "tick_size": SCALE // 4},
    BAT={"lot_size": SCALE // 10, "min_qty": SCALE // 10, "point_value": 50 * SCALE},
    COD={"lot_size": 7, "min_qty": 21, "tick_size": 3, "point_value": 12_345_678},
    DOE={},
)
TIGHT = {"per_order": "0.1", "per_symbol": "0.25", "gross": "0.4"}

CASES = {
    "defaults": {},
    "keyed by strategy": {"gate": {"key": "account+strategy", "max_open_positions": 1}},
    "shorts": {"gate": {"sell_requires_long": False}},
    "no reservations": {"gate": {"reserve_on_open": False, "max_open_positions": 1}},
    "tight limits": {"limits": TIGHT, "capital": "9999.99999999"},
    "shorts under tight limits": {
        "gate": {"sell_requires_long": False, "max_open_positions": 2},
        "limits": TIGHT,
        "costs": {"slippage_bps": "12.5", "fee_bps": "0.1234"},
    },
    "short reservations": {"gate": {"reservation_ttl_ms": 60_000}},
    "the shortest reservations": {"gate": {"reservation_ttl_ms": 1, "max_open_positions": 2}},
    "free of cost": {"costs": {"slippage_bps": 0, "fee_bps": 0}},
    "a poor account": {"capital": "0.00002"},
}


def check(folder, seed, layout, rules, *, instruments=None, strategies=QUICK, symbols=4):
    market = day_market(seed, 420, symbols)
    given = {"settings": settings_of(**rules), "layout": layout}
    if instruments is not None:
        given["instruments"] = instruments
    found = run(lake_of(folder, market), strategies, **given)
    assert_as_composed(request(strategies, **given), found, market)
    return found


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
@pytest.mark.parametrize("name", CASES)
def test_a_backtest_is_what_the_oracle_composes(tmp_path, layout, name):
    found = check(tmp_path, 3, layout, CASES[name])
    assert found.facts["rows"]["strategy_signal_history"] > 200
    if name not in ("a poor account", "the shortest reservations"):
        assert found.facts["rows"]["trade_match_history"] > 15


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
@pytest.mark.parametrize("shorts", [False, True])
def test_instruments_reach_quantities_prices_and_pnl(tmp_path, layout, shorts):
    gate = {"sell_requires_long": not shorts, "max_open_positions": 4}
    rules = {"gate": gate, "limits": {"gross": 3}}
    found = check(tmp_path, 5, layout, rules, instruments=FUTURES)
    fills = [row for rows in by_strategy(found, "exec_report_history").values() for row in rows]
    assert {row["symbol"] for row in fills} == {"ANT", "BAT", "COD", "DOE"}
    assert all(row["fillQty"] % 1 == 0 for row in fills if row["symbol"] == "ANT")
    ticks = Decimal("0.25")
    assert all(row["fillPrice"] % ticks == 0 for row in fills if row["symbol"] == "ANT")


def test_the_cases_reach_every_decision_event_and_direction(tmp_path):
    """Otherwise the oracle would have been asked about less than it seems."""
    codes, events, directions, breaches = set(), set(), set(), 0
    lake = lake_of(tmp_path, day_market(3, 420, 4))
    for rules in CASES.values():
        found = run(lake, QUICK, settings=settings_of(**rules), layout="shared")
        for one in found.facts["figures"].values():
            codes |= {code for code, count in one["signals"].items() if count}
            breaches += one["openLimitBreached"]
        for rows in by_strategy(found, "order_event_history").values():
            events |= {row["event"] for row in rows}
        for rows in by_strategy(found, "trade_match_history").values():
            directions |= {row["direction"] for row in rows}
    assert len(codes) == 5
    assert events == {"SENT", "ACKED", "CANCELLED"}
    assert directions == {"LONG", "SHORT"}
    assert breaches > 0


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_weeks_with_ends_of_months_and_listings_too(tmp_path, layout):
    market = month_market(2, days=16, minutes=40)
    strategies = "roc_momentum,previous_day_breakout,donchian_breakout,four_hour_breakout"
    given = {"settings": settings_of(gate={"reservation_ttl_ms": 120_000}), "layout": layout}
    found = run(lake_of(tmp_path, market), strategies, **given)
    assert_as_composed(request(strategies, **given), found, market)
    months = {path.name for path in (found.folder / "exec_report_history").iterdir()}
    assert months == {"month=2024-01", "month=2024-02"}


def test_symbols_of_any_name_in_the_order_of_their_code_points(tmp_path):
    """Ties between signals go by the text of the symbol: B, a, then what is beyond ASCII."""
    names = ["B", "a", "z/..", "\u00e4", "\u4e2d", "\U0001f600"]
    rng = Random(1)
    bars = list(day_market(7, 300, 2).values())
    market = {name: rng.choice(bars) for name in names}
    given = {"settings": settings_of(gate={"max_open_positions": 2}), "layout": "shared"}
    found = run(lake_of(tmp_path, market), QUICK, **given)
    assert found.definition["symbols"] == names
    assert found.facts["rows"]["trade_match_history"] > 20
    assert_as_composed(request(QUICK, **given), found, market)


@pytest.mark.parametrize("rows", [1, 2])
def test_hardly_any_bars_are_enough_for_a_run(tmp_path, rows):
    market = {name: bars.rows(0, rows) for name, bars in day_market(7, 60, 1).items()}
    found = run(lake_of(tmp_path, market), final_unrealized=True)
    assert found.facts["rows"] == {"open_positions_lots": 0, "unrealized_pnl_latest": 0}
    assert all(one["netPnl"] == "0.00" for one in found.facts["figures"].values())


def test_the_snapshot_at_the_end_is_what_is_open_at_the_last_prices(tmp_path):
    market = day_market(4, 420, 4)
    found = run(
        lake_of(tmp_path, market),
        QUICK,
        instruments=FUTURES,
        settings=settings_of(gate={"sell_requires_long": False}),
        layout="shared",
        final_unrealized=True,
    )
    positions: dict[tuple[str, str, str], list[dict]] = {}
    for row in single(found, "open_positions_lots"):
        key = row["accountId"], row["strategyId"], row["symbol"]
        positions.setdefault(key, []).append(row)
    kept = {
        (row["accountId"], row["strategyId"], row["symbol"]): row
        for row in single(found, "unrealized_pnl_latest")
    }
    assert kept.keys() == positions.keys()
    assert {row["side"] for rows in positions.values() for row in rows} == {"LONG", "SHORT"}
    for key, row in kept.items():
        lots = positions[key]
        units = [int(lot["qtyRem"].scaleb(8)) for lot in lots]
        cost = sum(
            int(lot["avgPrice"].scaleb(8)) * left for lot, left in zip(lots, units, strict=True)
        )
        average = half_even(cost, sum(units))
        net = sum(units) if lots[0]["side"] == "LONG" else -sum(units)
        bars = market[key[2]]
        close = int(bars.close[-1])
        value = product(close - average, net, FUTURES[key[2]].point_value)
        assert int(row["netQty"].scaleb(8)) == net
        assert int(row["avgPrice"].scaleb(8)) == average
        assert int(row["currentPrice"].scaleb(8)) == close
        assert int(row["unrealizedPnl"].scaleb(8)) == value
        assert row["ts"].timestamp() * 1e6 == bars.ts[-1]


@pytest.mark.slow
def test_random_settings_on_random_markets(tmp_path):
    """A market with its settings is worth some thousand of the soak's sequences."""
    for seed in range(max(1, int(os.environ.get("SOAK", "4000")) // 1000)):
        rng = Random(seed)
        rules = {
            "gate": {
                "max_open_positions": rng.choice([1, 2, 3, 4]),
                "sell_requires_long": rng.random() < 0.5,
                "reserve_on_open": rng.random() < 0.7,
                "reservation_ttl_ms": rng.choice([1, 59_999, 60_000, 61_000, 300_000, 10**7]),
                "key": rng.choice(["account", "account+strategy"]),
            },
            "limits": {
                name: rng.choice(["0.05", "0.3", "1", "2.5", "1000"])
                for name in ("per_order", "per_symbol", "gross")
            },
            "costs": {
                "slippage_bps": rng.choice(["0", "1", "0.5", "33.3333", "250"]),
                "fee_bps": rng.choice(["0", "1", "0.25", "12.3456", "99"]),
            },
            "capital": rng.choice(["100000", "12345.67", "999.99999999", "5"]),
        }
        instruments = rng.choice([None, FUTURES])
        for layout in ("per-strategy", "shared"):
            folder = tmp_path / f"{seed}-{layout}"
            check(folder, seed, layout, rules, instruments=instruments)


def test_the_oracle_would_notice(tmp_path):
    """A fee of a hundred-millionth more in one exec report, and the comparison fails."""
    market = day_market(3, 420, 2)
    given = {"settings": settings_of(costs={"fee_bps": "1.0001"}), "layout": "shared"}
    found = run(lake_of(tmp_path, market), QUICK, **given)
    given["settings"] = settings_of()
    with pytest.raises(AssertionError, match="exec_report_history"):
        assert_as_composed(request(QUICK, **given), found, market)
