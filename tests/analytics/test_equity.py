"""Reports: grouping, windows, trades and the fast path against naive sums."""

import dataclasses
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from analytics.books import (
    END,
    GROUP,
    OSLO,
    SCALE,
    START,
    a_lot,
    a_match,
    local_day,
    lot_table,
    match_table,
    random_book,
    us,
)
from streaming.analytics import MatchArrays, equity_metrics, figures_from_matches
from streaming.analytics.prices import SeriesPrices
from streaming.errors import SettingsError, SourceError


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
