"""Weights of strategies as of the time of a signal."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.rules.units import SCALE

Int = NDArray[np.int64]


class WeightSchedule(NamedTuple):
    """Weights through time: a signal takes those that were in force at its time.

    Attributes
    ----------
    effective_from : int64[k]
        Microseconds UTC, ascending: signals from this time on.
    strategies : tuple of str
        Ids, sorted.
    weight : int64[k, strategies]
        x 1e8.
    """

    effective_from: Int
    strategies: tuple[str, ...]
    weight: Int

    def digest(self, strategies: Sequence[str] | None, until: int) -> str:
        """Give a digest (32 hex digits) of what the schedule says up to a time.

        Schedules that go on differently after it, or weigh other strategies too, have the
        same one: so a schedule can grow, and what was made with it stays what it is.

        Parameters
        ----------
        strategies
            Ids whose weights count; None: all.
        until
            Microseconds UTC.
        """
        rows = self.effective_from <= until
        digest = hashlib.blake2b(self.effective_from[rows].astype("<i8").tobytes(), digest_size=16)
        for place, name in enumerate(self.strategies):
            if strategies is None or name in strategies:
                digest.update(f"{len(name)} {name}".encode())
                digest.update(self.weight[rows, place].astype("<i8").tobytes())
        return digest.hexdigest()


def equal_weight(strategies: int) -> int:
    """Give 1/n x 1e8, half-even: the weight of each of n strategies before there are scores."""
    return round(SCALE / strategies)


def weights_at(
    schedule: WeightSchedule | None, strategies: list[str], strategy: NDArray[np.int32], ts: Int
) -> Int:
    """Give the weight of each signal, int64[n] x 1e8.

    Parameters
    ----------
    schedule
        None: equal weights. Before its first time, and for a strategy that it does not
        know, weights are equal too.
    strategies
        Ids that `strategy` numbers.
    strategy : int32[n]
    ts : int64[n]
        Microseconds UTC.
    """
    equal = equal_weight(len(strategies))
    if schedule is None or len(schedule.effective_from) == 0:
        return np.full(len(ts), equal, np.int64)
    row = np.searchsorted(schedule.effective_from, ts, side="right") - 1
    known = {name: place for place, name in enumerate(schedule.strategies)}
    column = np.array([known.get(name, -1) for name in strategies], np.int64)[strategy]
    found = (row >= 0) & (column >= 0)
    return np.where(found, schedule.weight[np.maximum(row, 0), column], equal)
