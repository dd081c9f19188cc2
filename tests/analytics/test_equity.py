"""Reports: grouping, windows, the marked curve and buy-and-hold against naive sums."""

import dataclasses
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from analytics.books import (
    SCALE,
    a_lot,
    a_match,
    local_day,
    lot_table,
    match_table,
    open_pnl_at,
    random_book,
    us,
)
from streaming.analytics import MatchArrays, equity_metrics, figures_from_matches
from streaming.analytics.days import day_bounds
from streaming.analytics.prices import SeriesPrices
from streaming.errors import MoneyError, SettingsError, SourceError

OSLO = "Europe/Oslo"
START, END = date(2013, 10, 25), date(2013, 10, 30)
GROUP = {"strategy": "strategyId", "account": "accountId", "symbol": "symbol", "run": "runId"}


def days_of(start, end):
    return [start + timedelta(days=k) for k in range((end - start).days + 1)]


@pytest.mark.parametrize("by", ["strategy", "account", "symbol", "run"])
def test_realised_daily_pnl_equals_adding_up_by_hand(by):
    matches, _, _ = random_book(1)
    reports = equity_metrics(match_table(matches), by=by, start=START, end=END)
    assert [r.name for r in reports] == sorted({m[GROUP[by]] for m in matches})
    for report in reports:
        expected = dict.fromkeys(days_of(START, END), 0)
        for m in matches:
            if m[GROUP[by]] == report.name:
                day = local_day(m["matchTimestamp"], OSLO)
                expected[day] += m["realizedPnl"] - m["fees"]
        assert [int(x) for x in report.realised.pnl] == list(expected.values())
        assert report.trades.net_pnl == report.realised.figures.net_pnl == sum(expected.values())
        assert [str(d) for d in report.days] == [d.isoformat() for d in expected]


