"""Rules that tie the cells of one row to each other: high >= low, the side of a quantity.

Each knows its own words, its check on arrays, its complaint and its SQL.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Operator = Literal[">", ">=", "<", "<="]

HOLDS: dict[str, Callable[[Any, Any], Any]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}
"""How each operator compares arrays (or an array with a bound)."""

BROKEN = {">": "is not above", ">=": "is below", "<": "is not below", "<=": "is above"}
"""What is said of a value for which the operator does not hold."""


@dataclass(frozen=True, slots=True)
class Compare:
    """One cell of a row against another: `Compare("high", ">=", "low")`."""

    left: str
    operator: Operator
    right: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the rule reads; where one is null the rule does not apply."""
        return self.left, self.right

    @property
    def words(self) -> str:
        """The rule as the docs say it."""
        return f"{self.left} {self.operator} {self.right}"

    def holds(self, values: Mapping[str, NDArray[Any]]) -> Mask:
        """Say for each row whether the rule holds; both columns are of one type."""
        held: Mask = HOLDS[self.operator](values[self.left], values[self.right])
        return held

    def complaint(self, shown: Mapping[str, str]) -> str:
        """Say how a row breaks the rule: "high 17.20 is below low 17.40"."""
        return (
            f"{self.left} {shown[self.left]} {BROKEN[self.operator]} "
            f"{self.right} {shown[self.right]}"
        )

    def sql(self, quote: Callable[[str], str]) -> str:
        """Give the rule as an SQL condition."""
        return f"{quote(self.left)} {self.operator} {quote(self.right)}"


@dataclass(frozen=True, slots=True)
class SignFollowsSide:
    """A signed quantity is positive on side LONG, negative on side SHORT, and never zero."""

    quantity: str
    side: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the rule reads."""
        return self.quantity, self.side

    @property
    def words(self) -> str:
        """The rule as the docs say it."""
        return f"{self.quantity} > 0 where {self.side} is LONG, < 0 where it is SHORT"

    def holds(self, values: Mapping[str, NDArray[Any]]) -> Mask:
        """Say for each row whether the rule holds; the side is LONG or SHORT."""
        quantity = values[self.quantity]
        held: Mask = np.where(values[self.side] == "LONG", quantity > 0, quantity < 0)
        return held

    def complaint(self, shown: Mapping[str, str]) -> str:
        """Say how a row breaks the rule: "netQty -3 does not fit side LONG"."""
        return f"{self.quantity} {shown[self.quantity]} does not fit {self.side} {shown[self.side]}"

    def sql(self, quote: Callable[[str], str]) -> str:
        """Give the rule as an SQL condition."""
        quantity, side = quote(self.quantity), quote(self.side)
        return f"CASE {side} WHEN 'LONG' THEN {quantity} > 0 ELSE {quantity} < 0 END"


RowRule = Compare | SignFollowsSide
