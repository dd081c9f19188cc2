"""`trading replay`: the lake's bars through the live engine."""

from pathlib import Path
from typing import Annotated

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
from streaming.cli.output import JsonFlag, print_json, progress, say
from streaming.cli.times import to_micros


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("replay")(replay)


def replay(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    store: Annotated[Path, typer.Option(help="File of the table store; made if not there.")],
    symbols: Symbols = None,
    strategies: Annotated[str, typer.Option(metavar="a,b|all", help="Strategies.")] = "all",
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
    """
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
    request = ReplayRequest(
        LivePlan(
            held,
            strategies_of(strategies, param or []),
            load_instruments(instruments or held.instruments.file),
        ),
        listed(symbols),
        to_micros(start, "--start"),
        to_micros(end, "--end"),
    )
    with progress("replay", quiet=as_json) as advance:
        report = play(Lake.existing(lake), store, request, advance)
    if as_json:
        print_json(facts_of(report))
        return
    say(f"{words_of(report)}.")
    say(f"Look at it: trading status --store {store}")
