"""Expressions as steps over registers, which `streaming.rules.program_loop` takes."""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules import expressions as ex
from streaming.rules.expressions import Expression

Float = NDArray[np.float64]
Int = NDArray[np.int64]

LOAD, ADD, SUBTRACT, MULTIPLY, DIVIDE, MINIMUM, MAXIMUM = range(7)
ABSOLUTE, LESS, LESS_EQUAL, AND, OR, DIFFER, NOT, EQUAL = range(7, 15)
_CODES = {
    ex.ADD: ADD,
    ex.SUBTRACT: SUBTRACT,
    ex.MULTIPLY: MULTIPLY,
    ex.DIVIDE: DIVIDE,
    ex.MINIMUM: MINIMUM,
    ex.MAXIMUM: MAXIMUM,
    ex.ABSOLUTE: ABSOLUTE,
    ex.LESS: LESS,
    ex.LESS_EQUAL: LESS_EQUAL,
    ex.AND: AND,
    ex.OR: OR,
    ex.XOR: DIFFER,
    ex.NOT_EQUAL: DIFFER,
    ex.EQUAL: EQUAL,
    ex.NOT: NOT,
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
            steps.append((LOAD, place[number], column, column))
        else:
            left, right = place[one.inputs[0]], place[one.inputs[-1]]
            steps.append((_CODES[one.op], place[number], left, right))
        free += [
            place[part]
            for part in dict.fromkeys(one.inputs)
            if last_use[part] == number and place[part] >= len(fixed)
        ]
    return np.array(steps, np.int64).reshape(-1, 4), [place[root] for root in roots], used
