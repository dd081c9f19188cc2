"""Reports as plain values: dictionaries for JSON, rows of text for tables.

In dictionaries money is in currency (the double nearest to the exact decimal), fractions
stay fractions, dates are ISO text, names are camelCase like the tables' columns, and what is
undefined is None: no inf, no NaN.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

from streaming.analytics.equity import EquityReport
from streaming.analytics.statistics import Figures

_SCALE = 10**8
# Integers in these fields are currency x 1e8; other integers are counts.
_MONEY = {"net_pnl", "gross_pnl", "fees", "best_day_pnl", "worst_day_pnl", "capital", "open_pnl"}
_DAY_SECONDS = 86_400

UNDEFINED = "\N{EN DASH}"
"""What is written for a figure that is undefined."""


def report_dict(report: EquityReport) -> dict[str, Any]:
    """Give a report as values that JSON holds.

    Returns
    -------
    dict
        `name`, `by`, the window (`start`, `end`, `tz`, `days`), `capital`, `symbols`; `netPnl`,
        `exposure` and `openPnl`; the curves `realised`, `marked` and `buyAndHold` (each its
        figures, or None); `trades` with `long` and `short`; `notes`.
    """
    return {
        "by": report.by,
        "name": report.name,
        "start": report.start.isoformat(),
        "end": report.end.isoformat(),
        "tz": report.tz,
        "days": report.realised.figures.days,
        "daysPerYear": report.days_per_year,
        "capital": report.capital / _SCALE,
        "symbols": list(report.symbols),
        "netPnl": report.realised.figures.net_pnl / _SCALE,
        "openPnl": None if report.open_pnl is None else report.open_pnl / _SCALE,
        "exposure": report.exposure,
        "realised": _values(asdict(report.realised.figures)),
        "marked": report.marked and _values(asdict(report.marked.figures)),
        "buyAndHold": report.buy_and_hold and _values(asdict(report.buy_and_hold.figures)),
        "trades": _values(asdict(report.trades)),
        "notes": list(report.notes),
    }


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): _value(name, value) for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _values(value)
    if isinstance(value, date):
        return value.isoformat()
    if name in _MONEY and value is not None:
        return value / _SCALE
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


SUMMARY = (
    "trades",
    "won",
    "profit factor",
    "net PnL",
    "return",
    "Sharpe",
    "± error",
    "max DD",
    "exposure",
    "fees",
)
"""Columns of `summary_row` for the realised curve."""

SUMMARY_MARKED = ("open PnL", "marked", "Sharpe", "max DD", "buy & hold")
"""Columns that `summary_row` adds where there are prices: those after "marked" are of it."""


def summary_row(report: EquityReport, *, marked: bool) -> list[str]:
    """Give one line on a report, as text: the cells of `SUMMARY` (and `SUMMARY_MARKED`)."""
    realised, trades = report.realised.figures, report.trades
    row = [
        f"{trades.trades:,}",
        percent(trades.win_rate, 0),
        number(trades.profit_factor),
        money(realised.net_pnl),
        percent(realised.total_return),
        number(realised.sharpe),
        number(realised.sharpe_std_error),
        percent(realised.max_drawdown),
        percent(report.exposure, 0),
        money(trades.fees),
    ]
    if marked:
        figures = report.marked.figures if report.marked else None
        hold = report.buy_and_hold.figures if report.buy_and_hold else None
        row += [
            money(report.open_pnl),
            percent(figures.total_return if figures else None),
            number(figures.sharpe if figures else None),
            percent(figures.max_drawdown if figures else None),
            percent(hold.total_return if hold else None),
        ]
    return row


def curve_rows(report: EquityReport) -> tuple[list[str], list[list[str]]]:
    """Give every figure of a report's curves side by side: (columns, rows of text)."""
    curves = {"realised": report.realised, "marked": report.marked}
    curves["buy and hold"] = report.buy_and_hold
    present = {name: curve.figures for name, curve in curves.items() if curve is not None}
    cells = [_figure_cells(figures) for figures in present.values()]
    rows = [[label, *(each[label] for each in cells)] for label in cells[0]]
    return ["", *present], rows


def _figure_cells(f: Figures) -> dict[str, str]:
    """Give the figures of one curve by label, as text."""
    return {
        "net PnL": money(f.net_pnl),
        "return on capital": percent(f.total_return),
        "CAGR": percent(f.cagr),
        "volatility": percent(f.volatility),
        "Sharpe": number(f.sharpe),
        "± standard error": number(f.sharpe_std_error),
        "probability of a Sharpe above 0": percent(f.psr, 1),
        "Sortino": number(f.sortino),
        "Calmar": number(f.calmar),
        "max drawdown": percent(f.max_drawdown),
        "  peak": day(f.max_drawdown_peak),
        "  trough": day(f.max_drawdown_trough),
        "  recovery": day(f.max_drawdown_recovery),
        "  days": f"{f.max_drawdown_days:,}",
        "longest drawdown, days": f"{f.longest_drawdown_days:,}",
        "Ulcer index": percent(f.ulcer_index),
        "VaR 5 %, a day": percent(f.var),
        "CVaR 5 %, a day": percent(f.cvar),
        "skew": number(f.skew),
        "excess kurtosis": number(f.kurtosis),
        "best day": f"{money(f.best_day_pnl)}  {day(f.best_day)}",
        "worst day": f"{money(f.worst_day_pnl)}  {day(f.worst_day)}",
        "days with PnL": f"{f.active_days:,} of {f.days:,}",
    }


def trade_rows(report: EquityReport) -> list[list[str]]:
    """Give every figure of a report's trades: rows of (label, text)."""
    t = report.trades
    return [
        ["trades", f"{t.trades:,} from {t.matches:,} matches"],
        ["win rate", f"{percent(t.win_rate, 1)}  ({t.wins:,} won, {t.losses:,} lost)"],
        ["profit factor", number(t.profit_factor)],
        ["payoff", number(t.payoff)],
        ["expectancy, a trade", number(t.expectancy)],
        ["average win", number(t.average_win)],
        ["average loss", number(t.average_loss)],
        ["gross PnL", money(t.gross_pnl)],
        ["fees", f"{money(t.fees)}  ({percent(t.fee_share, 1)} of gross profit)"],
        ["holding time", duration(t.holding_seconds)],
        ["exposure", percent(report.exposure, 1)],
        ["long", f"{t.long.trades:,} trades, {money(t.long.net_pnl)}"],
        ["short", f"{t.short.trades:,} trades, {money(t.short.net_pnl)}"],
        ["open PnL at the end", money(report.open_pnl)],
    ]


def money(amount: int | None) -> str:
    """Write an amount x 1e8 with two places: 12,345.68; a dash where there is none."""
    return UNDEFINED if amount is None else f"{amount / _SCALE:,.2f}"


def number(value: float | None, places: int = 2) -> str:
    """Write a number: 1,234.50; a dash where it is undefined."""
    return UNDEFINED if value is None else f"{value:,.{places}f}"


def percent(fraction: float | None, places: int = 2) -> str:
    """Write a fraction as percent: 1.25 %; a dash where it is undefined."""
    return UNDEFINED if fraction is None else f"{fraction * 100:,.{places}f} %"


def day(value: date | None) -> str:
    """Write a date: 2013-10-07; a dash where there is none."""
    return UNDEFINED if value is None else value.isoformat()


def duration(seconds: float | None) -> str:
    """Write a span of time in its two largest units: 3 d 4 h; a dash where undefined."""
    if seconds is None:
        return UNDEFINED
    whole = round(seconds)
    days, rest = divmod(whole, _DAY_SECONDS)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((at for at, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
