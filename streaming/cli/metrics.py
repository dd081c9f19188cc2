"""`trading metrics`: equity metrics of trade matches, from files or of a run in a lake."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streaming.cli.output import JsonFlag, print_json, print_table, progress, say

if TYPE_CHECKING:
    from streaming.analytics import EquityReport
    from streaming.analytics.sources import Source

# Refused rows beyond these are counted on a terminal; JSON has them all.
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("metrics")(metrics)


def metrics(
    matches: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MATCHES",
            help="Parquet or CSV files with the columns of trade_match_history, or folders.",
        ),
    ] = None,
    lake: Annotated[
        Path | None,
        typer.Option(help="Folder of the lake: has the runs, and the prices to mark with."),
    ] = None,
    run: Annotated[str | None, typer.Option(help="A run of the lake: runId or name.")] = None,
    capital: Annotated[
        str | None,
        typer.Option(help="Capital base of a report.  [default: the run's, or account.capital]"),
    ] = None,
    by: Annotated[
        Literal["strategy", "account", "symbol", "run"], typer.Option(help="What to report on.")
    ] = "strategy",
    start: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="First day.  [default: the run's, or the first match's]"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Last day.  [default: the run's, or the last match's]"),
    ] = None,
    tz: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Time zone of the days.  [default: metrics.timezone]"),
    ] = None,
    days_per_year: Annotated[
        str | None,
        typer.Option(metavar="DAYS", help="For annualising.  [default: metrics.daysPerYear]"),
    ] = None,
    instruments: Annotated[
        Path | None,
        typer.Option(help="CSV with the symbols' point values.  [default: instruments.file]"),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw a picture as well.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Report equity metrics: return, risk, drawdown, trades.

    With a lake that has the prices, equity comes twice, realised and marked
    to market at each day's end, with buy-and-hold of the same symbols beside
    them. Rows that break the contract do not count, and are named.
    """
    if not matches and run is None:
        raise typer.BadParameter("name files or folders of matches, or --lake and --run.")
    if matches and run is not None:
        raise typer.BadParameter("give either files or --run, not both.")
    if run is not None and lake is None:
        raise typer.BadParameter("--run needs the --lake that it lies in.")
    if plot is not None and plot.suffix.lower() != ".png":
        raise typer.BadParameter(f"--plot: {plot} must end in .png.")
    first, last = _day(start, "--start"), _day(end, "--end")
    if first is not None and last is not None and last < first:
        raise typer.BadParameter(f"--end: {last} is before --start, {first}.")
    from streaming.analytics.sources import from_files
    from streaming.feeds.instruments import load_instruments
    from streaming.runtimes.run_source import from_run
    from streaming.settings import load_settings

    given = {
        "metrics.timezone": ("--tz", tz),
        "metrics.daysPerYear": ("--days-per-year", days_per_year),
    }
    held = load_settings(
        settings, options={key: one for key, one in given.items() if one[1] is not None}
    )
    listed = load_instruments(instruments or held.instruments.file)
    source = from_run(lake, run) if run and lake else from_files(matches or [], lake)
    with progress("metrics", quiet=as_json) as advance:
        reports = source.reports(
            capital=capital or (held.account.capital if source.capital is None else None),
            start=first,
            end=last,
            tz=held.metrics.timezone,
            by=by,
            days_per_year=held.metrics.days_per_year,
            point_values={symbol: one.point_value for symbol, one in listed.items()},
            advance=advance,
        )
    if plot is not None:
        from streaming.analytics.plot import save_png

        save_png(reports, plot, source.joint_accounts(by))
    if as_json:
        _print_json(reports, source)
    else:
        _print_tables(reports)
        _say_refused(source)


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {text!r} is no day such as 2013-10-07.") from error


def _print_json(reports: "list[EquityReport]", source: "Source") -> None:
    from streaming.analytics.report import report_dict

    columns = ["source", "rowNumber", "reason"]
    print_json(
        {
            "reports": [report_dict(report) for report in reports],
            "duplicates": source.duplicates,
            "quarantined": source.quarantine.select(columns).to_pylist(),
        }
    )


def _print_tables(reports: "list[EquityReport]") -> None:
    """Print one report in full, or a line for each of several."""
    from streaming.analytics import report as text

    if not reports:
        say("No match lies in the window.")
        return
    first = reports[0]
    window = f"{first.start} to {first.end}, {first.realised.figures.days:,} days {first.tz}"
    capital = f"capital {text.money(first.capital)}"
    if len(reports) == 1:
        # Not as the table's title, which would wrap at the table's width.
        typer.echo(f"{first.by} {first.name or text.UNDEFINED}: {window}, {capital}")
        columns, rows = text.curve_rows(first)
        print_table("", columns, rows, right=columns[1:])
        print_table("", ["", "trades"], text.trade_rows(first), right=["trades"])
    else:
        marked = any(report.marked or report.buy_and_hold for report in reports)
        columns = [*text.SUMMARY, *(text.SUMMARY_MARKED if marked else ())]
        print_table(
            f"{window}, {capital} each",
            [first.by, *columns],
            [
                [report.name or text.UNDEFINED, *text.summary_row(report, marked=marked)]
                for report in reports
            ],
            right=columns,
        )
    for report in reports:
        for note in report.notes:
            say(f"{report.name or text.UNDEFINED}: {note}")


def _say_refused(source: "Source") -> None:
    """Name the rows that do not count, the first of them one by one."""
    if source.duplicates:
        say(f"{source.duplicates:,} matches came again unchanged and count once.")
    refused = source.quarantine.num_rows
    for row in source.quarantine.slice(0, _SHOWN).to_pylist():
        say(f"{row['source']}, row {row['rowNumber']}: {row['reason']}. Does not count.")
    if refused > _SHOWN:
        say(f"... and {refused - _SHOWN:,} more; --json lists them all.")
