"""The weights that were published to the engine, as a schedule through time.

A publication holds for signals from its `effectiveFrom` on, also in the place of one before it
that would take effect later. A strategy without a row has the equal weight.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from streaming.contracts import time_values
from streaming.rules.units import SCALE
from streaming.rules.weights import WeightSchedule, equal_weight


class PublishedWeights:
    """What changes of `strategy_weights_latest` say, in their order.

    Parameters
    ----------
    strategies
        Ids whose weights count, sorted.
    """

    def __init__(self, strategies: Sequence[str]) -> None:
        self._strategies = tuple(strategies)
        self._entries: list[tuple[int, dict[str, int]]] = []

    def take(self, changes: pa.Table) -> None:
        """Take changes in: the columns `op`, `strategyId`, `weight` and `effectiveFrom`.

        They may be cut anywhere between publications.
        """
        names, ops = (changes.column(name).to_pylist() for name in ("strategyId", "op"))
        weights = np.rint(changes.column("weight").to_numpy() * SCALE).astype(np.int64)
        times = time_values(changes.column("effectiveFrom"))
        for op, name, weight, ts in zip(ops, names, weights.tolist(), times.tolist(), strict=True):
            if op in ("+I", "+U"):
                self._put(ts, name, weight)
            elif op == "-D" and self._entries:
                self._entries[-1][1].pop(name, None)

    def _put(self, ts: int, name: str, weight: int) -> None:
        before = self._entries[-1][1] if self._entries else {}
        if not self._entries or self._entries[-1][0] != ts:
            self._entries = [*(one for one in self._entries if one[0] < ts), (ts, dict(before))]
        self._entries[-1][1][name] = weight

    def schedule(self) -> WeightSchedule | None:
        """Give the weights through time; None where nothing was published."""
        if not self._entries:
            return None
        equal = equal_weight(len(self._strategies))
        rows = [[one.get(name, equal) for name in self._strategies] for _, one in self._entries]
        times = np.array([ts for ts, _ in self._entries], np.int64)
        return WeightSchedule(times, self._strategies, np.array(rows, np.int64))

    def forget(self, done: int) -> None:
        """Forget what no signal after a time (microseconds UTC) takes any more."""
        past = [at for at, (ts, _) in enumerate(self._entries) if ts <= done]
        self._entries = self._entries[past[-1] if past else 0 :]

    def facts(self) -> list[Any]:
        """Give all as JSON values."""
        return [[ts, dict(sorted(one.items()))] for ts, one in self._entries]

    def restore(self, facts: Iterable[Any]) -> None:
        """Take over what `facts` gave."""
        self._entries = [(ts, dict(one)) for ts, one in facts]
