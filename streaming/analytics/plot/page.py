"""One report on one page, and what all pages are made of."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from streaming.analytics.equity import Curve, EquityReport
from streaming.analytics.plot.panels import (
    Line,
    curves,
    daily_bars,
    fall_text,
    fitting,
    months_table,
    side_notes,
    underwater,
)
from streaming.analytics.plot.theme import (
    HOLD,
    INK,
    MARKED,
    MUTED,
    REALISED,
    RULE,
    compact,
    date_axis,
    header,
    long_date,
    money_axis,
    plain_axes,
    signless_zero,
)
from streaming.analytics.report import UNDEFINED as DASH
from streaming.analytics.report import duration, money, number, percent
from streaming.analytics.statistics import Figures

WIDTH = 12.6
SCALE = 1e8
LEFT, RIGHT, EDGE = 0.075, 0.81, 0.985
# More notes than this would leave the page.
_NOTES = 2


def page(report: EquityReport) -> Figure:
    """Draw one report: its key figures, equity, drawdown, daily PnL and months."""
    sheet = Sheet([3.9, 1.7, 1.6], 0.36 * (report.end.year - report.start.year + 1))
    figure = sheet.figure
    header(figure, LEFT, report.name or "All matches", _subtitle(report), sheet.inches)
    _key_figures(figure, report, sheet.inches)
    equity, fall, daily = sheet.panels()
    lines = curve_lines(report)
    plain_axes(equity, "Equity", "return on capital")
    curves(equity, report.days, lines)
    plain_axes(fall, "Drawdown", "below the highest equity so far")
    curve = (report.marked or report.realised).figures
    shown = [line for line in lines if line.color != HOLD]
    underwater(fall, report.days, shown[::-1], deepest_text(curve))
    side_notes(
        fall,
        [
            ("Longest", f"{curve.longest_drawdown_days:,} days"),
            ("Ulcer index", percent(curve.ulcer_index)),
            ("Calmar", number(curve.calmar)),
        ],
    )
    plain_axes(daily, "Daily net PnL, realised", "currency")
    daily_bars(daily, report.days, report.realised.pnl / SCALE)
    money_axis(daily)
    realised = report.realised.figures
    side_notes(
        daily,
        [
            ("Best day", money(realised.best_day_pnl)),
            ("Worst day", money(realised.worst_day_pnl)),
            ("VaR / CVaR, 5 %", f"{percent(realised.var)} / {percent(realised.cvar)}"),
        ],
    )
    sheet.dates(report.days, (equity, fall, daily))
    months = sheet.table()
    table_title(months, "Months, realised", "net PnL, % of capital")
    months_table(months, report.days, report.realised.pnl / report.capital)
    footer(figure, [report], sheet.inches)
    return figure


class Sheet:
    """A page: panels over one time axis, a table below them over the page's width.

    Parameters
    ----------
    heights
        Of the panels, inches.
    table
        Height of the table, inches.
    top
        Height of what stands above the panels, inches.
    """

    _GAP = 0.5
    _TABLE_GAP = 1.0
    _BOTTOM = 0.8

    def __init__(self, heights: Sequence[float], table: float, top: float = 2.05) -> None:
        panels = sum(heights) + self._GAP * (len(heights) - 1)
        self.inches = top + panels + self._TABLE_GAP + table + self._BOTTOM
        self.figure = Figure(figsize=(WIDTH, self.inches))
        self._heights = heights
        self._top = 1 - top / self.inches
        self._foot = self._top - panels / self.inches
        self._table = (self._BOTTOM / self.inches, (self._BOTTOM + table) / self.inches)

    def panels(self) -> list[Axes]:
        """Give the panels, from the top."""
        grid = GridSpec(
            len(self._heights),
            1,
            self.figure,
            left=LEFT,
            right=RIGHT,
            top=self._top,
            bottom=self._foot,
            height_ratios=self._heights,
            hspace=self._GAP / (sum(self._heights) / len(self._heights)),
        )
        return [self.figure.add_subplot(grid[row]) for row in range(len(self._heights))]

    def table(self) -> Axes:
        """Give the place of the table."""
        low, high = self._table
        return self.figure.add_axes((LEFT, low, EDGE - LEFT, high - low))

    def dates(self, days: NDArray[np.datetime64], panels: Sequence[Axes]) -> None:
        """Give the panels one time axis, its dates written under the last."""
        for axes in panels:
            date_axis(axes, labelled=axes is panels[-1])
            axes.set_xlim(days[0], days[-1] + np.timedelta64(1, "D"))


def table_title(axes: Axes, title: str, unit: str) -> None:
    """Write a table's title above the names of its columns."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK, pad=30)
    axes.set_title(unit, loc="right", fontsize=8.5, color=MUTED, pad=30)


