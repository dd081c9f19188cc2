"""`trading import`: bars of files into a lake's `price_1m_history`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streaming.cli.output import JsonFlag, fail, print_json, print_table, progress

if TYPE_CHECKING:
    from streaming.feeds.importing import ImportReport
    from streaming.feeds.reading import Reading

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
    last_line: Annotated[
        Literal["whole", "doubtful"],
        typer.Option(
            help="What a CSV's last line is that no line end follows: a row like any other, or "
            "perhaps cut short, and quarantined."
        ),
    ] = "doubtful",
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Put the files' bars in the place of those in the lake that differ; without it "
            "the bar that came first is kept.",
        ),
    ] = False,
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
    given = {"columns": columns, "symbol": symbol, "label": label}
    reading = _reading(
        {name: value for name, value in given.items() if value is not None}
        | {"source": source, "tz": tz, "last_line": last_line}
    )
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
            replace=replace,
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


def _reading(given: dict[str, str]) -> "Reading":
    from streaming.feeds.reading import reading_of
    from streaming.feeds.refusals import ReadingError, Setting, as_option

    try:
        return reading_of(given)
    except ReadingError as error:
        hint = as_option(Setting(error.setting))
        raise typer.BadParameter(error.worded(as_option), param_hint=hint) from error


def _as_json(reports: list["ImportReport"]) -> dict[str, object]:
    return {
        **{
            name: sum(getattr(report, name) for report in reports)
            for name in (*_FIGURES, "replaced")
        },
        "files": [
            {
                **{name: getattr(report, name) for name in ("file", *_FIGURES, "replaced")},
                "reasons": [reason._asdict() for reason in report.reasons],
                "error": report.error,
            }
            for report in reports
        ],
    }


def _of_other_bars(reports: list["ImportReport"]) -> str:
    """Say how many rows met bars that differ, "" where none did."""
    replaced = sum(report.replaced for report in reports)
    differing = sum(report.differing for report in reports)
    said = []
    if replaced:
        said.append(f"{replaced:,} of the written took the place of bars that differ")
    if differing:
        said.append(
            f"{differing:,} of the quarantined differ from bars kept before; --replace puts them "
            "in their place"
        )
    return "; ".join(said)


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
    header = ["file", *_FIGURES]
    if rows:
        print_table("", header, rows, right=header[1:], caption=_of_other_bars(reports))
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
