"""The panels of a picture: equity, drawdown, daily PnL, months."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from streaming.analytics.plot.theme import (
    GAIN,
    HEAT,
    INK,
    LOSS,
    MUTED,
    PAPER,
    faded,
    long_date,
    percent_axis,
    signless_zero,
)

Days = NDArray[np.datetime64]
Values = NDArray[np.float64]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Where labels beside a panel begin (of its width) and must end (of the page's).
_BESIDE, _EDGE = 1.012, 0.99
_LABEL_SIZE = 8.5


@dataclass(frozen=True)
class Line:
    """A curve to draw: `values[0]` is where it starts, `values[k]` the end of day k."""

    label: str
    values: Values
    color: str
    width: float = 1.6
    style: str = "-"
    above: int = 2
    bold: bool = False


def ends_of(days: Days) -> Days:
    """Give the points of a curve: the start of the first day, then each day's end."""
    return np.append(days, days[-1] + np.timedelta64(1, "D"))


def curves(axes: Axes, days: Days, lines: Sequence[Line], *, spread: float = 0.052) -> None:
    """Draw curves, each named at its end with its last value, names kept apart.

    Values are fractions of the capital.
    """
    points = ends_of(days)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    for line in lines:
        axes.plot(
            points,
            line.values,
            color=line.color,
            linewidth=line.width,
            linestyle=line.style,
            zorder=line.above,
        )
    axes.margins(x=0, y=0.08)
    percent_axis(axes)
    low, high = axes.get_ylim()
    named = [line for line in lines if line.label]
    place, figure = axes.get_position(), axes.get_figure(root=True)
    inches = figure.get_figwidth() if figure else 0.0
    room = 72 * inches * (_EDGE - place.x0 - _BESIDE * place.width)
    last = np.array([line.values[-1] for line in named])
    for line, height in zip(named, apart((last - low) / (high - low), spread), strict=True):
        value = signless_zero(f"{line.values[-1] * 100:+.1f}").replace("+0.0", "0.0")
        axes.annotate(
            fitting(line.label, f"  {value} %", room, bold=line.bold),
            xy=(_BESIDE, height),
            xycoords="axes fraction",
            color=line.color,
            fontsize=_LABEL_SIZE,
            fontweight="bold" if line.bold else "normal",
            va="center",
            annotation_clip=False,
        )


def fitting(
    name: str, rest: str, room: float, *, bold: bool = False, size: float = _LABEL_SIZE
) -> str:
    """Give a label of a name and what follows it, the name cut to fit `room` points."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")

    def width(text: str) -> float:
        return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]

    kept = name
    while kept and width((kept if kept == name else f"{kept}…") + rest) > room:
        kept = kept[:-1]
    return (kept if kept == name else f"{kept}…") + rest


def side_notes(axes: Axes, rows: Sequence[tuple[str, str]]) -> None:
    """Write figures to the right of a panel, the label above its value."""
    for place, (label, value) in enumerate(rows):
        for text, drop, color, weight in (
            (label, 0.0, MUTED, "normal"),
            (signless_zero(value), 13.0, INK, "bold"),
        ):
            axes.annotate(
                text,
                xy=(_BESIDE, 1.0),
                xycoords="axes fraction",
                xytext=(0, -5 - place * 33 - drop),
                textcoords="offset points",
                fontsize=8,
                color=color,
                fontweight=weight,
                va="center",
                annotation_clip=False,
            )


def apart(heights: Values, gap: float) -> Values:
    """Move heights (0 to 1) as little as keeps neighbours `gap` apart, in their order."""
    order = np.argsort(heights, kind="stable")
    placed = np.clip(heights[order], 0.0, 1.0)
    # Neighbours that touch become one block around their mean; blocks grow until none touch.
    blocks: list[list[float]] = []
    for height in placed:
        blocks.append([float(height), 1.0])
        while len(blocks) > 1:
            (low, below), (high, above) = blocks[-2:]
            if high - low >= gap * (below + above) / 2:
                break
            blocks[-2:] = [[(low * below + high * above) / (below + above), below + above]]
    result = np.empty(heights.size)
    at = 0
    for centre, count in blocks:
        size = int(count)
        steps = (np.arange(size) - (size - 1) / 2) * gap
        result[order[at : at + size]] = centre + steps
        at += size
    return result


def underwater(axes: Axes, days: Days, lines: Sequence[Line], deepest: str) -> None:
    """Draw how far each curve is below its highest so far; the first one filled.

    Values are equity, as a fraction of the capital, minus 1; `deepest` is written beside the
    lowest point of the first line.
    """
    points = ends_of(days)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    for number, line in enumerate(lines):
        equity = 1.0 + line.values
        fall = equity / np.maximum.accumulate(equity) - 1.0
        if number == 0:
            axes.fill_between(points, fall, 0, color=faded(line.color, 0.72), linewidth=0, zorder=1)
        axes.plot(points, fall, color=line.color, linewidth=1.0, linestyle=line.style, zorder=2)
        if number == 0 and fall.min() < 0:
            at = int(np.argmin(fall))
            right = at < points.size * 0.6
            axes.annotate(
                deepest,
                xy=(points[at], fall[at]),
                xytext=(8 if right else -8, 1),
                textcoords="offset points",
                ha="left" if right else "right",
                va="bottom",
                fontsize=8.5,
                color=INK,
                bbox={"boxstyle": "square,pad=0.15", "facecolor": PAPER, "alpha": 0.8, "lw": 0},
                zorder=5,
            )
            axes.plot(points[at], fall[at], "o", color=line.color, markersize=4, zorder=4)
    low = axes.get_ylim()[0]
    axes.set_ylim(low * 1.05 if low < 0 else -0.01, 0)
    percent_axis(axes)


def daily_bars(axes: Axes, days: Days, pnl: Values) -> None:
    """Draw each day's PnL as a bar, gains and losses in their colours."""
    # One polygon of each colour: thousands of separate bars would take seconds to draw.
    edges = np.repeat(ends_of(days), 2)[1:-1]
    heights = np.repeat(pnl, 2)
    for part, color in ((np.maximum(heights, 0), GAIN), (np.minimum(heights, 0), LOSS)):
        # The outline keeps a day visible where it is narrower than a pixel.
        axes.fill_between(edges, part, 0, color=color, linewidth=0.5)
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.margins(x=0, y=0.08)


