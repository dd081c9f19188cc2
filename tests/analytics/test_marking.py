"""Positions marked to market, and buy-and-hold, against naive sums."""

from datetime import date

import numpy as np
import pytest

from analytics.books import (
    END,
    GROUP,
    OSLO,
    SCALE,
    START,
    a_lot,
    a_match,
    lot_table,
    match_table,
    open_pnl_at,
    random_book,
    us,
)
from streaming.analytics import equity_metrics
from streaming.analytics.days import day_bounds
from streaming.analytics.prices import SeriesPrices
from streaming.errors import MoneyError


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