def deepest_text(curve: Figures) -> str:
    """Describe a curve's deepest drawdown."""
    recovered = curve.max_drawdown_recovery is not None
    return fall_text(
        curve.max_drawdown, curve.max_drawdown_trough, curve.max_drawdown_days, recovered
    )


def curve_lines(report: EquityReport) -> list[Line]:
    """Give a report's curves as returns on capital, the main one last."""
    lines = []
    if report.buy_and_hold is not None:
        lines.append(Line("Buy and hold", returns(report, report.buy_and_hold), HOLD, 1.0))
    # Realised is broad and marked fine, so that both show where they run together.
    lines.append(
        Line("Realised", returns(report, report.realised), REALISED, 2.2, above=3, bold=True)
    )
    if report.marked is not None:
        lines.append(
            Line("Marked", returns(report, report.marked), MARKED, 1.1, above=4, bold=True)
        )
    return lines


def returns(report: EquityReport, curve: Curve) -> NDArray[np.float64]:
    """Give a curve's cumulated return on capital at the start and each day's end."""
    return np.concatenate([[0.0], np.cumsum(curve.pnl) / report.capital])


def _subtitle(report: EquityReport) -> str:
    parts = [
        report.by,
        f"{long_date(report.start)} {DASH} {long_date(report.end)}",
        f"{report.realised.figures.days:,} days {report.tz}",
        f"capital {compact(report.capital / SCALE)}",
    ]
    symbols = ", ".join(report.symbols[:6]) + (" …" if len(report.symbols) > 6 else "")
    return "  ·  ".join(part for part in (*parts, symbols) if part)


def _key_figures(figure: Figure, report: EquityReport, inches: float) -> None:
    """Write the figures that a reader looks for first, in a row under the title."""
    realised, trades = report.realised.figures, report.trades
    marked = report.marked.figures if report.marked else None
    cells = [
        ("Net PnL", money(realised.net_pnl), marked and f"marked {money(marked.net_pnl)}"),
        ("CAGR", percent(realised.cagr, 1), marked and f"marked {percent(marked.cagr, 1)}"),
        (
            "Sharpe",
            f"{number(realised.sharpe)} ± {number(realised.sharpe_std_error)}",
            marked and f"marked {number(marked.sharpe)}",
        ),
        (
            "Max drawdown",
            percent(realised.max_drawdown, 1),
            marked and f"marked {percent(marked.max_drawdown, 1)}",
        ),
        ("Trades", f"{trades.trades:,}", f"held {duration(trades.holding_seconds)}"),
        ("Win rate", percent(trades.win_rate, 1), f"payoff {number(trades.payoff)}"),
        ("Profit factor", number(trades.profit_factor), f"fees {money(trades.fees)}"),
    ]
    width = (EDGE - LEFT) / len(cells)
    y = 1 - 1.3 / inches
    for place, (label, value, under) in enumerate(cells):
        x = LEFT + place * width
        figure.text(x, y + 0.2 / inches, label, fontsize=8.5, color=MUTED, va="center")
        value = signless_zero(value)
        figure.text(x, y - 0.02 / inches, value, fontsize=13, fontweight="bold", va="center")
        text = signless_zero(under) if under else ""
        figure.text(x, y - 0.24 / inches, text, fontsize=8.5, color=MUTED, va="center")
    for at in (1 - 0.93 / inches, 1 - 1.68 / inches):
        figure.add_artist(Line2D([LEFT, EDGE], [at, at], color=RULE, linewidth=0.8))


def footer(figure: Figure, reports: Sequence[EquityReport], inches: float) -> None:
    """Say at the foot of a page what its curves are, and what the reports note."""
    first = reports[0]
    words = ["Realised: net PnL of what was matched, fees off."]
    if any(report.marked for report in reports):
        words.append("Marked: with open positions at each day's last close.")
    if any(report.buy_and_hold for report in reports):
        words.append("Buy and hold: equal parts of the capital in the same symbols, no costs.")
    notes = dict.fromkeys(note for report in reports for note in report.notes)
    rules = f"Annualised by {first.days_per_year:g} days; every calendar day counts."
    more = len(notes) - _NOTES
    told = f" `trading metrics` tells {more} more notes than stand here." if more > 0 else ""
    noted = "  ".join(f"Note: {note}." for note in list(notes)[:_NOTES])
    room = 72 * WIDTH * (EDGE - LEFT)
    text = "\n".join([" ".join(words), rules + told, fitting(noted, "", room, size=7.5)])
    place = 0.55 / inches
    figure.text(LEFT, place, text, fontsize=7.5, color=MUTED, va="top", linespacing=1.5)
