"""Several reports on one page: all of them together above, a line for each below."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streaming.analytics.equity import Curve, EquityReport
from streaming.analytics.plot.page import (
    LEFT,
    SCALE,
    Sheet,
    deepest_text,
    footer,
    returns,
    table_title,
)
from streaming.analytics.plot.panels import (
    MONTHS,
    Line,
    bare,
    curves,
    daily_bars,
    heat_cells,
    heat_limit,
    month_sums,
    side_notes,
    underwater,
)
from streaming.analytics.plot.theme import (
    GAIN,
    HOLD,
    INK,
    LINES,
    LOSS,
    MUTED,
    REALISED,
    RULE,
    compact,
    faded,
    header,
    long_date,
    money_axis,
    plain_axes,
    signless_zero,
)
from streaming.analytics.report import UNDEFINED, money, number, percent
from streaming.analytics.statistics import Figures, figures

Values = NDArray[np.float64]

_ROW_INCHES = 0.36
_CELLS = 13
_FIGURES = ("Net PnL", "Return", "Sharpe", "Max DD", "Trades", "Win rate", "PF")
_NAMES, _SPARK, _FIGURE, _CELL = 2.55, 1.5, 0.92, 0.5


@dataclass(frozen=True)
class _Joint:
    """What all reports together are measured on: their accounts and the capital of these."""

    capital: int
    accounts: int

    @property
    def words(self) -> str:
        """The capital as a label says it."""
        of = "one account" if self.accounts == 1 else f"{self.accounts} accounts"
        return f"{compact(self.capital / SCALE)} of {of}"


def scoreboard(reports: Sequence[EquityReport], accounts: int | None = None) -> Figure:
    """Draw several reports of one window, the best first; `accounts` as `plot.png` has it."""
    ranked = sorted(reports, key=lambda report: (-report.realised.figures.net_pnl, report.name))
    sheet = Sheet([3.9, 1.5, 1.4], _ROW_INCHES * len(ranked), top=1.45)
    first = ranked[0]
    count = len(ranked) if accounts is None else accounts
    joint = _Joint(first.capital * count, count)
    header(sheet.figure, LEFT, _title(ranked), _subtitle(ranked, joint), sheet.inches)
    equity, fall, daily = sheet.panels()
    marked = all(report.marked for report in ranked)
    plain_axes(equity, f"Equity, {'marked' if marked else 'realised'}", "return on capital")
    shown = [r.marked if marked and r.marked else r.realised for r in ranked]
    total = _total(shown, joint)
    curves(equity, first.days, [*_lines(ranked, marked=marked), *_hold(ranked), total], spread=0.05)
    together = _together(shown, first, joint)
    unit = f"on {joint.words}, below the highest equity so far"
    plain_axes(fall, "Drawdown of all together", unit)
    underwater(fall, first.days, [total], deepest_text(together))
    side_notes(
        fall,
        [
            ("Longest", f"{together.longest_drawdown_days:,} days"),
            ("Sharpe", f"{number(together.sharpe)} ± {number(together.sharpe_std_error)}"),
        ],
    )
    plain_axes(daily, "Daily net PnL of all together, realised", "currency")
    daily_bars(daily, first.days, np.sum([r.realised.pnl for r in ranked], axis=0) / SCALE)
    money_axis(daily)
    realised = _together([r.realised for r in ranked], first, joint)
    side_notes(
        daily,
        [
            ("Best day", money(realised.best_day_pnl)),
            ("Worst day", money(realised.worst_day_pnl)),
        ],
    )
    sheet.dates(first.days, (equity, fall, daily))
    _table(sheet.table(), ranked)
    footer(sheet.figure, ranked, sheet.inches)
    return sheet.figure


def _title(reports: Sequence[EquityReport]) -> str:
    plural = {"strategy": "strategies"}.get(reports[0].by, f"{reports[0].by or 'report'}s")
    return f"{len(reports)} {plural}"


def _subtitle(reports: Sequence[EquityReport], joint: _Joint) -> str:
    first = reports[0]
    trades = sum(report.trades.trades for report in reports)
    net = sum(report.realised.figures.net_pnl for report in reports)
    return "  ·  ".join(
        [
            f"{long_date(first.start)} {UNDEFINED} {long_date(first.end)}",
            f"{first.realised.figures.days:,} days {first.tz}",
            f"capital {compact(first.capital / SCALE)} each, together {joint.words}",
            f"{trades:,} trades",
            f"net PnL {signless_zero(money(net))}",
        ]
    )


def _lines(reports: Sequence[EquityReport], *, marked: bool) -> list[Line]:
    """Give each report's curve: the best and the worst in colours and named, others faint."""
    named = set(range(len(reports)))
    if len(reports) > len(LINES):
        named = {*range(3), *range(len(reports) - 3, len(reports))}
    colors = iter(LINES)
    lines = []
    for place, report in enumerate(reports):
        values = returns(report, report.marked if marked and report.marked else report.realised)
        if place in named:
            lines.append(Line(report.name or UNDEFINED, values, next(colors), 1.1, above=3))
        else:
            lines.append(Line("", values, faded(MUTED, 0.65), 0.7))
    return lines


