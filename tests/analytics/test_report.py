"""Reports as plain values and as text."""

import json
import math
from datetime import date

import numpy as np
import pytest

from analytics.books import (
    SCALE,
    a_match,
    lot_table,
    match_table,
    random_book,
)
from streaming.analytics import equity_metrics
from streaming.analytics import report as text
from streaming.analytics.prices import SeriesPrices


def reports_of(seed, **more):
    matches, lots, prices = random_book(seed)
    return equity_metrics(
        match_table(matches), prices=SeriesPrices(prices), open_lots=lot_table(lots), **more
    )


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("seed", range(3))
def test_a_report_is_json_without_nan_or_infinity(seed):
    for report in reports_of(seed, names=["idle"]):
        found = text.report_dict(report)
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert all(math.isfinite(number) for number in numbers_in(found))


def test_money_is_in_currency_and_names_are_those_of_columns():
    report = reports_of(0)[0]
    found = text.report_dict(report)
    assert found["netPnl"] == report.realised.figures.net_pnl / SCALE
    assert found["trades"]["netPnl"] == found["realised"]["netPnl"] == found["netPnl"]
    assert found["trades"]["long"]["netPnl"] == report.trades.long.net_pnl / SCALE
    assert found["capital"] == 100_000.0
    assert found["realised"]["sharpeStdError"] == report.realised.figures.sharpe_std_error
    assert found["realised"]["bestDay"] == report.realised.figures.best_day.isoformat()
    assert found["marked"]["netPnl"] == report.marked.figures.net_pnl / SCALE
    assert found["openPnl"] == report.open_pnl / SCALE
    assert (found["start"], found["end"], found["days"]) == ("2013-10-25", "2013-10-30", 6)


def test_what_is_undefined_is_null():
    [report] = equity_metrics(match_table([a_match()]))
    found = text.report_dict(report)
    assert found["marked"] is found["buyAndHold"] is found["openPnl"] is None
    assert found["realised"]["sharpe"] is found["trades"]["profitFactor"] is None


def test_tables_have_a_cell_for_every_column():
    for report in reports_of(1, names=["idle"]):
        row = text.summary_row(report, marked=True)
        assert len(row) == len(text.SUMMARY) + len(text.SUMMARY_MARKED)
        assert len(text.summary_row(report, marked=False)) == len(text.SUMMARY)
        columns, rows = text.curve_rows(report)
        assert all(len(row) == len(columns) for row in rows)
        assert all(len(row) == 2 for row in text.trade_rows(report))
        for cell in [*row, *(cell for row in rows for cell in row)]:
            assert "nan" not in cell.lower()
            assert "inf" not in cell.lower()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.money(123_456_789_012), "1,234.57"),
        (text.money(-50_000_000), "-0.50"),
        (text.money(None), text.UNDEFINED),
        (text.number(1234.5), "1,234.50"),
        (text.percent(0.01254), "1.25 %"),
        (text.percent(0.5, 0), "50 %"),
        (text.day(date(2013, 10, 7)), "2013-10-07"),
        (text.duration(None), text.UNDEFINED),
        (text.duration(0), "0 s"),
        (text.duration(59.6), "1 min"),
        (text.duration(3 * 86_400 + 4 * 3600 + 5), "3 d 4 h"),
        (text.duration(86_400 + 59), "1 d"),
        (text.duration(3_661), "1 h 1 min"),
    ],
)
def test_values_as_text(written, expected):
    assert written == expected


def test_equity_starts_at_the_capital_and_ends_with_all_pnl():
    report = reports_of(2)[0]
    equity = report.equity(report.realised)
    assert int(equity[0]) == report.capital
    assert int(equity[-1]) == report.capital + report.realised.figures.net_pnl
    assert equity.size == report.days.size + 1
    assert (np.diff(equity) == report.realised.pnl).all()
