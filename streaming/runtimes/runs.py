"""The backtest runs in a lake: find them by runId or name, read what they are and gave."""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    TABLES,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    empty_table,
)
from streaming.errors import LakeError, RunError
from streaming.lake import Lake, atomic_file

RUNS = "runs"
RUN_FILE = "run.json"
_NAMES = "names"
_SHORTEST = 6


@dataclass(frozen=True)
class Run:
    """One run in the lake.

    Attributes
    ----------
    id
        runId.
    name
        The name given by hand, if any.
    folder
        Where it lies.
    facts
        What `run.json` says: `definition`, `options`, `window`, `rows`, `figures`, ...
    """

    id: str
    name: str | None
    folder: Path
    facts: dict[str, Any]

    @property
    def definition(self) -> dict[str, Any]:
        """What defines the run."""
        found: dict[str, Any] = self.facts["definition"]
        return found

    @property
    def label(self) -> str:
        """Its name, or else its runId."""
        return self.name or self.id

    def table(self, name: str) -> pa.Table:
        """Read a history table of the run, by month, then strategy; empty where not kept.

        Raises
        ------
        LakeError
            If a file is damaged.
        """
        contract = TABLES[name]
        paths = sorted((self.folder / name).glob("month=*/strategy=*.parquet"))
        single = self.folder / f"{name}.parquet"
        if single.exists():
            paths.append(single)
        if not paths:
            return empty_table(contract)
        try:
            return ds.dataset(
                paths, schema=arrow_schema(contract), format=_checked_parquet()
            ).to_table()
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"Run {self.label}, table {name}: a file is damaged ({error}). Delete the folder "
                f"runs/{self.id} and run the backtest again."
            ) from error

    def matches(self) -> pa.Table:
        """Read the run's `trade_match_history`."""
        return self.table(TRADE_MATCH_HISTORY.name)

    def open_lots(self) -> pa.Table:
        """Read what the run still held at its end: `open_positions_lots`."""
        return self.table(OPEN_POSITIONS_LOTS.name)


def _checked_parquet() -> ds.ParquetFileFormat:
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def runs(lake: Lake) -> list[Run]:
    """List the runs of a lake, by window, then runId."""
    folder = lake.root / RUNS
    names = {run: name for name, run in _names(lake).items()}
    found = []
    for path in sorted(folder.glob(f"*/{RUN_FILE}")):
        if not path.parent.name.startswith("."):
            facts = json.loads(path.read_text(encoding="utf-8"))
            run = path.parent.name
            found.append(Run(run, names.get(run), path.parent, facts))
    return sorted(found, key=lambda run: (run.facts["window"], run.id))


def find_run(lake: Lake, wanted: str) -> Run:
    """Find a run by name, runId, or the beginning of a runId.

    Raises
    ------
    RunError
        If there is none, or more than one.
    """
    known = runs(lake)
    exact = [run for run in known if wanted in (run.id, run.name)]
    if len(exact) == 1:
        return exact[0]
    if len(wanted) >= _SHORTEST:
        begun = [run for run in known if run.id.startswith(wanted)]
        if len(begun) == 1:
            return begun[0]
        if len(begun) > 1:
            raise RunError(f"Run {wanted!r}: {len(begun)} runs begin like that. Give more of it.")
    near = get_close_matches(wanted, [run.label for run in known], 3)
    hint = f" Near: {', '.join(near)}." if near else ""
    raise RunError(
        f"{lake.root}: has no run {wanted!r}.{hint} It has {len(known)}; `trading runs` lists them."
    )


def give_name(lake: Lake, name: str, run: str) -> None:
    """Keep a name for a runId.

    Raises
    ------
    RunError
        If the name stands for another run, or cannot be a name.
    """
    if not name or name != name.strip() or any(c in name for c in "/\\\0") or name.startswith("."):
        raise RunError(f"Run name {name!r}: must be a plain name without slashes or blanks around.")
    with lake.writing(RUNS):
        check_name(lake, name, run)
        path = lake.root / RUNS / _NAMES / name
        if not path.exists():
            with atomic_file(path) as partial:
                partial.write_text(run + "\n", encoding="utf-8")


def check_name(lake: Lake, name: str, run: str) -> None:
    """Refuse a name that stands for another run already."""
    taken = _names(lake).get(name)
    if taken is not None and taken != run:
        raise RunError(
            f"Run name {name!r} stands for run {taken}, and what you ask for is run {run}: its "
            "inputs, parameters or code differ. Choose another name."
        )


def _names(lake: Lake) -> dict[str, str]:
    folder = lake.root / RUNS / _NAMES
    if not folder.is_dir():
        return {}
    return {
        path.name: path.read_text(encoding="utf-8").strip()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }


def read_table(path: Path, name: str) -> pa.Table:
    """Read one Parquet file of a table of the contracts."""
    return pq.read_table(path, schema=arrow_schema(TABLES[name]))
