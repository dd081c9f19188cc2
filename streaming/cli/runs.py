"""`trading runs`: the runs in a lake, what defines each, and several side by side."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.backtest import as_facts, print_summary
from streaming.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from streaming.runtimes.runs import Run


_MS_US = 1000


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("runs")(list_runs)


def list_runs(
    lake: Annotated[Path, typer.Option(help="Folder of the lake.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Names or runIds; two or more: side by side."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the runs of a lake, show one, or compare several."""
    from streaming.errors import LakeError
    from streaming.lake import Lake
    from streaming.runtimes.runs import find_run, runs

    if not lake.is_dir():
        raise LakeError(f"{lake}: there is no such lake. `trading import` makes one.")
    home = Lake(lake)
    found = [find_run(home, name) for name in names] if names else runs(home)
    if as_json:
        print_json([as_facts(run) for run in found])
    elif not names:
        _print_list(found)
    elif len(found) == 1:
        print_summary(found)
        _print_definitions(found, only_differing=False)
    else:
        _print_side_by_side(found)
        _print_definitions(found, only_differing=True)


def _print_list(found: "Sequence[Run]") -> None:
    lines = []
    for run in found:
        figures = run.facts["figures"].values()
        net = sum(float(one["netPnl"]) for one in figures)
        lines.append(
            [
                run.id,
                run.name,
                run.definition["layout"],
                len(run.definition["symbols"]),
                len(run.facts["figures"]),
                run.facts["window"]["start"],
                run.facts["window"]["completeTo"],
                sum(one["trades"] for one in figures),
                f"{net:,.2f}",
                run.definition["resumes"],
            ]
        )
    columns = ["run", "name", "layout", "symbols", "strategies", "start", "end", "trades"]
    print_table(
        f"{len(found)} runs",
        [*columns, "net PnL", "resumes"],
        lines,
        right=["symbols", "strategies", "trades", "net PnL"],
    )


def _print_side_by_side(found: "Sequence[Run]") -> None:
    strategies = sorted({name for run in found for name in run.facts["figures"]})
    lines: list[list[Any]] = []
    for name in strategies:
        for figure in ("trades", "netPnl", "sharpe", "maxDrawdown"):
            cells = [run.facts["figures"].get(name, {}).get(figure) for run in found]
            lines.append(
                [
                    name if figure == "trades" else "",
                    figure,
                    *(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells),
                ]
            )
    labels = [run.label for run in found]
    print_table("Side by side", ["strategy", "figure", *labels], lines, right=labels)


def _print_definitions(found: "Sequence[Run]", *, only_differing: bool) -> None:
    """Print what defines the runs; of several, what they do not share."""
    flat = [_flat({**run.definition, "window": run.facts["window"]}) for run in found]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    lines = [
        [key, *(one.get(key) for one in flat)]
        for key in keys
        if not only_differing or len({str(one.get(key)) for one in flat}) > 1
    ]
    title = "What differs" if only_differing else "What defines it"
    print_table(title, ["", *(run.label for run in found)], lines)


def _shown_rules(rules: dict[str, int]) -> dict[str, str]:
    """Give an account's rules (`streaming.rules.holdings.Rules`) as the settings say them."""
    from streaming.rules.fills import RATE_PER_BPS
    from streaming.rules.sizing import NO_LIMIT
    from streaming.rules.units import money_text

    def flag(value: int) -> str:
        return "true" if value else "false"

    def scope(per_strategy: int) -> str:
        return "account+strategy" if per_strategy else "account"

    def limit(amount: int) -> str:
        return "none" if amount == NO_LIMIT else money_text(amount)

    def decimal(divisor: int) -> Callable[[int], str]:
        return lambda value: f"{(Decimal(value) / divisor).normalize():f}"

    # The limits are settings in multiples of the capital; what defines the run is the amount.
    words: dict[str, tuple[str, Callable[[int], str]]] = {
        "max_open": ("tradepicker.maxOpenPositions", str),
        "sell_requires_long": ("tradepicker.sellRequiresLong", flag),
        "reserve_on_open": ("tradepicker.reserveOnOpen", flag),
        "ttl": ("tradepicker.reservationTtlMs", decimal(_MS_US)),
        "gate_per_strategy": ("tradepicker.key", scope),
        "capital": ("account.capital", money_text),
        "order_limit": ("limits.perOrder, amount", limit),
        "symbol_limit": ("limits.perSymbol, amount", limit),
        "gross_limit": ("limits.gross, amount", limit),
        "slippage": ("costs.slippageBps", decimal(RATE_PER_BPS)),
        "fee_rate": ("costs.feeBps", decimal(RATE_PER_BPS)),
    }
    shown = {}
    for name, value in rules.items():
        # A run of another version may have others.
        setting, text = words.get(name, (f"account.{name}", str))
        shown[setting] = text(value)
    return shown


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key == "account":
            found |= _shown_rules(one)
        elif isinstance(one, dict):
            found |= _flat(one, f"{prefix}{key}.")
        elif key == "strategies":
            for strategy in one:
                params = ", ".join(f"{name}={held:g}" for name, held in strategy["params"].items())
                found[f"strategy {strategy['id']}"] = f"v{strategy['version']} {params}"
        else:
            found[prefix + key] = ", ".join(one) if isinstance(one, list) else one
    return found
