"""Trade matches from files: Parquet or CSV, validated, each match once.

Nothing is dropped in silence: rows that break the contract of `trade_match_history`, and
matches that come again with other values, are given back with their file, row and reason;
matches that come again unchanged are counted.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streaming.contracts import (
    OPEN_POSITIONS_LOTS,
    PAPER_TRADE_MATCH_HISTORY,
    TRADE_MATCH_HISTORY,
    Table,
    empty_table,
    quarantine_rows,
    validate,
)
from streaming.errors import ContractError, SourceError
from streaming.feeds.tabular import open_rows

if TYPE_CHECKING:
    from streaming.feeds.raw_rows import RawBatch

_SUFFIXES = {".parquet", ".csv"}
_MATCHES = (TRADE_MATCH_HISTORY.name, PAPER_TRADE_MATCH_HISTORY.name)


class Loaded(NamedTuple):
    """What files held.

    `matches` has the schema of `trade_match_history`; `open_lots` that of
    `open_positions_lots`, or is None where the folders have no such file; `quarantine` holds
    the refused rows of both; `duplicates` counts matches that came again unchanged.
    """

    matches: pa.Table
    open_lots: pa.Table | None
    quarantine: pa.Table
    duplicates: int


def load_matches(paths: Sequence[Path]) -> Loaded:
    """Read matches, and the open lots that lie beside them.

    Parameters
    ----------
    paths
        Files, or folders: of a folder, the Parquet and CSV files at any depth that are
        named (or lie in a folder named) `trade_match_history`, else
        `paper_trade_match_history`, else all; its `open_positions_lots` too.

    Raises
    ------
    SourceError
        If a path is missing or unreadable, or a folder has no such file.
    ContractError
        If a file lacks a column of the contract, or has it twice.
    """
    files = [found for path in paths for found in _table_files(path)]
    if len(set(files)) < len(files):
        files = list(dict.fromkeys(files))
    good, refused, origin = _read(TRADE_MATCH_HISTORY, files)
    matches, again, duplicates = _once(good, origin, files)
    lots = [found for path in paths if path.is_dir() for found in _named(path, _LOTS)]
    held, refused_lots, _ = _read(OPEN_POSITIONS_LOTS, list(dict.fromkeys(lots)))
    return Loaded(
        matches,
        held if lots else None,
        pa.concat_tables([refused, again, refused_lots]),
        duplicates,
    )


_LOTS = OPEN_POSITIONS_LOTS.name


def _table_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = next((files for name in _MATCHES if (files := _named(path, name))), _tables_in(path))
    if not found:
        raise SourceError(f"{path}: has no Parquet or CSV file with trade matches in it.")
    return found


def _named(folder: Path, table: str) -> list[Path]:
    """Give the files of a table by name: `<table>.parquet`, or anything below `<table>/`."""
    return [
        path
        for path in _tables_in(folder)
        if table in (path.stem, *path.relative_to(folder).parent.parts, folder.name)
    ]


def _tables_in(folder: Path) -> list[Path]:
    """Give all tables below a folder, sorted; hidden and half-written ones are not for reading."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SUFFIXES
        and path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]


class _Origin(NamedTuple):
    """Where each good row came from: number of its file, and of its row in it."""

    file: NDArray[np.int64]
    row: NDArray[np.int64]


def _read(table: Table, files: Sequence[Path]) -> tuple[pa.Table, pa.Table, _Origin]:
    """Validate the rows of files: (good ones, refused ones, where the good ones came from)."""
    nothing = empty_table(table)
    good = [nothing]
    refused = [quarantine_rows(table, "", nothing, [], [])]
    file_of, row_of = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number, path in enumerate(files):
        for batch in _batches(table, path):
            checked = validate(table, batch.rows, str(path), not_text=batch.not_text)
            # `validate` counts rows of the batch from 1; `number` holds their places in the file.
            bad = np.asarray(checked.quarantine["rowNumber"].to_numpy(), np.int64) - 1
            place = checked.quarantine.column_names.index("rowNumber")
            renumbered = pa.array(batch.number[bad], pa.int64())
            field = checked.quarantine.schema.field(place)
            refused.append(checked.quarantine.set_column(place, field, renumbered))
            if batch.refused:
                refused.append(_refused_lines(table, path, batch))
            good.append(checked.good)
            row_of.append(np.delete(batch.number, bad))
            file_of.append(np.full(row_of[-1].size, number, np.int64))
    return (
        pa.concat_tables(good),
        pa.concat_tables(refused),
        _Origin(np.concatenate(file_of), np.concatenate(row_of)),
    )


def _batches(table: Table, path: Path) -> Iterator["RawBatch"]:
    if _is_empty_parquet(path):
        return
    with open_rows(path, header=lambda cells: None) as sources:
        for source in sources:
            doubled = sorted({n for n in source.columns if source.columns.count(n) > 1})
            wanted = [name for name in doubled if name in table.names]
            if wanted:
                raise ContractError(f"{path}: column {', '.join(wanted)} is there twice.")
            try:
                yield from source.batches()
            except ContractError as error:
                raise ContractError(f"{path}: {error}") from error


def _is_empty_parquet(path: Path) -> bool:
    """Tell whether a file is a sound Parquet file without rows: a month without a match."""
    try:
        return bool(pq.read_metadata(path).num_rows == 0)
    except (OSError, pa.ArrowException):
        return False


def _refused_lines(table: Table, path: Path, batch: "RawBatch") -> pa.Table:
    lines = pa.table({"line": pa.array([line.line for line in batch.refused], pa.string())})
    numbers = [line.number for line in batch.refused]
    return quarantine_rows(table, str(path), lines, numbers, [r.reason for r in batch.refused])


def _once(
    matches: pa.Table, origin: _Origin, files: Sequence[Path]
) -> tuple[pa.Table, pa.Table, int]:
    """Keep each (runId, matchId) once: (kept, refused for differing, number dropped as equal)."""
    run: Any = pc.coalesce(matches["runId"], pa.scalar(""))
    ids: Any = pc.binary_join_element_wise(matches["matchId"], run, "\x1f")
    codes = ids.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    nothing = quarantine_rows(TRADE_MATCH_HISTORY, "", matches.slice(0, 0), [], [])
    later = np.flatnonzero(first[place] != np.arange(codes.size))
    if not later.size:
        return matches, nothing, 0
    earlier = first[place][later]
    repeated = matches.take(later).to_pylist()
    kept = matches.take(earlier).to_pylist()
    differs = np.array([a != b for a, b in zip(repeated, kept, strict=True)], np.bool_)
    refused = [nothing]
    for row, before in zip(later[differs], earlier[differs], strict=True):
        where = f"{files[origin.file[before]]}, row {origin.row[before]}"
        refused.append(
            quarantine_rows(
                TRADE_MATCH_HISTORY,
                str(files[origin.file[row]]),
                matches.slice(int(row), 1),
                [int(origin.row[row])],
                [f"matchId is that of another match ({where}), with other values"],
            )
        )
    keep = np.ones(codes.size, np.bool_)
    keep[later] = False
    equal = int(later.size - np.count_nonzero(differs))
    return matches.filter(pa.array(keep)), pa.concat_tables(refused), equal
