"""`trading strategies`: what strategies there are, and what one of them does."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from streaming.jobs.strategies import Strategy

Name = Annotated[str | None, typer.Argument(help="Id of one strategy; all of them without it.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("strategies")
    def strategies(name: Name = None, as_json: JsonFlag = False) -> None:
        """List the strategies, or show one with its parameters."""
        from streaming.jobs.strategies import FAMILIES, make, select

        if name is not None:
            _show_one(make(name), as_json=as_json)
            return
        roster = sorted(select("all"), key=lambda one: (FAMILIES.index(one.family), one.id))
        if as_json:
            print_json([_facts(one) for one in roster])
            return
        print_table(
            f"{len(roster)} strategies",
            ["strategy", "family", "version", "anchor", "needs", "parameters", "idea"],
            [
                [
                    one.id,
                    one.family,
                    one.version,
                    one.anchor,
                    " ".join(str(feature) for feature in one.features),
                    " ".join(f"{key}={value:g}" for key, value in one.params.items()),
                    _idea(one),
                ]
                for one in roster
            ],
            right=["version"],
            caption="`trading strategies NAME` shows one with its rule and its parameters' bounds.",
        )


def _show_one(one: "Strategy", *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(one))
        return
    buys, sells = one.reasons
    print_table(
        one.id,
        ["", ""],
        [
            ["idea", _idea(one)],
            ["buys when", buys],
            ["sells when", sells],
            ["family", one.family],
            ["version", one.version],
            ["anchor", one.anchor],
            ["needs", ", ".join(str(feature) for feature in one.features)],
            ["params hash", one.params_hash],
        ],
    )
    print_table(
        "Parameters",
        ["parameter", "default", "bounds", "unit"],
        [
            [parameter.name, f"{parameter.default:g}", parameter.bounds, parameter.unit]
            for parameter in one.parameters()
        ],
        right=["default"],
        caption=f"{' < '.join(one.ascending)}" if one.ascending else None,
    )


def _idea(one: "Strategy") -> str:
    return (type(one).__doc__ or "").strip().splitlines()[0]


def _facts(one: "Strategy") -> dict[str, Any]:
    buys, sells = one.reasons
    return {
        "strategyId": one.id,
        "family": one.family,
        "version": one.version,
        "anchor": one.anchor,
        "needs": [
            {"feature": feature.column, "timeframe": feature.timeframe or one.anchor}
            for feature in one.features
        ],
        "parameters": [
            {
                "name": parameter.name,
                "default": parameter.default,
                "bounds": parameter.bounds,
                "unit": parameter.unit,
            }
            for parameter in one.parameters()
        ],
        "ascending": list(one.ascending),
        "idea": _idea(one),
        "buysWhen": buys,
        "sellsWhen": sells,
        "paramsHash": one.params_hash,
    }
