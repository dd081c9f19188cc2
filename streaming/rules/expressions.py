"""Conditions and numbers over the columns of feature rows, written as one writes arithmetic.

An expression computes nothing when it is written. `streaming.rules.programs` turns it into
steps that one compiled loop takes for any rows: no column is made that is thrown away, and
no thread waits for the interpreter. It also cannot look at another row than its own: there
is no way to write that.
"""

import numbers
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NoReturn

LOAD, CONSTANT = "load", "constant"
ADD, SUBTRACT, MULTIPLY, DIVIDE = "add", "subtract", "multiply", "divide"
MINIMUM, MAXIMUM, ABSOLUTE = "minimum", "maximum", "absolute"
LESS, LESS_EQUAL = "less", "less or equal"
EQUAL, NOT_EQUAL = "equal", "not equal"
AND, OR, XOR, NOT = "and", "or", "xor", "not"


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A node: an operation and what it is done to.

    `==` makes a condition of two numbers, like `<` does; programs find equal parts by what
    they are made of.
    """

    op: str
    inputs: tuple["Expression", ...] = ()
    leaf: Hashable = None
    value: float = 0.0

    __hash__ = None  # type: ignore[assignment]  # a set would ask whether two are equal

    # A number or an array of numpy leaves its operators to those below.
    __array_ufunc__ = None

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "An expression over rows is neither true nor false: it is that for each row. "
            "Write & for and, | for or, ~ for not, and (a < b) & (b < c) for a < b < c."
        )


class Number(Expression):
    """A number at each row; NaN where it is not known."""

    __slots__ = ()

    def __add__(self, other: "Number | float") -> "Number":
        return Number(ADD, (self, number(other)))

    def __radd__(self, other: float) -> "Number":
        return Number(ADD, (number(other), self))

    def __sub__(self, other: "Number | float") -> "Number":
        return Number(SUBTRACT, (self, number(other)))

    def __rsub__(self, other: float) -> "Number":
        return Number(SUBTRACT, (number(other), self))

    def __mul__(self, other: "Number | float") -> "Number":
        return Number(MULTIPLY, (self, number(other)))

    def __rmul__(self, other: float) -> "Number":
        return Number(MULTIPLY, (number(other), self))

    def __truediv__(self, other: "Number | float") -> "Number":
        return Number(DIVIDE, (self, number(other)))

    def __rtruediv__(self, other: float) -> "Number":
        return Number(DIVIDE, (number(other), self))

    def __neg__(self) -> "Number":
        # Not 0 - x, which would make a positive zero of a positive zero.
        return Number(MULTIPLY, (number(-1.0), self))

    def __abs__(self) -> "Number":
        return Number(ABSOLUTE, (self,))

    def __eq__(self, other: "Number | float") -> "Condition":  # type: ignore[override]
        return Condition(EQUAL, (self, number(other)))

    def __ne__(self, other: "Number | float") -> "Condition":  # type: ignore[override]
        return Condition(NOT_EQUAL, (self, number(other)))

    def __lt__(self, other: "Number | float") -> "Condition":
        return Condition(LESS, (self, number(other)))

    def __le__(self, other: "Number | float") -> "Condition":
        return Condition(LESS_EQUAL, (self, number(other)))

    def __gt__(self, other: "Number | float") -> "Condition":
        return Condition(LESS, (number(other), self))

    def __ge__(self, other: "Number | float") -> "Condition":
        return Condition(LESS_EQUAL, (number(other), self))


class Condition(Expression):
    """True or false at each row; a comparison with NaN is false."""

    __slots__ = ()

    def __and__(self, other: "Condition | bool") -> "Condition":
        return Condition(AND, (self, condition(other)))

    def __or__(self, other: "Condition | bool") -> "Condition":
        return Condition(OR, (self, condition(other)))

    def __xor__(self, other: "Condition | bool") -> "Condition":
        return Condition(XOR, (self, condition(other)))

    def __invert__(self) -> "Condition":
        return Condition(NOT, (self,))

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("Write a ^ b where conditions differ, ~(a ^ b) where they agree.")

    def __ne__(self, other: object) -> NoReturn:
        self.__eq__(other)


def column(leaf: Hashable) -> Number:
    """Give the number that a column holds at the row; `leaf` names the column."""
    return Number(LOAD, leaf=leaf)


def number(value: Number | float) -> Number:
    """Give a number at each row: itself, or the same everywhere.

    Raises
    ------
    TypeError
        If it is something else, as an array or a condition.
    """
    if isinstance(value, Number):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"A number or a column is wanted, not {_told(value)}.")
    return Number(CONSTANT, value=float(value))


def condition(value: Condition | bool) -> Condition:
    """Give a condition: itself, or one that is always or never true."""
    if isinstance(value, Condition):
        return value
    if not isinstance(value, bool):
        raise TypeError(f"A condition, as price > level, is wanted, not {_told(value)}.")
    return Condition(CONSTANT, value=float(value))


def minimum(one: Number | float, other: Number | float) -> Number:
    """Give the smaller of two numbers; NaN where either is."""
    return Number(MINIMUM, (number(one), number(other)))


def maximum(one: Number | float, other: Number | float) -> Number:
    """Give the larger of two numbers; NaN where either is."""
    return Number(MAXIMUM, (number(one), number(other)))


def _told(value: object) -> str:
    if isinstance(value, Expression):
        return f"a {type(value).__name__.lower()}"
    return f"{value!r} ({type(value).__name__})"
