"""The matches of a run in a lake, as a source to measure."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from streaming.analytics.sources import Source
from streaming.contracts import OPEN_POSITIONS_LOTS, TRADE_MATCH_HISTORY
from streaming.errors import LakeError
from streaming.lake import Lake
from streaming.rules.units import to_money
from streaming.runtimes.backtest.definition import SHARED_ACCOUNT
from streaming.runtimes.runs import Run, find_run


def from_run(lake: Path, run: str) -> Source:
    """Read the matches of a run.

    Parameters
    ----------
    lake
        Folder of the lake.
    run
        runId, or the beginning of one, or a name.

    Raises
    ------
    RunError
        If there is no such run.
    LakeError
        If there is no lake in that folder, a file is damaged, or rows of the run are missing.
    """
    opened = Lake.existing(lake)
    found = find_run(opened, run)
    strategies = sorted(found.facts["figures"])
    shared = found.definition["layout"] == "shared"
    accounts = [SHARED_ACCOUNT] if shared else [f"bt:{name}" for name in strategies]
    window = found.facts["window"]
    return Source(
        _whole(found, TRADE_MATCH_HISTORY.name),
        _whole(found, OPEN_POSITIONS_LOTS.name),
        opened,
        window=(_micros(window["start"]), _micros(window["completeTo"])),
        capital=Decimal(found.definition["account"]["capital"]).scaleb(-8),
        accounts=len(accounts),
        groups={"strategy": strategies, "account": accounts, "run": [found.id]},
        point_values={name: to_money(text) for name, text in found.facts["pointValues"].items()},
    )


def _whole(run: Run, table: str) -> pa.Table:
    """Read a table of a run that has as many rows as the run wrote.

    Months and strategies are files of their own: a lost one would be a month without a trade.
    """
    rows = run.table(table)
    written = run.facts["rows"].get(table, 0)
    if rows.num_rows != written:
        raise LakeError(
            f"Run {run.label}, table {table}: has {rows.num_rows:,} rows, and the run wrote "
            f"{written:,}; a file was lost or added. Delete the folder runs/{run.id} and run "
            "the backtest again."
        )
    return rows


def _micros(text: str) -> int:
    """Read a time that a run's facts hold."""
    return int(np.datetime64(text.removesuffix("Z"), "us").astype(np.int64))
