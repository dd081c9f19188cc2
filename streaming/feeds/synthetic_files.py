"""The made-up market as a vendor would ship it: CSV files, not without faults.

One file for each symbol, bars labelled by their open (the column is called open_time), in
UTC. Every file has the same number of faults, spread by the seed: rows that must be
quarantined, a row twice, and a pair of rows in the wrong order.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streaming.contracts import money_array
from streaming.feeds.synthetic import START, digits_of, make_market
from streaming.lake.atomic import atomic_file
from streaming.rules.bars import MINUTE_US, Bars

_HEADER = "symbol,open_time,open,high,low,close,volume"
_SYMBOL, _TIME, _OPEN, _HIGH, _LOW, _CLOSE = range(6)

DUPLICATES_PER_FILE = 1
"""Rows in each file that repeat another one."""

REFUSED_PER_FILE = 8
"""Rows in each file that cannot be taken: NaN, empty, negative or huge prices, high below
low, a time off the minute, another bar of a minute that is there, a line cut short."""

_SPOTS = REFUSED_PER_FILE + DUPLICATES_PER_FILE + 1


def write_market(
    folder: Path,
    seed: int = 1,
    symbols: int = 12,
    days: int = 60,
    *,
    start: dt.date = START,
) -> list[Path]:
    """Write the market that `make_market` makes into CSV files.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    seed, symbols, days, start
        See `synthetic.make_market`. Symbols with fewer than 100 bars get no faults.

    Returns
    -------
    list of Path
        The files, sorted by symbol. Each has two rows more than `make_market` has bars (a
        repeated one and a contradicting one), and seven bars can only be quarantined.
    """
    files = []
    for symbol, bars in make_market(seed, symbols, days, start=start).items():
        if not len(bars):
            continue
        path = folder / f"{symbol}.csv"
        lines = _lines(symbol, bars)
        if len(lines) >= 10 * _SPOTS:
            lines = _spoiled(lines, np.random.PCG64(seed))
        with atomic_file(path) as partial:
            partial.write_text("\n".join([_HEADER, *lines, ""]), encoding="utf-8")
        files.append(path)
    return files


def _lines(symbol: str, bars: Bars) -> list[str]:
    kind = pa.decimal128(18, digits_of(symbol))
    opened: Any = pa.array(bars.ts - MINUTE_US).cast(pa.timestamp("us")).cast(pa.timestamp("s"))
    volume: Any = pa.array(bars.volume, from_pandas=True).cast(pa.string())
    columns: list[Any] = [
        pa.repeat(symbol, len(bars)),
        pc.strftime(opened, "%Y-%m-%d %H:%M:%S"),
        *(money_array(column).cast(kind).cast(pa.string()) for column in bars[1:5]),
        pc.fill_null(volume, ""),
    ]
    joined: list[str] = pc.binary_join_element_wise(*columns, ",").to_pylist()
    return joined


def _spoiled(lines: list[str], random: np.random.PCG64) -> list[str]:
    """Put one fault of each sort into ten stretches of the file."""
    stretch = len(lines) // _SPOTS
    spots = [at * stretch + 1 + int(random.random_raw()) % (stretch - 2) for at in range(_SPOTS)]

    def change(spot: int, column: int, text: str) -> None:
        cells = lines[spot].split(",")
        cells[column] = text
        lines[spot] = ",".join(cells)

    nan, empty, negative, huge, crossed, seconds, other, cut, twice, swapped = spots
    change(nan, _CLOSE, "NaN")
    change(empty, _OPEN, "")
    change(negative, _LOW, "-1")
    change(huge, _HIGH, "12345678901")
    cells = lines[crossed].split(",")
    change(crossed, _HIGH, cells[_LOW])
    change(crossed, _LOW, str(float(cells[_HIGH]) + 1))
    change(seconds, _TIME, lines[seconds].split(",")[_TIME][:-2] + "17")
    lines[swapped], lines[swapped + 1] = lines[swapped + 1], lines[swapped]
    after = lines[other].split(",")
    after[_HIGH] = str(float(after[_HIGH]) + 1)
    # From the back, so that the earlier spots stay where they are.
    lines.insert(twice + 1, lines[twice])
    lines[cut] = lines[cut].rpartition(",")[0].rpartition(",")[0]
    lines.insert(other + 1, ",".join(after))
    return lines
