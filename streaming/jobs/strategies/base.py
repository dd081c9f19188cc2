"""What a strategy is: a small frozen class that turns feature rows into actions.

A strategy is row-wise: what it does at a row depends on that row and the one before, never
on other rows, on a clock or on what it did earlier. That is what makes its signals the same
however the bars were cut, and what keeps it from seeing the future. It is so by its form:
`signals` writes expressions over the columns, once, and never sees a row. What needs more of
the past than one row is an indicator.
"""

import dataclasses
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from streaming.errors import SettingsError
from streaming.jobs.strategies.actions import Actions
from streaming.rules.expressions import Number, column
from streaming.rules.indicators import Feature
from streaming.rules.programs import Program, program

Rows = Mapping[Feature, Number]
Value = TypeVar("Value", int, float)


def param(
    default: Value,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    unit: str = "",
) -> Value:
    """Declare a parameter of a strategy: its default, its bounds and its unit."""
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    limits = {name: bound for name, bound in bounds.items() if bound is not None}
    field: Value = dataclasses.field(default=default, metadata={"unit": unit, **limits})
    return field


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter as declared: for the command line, docs and error messages."""

    name: str
    default: float
    bounds: str
    unit: str


class Strategy(ABC):
    """Base of all strategies; subclasses are made with `@strategy(family=...)`.

    A subclass sets `id`, `version` (raised whenever the same parameters come to mean other
    signals), `buys` and `sells` (the rule in words, with parameters in braces: the signals'
    reason), declares its parameters with `param`, and implements `needs` and `signals`.
    Instances are frozen, hashable, and check their parameters.
    """

    id: ClassVar[str]
    version: ClassVar[int]
    family: ClassVar[str]
    buys: ClassVar[str]
    sells: ClassVar[str]
    anchor: ClassVar[str] = "M1"
    ascending: ClassVar[tuple[str, ...]] = ()
    """Parameters whose values must be strictly ascending, as fast < slow."""

    @abstractmethod
    def needs(self) -> list[Feature]:
        """List the features that `signals` looks at."""

    @abstractmethod
    def signals(self, now: Rows, before: Rows) -> Actions:
        """Say what to do at a row of the anchor.

        Parameters
        ----------
        now, before : mapping of Feature to Number
            Each needed feature as of the anchor's row and as of the anchor's previous row;
            NaN where it is not known yet.
        """

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """What `needs` lists, in its order, made once."""
        return tuple(self.needs())

    @cached_property
    def program(self) -> Program:
        """What `signals` says, as steps over columns named (feature, whether before).

        Raises
        ------
        SettingsError
            If it looks at a feature that `needs` does not list.
        """
        acts = self.signals(_Columns(self, was=False), _Columns(self, was=True))
        return program(
            acts.buy,
            acts.sell,
            acts.confidence,
            acts.size,
            known=[(one, False) for one in self.features],
            sell_size=acts.sell_size,
        )

    def __post_init__(self) -> None:
        for field in _fields(type(self)):
            object.__setattr__(self, field.name, _checked(self.id, field, self.params[field.name]))
        for low, high in pairwise(self.ascending):
            if not self.params[low] < self.params[high]:
                raise SettingsError(
                    f"Strategy {self.id}: {low} = {self.params[low]:g} must be below "
                    f"{high} = {self.params[high]:g}."
                )

    @property
    def params(self) -> dict[str, float]:
        """Every parameter with its value."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    @property
    def reasons(self) -> tuple[str, str]:
        """The rule in words, with this instance's parameters: why it buys, why it sells."""
        return self.buys.format(**self.params), self.sells.format(**self.params)

    @property
    def params_hash(self) -> str:
        """Digest (16 hex digits) of id, version and every parameter."""
        facts = {"id": self.id, "version": self.version, "params": self.params}
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """List the parameters as declared."""
        return [
            Parameter(
                name=field.name,
                default=_default(field),
                bounds=", ".join(f"{sign} {bound:g}" for sign, bound, _ in _bounds(field)),
                unit=field.metadata["unit"],
            )
            for field in _fields(cls)
        ]


class _Columns(Mapping[Feature, Number]):
    """The columns that a strategy may look at: those of the features that it needs."""

    def __init__(self, owner: Strategy, was: bool) -> None:
        self._owner = owner
        self._was = was

    def __getitem__(self, one: Feature) -> Number:
        if one not in self._owner.features:
            raise SettingsError(
                f"Strategy {self._owner.id}: its signals look at {one}, which its needs do not "
                "list. Add it to `needs`."
            )
        return column((one, self._was))

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._owner.features)

    def __len__(self) -> int:
        return len(self._owner.features)


_RULES: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": (">=", lambda value, bound: value >= bound),
    "gt": (">", lambda value, bound: value > bound),
    "le": ("<=", lambda value, bound: value <= bound),
    "lt": ("<", lambda value, bound: value < bound),
}


def _fields(cls: type[Strategy]) -> tuple["dataclasses.Field[Any]", ...]:
    return dataclasses.fields(cls)  # type: ignore[arg-type]  # the decorator makes it one


def _default(field: "dataclasses.Field[Any]") -> float:
    return field.default  # type: ignore[return-value]  # `param` always gives one


def _bounds(
    field: "dataclasses.Field[Any]",
) -> list[tuple[str, float, Callable[[float, float], bool]]]:
    """List a parameter's bounds as (sign, bound, test)."""
    return [
        (sign, field.metadata[key], holds)
        for key, (sign, holds) in _RULES.items()
        if key in field.metadata
    ]


def _checked(owner: str, field: "dataclasses.Field[Any]", value: object) -> float:
    """Give a parameter's value in its declared type, or say what is wrong with it."""
    where = f"Strategy {owner}: {field.name} = {value!r}"
    kind = type(_default(field))
    what = "a whole number" if kind is int else "a finite number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{where} must be {what}.")
    if not math.isfinite(value) or kind(value) != value:
        raise SettingsError(f"{where} must be {what}.")
    for sign, bound, holds in _bounds(field):
        if not holds(value, bound):
            raise SettingsError(f"{where} must be {sign} {bound:g}.")
    return kind(value)
