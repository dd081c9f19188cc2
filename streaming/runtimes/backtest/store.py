"""A run's folder in the lake: written beside its place, then renamed, whole or not at all.

`runs/<runId>/`
- `run.json`: what defines the run, what it did, its figures, the digest of each file below;
- `<table>/month=YYYY-MM/strategy=<id>.parquet`: history tables;
- `open_positions_lots.parquet`, `unrealized_pnl_latest.parquet`, `quarantine_history.parquet`;
- `state/<part>.bin`: what the run of the next window resumes.

The bytes of all of them follow from the runId: no clock, no path, no count of threads.
"""

import errno
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streaming.contracts import TABLES, arrow_schema
from streaming.errors import LakeError, RunError, StateError
from streaming.lake import altered_files, atomic_directory, file_digests, table_lock
from streaming.rules.state import pack, unpack
from streaming.runtimes.backtest.slices import month_of
from streaming.runtimes.runs import RUN_FILE, RUNS

STATES = ("accounts", "symbols")
SINGLE_FILES = ("open_positions_lots", "unrealized_pnl_latest", "quarantine_history")

_STATE_VERSION = 1
_LONGEST_NAME = 200


class RunWriter:
    """Writes one run's files into a folder that nobody sees yet.

    Parameters
    ----------
    folder
        Where to write.
    keep_after
        Microseconds UTC: rows up to this time belong to an earlier run and are left out;
        None: all are kept.
    """

    def __init__(self, folder: Path, keep_after: int | None) -> None:
        self._folder = folder
        self._keep_after = keep_after
        self._open: dict[tuple[str, str, str], pq.ParquetWriter] = {}
        self._facts: dict[str, Any] = {}
        self.rows: dict[str, int] = {}

    def append(self, table: str, strategy: str, rows: pa.Table) -> None:
        """Append rows of one strategy, ascending in the table's time, to their months."""
        if rows.num_rows == 0:
            return
        times = rows[TABLES[table].ordered_by].cast(pa.int64()).to_numpy()
        if self._keep_after is not None and times[0] <= self._keep_after:
            skip = int(np.searchsorted(times, self._keep_after, side="right"))
            rows, times = rows.slice(skip), times[skip:]
            if rows.num_rows == 0:
                return
        # The months of a slice are one or two: look where they end, not at every row.
        first = 0
        while first < len(times):
            month = month_of(int(times[first]))
            last = first + int(np.searchsorted(times[first:], _month_end(month), side="right"))
            self._writer(table, month, strategy).write_table(rows.slice(first, last - first))
            first = last
        self.rows[table] = self.rows.get(table, 0) + rows.num_rows

    def _writer(self, table: str, month: str, strategy: str) -> pq.ParquetWriter:
        key = (table, month, strategy)
        if key not in self._open:
            for other in [k for k in self._open if k[0] == table and k[2] == strategy]:
                self._open.pop(other).close()
            path = self._folder / table / f"month={month}" / _file_of(strategy)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open[key] = pq.ParquetWriter(
                    path,
                    arrow_schema(TABLES[table]),
                    compression="lz4",
                    store_decimal_as_integer=True,
                    write_page_checksum=True,
                    use_dictionary=_few_values(table),
                    write_statistics=[TABLES[table].ordered_by or ""],
                )
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                raise RunError(
                    f"A run keeps a file open for each strategy and table, and this process may "
                    f"not open more than {len(self._open)}. Leave out --trace, run fewer "
                    "strategies at a time, or raise the limit (ulimit -n)."
                ) from error
        return self._open[key]

    def close(self) -> None:
        """Finish all history files."""
        for writer in self._open.values():
            writer.close()
        self._open.clear()

    def put(self, name: str, rows: pa.Table) -> None:
        """Write a table that is one file."""
        self.put_parts(name, [rows])

    def put_parts(self, name: str, parts: Iterable[pa.Table]) -> None:
        """Write a table that is one file, part by part."""
        self.rows[name] = 0
        path, schema = self._folder / f"{name}.parquet", arrow_schema(TABLES[name])
        with pq.ParquetWriter(path, schema, write_page_checksum=True) as file:
            for rows in parts:
                file.write_table(rows)
                self.rows[name] += rows.num_rows

    def put_state(self, part: str, states: Mapping[str, bytes], **facts: Any) -> None:
        """Write the states of one kind, by name."""
        path = self._folder / "state" / f"{part}.bin"
        path.parent.mkdir(exist_ok=True)
        arrays = {name: np.frombuffer(data, np.uint8) for name, data in states.items()}
        path.write_bytes(pack(part, _STATE_VERSION, arrays, **facts))

    def put_facts(self, facts: dict[str, Any]) -> None:
        """Say what stands in `run.json`, beside the digests of all other files."""
        self._facts = facts

    def seal(self) -> None:
        """Finish all files, then write `run.json`."""
        self.close()
        facts = {**self._facts, "files": file_digests(self._folder, besides=RUN_FILE)}
        text = json.dumps(facts, indent=1, sort_keys=True, allow_nan=False)
        (self._folder / RUN_FILE).write_text(text + "\n", encoding="utf-8")


