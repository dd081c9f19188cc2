"""Options that several commands have: what trades, with how much, at what cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streaming.jobs.strategies.base import Strategy

Symbols = Annotated[
    str | None, typer.Option(metavar="A,B", help="Symbols.  [default: all]", show_default=False)
]
Params = Annotated[
    list[str] | None,
    typer.Option(metavar="STRATEGY.NAME=VALUE", help="Set a parameter; may be repeated."),
]
Until = Annotated[str | None, typer.Option(metavar="T", help="Up to this time (UTC).")]
Capital = Annotated[
    str | None, typer.Option(help="Capital of an account.  [default: account.capital]")
]
Slippage = Annotated[
    str | None, typer.Option(help="Against the trader.  [default: costs.slippageBps]")
]
Fees = Annotated[str | None, typer.Option(help="Of the notional.  [default: costs.feeBps]")]
InstrumentsFile = Annotated[
    Path | None, typer.Option(help="Instruments file.  [default: instruments.file]")
]
SettingsFile = Annotated[Path | None, typer.Option(help="Settings file (TOML).")]


def overrides(
    capital: str | None, slippage_bps: str | None, fee_bps: str | None
) -> dict[str, tuple[str, Any]]:
    """Give the settings that a command line sets, as `load_settings` takes them."""
    given = {
        "account.capital": ("--capital", capital),
        "costs.slippageBps": ("--slippage-bps", slippage_bps),
        "costs.feeBps": ("--fee-bps", fee_bps),
    }
    return {key: one for key, one in given.items() if one[1] is not None}


def listed(text: str | None) -> tuple[str, ...] | None:
    """Give the symbols that a comma-separated option names, sorted."""
    if text is None:
        return None
    names = tuple(sorted({name.strip() for name in text.split(",") if name.strip()}))
    if not names:
        raise typer.BadParameter("names no symbol", param_hint="--symbols")
    return names


def strategies_of(names: str | None, settings: Sequence[str]) -> "tuple[Strategy, ...]":
    """Make the strategies named, all where none is, with parameters as STRATEGY.NAME=VALUE."""
    from streaming.errors import SettingsError
    from streaming.jobs.strategies import make, select

    chosen = {one.id: one for one in select("all" if names is None else names)}
    params: dict[str, dict[str, float]] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        strategy, dot, name = key.strip().partition(".")
        try:
            number = float(value)
        except ValueError:
            equals = ""
        if not (equals and dot):
            raise typer.BadParameter(
                f"{text!r}: write STRATEGY.NAME=VALUE, as sma_cross.fast=20", param_hint="--param"
            )
        if strategy not in chosen:
            make(strategy)  # says it when there is no such strategy
            raise SettingsError(f"--param {text}: strategy {strategy} does not take part.")
        params.setdefault(strategy, {})[name] = number
    for strategy, changed in params.items():
        chosen[strategy] = make(strategy, **changed)
    return tuple(chosen[name] for name in sorted(chosen))
