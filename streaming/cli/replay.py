"""`trading replay`: the lake's bars, or what a store has recorded, through the live engine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streaming.cli.live import facts_of, words_of
from streaming.cli.options import (
    Capital,
    Fees,
    InstrumentsFile,
    Params,
    SettingsFile,
    Slippage,
    Symbols,
    Until,
    listed,
    overrides,
    strategies_of,
)
from streaming.cli.output import JsonFlag, print_json, print_table, progress, say
from streaming.cli.times import to_micros

if TYPE_CHECKING:
    from streaming.runtimes.live.playing import PlayReport
    from streaming.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("replay")(replay)


def replay(
    store: Annotated[Path, typer.Option(help="File of the table store; made if not there.")],
    lake: Annotated[Path | None, typer.Option(help="Folder of the lake.")] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Play what this store has recorded, and compare."),
    ] = None,
    symbols: Symbols = None,
    strategies: Annotated[
        str | None, typer.Option(metavar="a,b|all", help="Strategies.  [default: all]")
    ] = None,
    param: Params = None,
    start: Annotated[
        str | None, typer.Option(metavar="T", help="Bars after this time (UTC).")
    ] = None,
    end: Until = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="max|60|1", help="Seconds of the market in one.  [default: live.speed]"
        ),
    ] = None,
    capital: Capital = None,
    slippage_bps: Slippage = None,
    fee_bps: Fees = None,
    instruments: InstrumentsFile = None,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Play the lake's bars through the live engine with the simulated broker.

    Trades account `live`, and `paper:live` beside it. Everything goes to the table
    store, tick by tick; run again after any stop, it goes on where it was. Look at it
    with `trading status`, take it out with `trading export`.

    With --recorded the input is what a live engine's store has recorded: bars, exec reports,
    what a broker said, published weights and the advances of the clock, in the order and the
    ticks in which they came. Account, strategies and broker are the record's; settings and
    parameters have to be those that it was made with, and --lake is needed where features had
    seen its bars before. All tables come out as they are there, but for calcTs; if one does
    not, it is named, and the exit code is 1.
    """
    if recorded is not None:
        for name, given in (
            *(("--strategies", strategies), ("--start", start), ("--end", end)),
            ("--speed", speed),
        ):
            if given is not None:
                raise typer.BadParameter("is the record's.", param_hint=name)
    from streaming.feeds.instruments import load_instruments
    from streaming.lake import Lake
    from streaming.runtimes.live.engine import LivePlan
    from streaming.runtimes.live.replay import ReplayRequest
    from streaming.runtimes.live.replay import replay as play
    from streaming.settings import load_settings

    options = overrides(capital, slippage_bps, fee_bps)
    if speed is not None:
        options["live.speed"] = ("--speed", speed)
    held = load_settings(settings, options=options)
    if recorded is not None:
        file = instruments or held.instruments.file
        report = _play(recorded, store, lake, listed(symbols), held, param or [], file, as_json)
        if not report.equal:
            raise typer.Exit(1)
        return
    if lake is None:
        raise typer.BadParameter("is needed, or --recorded.", param_hint="--lake")
    request = ReplayRequest(
        LivePlan(
            held,
            strategies_of(strategies or "all", param or []),
            load_instruments(instruments or held.instruments.file),
        ),
        listed(symbols),
        to_micros(start, "--start"),
        to_micros(end, "--end"),
    )
    with progress("replay", quiet=as_json) as advance:
        done = play(Lake.existing(lake), store, request, advance)
    if as_json:
        print_json(facts_of(done))
        return
    say(f"{words_of(done)}.")
    say(f"Look at it: trading status --store {store}")


def _play(
    recorded: Path,
    store: Path,
    lake: Path | None,
    symbols: tuple[str, ...] | None,
    held: "Settings",
    params: list[str],
    instruments: Path | None,
    as_json: bool,
) -> "PlayReport":
    """Play a record and say how the tables compare."""
    from streaming.feeds.instruments import load_instruments
    from streaming.lake import Lake
    from streaming.runtimes.live.engine import LivePlan
    from streaming.runtimes.live.playing import PlayRequest, play, recorded_plan

    found = recorded_plan(recorded)
    plan = LivePlan(
        held,
        strategies_of(",".join(found.strategies), params),
        load_instruments(instruments),
        found.account,
        found.broker,
    )
    bars = None if lake is None else Lake.existing(lake)
    with progress("replay", quiet=as_json) as advance:
        report = play(
            PlayRequest(recorded, store, plan, bars, symbols),
            lambda done, what: advance(done, 1.0, what),
        )
    if as_json:
        tables = [one._asdict() for one in report.tables]
        print_json({"ticks": report.ticks, "equal": report.equal, "tables": tables})
        return report
    rows = [
        [one.table, one.recorded, one.played, "" if one.first is None else one.first]
        for one in report.tables
    ]
    right = ("recorded", "played", "first that differs")
    print_table("Changes", ("table", *right), rows, right=right)
    say(f"{report.ticks:,} ticks played; tables {'are equal' if report.equal else 'differ'}.")
    return report
