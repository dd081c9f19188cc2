"""Expressions as steps for one compiled loop, and the loop: where to act, how surely, how much.

The loop takes a few hundred rows at a time, so that what one step leaves for the next stays
in the nearest cache. Conditions are 0.0 or 1.0 there, so that all registers are alike.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules import expressions as ex
from streaming.rules.compile import Number, kernel, steady
from streaming.rules.expressions import Expression
from streaming.rules.money import SCALE

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Columns = tuple[Float, ...]

_ROWS = 512
_TUPLE = 8
"""Columns are handed over in eights: the loop is compiled for each length of tuple."""

_LOAD, _ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _MINIMUM, _MAXIMUM = range(7)
_ABSOLUTE, _LESS, _LESS_EQUAL, _AND, _OR, _DIFFER, _NOT, _EQUAL = range(7, 15)
_CODES = {
    ex.ADD: _ADD,
    ex.SUBTRACT: _SUBTRACT,
    ex.MULTIPLY: _MULTIPLY,
    ex.DIVIDE: _DIVIDE,
    ex.MINIMUM: _MINIMUM,
    ex.MAXIMUM: _MAXIMUM,
    ex.ABSOLUTE: _ABSOLUTE,
    ex.LESS: _LESS,
    ex.LESS_EQUAL: _LESS_EQUAL,
    ex.AND: _AND,
    ex.OR: _OR,
    ex.XOR: _DIFFER,
    ex.NOT_EQUAL: _DIFFER,
    ex.EQUAL: _EQUAL,
    ex.NOT: _NOT,
}


class Program(NamedTuple):
    """What to compute of which columns.

    Attributes
    ----------
    leaves : tuple
        The columns' names, in the order in which the loop takes them.
    known : int64[k]
        Places of the columns without which nothing is done.
    constants : float64[c]
        What the first c registers hold.
    registers : int
        How many there are.
    deciding, sizing : int64[steps, 4]
        Operation, register it fills, and the two operands it reads: registers, and columns
        as -1 - place. `sizing` loads its columns into registers first, of the chosen rows.
    results : int64[4]
        Registers of buy, sell, confidence and size.
    sell_size : float
        Share of what is held that a SELL closes.
    """

    leaves: tuple[Hashable, ...]
    known: Int
    constants: Float
    registers: int
    deciding: Int
    sizing: Int
    results: Int
    sell_size: float


def program(
    buy: Expression,
    sell: Expression,
    confidence: Expression,
    size: Expression,
    known: Iterable[Hashable],
    sell_size: float,
) -> Program:
    """Turn four expressions into steps; `known` names the columns that must not be NaN."""
    parts, roots = _parts([buy, sell, confidence, size])
    known = list(known)
    loaded = [one.leaf for one in parts if one.op == ex.LOAD]
    leaves = list(dict.fromkeys([*loaded, *known]))
    constants = [place for place, one in enumerate(parts) if one.op == ex.CONSTANT]
    fixed = {part: register for register, part in enumerate(constants)}
    first, places, used = _steps(parts, roots[:2], fixed, leaves, load=False)
    second, more, also_used = _steps(parts, roots[2:], fixed, leaves, load=True)
    return Program(
        tuple(leaves),
        np.array([leaves.index(leaf) for leaf in known], np.int64),
        np.array([parts[part].value for part in constants], np.float64),
        max(used, also_used),
        first,
        second,
        np.array([*places, *more], np.int64),
        sell_size,
    )


class _Part(NamedTuple):
    """A part of some expressions; its inputs are the numbers of earlier parts."""

    op: str
    inputs: tuple[int, ...]
    leaf: Hashable
    value: float


def _parts(roots: Sequence[Expression]) -> tuple[list[_Part], list[int]]:
    """List the parts of expressions, each once and after its inputs, and the roots' numbers."""
    parts: list[_Part] = []
    number_of: dict[int, int] = {}  # by identity
    same: dict[Hashable, int] = {}
    # A stack of its own: an author's loop may make a chain longer than Python's.
    stack = list(reversed(roots))
    while stack:
        one = stack[-1]
        missing = [part for part in one.inputs if id(part) not in number_of]
        if missing and id(one) not in number_of:
            stack += reversed(missing)
            continue
        stack.pop()
        if id(one) in number_of:
            continue
        inputs = tuple(number_of[id(part)] for part in one.inputs)
        # As text, NaN is itself and the two zeros are two.
        key = (one.op, inputs, one.leaf, repr(one.value))
        if key not in same:
            same[key] = len(parts)
            parts.append(_Part(one.op, inputs, one.leaf, one.value))
        number_of[id(one)] = same[key]
    return parts, [number_of[id(root)] for root in roots]