@pytest.mark.parametrize("by", ["strategy", "symbol"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", [START, date(2013, 10, 27)])
def test_the_marked_curve_equals_marking_every_position_every_day(seed, by, start):
    values = {"X": SCALE, "Y": 50 * SCALE, "Z": 12_345_678}
    matches, lots, prices = random_book(seed, point_values=values)
    reports = equity_metrics(
        match_table(matches),
        by=by,
        start=start,
        end=END,
        prices=SeriesPrices(prices),
        open_lots=lot_table(lots),
        point_values=values,
    )
    bounds = day_bounds(start, END, OSLO)
    for report in reports:
        mine = [m for m in matches if m[GROUP[by]] == report.name]
        own_lots = [lot for lot in lots if lot[GROUP[by]] == report.name]
        gains = [open_pnl_at(b, mine, own_lots, prices, values) for b in bounds]
        realised = np.array([int(x) for x in report.realised.pnl])
        assert list(report.marked.pnl) == list(realised + np.diff(gains))
        assert report.open_pnl == gains[-1]
        equity = report.equity(report.marked)
        assert int(equity[-1]) == 10**13 + int(realised.sum()) + gains[-1] - gains[0]
        assert report.marked.figures.net_pnl == int(equity[-1]) - 10**13


def test_marking_by_hand_over_the_night_of_25_hours():
    # Bought 2 at 100 on Saturday the 26th, sold at 110 on Monday; Sunday lasts 25 hours and
    # ends at 23:00 UTC, so a close at 22:30 UTC is Sunday's, not Monday's.
    held = a_match(openTs=us("2013-10-26T12:00"), matchTimestamp=us("2013-10-28T12:00"), fees=SCALE)
    ts = np.array([us("2013-10-26T21:59"), us("2013-10-27T22:30"), us("2013-10-28T12:00")])
    close = np.array([101, 104, 110]) * SCALE
    [report] = equity_metrics(
        match_table([held]),
        start=date(2013, 10, 26),
        end=date(2013, 10, 28),
        prices=SeriesPrices({"X": (ts, close)}),
    )
    assert list(report.realised.pnl) == [0, 0, 19 * SCALE]
    assert list(report.marked.pnl) == [2 * SCALE, 6 * SCALE, 11 * SCALE]
    # Bought at the first close in the window: 100,000 at 101, then 104 and 110.
    assert report.buy_and_hold.figures.total_return == pytest.approx(110 / 101 - 1, abs=1e-12)
    assert report.exposure == pytest.approx(48 / 73)


def test_a_position_closed_at_midnight_is_not_open_then():
    midnight = us("2013-10-28T23:00")
    held = a_match(openTs=us("2013-10-28T10:00"), matchTimestamp=midnight)
    prices = SeriesPrices({"X": (np.array([midnight]), np.array([500 * SCALE]))})
    [report] = equity_metrics(
        match_table([held]), start=date(2013, 10, 28), end=date(2013, 10, 29), prices=prices
    )
    assert list(report.marked.pnl) == [20 * SCALE, 0]


def test_a_position_opened_at_midnight_is_open_then():
    midnight = us("2013-10-28T23:00")
    held = a_match(openTs=midnight, matchTimestamp=us("2013-10-29T10:00"))
    prices = SeriesPrices({"X": (np.array([midnight]), np.array([103 * SCALE]))})
    [report] = equity_metrics(
        match_table([held]), start=date(2013, 10, 28), end=date(2013, 10, 29), prices=prices
    )
    assert list(report.marked.pnl) == [6 * SCALE, 14 * SCALE]


def test_what_was_open_before_the_window_counts_only_from_its_start():
    held = a_match(openTs=us("2013-10-20T10:00"), matchTimestamp=us("2013-10-28T10:00"))
    ts = np.array([us("2013-10-26T10:00"), us("2013-10-27T10:00")])
    prices = SeriesPrices({"X": (ts, np.array([108, 107]) * SCALE)})
    [report] = equity_metrics(
        match_table([held]), start=date(2013, 10, 27), end=date(2013, 10, 28), prices=prices
    )
    assert list(report.realised.pnl) == [0, 20 * SCALE]
    assert list(report.marked.pnl) == [-2 * SCALE, 6 * SCALE]  # from 108: 107, sold at 110
    # Bought at the close before the window.
    assert report.buy_and_hold.figures.total_return == pytest.approx(107 / 108 - 1, abs=1e-12)


def test_marking_does_not_depend_on_how_a_lot_was_cut():
    opened, closed = us("2013-10-26T10:00"), us("2013-10-28T10:00")
    third = {"openTs": opened, "matchTimestamp": closed, "buyPrice": 100_00000001}
    whole = [a_match(**third, matchedQty=3)]
    parts = [a_match(**third, matchedQty=1) for _ in range(3)]
    prices = SeriesPrices({"X": (np.array([opened]), np.array([100_20000001]))})
    curves = [
        equity_metrics(
            match_table(rows), start=date(2013, 10, 26), end=date(2013, 10, 27), prices=prices
        )[0].marked.pnl
        for rows in (whole, parts)
    ]
    # 3e-8 units gain 0.2 each: 0.6e-8 is 1e-8 rounded once, 0 rounded in parts.
    assert list(curves[0]) == list(curves[1]) == [1, 0]


def test_long_and_short_of_one_symbol_offset_each_other():
    times = {"openTs": us("2013-10-26T10:00"), "matchTimestamp": us("2013-10-28T10:00")}
    pair = [
        a_match(**times, strategyId="up"),
        a_match(**times, strategyId="down", direction="SHORT", sellPrice=100 * SCALE),
    ]
    prices = SeriesPrices({"X": (np.array([times["openTs"]]), np.array([125 * SCALE]))})
    window = {"start": date(2013, 10, 26), "end": date(2013, 10, 27), "prices": prices}
    window["open_lots"] = lot_table([])
    down, up = equity_metrics(match_table(pair), **window)
    assert (up.open_pnl, down.open_pnl) == (50 * SCALE, -50 * SCALE)
    [both] = equity_metrics(match_table(pair), by="account", **window)
    assert both.open_pnl == 0


def test_quantities_beyond_doubles_are_marked_to_the_last_digit():
    # 123,456,789.12345678 units at 9,999.99999999: the cost has 33 digits.
    quantity, price = 12_345_678_912_345_678, 999_999_999_999
    lot = a_lot(qty=quantity, price=price, tsOpen=us("2013-10-26T10:00"))
    prices = {"X": (np.array([us("2013-10-26T11:00")]), np.array([price + 7]))}
    [report] = equity_metrics(
        match_table([]),
        start=date(2013, 10, 26),
        end=date(2013, 10, 26),
        prices=SeriesPrices(prices),
        open_lots=lot_table([lot]),
    )
    assert report.open_pnl == round(quantity * 7 / 10**8)
    assert report.open_pnl == open_pnl_at(us("2013-10-26T22:00"), [], [lot], prices)


def test_what_cannot_be_marked_in_its_decimals_is_an_error_that_names_the_symbol():
    lot = a_lot(qty=10**17, price=SCALE, tsOpen=us("2013-10-26T10:00"))
    prices = SeriesPrices({"X": (np.array([us("2013-10-26T11:00")]), np.array([10**17]))})
    with pytest.raises(MoneyError, match="marking X to market"):
        equity_metrics(
            match_table([]),
            start=date(2013, 10, 26),
            end=date(2013, 10, 26),
            prices=prices,
            open_lots=lot_table([lot]),
        )


def test_without_prices_of_a_symbol_held_overnight_nothing_is_marked_and_it_is_named():
    held = a_match(openTs=us("2013-10-26T12:00"), matchTimestamp=us("2013-10-28T12:00"))
    [report] = equity_metrics(match_table([held]), prices=SeriesPrices({}))
    assert report.marked is None
    assert report.open_pnl is None
    assert report.buy_and_hold is None
    assert "not marked to market: no prices of X" in report.notes


def test_matches_of_another_point_value_than_the_one_given_are_not_marked():
    held = {"openTs": us("2013-10-26T12:00"), "matchTimestamp": us("2013-10-28T12:00")}
    table = match_table([a_match(**held, pointValue=50 * SCALE), a_match(**held, symbol="Y")])
    ts = np.array([us("2013-10-26T12:00")])
    prices = SeriesPrices({name: (ts, np.array([101 * SCALE])) for name in "XY"})
    window = {"start": date(2013, 10, 26), "end": date(2013, 10, 27), "prices": prices}
    window["open_lots"] = lot_table([])
    x, y = equity_metrics(table, by="symbol", **window)
    assert x.marked is None
    assert "another point value than the one given (1 unless stated) of X" in x.notes[0]
    assert y.marked.figures.net_pnl == 2 * SCALE
    x, _ = equity_metrics(table, by="symbol", point_values={"X": 50 * SCALE}, **window)
    assert x.notes == ()
    assert x.marked.figures.net_pnl == 100 * SCALE


def test_before_its_first_close_a_position_counts_at_cost():
    held = a_match(openTs=us("2013-10-26T12:00"), matchTimestamp=us("2013-10-28T12:00"))
    prices = SeriesPrices({"X": (np.array([us("2013-10-27T12:00")]), np.array([105 * SCALE]))})
    [report] = equity_metrics(
        match_table([held]),
        start=date(2013, 10, 26),
        end=date(2013, 10, 28),
        prices=prices,
        open_lots=lot_table([]),
    )
    assert list(report.marked.pnl) == [0, 10 * SCALE, 10 * SCALE]
    assert report.notes == ("counted at cost until the first close: X",)
    assert report.open_pnl == 0


def test_lots_that_are_not_known_leave_open_pnl_undefined_and_are_noted():
    prices = SeriesPrices({"X": (np.array([us("2013-10-07T13:00")]), np.array([SCALE]))})
    [report] = equity_metrics(match_table([a_match()]), prices=prices)
    assert report.open_pnl is None
    assert report.notes == ("lots still open at the end are not known, so not marked",)
    [report] = equity_metrics(match_table([a_match()]), prices=prices, open_lots=lot_table([]))
    assert (report.open_pnl, report.notes) == (0, ())


def test_buy_and_hold_splits_the_capital_evenly_over_the_symbols_traded():
    matches = [a_match(symbol="X"), a_match(symbol="Y"), a_match(symbol="Z", strategyId="t")]
    at, later = us("2013-10-06T12:00"), us("2013-10-07T21:00")
    prices = {
        symbol: (np.array([at, later]), np.array([100, after]) * SCALE)
        for symbol, after in (("X", 110), ("Y", 80), ("Z", 300))
    }
    s, t = equity_metrics(match_table(matches), prices=SeriesPrices(prices), capital=1000)
    assert s.symbols == ("X", "Y")
    assert list(s.buy_and_hold.pnl) == [-50 * SCALE]
    assert list(t.buy_and_hold.pnl) == [2000 * SCALE]


def test_lots_of_a_strategy_that_never_closed_anything_make_a_report():
    lot = a_lot(strategyId="holder", tsOpen=us("2013-10-07T14:00"))
    prices = SeriesPrices({"X": (np.array([us("2013-10-07T15:00")]), np.array([103 * SCALE]))})
    holder, s = equity_metrics(match_table([a_match()]), prices=prices, open_lots=lot_table([lot]))
    assert (holder.name, holder.trades.trades, holder.open_pnl) == ("holder", 0, 3 * SCALE)
    assert holder.exposure == pytest.approx(8 / 24)
    assert (s.name, s.open_pnl) == ("s", 0)


def test_rows_in_any_order_and_in_any_chunks_give_the_same_reports():
    matches, lots, prices = random_book(3)
    table = match_table(matches)
    asked = {"start": START, "end": END, "prices": SeriesPrices(prices)}
    expected = equity_metrics(table, open_lots=lot_table(lots), **asked)
    order = np.random.default_rng(0).permutation(len(matches))
    shuffled = table.take(pa.array(order))
    chunked = pa.concat_tables([shuffled.slice(0, 17), shuffled.slice(17)])
    found = equity_metrics(chunked, open_lots=lot_table(lots[::-1]), **asked)
    assert [plain(r) for r in found] == [plain(r) for r in expected]


def plain(report):
    """Give a report as values that compare."""
    return [
        (name, value.pnl.tolist(), value.figures) if hasattr(value, "pnl") else (name, value)
        for name, value in (
            (field.name, getattr(report, field.name)) for field in dataclasses.fields(report)
        )
    ]


def test_the_window_runs_from_the_first_to_the_last_match_unless_stated():
    matches = [
        a_match(matchTimestamp=us("2014-03-29T23:00:00.000001")),  # Sunday the 30th in Oslo
        a_match(matchTimestamp=us("2014-03-31T22:00")),  # midnight: still Monday the 31st
    ]
    [report] = equity_metrics(match_table(matches))
    assert (report.start, report.end) == (date(2014, 3, 30), date(2014, 3, 31))
    [report] = equity_metrics(match_table(matches), start=date(2014, 3, 1), tz="UTC")
    assert (report.start, report.end) == (date(2014, 3, 1), date(2014, 3, 31))
    assert report.realised.figures.days == 31


def test_matches_outside_a_stated_window_do_not_count():
    matches = [a_match(), a_match(matchTimestamp=us("2013-10-09T15:00"))]
    [report] = equity_metrics(match_table(matches), end=date(2013, 10, 8))
    assert report.trades.matches == 1
    assert report.realised.figures.net_pnl == 20 * SCALE


def test_a_match_at_the_midnight_that_begins_the_window_is_not_in_it_for_any_figure():
    start, end = us("2013-10-06T22:00"), us("2013-10-07T22:00")
    matches = [a_match(matchTimestamp=ts) for ts in (start, start + 1, end, end + 1)]
    day = date(2013, 10, 7)
    [report] = equity_metrics(match_table(matches), start=day, end=day)
    assert report.trades.matches == 2
    assert report.trades.net_pnl == report.realised.figures.net_pnl == 40 * SCALE


def test_orders_of_different_keys_or_sides_are_different_trades():
    same = {"sellOrderId": "o", "buyOrderId": "o"}
    matches = [
        a_match(**same),
        a_match(**same),
        a_match(**same, accountId="other"),
        a_match(**same, symbol="Y"),
        a_match(**same, runId="q"),
        a_match(**same, direction="SHORT"),
    ]
    [report] = equity_metrics(match_table(matches))
    assert report.trades.trades == 5
    assert report.notes == ("matches of 2 runs are added up",)


def test_groups_that_never_traded_are_reported_when_named():
    reports = equity_metrics(match_table([a_match()]), names=["idle", "s"])
    assert [r.name for r in reports] == ["idle", "s"]
    assert reports[0].realised.figures.sharpe is None
    assert reports[0].realised.figures.net_pnl == 0


def test_no_matches_and_no_window_is_an_error():
    with pytest.raises(SourceError, match="the window must be stated"):
        equity_metrics(match_table([]))
    assert equity_metrics(match_table([]), start=START, end=END) == []


@pytest.mark.parametrize("capital", [0, -5, "much", float("nan"), "0.123456789", 10**10])
def test_a_capital_that_cannot_be_is_refused(capital):
    with pytest.raises(SettingsError, match="capital must be a positive amount"):
        equity_metrics(match_table([a_match()]), capital=capital)


def test_an_unknown_grouping_is_refused_by_name():
    with pytest.raises(SettingsError, match="cannot group by 'venue'"):
        equity_metrics(match_table([a_match()]), by="venue")


def test_lots_cannot_be_given_to_one_of_several_runs():
    matches = match_table([a_match(), a_match(runId="q")])
    with pytest.raises(SourceError, match="one run at a time"):
        equity_metrics(matches, by="run", open_lots=lot_table([a_lot()]))


def test_lots_are_of_the_one_run_that_is_measured():
    [report] = equity_metrics(match_table([a_match()]), by="run", open_lots=lot_table([a_lot()]))
    assert report.name == "r"
    assert report.exposure == pytest.approx(8 / 24)  # the lot alone, from 16:00 to midnight


def test_a_reports_symbols_are_those_held_in_the_window():
    rows = [
        a_match(symbol="BEFORE", matchTimestamp=us("2013-10-05T15:00")),
        a_match(symbol="INTO", openTs=us("2013-10-05T15:00")),
        a_match(symbol="IN"),
        a_match(symbol="OUT", matchTimestamp=us("2013-10-09T15:00")),
        a_match(
            symbol="AFTER",
            openTs=us("2013-10-09T14:00"),
            matchTimestamp=us("2013-10-09T15:00"),
        ),
    ]
    lots = [a_lot(symbol="LOT"), a_lot(symbol="LATER", tsOpen=us("2013-10-09T14:00"))]
    day = date(2013, 10, 7)
    [report] = equity_metrics(match_table(rows), start=day, end=day, open_lots=lot_table(lots))
    assert report.symbols == ("IN", "INTO", "LOT", "OUT")


def test_the_fast_path_gives_the_figures_of_the_tables():
    matches, _, _ = random_book(5)
    matches.sort(key=lambda m: m["matchTimestamp"])
    [report] = equity_metrics(match_table(matches), by="run", start=START, end=END)
    is_long = np.array([m["direction"] == "LONG" for m in matches])
    orders = []
    for m in matches:
        closing = m["sellOrderId"] if m["direction"] == "LONG" else m["buyOrderId"]
        keys = (m["accountId"], m["strategyId"], m["symbol"], m["direction"])
        orders.append((*keys, closing))
    codes = {order: code for code, order in enumerate(dict.fromkeys(orders))}
    fast = figures_from_matches(
        MatchArrays(
            ts=np.array([m["matchTimestamp"] for m in matches]),
            open_ts=np.array([m["openTs"] for m in matches]),
            quantity=np.array([m["matchedQty"] for m in matches]),
            gross=np.array([m["realizedPnl"] for m in matches]),
            fees=np.array([m["fees"] for m in matches]),
            is_long=is_long,
            closing=np.array([codes[order] for order in orders]),
        ),
        capital=100_000,
        start=START,
        end=END,
    )
    assert fast.realised.figures == report.realised.figures
    assert fast.trades == report.trades
    assert fast.exposure == report.exposure


def test_importing_the_analytics_loads_neither_arrow_nor_numba_nor_matplotlib():
    heavy = ("pyarrow", "numba", "matplotlib", "pandas", "scipy", "typer")
    script = f"import streaming.analytics, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"
