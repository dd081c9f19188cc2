"""`trading match`: recorded exec reports to matches, positions and realised PnL."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.options import InstrumentsFile, SettingsFile
from streaming.cli.output import JsonFlag, print_json, print_table, progress, say

if TYPE_CHECKING:
    from streaming.runtimes.match import MatchReport


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("match")(match)


def match(
    fills: Annotated[
        Path,
        typer.Argument(
            metavar="FILLS", help="Exec reports: CSV or JSON lines (also .gz, .zip), or Parquet."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the tables; those of an earlier run are replaced.")
    ],
    orders: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Orders with the columns orderId and strategyId, such as "
            "accepted_trade_signal_history; may be repeated.",
        ),
    ] = None,
    instruments: InstrumentsFile = None,
    settings: SettingsFile = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="R", help="What runId of the matches says.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Match recorded fills first in, first out.

    The order of rows is the order of arrival. Writes trade_match_history, open_positions_lots,
    open_positions_rollup, realized_pnl_latest, risk_alerts_history and quarantine_history, one
    Parquet file each, all together or not at all. With engine.outputs = matches-only the
    positions and PnL are left out.

    A row that breaks its contract is quarantined with its reason and stops nothing. Whose a
    fill is, the orders file says, or else the first row of its order that names a strategy;
    rows that say otherwise are named. A fill whose order nobody knows goes to the strategy
    UNATTRIBUTED, with an alert.
    """
    if run_id is not None and not run_id.strip():
        raise typer.BadParameter("is empty.", param_hint="--run-id")
    from streaming.feeds.instruments import load_instruments
    from streaming.runtimes.match import MatchRequest, match_file
    from streaming.settings import load_settings

    held = load_settings(settings)
    request = MatchRequest(
        fills=fills,
        out=out,
        orders=orders or [],
        instruments=load_instruments(instruments or held.instruments.file),
        settings=held,
        run_id=run_id,
        now=time.time_ns() // 1000,
    )
    with progress("match", quiet=as_json) as advance:
        report = match_file(request, lambda done, what: advance(done, 1.0, what))
    if as_json:
        print_json({"file": str(fills), "out": str(out), **_as_json(report)})
        return
    _print(report)
    say(f"{', '.join(report.rows)} in {out}")


def _figures(report: "MatchReport") -> dict[str, int]:
    counts = report.counts
    return {
        "read": counts.read,
        "matched": counts.matches,
        "openLots": report.open_lots,
        "duplicates": counts.duplicates,
        "late": counts.late,
        "unattributed": counts.unattributed,
        "quarantined": counts.quarantined,
    }


def _as_json(report: "MatchReport") -> dict[str, Any]:
    return {
        **_figures(report),
        "applied": report.counts.applied,
        "orders": {"known": report.orders, "quarantined": report.orders_quarantined},
        "reasons": [reason._asdict() for reason in report.reasons],
        "rows": report.rows,
    }


def _print(report: "MatchReport") -> None:
    figures = _figures(report)
    header = ["open lots" if name == "openLots" else name for name in figures]
    print_table("", header, [[f"{count:,}" for count in figures.values()]], right=header)
    count = report.counts.quarantined + report.orders_quarantined
    if count:
        more = f"{len(report.reasons)} of {count:,}; all are in quarantine_history"
        print_table(
            "quarantined rows",
            ["file", "row", "reason"],
            report.reasons,
            right=["row"],
            caption=more,
        )
