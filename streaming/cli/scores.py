"""`trading scores` and `trading weights`: what strategies are worth, and why."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.cli.options import SettingsFile
from streaming.cli.output import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:
    from streaming.analytics.return_files import DailyReturns
    from streaming.analytics.scoring import Scores

Returns = Annotated[
    Path,
    typer.Option(metavar="FILE", help="CSV or Parquet with date, strategyId, netReturn."),
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="DAY", help="The last day that counts.  [default: the file's last]"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("scores")(scores)
    app.command("weights")(weights)


def scores(
    returns: Returns, as_of: AsOf = None, settings: SettingsFile = None, as_json: JsonFlag = False
) -> None:
    """Score strategies: Sharpe ratios with their errors, shrunk towards 0.

    Days without a row are idle and count as 0; rows after the day asked for are
    not looked at.
    """
    from streaming.analytics.explain import score_rows

    of, found, _ = _scored(returns, as_of, settings)
    rows = score_rows(of, found)
    if as_json:
        print_json({"asOf": of.end, "windowDays": of.returns.shape[1], "scores": rows})
        return
    say(f"{of.returns.shape[1]} days to {of.end}; Sharpe ratios a year.")
    columns = list(rows[0])
    print_table(
        "", columns, [[_cell(row[name]) for name in columns] for row in rows], right=columns[1:-1]
    )


def weights(
    returns: Returns,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or Parquet with strategyId, weight."),
    ] = None,
    as_of: AsOf = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why each weight is what it is.")
    ] = False,
    settings: SettingsFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Weigh strategies: half equal, half by score, within floor, cap and clamp."""
    from streaming.analytics.explain import sentence, weight_rows
    from streaming.analytics.return_files import read_weights
    from streaming.analytics.weights import WeightRules, carry_over, weigh

    of, found, held = _scored(returns, as_of, settings)
    rules = WeightRules(
        float(held.weights.score_share),
        float(held.weights.floor),
        float(held.weights.cap),
        float(held.weights.max_change),
    )
    before = carry_over(read_weights(previous) if previous else {}, of.strategies, rules)
    weighed = weigh(found.shrunk_sharpe, before, rules)
    rows = weight_rows(of, weighed)
    why = {name: sentence(of, found, weighed, at) for at, name in enumerate(of.strategies)}
    if as_json:
        if explain:
            rows = [{**row, "why": why[row["strategyId"]]} for row in rows]
        print_json({"asOf": of.end, "widened": weighed.widened, "weights": rows})
        return
    columns = list(rows[0])
    print_table(
        "", columns, [[_cell(row[name]) for name in columns] for row in rows], right=columns[1:-1]
    )
    if weighed.widened > 0.0:
        say(f"All clamps widened by {weighed.widened:.6f}: box and clamps left no solution.")
    if explain:
        for row in rows:
            typer.echo(why[row["strategyId"]])


def _scored(
    path: Path, as_of: str | None, settings: Path | None
) -> "tuple[DailyReturns, Scores, Any]":
    from streaming.analytics.return_files import read_returns
    from streaming.analytics.scoring import ScoringRules, score
    from streaming.settings import load_settings

    held = load_settings(settings)
    try:
        last = date.fromisoformat(as_of) if as_of else None
    except ValueError as error:
        raise typer.BadParameter(f"--as-of: {as_of!r} is no day such as 2013-10-07.") from error
    of = read_returns(path, held.scoring.window_days, last)
    rules = ScoringRules(days_per_year=held.metrics.days_per_year)
    return of, score(of.returns, of.first, rules=rules), held


def _cell(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value