def _hold(reports: Sequence[EquityReport]) -> list[Line]:
    """Give the mean of buy-and-hold, where there are prices."""
    holds = [returns(report, report.buy_and_hold) for report in reports if report.buy_and_hold]
    return [Line("Buy and hold", np.mean(holds, axis=0), HOLD, 1.2, "--")] if holds else []


def _total(shown: Sequence[Curve], joint: _Joint) -> Line:
    """Give the sum of curves as a return on the capital of their accounts."""
    pnl = np.sum([curve.pnl for curve in shown], axis=0)
    values = np.concatenate([[0.0], np.cumsum(pnl) / joint.capital])
    return Line("All together", values, INK, 2.0, above=5, bold=True)


def _together(shown: Sequence[Curve], first: EquityReport, joint: _Joint) -> Figures:
    """Judge the sum of curves on the capital of their accounts."""
    return figures(
        np.sum([curve.pnl for curve in shown], axis=0),
        capital=joint.capital,
        start=first.start,
        days_per_year=first.days_per_year,
    )


def _table(axes: Axes, reports: Sequence[EquityReport]) -> None:
    """Draw a line for each report: name, small curve, figures, and PnL by period."""
    names, cells, unit = _periods(reports)
    table_title(axes, "Each, realised", f"{unit}, net PnL in % of capital")
    first_cell = _NAMES + _SPARK + _FIGURE * len(_FIGURES) + 0.25
    width = first_cell + _CELL * len(names)
    rows = len(reports)
    for place, label in enumerate(_FIGURES):
        _heading(axes, _NAMES + _SPARK + _FIGURE * (place + 1), label, "right")
    for place, label in enumerate(names):
        _heading(axes, first_cell + _CELL * (place + 0.5), label, "center")
    for row, report in enumerate(reports):
        f, t = report.realised.figures, report.trades
        _text(axes, 0, row + 0.5, report.name or UNDEFINED, INK, "left")
        _spark(axes, returns(report, report.realised), row)
        texts = [
            money(f.net_pnl),
            percent(f.total_return, 1),
            f"{number(f.sharpe)}",
            percent(f.max_drawdown, 1),
            f"{t.trades:,}",
            percent(t.win_rate, 0),
            number(t.profit_factor),
        ]
        for place, text in enumerate(texts):
            color = INK
            if place == 0:
                color = GAIN if f.net_pnl > 0 else LOSS if f.net_pnl < 0 else INK
            x = _NAMES + _SPARK + _FIGURE * (place + 1)
            _text(axes, x, row + 0.5, signless_zero(text), color, "right")
        axes.plot([0, width], [row, row], color=RULE, linewidth=0.6, zorder=0)
    heat_cells(axes, cells, heat_limit(cells), size=7.5, left=first_cell, cell=_CELL)
    axes.set_xlim(0, width)
    axes.set_ylim(rows, 0)
    bare(axes)


def _text(axes: Axes, x: float, y: float, text: str, color: str, align: str) -> None:
    axes.text(x, y, text, color=color, ha=align, va="center", fontsize=8.5, clip_on=False)


def _heading(axes: Axes, x: float, text: str, align: str) -> None:
    axes.annotate(
        text,
        xy=(x, 0),
        xytext=(0, 5),
        textcoords="offset points",
        color=MUTED,
        ha=align,
        va="bottom",
        fontsize=8.5,
        annotation_clip=False,
    )


def _spark(axes: Axes, values: Values, row: int) -> None:
    """Draw a small curve within a row, on its own scale, with its zero."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    size = (high - low) or 1.0
    points = values[np.linspace(0, values.size - 1, min(values.size, 160)).astype(np.int64)]
    x = np.linspace(_NAMES, _NAMES + _SPARK - 0.2, points.size)

    zero = row + 0.85 + 0.7 * low / size
    axes.plot([x[0], x[-1]], [zero, zero], color=RULE, linewidth=0.8, zorder=1)
    axes.plot(x, zero - 0.7 * points / size, color=REALISED, linewidth=1.0, zorder=2)


def _periods(reports: Sequence[EquityReport]) -> tuple[list[str], Values, str]:
    """Add up each report's returns by month, quarter or year: the finest that fits."""
    months, _ = month_sums(reports[0].days, reports[0].realised.pnl)
    ways = (
        ("Months", [(y, MONTHS[m - 1]) for y, m in months]),
        ("Quarters", [(y, f"Q{(m - 1) // 3 + 1}") for y, m in months]),
        ("Years", [(y, str(y)) for y, m in months]),
    )
    unit, keys = next((way for way in ways if len(dict.fromkeys(way[1])) <= _CELLS), ways[-1])
    distinct = list(dict.fromkeys(keys))
    place = np.array([distinct.index(key) for key in keys])
    cells = np.array(
        [
            np.bincount(place, month_sums(r.days, r.realised.pnl / r.capital)[1], len(distinct))
            for r in reports
        ]
    )
    labels = []
    for at, (year, name) in enumerate(distinct):
        begins = unit != "Years" and (at == 0 or distinct[at - 1][0] != year)
        labels.append(f"{year}\n{name}" if begins else name)
    return labels[-_CELLS:], cells[:, -_CELLS:], unit
