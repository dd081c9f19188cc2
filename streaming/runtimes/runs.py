"""The backtest runs in a lake: find them by runId or name, read what they are and gave."""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    TABLES,
    TRADE_MATCH_HISTORY,
    arrow_schema,
    empty_table,
)
from streaming.errors import LakeError, RunError, SettingsError
from streaming.lake import Lake, altered_files, atomic_file

RUNS = "runs"
RUN_FILE = "run.json"
_NAMES = "names"
_SHORTEST = 6
_LONGEST = 120
_RUN_ID = re.compile("[0-9a-f]{20}")


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
            If a file is damaged, or not what the run wrote.
        """
        contract = TABLES[name]
        self.require_as_written(name)
        paths = sorted((self.folder / name).glob("month=*/strategy=*.parquet"))
        single = self.folder / f"{name}.parquet"
        if single.exists():
            paths.append(single)
        if not paths:
            return empty_table(contract)
        # Here, because it loads pandas: who only looks runs up need not wait for that.
        import pyarrow.dataset as ds

        try:
            return ds.dataset(
                paths, schema=arrow_schema(contract), format=_checked_parquet()
            ).to_table()
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"Run {self.label}, table {name}: a file is damaged ({error}). Delete the folder "
                f"runs/{self.id} and run the backtest again."
            ) from error

    def require_as_written(self, name: str) -> None:
        """Refuse a table whose files are not those that the run wrote.

        Raises
        ------
        LakeError
            If one was changed, lost or added since; it is named.
        """
        remedy = "Run the same backtest again: it is made anew."
        written = self.facts.get("files")
        if not isinstance(written, dict):
            raise LakeError(
                f"Run {self.label}: its {RUN_FILE} does not say what its files held. {remedy}"
            )
        # A table is a folder of this name, or a file.
        altered = [
            one
            for of in (f"{name}/", f"{name}.")
            for one in altered_files(self.folder, written, besides=RUN_FILE, of=of)
        ]
        if altered:
            more = f", and {len(altered) - 1} more files" if len(altered) > 1 else ""
            raise LakeError(
                f"Run {self.label}, table {name}: {altered[0]} since the run wrote it{more}. "
                f"{remedy}"
            )

    def matches(self) -> pa.Table:
        """Read the run's `trade_match_history`."""
        return self.table(TRADE_MATCH_HISTORY.name)

    def open_lots(self) -> pa.Table:
        """Read what the run still held at its end: `open_positions_lots`."""
        return self.table(OPEN_POSITIONS_LOTS.name)


def _checked_parquet() -> Any:
    import pyarrow.dataset as ds

    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.ParquetFileFormat(default_fragment_scan_options=options)


def runs(lake: Lake) -> list[Run]:
    """List the runs of a lake, by window, then runId; of several names the first is given.

    Raises
    ------
    LakeError
        If a run's `run.json` is damaged.
    """
    names = {run: name for name, run in sorted(_names(lake).items(), reverse=True)}
    found = [_read(path, names.get(run)) for run, path in _files(lake).items()]
    return sorted(found, key=lambda run: (*_times(run), run.id))


def _files(lake: Lake) -> dict[str, Path]:
    """Give the `run.json` of each run that the lake has, by runId."""
    return {
        path.parent.name: path
        for path in sorted((lake.root / RUNS).glob(f"*/{RUN_FILE}"))
        if path.parent.name != _NAMES and not path.parent.name.startswith(".")
    }


def kept_run(lake: Lake, run: str) -> Run | None:
    """Give the run of a runId, None where the lake has none; other runs are not looked at."""
    path = lake.root / RUNS / run / RUN_FILE
    return _read(path, None) if _RUN_ID.fullmatch(run) and path.exists() else None


def _read(path: Path, name: str | None) -> Run:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        run = Run(path.parent.name, name, path.parent, facts)
        _times(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LakeError(
            f"{path}: is damaged ({error}). Delete the folder {path.parent} and run the backtest "
            "again."
        ) from error
    return run


def _times(run: Run) -> tuple[str, str]:
    window = run.facts["window"]
    return window["start"], window["completeTo"]


def find_run(lake: Lake, wanted: str) -> Run:
    """Find a run by runId, name, or the beginning of a runId.

    Raises
    ------
    RunError
        If there is none, or more than one.
    """
    # A damaged run is no reason to refuse another one: only what is asked for is read.
    asked = lake.root / RUNS / wanted / RUN_FILE
    if _RUN_ID.fullmatch(wanted) and asked.exists():
        name = min((name for name, run in _names(lake).items() if run == wanted), default=None)
        return _read(asked, name)
    known, names = _files(lake), _names(lake)
    first_name = {run: name for name, run in sorted(names.items(), reverse=True)}
    if wanted in known:
        return _read(known[wanted], first_name.get(wanted))
    if names.get(wanted) in known:
        return _read(known[names[wanted]], wanted)
    if len(wanted) >= _SHORTEST:
        begun = [run for run in known if run.startswith(wanted)]
        if len(begun) == 1:
            return _read(known[begun[0]], first_name.get(begun[0]))
        if len(begun) > 1:
            raise RunError(f"Run {wanted!r}: {len(begun)} runs begin like that. Give more of it.")
    near = get_close_matches(wanted, [first_name.get(run, run) for run in known], 3)
    hint = f" Near: {', '.join(near)}." if near else ""
    raise RunError(
        f"{lake.root}: has no run {wanted!r}.{hint} It has {len(known)}; `trading runs` lists them."
    )


def give_name(lake: Lake, name: str, run: str) -> None:
    """Keep a name for a runId; a run may have several.

    Raises
    ------
    RunError
        If the name stands for another run.
    SettingsError
        If it cannot be a name.
    """
    with lake.writing(RUNS):
        check_name(lake, name, run)
        path = lake.root / RUNS / _NAMES / name
        if not path.exists():
            with atomic_file(path) as partial:
                partial.write_text(run + "\n", encoding="utf-8")


def check_name(lake: Lake, name: str, run: str) -> None:
    """Refuse a name that stands for another run already, or cannot be one."""
    plain = name.isprintable() and name == name.strip() and not any(c in name for c in "/\\")
    if not plain or not 0 < len(name.encode()) <= _LONGEST or name.startswith("."):
        raise SettingsError(
            f"Run name {name!r}: must be a plain name of up to {_LONGEST} bytes, without slashes, "
            "a leading dot or blanks around it."
        )
    if name != run and _RUN_ID.fullmatch(name):
        raise SettingsError(f"Run name {name!r}: looks like a runId. Choose another name.")
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