def _steps(
    parts: list[_Part],
    roots: Sequence[int],
    fixed: dict[int, int],
    leaves: list[Hashable],
    *,
    load: bool,
) -> tuple[Int, list[int], int]:
    """Give the steps, the registers of the roots, and how many registers there are."""
    needed = set(roots)
    for number in range(max(roots), -1, -1):
        if number in needed:
            needed.update(parts[number].inputs)
    last_use = {part: number for number in sorted(needed) for part in parts[number].inputs}
    last_use |= dict.fromkeys(roots, len(parts))
    place = dict(fixed)
    free: list[int] = []
    used = len(fixed)
    steps: list[tuple[int, int, int, int]] = []
    for number in sorted(needed - set(fixed)):
        one = parts[number]
        if one.op == ex.LOAD and not load:
            place[number] = -1 - leaves.index(one.leaf)
            continue
        # Never a register that is read in the same step: the loop would not be vectorised.
        if free:
            place[number] = free.pop()
        else:
            place[number] = used
            used += 1
        if one.op == ex.LOAD:
            column = -1 - leaves.index(one.leaf)
            steps.append((_LOAD, place[number], column, column))
        else:
            left, right = place[one.inputs[0]], place[one.inputs[-1]]
            steps.append((_CODES[one.op], place[number], left, right))
        free += [
            place[part]
            for part in dict.fromkeys(one.inputs)
            if last_use[part] == number and place[part] >= len(fixed)
        ]
    return np.array(steps, np.int64).reshape(-1, 4), [place[root] for root in roots], used


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
        if op == _LOAD:
            values = columns[-1 - steps[at, 2]]
            for i in range(count):
                out[i] = values[rows[start + i]]
            continue
        left, right = steps[at, 2], steps[at, 3]
        a = registers[left] if left >= 0 else columns[-1 - left][start : start + count]
        b = registers[right] if right >= 0 else columns[-1 - right][start : start + count]
        if op == _ADD:
            for i in range(count):
                out[i] = a[i] + b[i]
        elif op == _SUBTRACT:
            for i in range(count):
                out[i] = a[i] - b[i]
        elif op in (_MULTIPLY, _AND):
            for i in range(count):
                out[i] = a[i] * b[i]
        elif op == _DIVIDE:
            for i in range(count):
                out[i] = a[i] / b[i]
        elif op == _LESS:
            for i in range(count):
                out[i] = 1.0 if a[i] < b[i] else 0.0
        elif op == _LESS_EQUAL:
            for i in range(count):
                out[i] = 1.0 if a[i] <= b[i] else 0.0
        elif op == _MINIMUM:
            for i in range(count):
                out[i] = a[i] if a[i] <= b[i] or a[i] != a[i] else b[i]
        elif op in (_MAXIMUM, _OR):
            for i in range(count):
                out[i] = a[i] if a[i] >= b[i] or a[i] != a[i] else b[i]
        elif op == _EQUAL:
            for i in range(count):
                out[i] = 1.0 if a[i] == b[i] else 0.0
        elif op == _DIFFER:
            for i in range(count):
                out[i] = 1.0 if a[i] != b[i] else 0.0
        elif op == _NOT:
            for i in range(count):
                out[i] = 1.0 - a[i]
        else:
            for i in range(count):
                out[i] = abs(a[i])
