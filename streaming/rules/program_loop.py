"""The loop that takes a program's steps: where to act, how surely, how much.

It takes a few hundred rows at a time, so that what one step leaves for the next stays in the
nearest cache. Conditions are 0.0 or 1.0 there, so that all registers are alike.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.rules.compile import Number, kernel, steady
from streaming.rules.programs import (
    ADD,
    AND,
    DIFFER,
    DIVIDE,
    EQUAL,
    LESS,
    LESS_EQUAL,
    LOAD,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NOT,
    OR,
    SUBTRACT,
    Program,
)
from streaming.rules.units import SCALE

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Columns = tuple[Float, ...]

_ROWS = 512
_TUPLE = 8
"""Columns are handed over in eights: the loop is compiled for each length of tuple."""


def run_program(
    made: Program, columns: Callable[[Any], Float], rows: int
) -> tuple[Int, NDArray[np.int8], Float, Int]:
    """Find where a program acts.

    Parameters
    ----------
    made
        From `program`.
    columns
        Gives each of its leaves, float64[rows]. Not written to.
    rows : int
        How many there are.

    Returns
    -------
    rows int64[k], action int8[k] (1 BUY, -1 SELL), confidence float64[k], hint int64[k]
        The rows, ascending, at which exactly one of buy and sell is true. Confidence and
        size clipped to [0, 1], size in units of 1e-8, half-even; of a SELL confidence is 1.
        Left out is a row where a known column, the confidence or the size of a BUY is NaN,
        or whose size is not above zero.
    """
    given = [_plain(columns(leaf)) for leaf in made.leaves] or [np.empty(rows)]
    given += [given[0]] * (-len(given) % _TUPLE)
    return _act(
        tuple(given),
        rows,
        made.known,
        made.constants,
        np.empty((made.registers, _ROWS)),
        made.deciding,
        made.sizing,
        made.results,
        made.sell_size,
    )


def _plain(values: Float) -> Float:
    """Give a column of the one memory layout that the loop is compiled for."""
    return values if values.flags.carray and values.dtype == np.float64 else np.array(values, float)


@kernel
def _act(
    columns: Columns,
    total: int,
    known: Int,
    constants: Float,
    registers: Float,
    deciding: Int,
    sizing: Int,
    results: Int,
    sell_size: float,
) -> tuple[Int, NDArray[np.int8], Float, Int]:
    for place in range(constants.shape[0]):
        registers[place, :] = constants[place]
    rows = np.empty(total, np.int64)
    action = np.empty(total, np.int8)
    words = np.empty(_ROWS // 8, np.int64)
    acting = words.view(np.int8)
    found = 0
    for start in range(0, total, _ROWS):
        count = min(_ROWS, total - start)
        _evaluate(deciding, registers, columns, rows, start, count)
        buy, sell = registers[results[0]], registers[results[1]]
        found = _collect(buy, sell, start, count, acting, words, rows, action, found)
    found = _forget_unknown(columns, known, rows, action, found)
    confidence = np.empty(found, np.float64)
    hint = np.empty(found, np.int64)
    kept = 0
    for start in range(0, found, _ROWS):
        count = min(_ROWS, found - start)
        _evaluate(sizing, registers, columns, rows, start, count)
        for i in range(count):
            sure, share = 1.0, sell_size
            if action[start + i] > 0:
                sure, share = registers[results[2], i], registers[results[3], i]
            if np.isnan(sure) or np.isnan(share):
                continue
            units = np.int64(np.rint(min(max(share, 0.0), 1.0) * SCALE))
            if units <= 0:
                continue
            rows[kept] = rows[start + i]
            action[kept] = action[start + i]
            confidence[kept] = min(max(sure, 0.0), 1.0)
            hint[kept] = units
            kept += 1
    return rows[:kept].copy(), action[:kept].copy(), confidence[:kept], hint[:kept]


@steady
def _collect(
    buy: Float,
    sell: Float,
    start: int,
    count: int,
    acting: NDArray[np.int8],
    words: Int,
    rows: Int,
    action: NDArray[np.int8],
    found: int,
) -> int:
    """Add the rows at which one of the two is true; `words` are `acting`, eight rows at once."""
    for i in range(count):
        acting[i] = buy[i] != sell[i]
    for i in range(count, acting.shape[0]):
        acting[i] = 0
    for word in range(words.shape[0]):
        if words[word] == 0:
            continue
        for i in range(8 * word, 8 * word + 8):
            if acting[i] != 0:
                rows[found] = start + i
                action[found] = 1 if buy[i] > sell[i] else -1
                found += 1
    return found


@steady
def _forget_unknown(
    columns: Columns, known: Int, rows: Int, action: NDArray[np.int8], found: int
) -> int:
    """Leave out the rows at which a known column is NaN."""
    for at in range(known.shape[0]):
        values = columns[known[at]]
        kept = 0
        for i in range(found):
            if not np.isnan(values[rows[i]]):
                rows[kept] = rows[i]
                action[kept] = action[i]
                kept += 1
        found = kept
    return found


@steady
def _evaluate(
    steps: Int,
    registers: Float,
    columns: Columns,
    rows: Int,
    start: int,
    count: int,
) -> None:
    """Take the steps for `count` rows from `start` on; what they load is of `rows` there."""
    for at in range(steps.shape[0]):
        op: Number = steps[at, 0]
        out = registers[steps[at, 1]]
        if op == LOAD:
            values = columns[-1 - steps[at, 2]]
            for i in range(count):
                out[i] = values[rows[start + i]]
            continue
        left, right = steps[at, 2], steps[at, 3]
        a = registers[left] if left >= 0 else columns[-1 - left][start : start + count]
        b = registers[right] if right >= 0 else columns[-1 - right][start : start + count]
        if op == ADD:
            for i in range(count):
                out[i] = a[i] + b[i]
        elif op == SUBTRACT:
            for i in range(count):
                out[i] = a[i] - b[i]
        elif op in (MULTIPLY, AND):
            for i in range(count):
                out[i] = a[i] * b[i]
        elif op == DIVIDE:
            for i in range(count):
                out[i] = a[i] / b[i]
        elif op == LESS:
            for i in range(count):
                out[i] = 1.0 if a[i] < b[i] else 0.0
        elif op == LESS_EQUAL:
            for i in range(count):
                out[i] = 1.0 if a[i] <= b[i] else 0.0
        elif op == MINIMUM:
            for i in range(count):
                out[i] = a[i] if a[i] <= b[i] or a[i] != a[i] else b[i]
        elif op in (MAXIMUM, OR):
            for i in range(count):
                out[i] = a[i] if a[i] >= b[i] or a[i] != a[i] else b[i]
        elif op == EQUAL:
            for i in range(count):
                out[i] = 1.0 if a[i] == b[i] else 0.0
        elif op == DIFFER:
            for i in range(count):
                out[i] = 1.0 if a[i] != b[i] else 0.0
        elif op == NOT:
            for i in range(count):
                out[i] = 1.0 - a[i]
        else:
            for i in range(count):
                out[i] = abs(a[i])
