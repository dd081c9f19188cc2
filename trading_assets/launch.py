"""Launch assets from a terminal, as real runs in the instance that `make ui` shows.

python -m trading_assets.launch backfill --from 2024-01 --to 2024-03 --strategies all
python -m trading_assets.launch materialise backtest_leaderboard warehouse
python -m trading_assets.launch materialise indicator_history --partition 2024-02
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated

import dagster as dg
import typer

from streaming.contracts import PRICE_1M_HISTORY, TABLES
from streaming.errors import SettingsError, TradingError
from streaming.jobs.strategies import STRATEGIES, select
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS
from trading_assets.analytics.partitions import days, months
from trading_assets.analytics.records import Records
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.home import INSTANCE_FILE, make_home, storage_errors
from trading_assets.lineage import written_by
from trading_assets.platform import Platform
from trading_assets.terminal import (
    LOGGER,
    Outcome,
    print_checks,
    print_leaderboard,
    terminal_logger,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def instance() -> Iterator[dg.DagsterInstance]:
    """Open the instance in the data folder, and make it where it is not there.

    Raises
    ------
    LakeError
        If the disk is full or refuses, now or while the instance is open.
    """
    home = make_home(Platform(), Path(__file__).parents[1] / INSTANCE_FILE)
    os.environ["DAGSTER_HOME"] = str(home)
    with storage_errors(home), dg.DagsterInstance.get() as opened:
        yield opened


@cache
def _definitions() -> dg.Definitions:
    """Give the location; here, because a bad setting shows when it is loaded."""
    from trading_assets.analytics.definitions import defs

    return dg.Definitions.merge(defs, dg.Definitions(loggers={LOGGER: terminal_logger}))


def launch(
    opened: dg.DagsterInstance,
    names: Sequence[str],
    keys: tuple[str, str] | None = None,
    *,
    checks: bool = True,
) -> Outcome:
    """Run assets in this process, as one run.

    Parameters
    ----------
    opened
        Where the run is kept.
    names
        The assets.
    keys
        First and last partition key: all between them, of every dimension.
    checks
        Whether the assets' checks run too.

    Returns
    -------
    Outcome
        Whether it succeeded, and what its checks found.
    """
    tags = {}
    if keys is not None:
        tags = {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[1],
        }
    assets = {dg.AssetKey(name) for name in names}
    whole = _definitions()
    job = whole.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=assets, asset_check_selection=None if checks else set()
    )
    result = job.execute_in_process(
        instance=opened,
        tags=tags,
        run_config={"loggers": {LOGGER: {}}},
        raise_on_error=False,
    )
    asked = whole.resolve_asset_graph().asset_check_keys if checks else set()
    found = {one.asset_check_key: one for one in result.get_asset_check_evaluations()}
    return Outcome(
        result.success, {key: found.get(key) for key in asked if key.asset_key in assets}
    )


@app.command()
def prices(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD")],
) -> None:
    """Import what is ready in the inbox, and report the days of a range."""
    _known(days(Platform().settings.history.start).get_partition_keys(), first, last)
    with instance() as opened:
        done = [launch(opened, [PRICE_1M_HISTORY.name], (first, last))]
    _end(done)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM")],
    strategies: Annotated[str, typer.Option(help="Names, separated by commas, or all.")] = "all",
) -> None:
    """Run backtests and equity metrics of a range of months, then the leaderboard.

    All strategies are one run; of some, each is a run of its own with its months in
    order. Done twice, it changes nothing.
    """
    platform = Platform()
    _known(months(platform.settings.history.start).get_partition_keys(), first, last)
    chosen = [one.id for one in select(strategies)]
    every = set(chosen) == set(STRATEGIES)
    with instance() as opened:
        if every:
            ranges = [(f"{first}|{min(chosen)}", f"{last}|{max(chosen)}")]
        else:
            ranges = [(f"{first}|{name}", f"{last}|{name}") for name in chosen]
        done = [launch(opened, [BACKTESTS, METRICS], keys) for keys in ranges]
        if every:
            done.append(launch(opened, [PORTFOLIO], (first, last)))
        records = Records(platform.folders.partitions, BACKTESTS).all()
        priced = {one.month for one in records if one.run_id is not None}
        done.append(launch(opened, [LEADERBOARD, WAREHOUSE] if priced else [WAREHOUSE]))
        if priced and done[-1].succeeded:
            print_leaderboard(platform)
    asked = {one.month for one in records if first <= one.month <= last and one.strategy in chosen}
    _end(done, _no_prices(platform, sorted(asked - priced)), nothing=not asked & priced)


def _no_prices(platform: Platform, without: Sequence[str]) -> str:
    """Say which months have no prices, and what to do; "" where each has some."""
    if not without:
        return ""
    return (
        f"no prices in {', '.join(without)}: put files with their bars into "
        f"{platform.folders.inbox}, and do the same again."
    )


@app.command()
def materialise(
    names: Annotated[list[str], typer.Argument(help="Assets.")],
    partition: Annotated[
        str,
        typer.Option(metavar="KEY", help="Their partition, such as 2024-02|squeeze."),
    ] = "",
) -> None:
    """Materialise assets in one run, of one partition where they have partitions."""
    _can_be(names, partition)
    with instance() as opened:
        done = [launch(opened, names, (partition, partition) if partition else None)]
    _end(done)


def _can_be(names: Sequence[str], partition: str) -> None:
    """Refuse names and keys that no asset has."""
    graph = _definitions().resolve_asset_graph()
    made = {key.to_user_string(): graph.get(key) for key in graph.materializable_asset_keys}
    every_name = {*TABLES, *made}
    for name in names:
        if name not in every_name:
            near = get_close_matches(name, sorted(every_name), 3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise SettingsError(
                f"There is no asset {name!r} to materialise.{hint} There are: "
                f"{', '.join(sorted(made))}."
            )
        if name not in made:
            raise SettingsError(f"{name} is not materialised: {written_by(name)}.")
        keys = made[name].partitions_def
        if keys is None and partition:
            raise SettingsError(f"{name} has no partitions: leave --partition out.")
        if keys is not None:
            every = keys.get_partition_keys()
            if not partition:
                raise SettingsError(
                    f"{name} has partitions: say which by --partition, such as {every[-1]!r}; "
                    "`prices` and `backfill` make ranges of them."
                )
            _known(every, partition)


def _known(keys: Sequence[str], *wanted: str) -> None:
    """Refuse keys that are none, and a range that ends before it begins."""
    for key in wanted:
        if key not in keys:
            raise SettingsError(
                f"There is no partition {key!r}: they go from {keys[0]} to {keys[-1]}, by the "
                "setting history.start."
            )
    if list(wanted) != sorted(wanted):
        raise SettingsError(f"--from {wanted[0]} is after --to {wanted[-1]}: nothing to do.")


def _end(done: Sequence[Outcome], without: str = "", *, nothing: bool = False) -> None:
    """Print the checks of runs, and leave with what came of them all.

    Parameters
    ----------
    done
        The runs.
    without
        What to say of months without prices.
    nothing
        Whether no other month was asked for.
    """
    print_checks(done)
    failed = sorted({key for one in done for key in one.failed_checks})
    code = 0
    if without:
        typer.echo(f"{'error' if nothing else 'note'}: {without}", err=True)
        code = int(nothing)
    if failed:
        names = ", ".join(f"{key.name} of {key.asset_key.to_user_string()}" for key in failed)
        typer.echo(f"error: checks failed: {names}.", err=True)
        code = code or _CHECK_FAILED
    if not all(one.succeeded for one in done):
        typer.echo("error: a run failed; `make ui` shows why.", err=True)
        code = 1
    if code:
        raise typer.Exit(code)


_CHECK_FAILED = 3
"""What is left with where everything was materialised, but a check found what is wrong."""


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong use, 3 made but a check failed."""
    try:
        app()
    except TradingError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