def month_sums(days: Days, pnl: Values | NDArray[np.int64]) -> tuple[list[tuple[int, int]], Values]:
    """Add up daily values by calendar month: ((year, month) of each, sums)."""
    months = days.astype("datetime64[M]")
    distinct, place = np.unique(months, return_inverse=True)
    numbers = distinct.astype(np.int64)
    return [(int(n // 12) + 1970, int(n % 12) + 1) for n in numbers], np.bincount(
        place, pnl
    ).astype(np.float64)


def heat_limit(values: Values) -> float:
    """Give the value of full colour: the 95th percentile, lest one outlier pale the rest."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.quantile(sizes, 0.95)) or 1.0 if sizes.size else 1.0


def heat_cells(
    axes: Axes,
    values: Values,
    limit: float,
    *,
    size: float = 8.5,
    left: float = 0.0,
    cell: float = 1.0,
) -> None:
    """Draw fractions as coloured cells with their percent in them.

    NaN stays empty, and exactly 0, a month without a trade, is a dot.

    The cell of row i and column j has its corner at (left + j cell, i); rows are 1 high.
    """
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        strength = float(np.clip(value / limit, -1, 1))
        x = left + column * cell
        axes.fill(
            [x + 0.03 * cell, x + 0.97 * cell, x + 0.97 * cell, x + 0.03 * cell],
            [row + 0.05, row + 0.05, row + 0.95, row + 0.95],
            color=HEAT(0.5 + strength / 2),
            linewidth=0,
        )
        axes.text(
            x + cell / 2,
            row + 0.52,
            signless_zero(f"{value * 100:.1f}") if value else "·",
            ha="center",
            va="center",
            fontsize=size,
            color=PAPER if abs(strength) > 0.7 else INK if value else MUTED,
        )


def bare(axes: Axes) -> None:
    """Take away a panel's frame, ticks and rules."""
    axes.set_axis_off()


def months_table(axes: Axes, days: Days, returns: Values) -> None:
    """Draw a table of months: a row for each year, and the year's sum at its end."""
    months, sums = month_sums(days, returns)
    years = sorted({year for year, _ in months})
    values = np.full((len(years), 13), np.nan)
    for (year, month), value in zip(months, sums, strict=True):
        values[years.index(year), month - 1] = value
    totals = np.nansum(values[:, :12], axis=1)
    heat_cells(axes, values, heat_limit(values))
    for row, total in enumerate(totals):
        text = signless_zero(f"{total * 100:.1f}")
        color = GAIN if total > 0 else LOSS if total < 0 else INK
        axes.text(12.5, row + 0.52, text, ha="center", va="center", fontweight="bold", color=color)
        axes.text(-0.12, row + 0.52, str(years[row]), ha="right", va="center", color=MUTED)
    for column, name in enumerate((*MONTHS, "Year")):
        axes.text(column + 0.5, -0.12, name, ha="center", va="bottom", color=MUTED, fontsize=8.5)
    axes.set_xlim(0, 13)
    axes.set_ylim(len(years), 0)
    bare(axes)


def fall_text(depth: float, trough: date | None, days: int, recovered: bool) -> str:
    """Describe the deepest drawdown: its depth, day and length."""
    if trough is None:
        return ""
    state = "days" if recovered else "days, not recovered"
    return f"{signless_zero(f'{depth * 100:.1f}')} % on {long_date(trough)} · {days:,} {state}"
