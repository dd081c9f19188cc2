"""`trading import`: bars of files into a lake's `price_1m_history`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streaming.cli.output import JsonFlag, fail, print_json, print_table, progress

if TYPE_CHECKING:
    from streaming.feeds.bar_files import Reading
    from streaming.feeds.importing import ImportReport

_FIGURES = ("read", "written", "duplicate", "quarantined")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import")(import_prices)


def import_prices(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CSV or JSON lines (also .gz, .zip), or Parquet."),
    ],
    lake: Annotated[Path, typer.Option(help="Folder of the lake; made if it is not there.")],
    source: Annotated[
        Literal["ohlcv", "binance"],
        typer.Option(help="Named columns, or Binance klines of 12 columns."),
    ] = "ohlcv",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=COLUMN,...",
            help="Which column is ts, open, high, low, close, volume, symbol. Columns with "
            "usual names are found without it; ts=date+time joins two; volume= means none.",
        ),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Symbol of all rows, where the files do not say it.")
    ] = None,
    label: Annotated[
        Literal["open", "close"] | None,
        typer.Option(
            help="Whether a bar's time is its open or its close.  [default: close; open for "
            "binance and where the time column is called open time]",
            show_default=False,
        ),
    ] = None,
    tz: Annotated[str, typer.Option(help="Zone of times that name none.")] = "UTC",
    instruments: Annotated[
        Path | None,
        typer.Option(help="CSV of the symbols that are known; rows of others are quarantined."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Import 1-minute bars; rows in = written + duplicate + quarantined.

    A row that breaks its contract is quarantined and stops nothing else.
    Importing the same file again changes nothing. Exits 1 if a file could
    not be read; the others are imported all the same.
    """
    reading = _reading(source, columns, symbol, label, tz)
    from streaming.feeds.importing import import_files
    from streaming.feeds.instruments import load_instruments
    from streaming.lake import Lake

    known = load_instruments(instruments).symbols
    with progress("import", quiet=as_json) as advance:
        reports = import_files(
            Lake(lake),
            files,
            reading,
            symbols=known,
            advance=lambda done, name: advance(done, 1.0, name),
        )
    if as_json:
        print_json(_as_json(reports))
    else:
        _print(reports)
    for report in reports:
        if report.error:
            fail(report.error)
    if any(report.error for report in reports):
        raise typer.Exit(1)


def _reading(
    source: Literal["ohlcv", "binance"],
    columns: str | None,
    symbol: str | None,
    label: Literal["open", "close"] | None,
    tz: str,
) -> "Reading":
    from streaming.errors import SourceError
    from streaming.feeds.bar_files import Reading
    from streaming.feeds.columns import parse_mapping
    from streaming.feeds.times import zone

    if source == "binance" and (columns or label == "close" or tz != "UTC"):
        raise typer.BadParameter(
            "Binance klines have fixed columns and open times in UTC: leave out --columns, --tz "
            "and --label close, or use --source ohlcv."
        )
    if symbol is not None and not symbol.strip():
        raise typer.BadParameter("is empty.", param_hint="--symbol")
    try:
        mapping = parse_mapping(columns) if columns else {}
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--columns") from error
    try:
        zone(tz)
    except SourceError as error:
        raise typer.BadParameter(str(error), param_hint="--tz") from error
    return Reading(source, mapping, symbol.strip() if symbol else None, label, tz)


def _as_json(reports: list["ImportReport"]) -> dict[str, object]:
    return {
        **{name: sum(getattr(report, name) for report in reports) for name in _FIGURES},
        "files": [
            {
                **{name: getattr(report, name) for name in ("file", *_FIGURES)},
                "reasons": [reason._asdict() for reason in report.reasons],
                "error": report.error,
            }
            for report in reports
        ],
    }


def _print(reports: list["ImportReport"]) -> None:
    rows = [
        [report.file, *(f"{getattr(report, name):,}" for name in _FIGURES)]
        for report in reports
        if not report.error
    ]
    if len(reports) > 1:
        rows.append(
            ["total", *(f"{sum(getattr(r, name) for r in reports):,}" for name in _FIGURES)]
        )
    header = ["file", "read", "written", "duplicate", "quarantined"]
    if rows:
        print_table("", header, rows, right=header[1:])
    refused = [
        [Path(report.file).name, reason.row, reason.reason]
        for report in reports
        for reason in report.reasons
    ]
    if refused:
        count = sum(report.quarantined for report in reports)
        more = f"{len(refused)} of {count:,}; all are in quarantine_history"
        print_table(
            "quarantined rows", ["file", "row", "reason"], refused, right=["row"], caption=more
        )
