"""Whether a day's bars are those that were imported, and keep the contract that they came under.

Whoever reads bars for a computation relies on it: page checksums and footers tell damage, not
a file that another program wrote anew under the same footer.
"""

from pathlib import Path

import numpy as np

from streaming.contracts import PRICE_1M_HISTORY, validate
from streaming.errors import LakeError
from streaming.jobs.price_rows import PriceRows, rows_of_table
from streaming.lake import prices


def verify_day(path: Path) -> None:
    """Hold all rows of one day's file against their contract, and against its footer.

    Parameters
    ----------
    path
        The file's name: `Lake.day_file`.

    Raises
    ------
    LakeError
        If a row breaks its contract, rows are not sorted by (symbol, ts) with each pair once,
        or they are not those that the footer's digests are of. It names file, row and rule.
    """
    info, table = prices.read_table(path)
    refused = validate(PRICE_1M_HISTORY, table, str(path)).quarantine
    if refused.num_rows:
        number, reason = (refused.column(name)[0].as_py() for name in ("rowNumber", "reason"))
        raise LakeError(
            f"{path}: {refused.num_rows:,} of {table.num_rows:,} rows break their contract, the "
            f"first is row {number:,}: {reason}. {prices.REMEDY}"
        )
    rows = rows_of_table(table)
    place = {name: at for at, name in enumerate(sorted(rows.symbols))}
    symbol = np.array([place[name] for name in rows.symbols], np.int64)[rows.symbol]
    step, later = np.diff(symbol), np.diff(rows.ts) > 0
    unsorted = (step < 0) | ((step == 0) & ~later)
    if unsorted.any():
        at = int(np.argmax(unsorted)) + 2
        raise LakeError(
            f"{path}: row {at:,} does not come after the one before it by (symbol, ts), as each "
            f"must. {prices.REMEDY}"
        )
    held = _held(rows)
    for name in sorted(held.keys() | info.symbols.keys()):
        if held.get(name) != info.symbols.get(name):
            raise LakeError(
                f"{path}: the bars of {name} are not those that were imported: the file was "
                f"changed since. {prices.REMEDY}"
            )


def _held(rows: PriceRows) -> dict[str, tuple[int, str]]:
    """Give what the footer should say of each symbol: its number of rows and their digest."""
    counts = np.bincount(rows.symbol, minlength=len(rows.symbols)).tolist()
    # Rows are sorted, so codes, which are by first appearance, are too.
    ends = np.cumsum(counts).tolist()
    return {
        name: (count, prices.digest(rows, end - count, end))
        for name, count, end in zip(rows.symbols, counts, ends, strict=True)
    }
