"""What the engine says of itself after a tick: what a scrape is made of."""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a commit's duration, in seconds; above the last is one more bucket."""


class OwnerFigures(NamedTuple):
    """What a strategy holds in an account: symbols with a position, and amounts in currency.

    NaN stands for what no DECIMAL(18,8) holds; `unrealized` is None where gauges do not have it.
    """

    account: str
    strategy: str
    positions: int
    unrealized: float | None
    exposure: float


class Booked(NamedTuple):
    """What a strategy's matches in an account came to, in currency."""

    account: str
    strategy: str
    realized: float
    fees: float


class SymbolFigures(NamedTuple):
    """A symbol: when its last bar closed (microseconds UTC), its calendar, whether it is held."""

    symbol: str
    last_bar: int
    calendar: str | None
    held: bool


class Durations(NamedTuple):
    """A histogram: how many lie in each bucket and above the last, and their sum in seconds."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    total: float = 0.0

    def plus(self, seconds: float) -> "Durations":
        """Add one."""
        counts = list(self.counts)
        counts[bisect_left(BUCKETS, seconds)] += 1
        return Durations(tuple(counts), self.total + seconds)

    def cumulative(self) -> list[tuple[str, float]]:
        """Give for each bound how many are at or below it."""
        bounds = [*map(str, BUCKETS), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


@dataclass(frozen=True)
class Tally:
    """What has been counted since the store was begun.

    Attributes
    ----------
    accepted : dict
        Signals by account.
    rejected : dict
        Signals by account, then code.
    late, duplicates : dict
        By kind: "bar", "fill".
    matches, quarantined : int
    """

    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=lambda: {"bar": 0, "fill": 0})
    duplicates: dict[str, int] = field(default_factory=lambda: {"bar": 0, "fill": 0})
    matches: int = 0
    quarantined: int = 0

    def rejected_by_code(self) -> dict[str, int]:
        """Give how many signals were rejected, of all accounts, by code."""
        return reduce(_sums, self.rejected.values(), {})

    def __add__(self, other: "Tally") -> "Tally":
        return replace(
            self,
            accepted=_sums(self.accepted, other.accepted),
            rejected={
                account: _sums(self.rejected.get(account, {}), other.rejected.get(account, {}))
                for account in sorted({*self.rejected, *other.rejected})
            },
            late=_sums(self.late, other.late),
            duplicates=_sums(self.duplicates, other.duplicates),
            matches=self.matches + other.matches,
            quarantined=self.quarantined + other.quarantined,
        )


@dataclass(frozen=True)
class Figures:
    """How the engine stands after a tick; never changed, so that any thread may read it.

    Attributes
    ----------
    owners : tuple of OwnerFigures
        Those with a position alone.
    booked : tuple of Booked
    symbols : tuple of SymbolFigures
        Those that have series of their own.
    tally : Tally
    commits : Durations
        Of this process.
    committed, decided_to : int or None
        Wall clock of this process's last commit, and the event time up to which everything is
        decided: microseconds UTC.
    """

    owners: tuple[OwnerFigures, ...] = ()
    booked: tuple[Booked, ...] = ()
    symbols: tuple[SymbolFigures, ...] = ()
    tally: Tally = field(default_factory=Tally)
    commits: Durations = field(default_factory=Durations)
    committed: int | None = None
    decided_to: int | None = None


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in sorted({*one, *other})}
