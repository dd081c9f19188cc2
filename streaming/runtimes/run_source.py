"""The matches of a run in a lake, as a source to measure."""

from decimal import Decimal
from pathlib import Path

import numpy as np

from streaming.analytics.sources import Source
from streaming.lake import Lake
from streaming.rules.units import to_money
from streaming.runtimes.backtest.definition import SHARED_ACCOUNT
from streaming.runtimes.runs import find_run


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
        If there is no lake in that folder, a file is not what the run wrote.
    """
    opened = Lake.existing(lake)
    found = find_run(opened, run)
    strategies = sorted(found.facts["figures"])
    shared = found.definition["layout"] == "shared"
    accounts = [SHARED_ACCOUNT] if shared else [f"bt:{name}" for name in strategies]
    window = found.facts["window"]
    return Source(
        found.matches(),
        found.open_lots(),
        opened,
        window=(_micros(window["start"]), _micros(window["completeTo"])),
        capital=Decimal(found.definition["account"]["capital"]).scaleb(-8),
        accounts=len(accounts),
        groups={"strategy": strategies, "account": accounts, "run": [found.id]},
        point_values={name: to_money(text) for name, text in found.facts["pointValues"].items()},
    )


def _micros(text: str) -> int:
    """Read a time that a run's facts hold."""
    return int(np.datetime64(text.removesuffix("Z"), "us").astype(np.int64))
