"""Column kinds: what a cell of a table may hold.

A column is described once, by one of the functions below; its types in Arrow, SQLite,
Fluss and Flink, its checks and its line in the docs are all made from that description.
Descriptions are ASCII, because they end up in SQL comments.
"""

from dataclasses import dataclass
from enum import StrEnum

from streaming.rules.bars import MINUTE_US

AHEAD_US = 5 * MINUTE_US
"""How far, in microseconds, a time may lie in the future: clocks of two machines differ."""


class Type(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    MONEY = "money"
    DOUBLE = "double"
    TIME = "time"
    BOOL = "flag"
    INT = "integer"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        camelCase, as in the specification.
    type : Type
        TEXT; MONEY (DECIMAL(18,8)); DOUBLE (float64, finite); TIME (microseconds UTC, from
        1970 on); BOOL; INT (int64).
    description : str
        What the cell means; goes into SQL comments and the docs.
    unit : str or None
        Unit of a number.
    nullable : bool
        Whether a cell may be empty. A NaN in a nullable DOUBLE column means "no value" and
        is stored as null; any other NaN or infinity is refused.
    gt, ge, lt, le : int, float or None
        Bounds of a number, in whole units (not x 1e8).
    one_of : tuple of str
        The only texts allowed; empty: any.
    key : bool
        An identifier: no control characters, no blanks around it.
    without : str
        Letters that the identifier never has either.
    minute : bool
        The time lies on a whole minute.
    ahead : int
        How far, in microseconds, the time may lie in the future.

    Notes
    -----
    A TEXT column that is not nullable is never empty.
    """

    name: str
    type: Type
    description: str
    unit: str | None = None
    nullable: bool = False
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    one_of: tuple[str, ...] = ()
    key: bool = False
    without: str = ""
    minute: bool = False
    ahead: int = AHEAD_US

    @property
    def bounds(self) -> list[tuple[str, float]]:
        """Give the bounds as (operator, bound): what a value must be."""
        every = ((">", self.gt), (">=", self.ge), ("<", self.lt), ("<=", self.le))
        return [(operator, bound) for operator, bound in every if bound is not None]

    @property
    def never(self) -> str:
        """Name the letters that the identifier is without."""
        names = [one if one.isascii() else f"U+{ord(one):04X}" for one in self.without]
        return alternatives(tuple(names))

    @property
    def rule(self) -> str:
        """Say what a value must be, in the words of the docs page; "" where anything goes."""
        words = [f"{operator} {bound:g}" for operator, bound in self.bounds]
        if self.one_of:
            words.append(alternatives(self.one_of))
        if self.without:
            words.append(f"without {self.never}")
        if self.minute:
            words.append("on a whole minute")
        return ", ".join(words)


def alternatives(words: tuple[str, ...]) -> str:
    """Join words as "A, B or C"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def key(name: str, description: str, *, without: str = "") -> Column:
    """Describe an identifier: a text by which rows are found and joined."""
    return Column(name, Type.TEXT, description, key=True, without=without)


def text(name: str, description: str, *, nullable: bool = False) -> Column:
    """Describe a text for people or for tracing."""
    return Column(name, Type.TEXT, description, nullable=nullable)


def one_of(name: str, words: list[str], description: str) -> Column:
    """Describe a text that is one of a few words."""
    return Column(name, Type.TEXT, description, one_of=tuple(words), key=True)


def money(
    name: str,
    description: str,
    *,
    unit: str = "currency",
    nullable: bool = False,
    gt: int | None = None,
    ge: int | None = None,
) -> Column:
    """Describe a price, quantity, fee or PnL: DECIMAL(18,8)."""
    return Column(name, Type.MONEY, description, unit=unit, nullable=nullable, gt=gt, ge=ge)


def double(
    name: str,
    description: str,
    *,
    unit: str | None = None,
    nullable: bool = False,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> Column:
    """Describe a feature, score, weight or volume: float64."""
    return Column(name, Type.DOUBLE, description, unit=unit, nullable=nullable, gt=gt, ge=ge, le=le)


def time(
    name: str, description: str, *, nullable: bool = False, minute: bool = False, ahead: int = 0
) -> Column:
    """Describe a moment: microseconds UTC, at most `ahead` + AHEAD_US in the future."""
    return Column(
        name, Type.TIME, description, nullable=nullable, minute=minute, ahead=AHEAD_US + ahead
    )


def flag(name: str, description: str) -> Column:
    """Describe a yes or no."""
    return Column(name, Type.BOOL, description)


def integer(
    name: str,
    description: str,
    *,
    unit: str | None = None,
    gt: int | None = None,
    ge: int | None = None,
) -> Column:
    """Describe a count: int64."""
    return Column(name, Type.INT, description, unit=unit, gt=gt, ge=ge)