def _file_of(strategy: str) -> str:
    """Name a strategy's file; ids in recorded signals may be any text."""
    name = quote(strategy, safe="")
    if len(name) > _LONGEST_NAME:
        digest = hashlib.blake2b(strategy.encode(), digest_size=16).hexdigest()
        name = f"{name[: _LONGEST_NAME - len(digest) - 1]}~{digest}"
    return f"strategy={name}.parquet"


def _month_end(month: str) -> int:
    following = np.datetime64(month, "M") + 1
    return int(following.astype("datetime64[us]").astype(np.int64))


def _few_values(table: str) -> list[str]:
    """List the columns that hold few values over and over; ids are all different."""
    repeated = {"accountId", "strategyId", "symbol", "runId", "direction", "buyFillId"}
    repeated |= {"sellFillId", "fillId", "side", "action", "reason", "code", "event", "venue"}
    repeated |= {"timeframe", "strategyVersion", "paramsHash", "weight", "sizeHint"}
    return [column.name for column in TABLES[table].columns if column.name in repeated]


class _AlreadyThereError(Exception):
    """Another process has finished the same run meanwhile."""


@contextmanager
def new_run(root: Path, run: str, keep_after: int | None) -> Iterator[RunWriter]:
    """Write a run; it appears in the lake at the end, or not at all.

    Where another process has written the same run meanwhile, and kept as much of it, that
    one stays: it has the same rows.
    """
    final = root / RUNS / run
    with ExitStack() as held, suppress(_AlreadyThereError), atomic_directory(final) as folder:
        writer = RunWriter(folder, keep_after)
        try:
            yield writer
            writer.seal()
        finally:
            writer.close()
        # From here to the end of the renaming.
        held.enter_context(table_lock(root, RUNS))
        if is_whole(final) and holds(_options(final), _options(folder)):
            raise _AlreadyThereError


def _options(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["options"]
    return found


def is_whole(folder: Path) -> bool:
    """Tell whether a run's folder has the files that the run wrote, and as it wrote them."""
    try:
        written = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["files"]
        return not altered_files(folder, written, besides=RUN_FILE)
    except (OSError, ValueError, KeyError, TypeError, LakeError):
        return False


def holds(kept: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a run that kept some things has all that is wanted."""
    return all(kept.get(name) == value or value is False for name, value in wanted.items())


def read_states(folder: Path, part: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Read the states of one kind that a run saved, and the facts beside them.

    Raises
    ------
    StateError
        If they are not there or damaged.
    """
    path = folder / "state" / f"{part}.bin"
    try:
        arrays, facts = unpack(part, _STATE_VERSION, path.read_bytes())
    except (OSError, StateError) as error:
        raise StateError(
            f"{path}: cannot be resumed ({error}). Delete the folder {folder} and run that window "
            "again."
        ) from error
    return {name: array.tobytes() for name, array in arrays.items()}, facts
