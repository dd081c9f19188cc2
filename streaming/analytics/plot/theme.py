"""Colours, type and number formats that all pictures share."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

MINUS = "\N{MINUS SIGN}"
INK = "#1c2733"
MUTED = "#6b7785"
RULE = "#d9dee4"
PAPER = "#ffffff"
REALISED = "#1f4e8c"
MARKED = "#e08214"
HOLD = "#a3abb5"
# Told apart by people who do not tell red from green.
GAIN = "#2b8c82"
LOSS = "#c4513f"
LINES = ("#1f4e8c", "#2b8c82", "#7a5195", "#e08214", "#c4513f", "#8a6d3b")

HEAT = LinearSegmentedColormap.from_list("heat", [LOSS, "#f7f7f5", GAIN])

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "path.simplify": True,
    "text.parse_math": False,  # a name may hold dollar signs
}
# Settings that belong to the process, not to a picture.
_OF_PROCESS = {"backend", "backend_fallback", "interactive", "toolbar", "webagg.port"}


@contextmanager
def themed() -> Iterator[None]:
    """Draw with matplotlib's own defaults and this theme, whatever the user's settings."""
    defaults = {k: v for k, v in mpl.rcParamsDefault.items() if k not in _OF_PROCESS}
    with mpl.rc_context():
        settings: Any = defaults | _SETTINGS
        mpl.rcParams.update(settings)
        yield


def plain_axes(axes: Axes, title: str, unit: str = "") -> None:
    """Set up a panel: its title above left, horizontal rules, no frame."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK, pad=8)
    if unit:
        axes.set_title(unit, loc="right", fontsize=8.5, color=MUTED, pad=8)
    axes.grid(axis="y")
    axes.margins(x=0)


def date_axis(axes: Axes, *, labelled: bool) -> None:
    """Write dates along the bottom, or ticks alone."""
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S"], show_offset=False
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.tick_params(axis="x", labelbottom=labelled, length=3 if labelled else 0)


def percent_axis(axes: Axes) -> None:
    """Write fractions on the vertical axis as percent, with the places that its steps need."""

    def text(value: float, _: int | None = None) -> str:
        ticks = axes.yaxis.get_majorticklocs() * 100
        exact = (all(abs(t - round(t, n)) < 1e-6 for t in ticks) for n in range(4))
        places = next((n for n, fits in enumerate(exact) if fits), 4)
        return signless_zero(f"{value * 100:.{places}f}") + " %"

    axes.yaxis.set_major_formatter(FuncFormatter(text))


def money_axis(axes: Axes) -> None:
    """Write amounts on the vertical axis with thousands apart."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))


def compact(value: float) -> str:
    """Write an amount in four digits or so: 1,250, 45.2k, 1.35M."""
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e5, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return signless_zero(f"{scaled:,.4g}") + unit
    return signless_zero(f"{value:,.0f}" if abs(value) >= 10 or value == 0 else f"{value:,.2f}")


def signless_zero(text: str) -> str:
    """Drop the sign of a zero, and write the others with a true minus."""
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", MINUS)


def long_date(value: date) -> str:
    """Write a date as 7 Oct 2013."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{value.day} {months[value.month - 1]} {value.year}"


def faded(color: str, amount: float) -> str:
    """Mix a colour with paper: 0 leaves it, 1 is paper."""
    red, green, blue = (
        c + (p - c) * amount for c, p in zip(to_rgb(color), to_rgb(PAPER), strict=True)
    )
    return to_hex((red, green, blue))


def header(figure: Figure, left: float, title: str, subtitle: str, inches: float) -> None:
    """Write a picture's title and subtitle at its top, `inches` being its height."""
    figure.text(left, 1 - 0.38 / inches, title, fontsize=19, fontweight="bold", va="center")
    figure.text(left, 1 - 0.72 / inches, subtitle, fontsize=9.5, color=MUTED, va="center")
