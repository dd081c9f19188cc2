"""`trading backtest`: from the lake's prices, or recorded signals, to trade matches."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

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
    from streaming.runtimes.runs import Run


_FIGURES = (
    "trades",
    "net PnL",
    "return",
    "Sharpe",
    "max drawdown",
    "fees",
    "orders",
    "rejected",
    "cancelled",
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("backtest")(backtest)


def backtest(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    signals: Annotated[
        Path | None,
        typer.Option(help="Recorded signals (CSV or Parquet) in place of the strategies'."),
    ] = None,
    symbols: Symbols = None,
    strategies: Annotated[
        str | None,
        typer.Option(
            metavar="a,b|all",
            help="Strategies.  [default: all]  With --signals: who takes part, and has its part "
            "of a shared account, silent or not.  [default: those in the file]",
            show_default=False,
        ),
    ] = None,
    param: Params = None,
    start: Annotated[
        str | None, typer.Option(metavar="T", help="Signals after this time count (UTC).")
    ] = None,
    end: Until = None,
    account: Annotated[
        Literal["per-strategy", "shared"],
        typer.Option(help="Each strategy alone, or all in one account."),
    ] = "per-strategy",
    capital: Capital = None,
    slippage_bps: Slippage = None,
    fee_bps: Fees = None,
    instruments: InstrumentsFile = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="R", help="A name to keep with the run's hash.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on from the state that this run saved.")
    ] = None,
    rows_after: Annotated[
        str | None,
        typer.Option(
            metavar="T", help="Trade from --start on, but keep the rows after this time alone."
        ),
    ] = None,
    final_unrealized: Annotated[
        bool, typer.Option("--final-unrealized", help="Add the snapshot at the last prices.")
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Keep signals, orders and fills, not matches alone.")
    ] = False,
    settings: SettingsFile = None,
    threads: Annotated[int, typer.Option(min=1, help="Rows do not depend on it.")] = (
        os.cpu_count() or 1
    ),
    as_json: JsonFlag = False,
) -> None:
    """Run strategies over the lake's bars and keep their trade matches as a run.

    The same inputs, parameters and code make the same run: it is computed
    once and given back after that. Look at it with `trading runs` and
    `trading metrics --run`.

    With --rows-after a run is a window of one continuous backtest: it goes on from
    the newest earlier window that is there, and windows made in any order have the
    rows that one run over all of them has.

    In a shared account each of n strategies weighs 1/n. With --signals, n counts
    those that the file has signals of, unless --strategies names the roster.
    """
    if signals is not None and param:
        raise typer.BadParameter(
            "recorded signals come from strategies with their own parameters; leave out --param",
            param_hint="--signals",
        )
    from streaming.feeds.instruments import load_instruments
    from streaming.lake import Lake
    from streaming.runtimes.backtest import BacktestRequest, run_backtest
    from streaming.settings import load_settings

    held = load_settings(settings, options=overrides(capital, slippage_bps, fee_bps))
    request = BacktestRequest(
        settings=held,
        strategies=() if signals else strategies_of(strategies, param or []),
        symbols=listed(symbols),
        start=to_micros(start, "--start"),
        end=to_micros(end, "--end"),
        layout=account,
        instruments=load_instruments(instruments or held.instruments.file),
        signals=signals,
        roster=_roster(strategies) if signals and strategies is not None else None,
        resume=resume,
        rows_after=to_micros(rows_after, "--rows-after"),
        name=run_id,
        trace=trace,
        final_unrealized=final_unrealized or held.backtest.final_unrealized,
        threads=threads,
    )
    with progress("backtest", quiet=as_json) as advance:
        run = run_backtest(Lake(lake), request, advance)
    if as_json:
        print_json(as_facts(run))
        return
    print_summary([run])
    recorded = run.facts["recordedSignals"]
    if recorded and recorded["quarantined"]:
        say(
            f"{recorded['quarantined']} rows of {signals} were refused; "
            f"they are in {run.folder / 'quarantine_history.parquet'} with the reason of each."
        )
    silent = [
        name for name, one in run.facts["figures"].items() if not any(one["signals"].values())
    ]
    if request.roster is not None and silent:
        say(f"No signals of {', '.join(silent)} in the window.")
    say(f"Run {run.id}" + (f" ({run.name})" if run.name else "") + f" in {run.folder}")
    say(f"Figures: trading metrics --lake {lake} --run {run.label}")


def _roster(text: str) -> tuple[str, ...]:
    """Give the strategies named, which recorded signals may be of though nobody knows them."""
    from streaming.jobs.strategies import STRATEGIES

    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names:
        raise typer.BadParameter("names no strategy", param_hint="--strategies")
    if "all" in names:
        names = (names - {"all"}) | set(STRATEGIES)
    return tuple(sorted(names))


def as_facts(run: "Run") -> dict[str, Any]:
    """Give a run as JSON values."""
    return {"runId": run.id, "name": run.name, "folder": str(run.folder), **run.facts}


def print_summary(found: "Sequence[Run]") -> None:
    """Print the figures of runs, a line for each strategy."""
    for run in found:
        definition, window = run.definition, run.facts["window"]
        lines = []
        for name, one in run.facts["figures"].items():
            rejected = sum(count for code, count in one["signals"].items() if code != "OK")
            lines.append(
                [
                    name,
                    one["trades"],
                    f"{float(one['netPnl']):,.2f}",
                    _percent(one["return"]),
                    "" if one["sharpe"] is None else f"{one['sharpe']:.2f}",
                    _percent(one["maxDrawdown"]),
                    f"{float(one['fees']):,.2f}",
                    one["signals"]["OK"],
                    rejected,
                    one["cancelled"],
                ]
            )
        print_table(
            f"Run {run.label}: {definition['layout']}, {len(definition['symbols'])} symbols, "
            f"{window['start']} to {window['completeTo']}",
            ["strategy", *_FIGURES],
            lines,
            right=_FIGURES,
            caption="realised; Sharpe annualised over calendar days",
        )
        if definition["layout"] == "shared":
            # Not as the table's title, which would wrap at the table's width.
            typer.echo(f"{run.label} is {_shares(run)}.")


def _shares(run: "Run") -> str:
    """Say how many strategies share the account, and by whose word."""
    definition, count = run.definition, len(run.facts["figures"])
    weight = f"1/{count} each" if definition["weights"] is None else "by their weights"
    named = definition["signals"] is None or definition.get("roster") is not None
    whose = "" if named else ": those in the signals file"
    if whose and definition["resumes"]:
        whose += " and in the run before"
    return f"shared by {count} {'strategy' if count == 1 else 'strategies'}, {weight}{whose}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
