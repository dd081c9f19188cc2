"""Every strategy by its id, and how one is made from a name and parameters."""

import dataclasses
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TypeVar, dataclass_transform

from streaming.errors import SettingsError
from streaming.jobs.strategies.base import Strategy, param
from streaming.rules.timeframes import TIMEFRAMES

FAMILIES = (
    "trend",
    "mean reversion",
    "momentum",
    "breakout",
    "volatility",
    "multi-timeframe",
)

STRATEGIES: dict[str, type[Strategy]] = {}
"""Every strategy class by id."""

Class = TypeVar("Class", bound=type[Strategy])


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(param,))
def strategy(*, family: str) -> Callable[[Class], Class]:
    """Make a class a strategy of a family and register it under its id."""

    def register(cls: Class) -> Class:
        if family not in FAMILIES:
            raise ValueError(f"{cls.__name__}: there is no family {family!r}")
        if cls.anchor not in TIMEFRAMES:
            raise ValueError(f"{cls.__name__}: there is no timeframe {cls.anchor!r}")
        if cls.id in STRATEGIES:
            raise ValueError(f"{cls.__name__}: id {cls.id!r} is taken by {STRATEGIES[cls.id]}")
        cls.family = family
        # A dataclass without slots is the class itself, not another one.
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        STRATEGIES[cls.id] = cls
        return cls

    return register


def make(id: str, /, **params: float) -> Strategy:
    """Make a strategy by id, with the given parameters and defaults for the others.

    Raises
    ------
    SettingsError
        If the id or a parameter is unknown (naming the nearest), or out of its bounds.
    """
    if id not in STRATEGIES:
        raise SettingsError(f"There is no strategy {id!r}. {_nearest(id, STRATEGIES)}")
    cls = STRATEGIES[id]
    known = [parameter.name for parameter in cls.parameters()]
    for name in params:
        if name not in known:
            raise SettingsError(f"Strategy {id} has no parameter {name!r}. {_nearest(name, known)}")
    return cls(**params)


def select(names: str) -> list[Strategy]:
    """Make the strategies that a comma-separated list names, with defaults, sorted by id.

    `all` stands for every one; a name given twice counts once.

    Raises
    ------
    SettingsError
        If the list is empty or a name is unknown.
    """
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if not wanted:
        raise SettingsError("No strategy is named. Name some, separated by commas, or say 'all'.")
    if "all" in wanted:
        wanted = (wanted - {"all"}) | set(STRATEGIES)
    return [make(name) for name in sorted(wanted)]


def _nearest(name: str, known: Collection[str]) -> str:
    """Say which known names are near; where none is, list them all."""
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(sorted(known))}."
