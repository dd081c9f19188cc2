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

from streaming.analytics import report as text
from streaming.cli.output import print_table
from streaming.contracts import PRICE_1M_HISTORY
from streaming.errors import SettingsError, TradingError
from streaming.jobs.strategies import STRATEGIES, select
from trading_assets.analytics.backtests import BACKTESTS, PORTFOLIO
from trading_assets.analytics.equity import LEADERBOARD, METRICS, leaderboard
from trading_assets.analytics.partitions import days, months
from trading_assets.analytics.records import Records
from trading_assets.analytics.warehouse import WAREHOUSE
from trading_assets.home import INSTANCE_FILE, make_home, storage_errors
from trading_assets.platform import Platform

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

    return defs


def launch(
    opened: dg.DagsterInstance,
    names: Sequence[str],
    keys: tuple[str, str] | None = None,
    *,
    checks: bool = True,
) -> bool:
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
    bool
        Whether the run, and every check that blocks, succeeded.
    """
    tags = {}
    if keys is not None:
        tags = {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[1],
        }
    job = (
        _definitions()
        .resolve_implicit_global_asset_job_def()
        .get_subset(
            asset_selection={dg.AssetKey(name) for name in names},
            asset_check_selection=None if checks else set(),
        )
    )
    result = job.execute_in_process(
        instance=opened,
        tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
        raise_on_error=False,
    )
    return result.success


@app.command()
def prices(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD")],
) -> None:
    """Import what is ready in the inbox, and report the days of a range."""
    _known(days(Platform().settings.history.start).get_partition_keys(), first, last)
    with instance() as opened:
        done = launch(opened, [PRICE_1M_HISTORY.name], (first, last))
        print_checks(opened)
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
    _known(months(Platform().settings.history.start).get_partition_keys(), first, last)
    chosen = [one.id for one in select(strategies)]
    with instance() as opened:
        if set(chosen) == set(STRATEGIES):
            ranges = [(f"{first}|{min(chosen)}", f"{last}|{max(chosen)}")]
        else:
            ranges = [(f"{first}|{name}", f"{last}|{name}") for name in chosen]
        done = [launch(opened, [BACKTESTS, METRICS], keys) for keys in ranges]
        if set(chosen) == set(STRATEGIES):
            done.append(launch(opened, [PORTFOLIO], (first, last)))
        done.append(launch(opened, [LEADERBOARD, WAREHOUSE]))
        print_leaderboard(Platform())
        print_checks(opened)
    _end(all(done))


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
        done = launch(opened, names, (partition, partition) if partition else None)
    _end(done)


def _can_be(names: Sequence[str], partition: str) -> None:
    """Refuse names and keys that no asset has."""
    graph = _definitions().resolve_asset_graph()
    made = {key.to_user_string(): graph.get(key) for key in graph.materializable_asset_keys}
    for name in names:
        if name not in made:
            near = get_close_matches(name, made, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise SettingsError(
                f"There is no asset {name!r} to materialise.{hint} There are: "
                f"{', '.join(sorted(made))}."
            )
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


def print_leaderboard(platform: Platform) -> None:
    """Print the leaderboard as it is now, the best strategy first."""
    records = Records(platform.folders.partitions, BACKTESTS).all()
    reports = leaderboard(platform.lake(), records)
    columns = [*text.SUMMARY, *text.SUMMARY_MARKED]
    rows = [[one.name, *text.summary_row(one, marked=True)] for one in reports]
    print_table("leaderboard", ["strategy", *columns], rows, right=columns)


def print_checks(opened: dg.DagsterInstance) -> None:
    """Print the newest result of each check."""
    rows = []
    for key in sorted(_definitions().resolve_asset_graph().asset_check_keys):
        history = opened.event_log_storage.get_asset_check_execution_history(key, limit=20)
        events = [one.event.dagster_event for one in history if one.event is not None]
        done = [
            one
            for one in events
            if one and one.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        if not done:
            rows.append([key.asset_key.to_user_string(), key.name, "not run", ""])
            continue
        one = done[0].asset_check_evaluation_data
        state = "passed" if one.passed else "FAILED"
        rows.append([key.asset_key.to_user_string(), key.name, state, one.description or ""])
    print_table("checks", ["asset", "check", "state", "what it found"], rows)


def _end(succeeded: bool) -> None:
    if not succeeded:
        typer.echo("error: a run failed; `make ui` shows why.", err=True)
        raise typer.Exit(1)


def main() -> None:
    """Run the command line: 0 done, 1 failed, 2 wrong use."""
    try:
        app()
    except TradingError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
