"""What the UI shows of equity reports: figures, a table, a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from streaming.analytics.equity import EquityReport
from trading_assets.analytics.previews import picture

_DIALOG_DPI = 88
"""Dagster's dialog is 1160 dots wide, and cuts off what is wider."""

# Reports bring pandas, and pictures matplotlib: only where one is made.


def figures(report: EquityReport) -> dict[str, Any]:
    """Give the figures that are worth a line over time; what is undefined is left out."""
    from streaming.analytics.report import report_dict

    values = report_dict(report)
    realised, marked = values["realised"], values["marked"] or {}
    named = {
        "net PnL": values["netPnl"],
        "open PnL": values["openPnl"],
        "return": realised["totalReturn"],
        "Sharpe": realised["sharpe"],
        "max drawdown": realised["maxDrawdown"],
        "marked return": marked.get("totalReturn"),
        "marked max drawdown": marked.get("maxDrawdown"),
        "trades": values["trades"]["trades"],
        "win rate": values["trades"]["winRate"],
        "fees": values["trades"]["fees"],
    }
    # As many digits as a person reads; the file has them all.
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in named.items()
        if value is not None
    }


def drawing(reports: Sequence[EquityReport], accounts: int | None = None) -> dg.MetadataValue[Any]:
    """Draw equity and drawdown: a page of one report, a scoreboard of several."""
    from streaming.analytics.plot import png

    drawn = png(reports, accounts, dpi=_DIALOG_DPI)
    return dg.MetadataValue.md(picture(drawn, "equity and drawdown"))


def board(
    reports: Sequence[EquityReport], months: Mapping[str, int] | None = None
) -> dg.MetadataValue[Any]:
    """Give a table of reports, a line each; with how many months each is over, if given."""
    from streaming.analytics import report as text

    columns = ["strategy", *(["months"] if months else []), *text.SUMMARY, *text.SUMMARY_MARKED]
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    for one in reports:
        over = [str(months[one.name])] if months else []
        lines.append(f"| {' | '.join([one.name, *over, *text.summary_row(one, marked=True)])} |")
    return dg.MetadataValue.md("\n".join(lines))
