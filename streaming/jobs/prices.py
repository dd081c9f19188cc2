"""The Prices job: rows from anywhere in; bars that keep their contract and quarantine out.

A row is refused, with its reason, if it breaks a rule of `price_1m_history` (its numbers,
high and low, the minute, a time before 1970 or more than five minutes ahead of the clock),
if its symbol is not among those known, or if another bar of the same symbol and minute was
kept before. No row refused stops another.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY, quarantine_rows, validate
from streaming.jobs.price_rows import (
    MONEY_COLUMNS,
    PriceRows,
    merge,
    no_rows,
    rows_of_table,
    table_of_rows,
)
from streaming.rules.units import money_text

READS = ()
WRITES = (PRICE_1M_HISTORY, QUARANTINE_HISTORY)


class Checked(NamedTuple):
    """Rows that keep the contract, in the order given, and the others."""

    good: PriceRows
    quarantine: pa.Table


class Cleaned(NamedTuple):
    """Bars sorted by (symbol, ts), each once; equal ones dropped; the rows refused."""

    bars: pa.Table
    duplicates: int
    quarantine: pa.Table


def check_prices(
    rows: pa.Table,
    source: str,
    number: NDArray[np.int64],
    *,
    now: int,
    problems: Mapping[int, str] | None = None,
    symbols: Collection[str] | None = None,
) -> Checked:
    """Split rows into those that keep the contract and those that do not.

    Parameters
    ----------
    rows
        n rows with the columns of `price_1m_history`, of any type that can be read.
    source
        File or feed, for quarantine.
    number
        int64[n], the rows' numbers in their source, ascending.
    now
        The clock, microseconds UTC.
    problems
        For some rows (by position), whose `ts` is null, why it is.
    symbols
        The symbols that are known; None: all are.

    Returns
    -------
    Checked
        Good rows and quarantine, n rows together, each in the order of `number`.
    """
    good, quarantine = validate(PRICE_1M_HISTORY, rows, source, first_row=0, now=now)
    refused = quarantine.column("rowNumber").to_numpy()
    quarantine = _told(quarantine, number[refused], refused, problems or {})
    kept = np.delete(np.arange(rows.num_rows), refused)
    if symbols is not None:
        known = pc.is_in(good.column("symbol"), pa.array(sorted(symbols), pa.string()))
        strange = ~np.asarray(known, np.bool_)
        if strange.any():
            at = kept[strange]
            names = good.column("symbol").filter(pa.array(strange)).to_pylist()
            times = good.column("ts").filter(pa.array(strange)).cast(pa.int64()).to_pylist()
            reasons = [f"symbol {name!r} is not in the instruments file" for name in names]
            more = quarantine_rows(
                PRICE_1M_HISTORY, source, rows.take(at), number[at], reasons, times
            )
            quarantine = pa.concat_tables([quarantine, more]).sort_by("rowNumber")
            good, kept = good.filter(pa.array(~strange)), kept[~strange]
    return Checked(rows_of_table(good, number[kept]), quarantine)


def clean_prices(
    rows: pa.Table,
    source: str,
    *,
    now: int,
    first_row: int = 1,
    symbols: Collection[str] | None = None,
) -> Cleaned:
    """Check rows, sort the good ones and drop duplicates; see `check_prices`.

    Returns
    -------
    Cleaned
        rows in = bars + duplicates + quarantine.
    """
    number = np.arange(first_row, first_row + rows.num_rows, dtype=np.int64)
    good, quarantine = check_prices(rows, source, number, now=now, symbols=symbols)
    merged = merge(no_rows(), good)
    refused = conflict_rows(source, merged.conflicts, merged.kept)
    quarantine = pa.concat_tables([quarantine, refused]).sort_by("rowNumber")
    return Cleaned(table_of_rows(merged.rows), merged.duplicates, quarantine)


def conflict_rows(source: str, conflicts: PriceRows, kept: PriceRows) -> pa.Table:
    """Give the quarantine rows of bars that differ from the one that was kept before.

    Parameters
    ----------
    source
        File or feed that the conflicting rows came from.
    conflicts, kept
        n rows each, position by position of the same symbol and minute.
    """
    reasons = []
    for at in range(len(conflicts)):
        differing = [
            f"{name} {money_text(int(column[at]))} against {money_text(int(held[at]))}"
            for name, column, held in zip(MONEY_COLUMNS, conflicts[4:8], kept[4:8], strict=True)
            if column[at] != held[at]
        ]
        if not differing:
            differing = [f"volume {conflicts.volume[at]:g} against {kept.volume[at]:g}"]
        minute = np.datetime64(int(kept.ts[at]), "us").astype("datetime64[m]")
        reasons.append(
            f"another bar of {kept.symbols[kept.symbol[at]]} at {minute}Z was kept before, from "
            f"{kept.sources[kept.source[at]]}: {', '.join(differing)}"
        )
    rows = table_of_rows(conflicts)
    times = conflicts.ts.tolist()
    return quarantine_rows(PRICE_1M_HISTORY, source, rows, conflicts.number, reasons, times)


def _told(
    quarantine: pa.Table,
    number: NDArray[np.int64],
    positions: NDArray[np.int64],
    problems: Mapping[int, str],
) -> pa.Table:
    """Put the rows' numbers in place of their positions, and the known reasons of bad times."""
    columns = {name: quarantine.column(name) for name in quarantine.column_names}
    columns["rowNumber"] = pa.chunked_array([pa.array(number, pa.int64())])
    if problems:
        reasons = columns["reason"].to_pylist()
        told = [
            problems.get(position, reason)
            for position, reason in zip(positions.tolist(), reasons, strict=True)
        ]
        columns["reason"] = pa.chunked_array([pa.array(told, pa.string())])
    return pa.table(columns, schema=quarantine.schema)
