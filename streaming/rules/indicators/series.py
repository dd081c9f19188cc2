"""Features of one series: run the kernels over each batch of bars and carry on from there.

A kernel is called as `fn(bars, first, seen, params, state, out)`:

- `bars`: Bars whose rows before `first` were seen before: the last `lookback` bars, or all
  there were; the rows from `first` on are new;
- `seen`: bars of the series before row `first`;
- `params`: float64[:], the parameters in the registry's order;
- `state`: float64[:], changed in place, zeros at the start; recursive values only. Window
  features keep none: they are made from the bars in front, with the same result for any cut;
- `out`: one row for each output, float64[new]; NaN before warm-up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from streaming.errors import StateError
from streaming.rules.bars import Bars, Float, join_bars, no_bars, plain_bars
from streaming.rules.indicators.names import Feature
from streaming.rules.indicators.registry import BY_FEATURE, Numbers


class Call(NamedTuple):
    """One kernel to run, for all of its features that are asked for."""

    fn: Callable[..., None]
    params: Float
    memory: slice
    """The kernel's part of the series' memory."""

    outputs: int
    rows: tuple[tuple[Feature, int], ...]
    """Each feature asked for, and the output that holds it."""


class Plan(NamedTuple):
    """The kernels for a set of features."""

    calls: tuple[Call, ...]
    lookback: int
    memory: int


@dataclass
class SeriesState:
    """What the features of one series need of its past; changed in place by `advance`.

    Attributes
    ----------
    features : tuple of Feature
        Without timeframe, ascending; set by the first `advance`.
    tail : Bars
        The newest bars seen, as many as the features look back.
    seen : int
        How many bars there were.
    memory : float64[:]
        State of the recursive indicators, one after another.
    last : float64[len(features)]
        The newest row of features; NaN before the first bar.
    """

    features: tuple[Feature, ...]
    tail: Bars
    seen: int
    memory: Float
    last: Float

    @property
    def carry(self) -> dict[Feature, float]:
        """The newest row of features; NaN before the first bar."""
        return dict(zip(self.features, self.last.tolist(), strict=True))


def new_series(features: Iterable[Feature]) -> SeriesState:
    """Give the state of a series that has no bar yet.

    Parameters
    ----------
    features : iterable of Feature
        What to compute, in any order; timeframes are ignored.
    """
    wanted = tuple(sorted({feature.local for feature in features}))
    return SeriesState(
        features=wanted,
        tail=no_bars(),
        seen=0,
        memory=np.zeros(plan_of(wanted).memory),
        last=np.full(len(wanted), np.nan),
    )


def advance(state: SeriesState, bars: Bars, features: Iterable[Feature]) -> dict[Feature, Float]:
    """Compute the features of a series' next bars.

    Parameters
    ----------
    state : SeriesState
        Changed in place.
    bars : Bars
        The next bars, all later than those before; may be empty.
    features : iterable of Feature
        Those that the state was made for; `state.features` itself is quickest.

    Returns
    -------
    dict of Feature (without timeframe) to float64[len(bars)]
        NaN before warm-up.

    Raises
    ------
    StateError
        If the state was made for other features.
    """
    if features is not state.features:
        _check_features(state, features)
    return {feature: column[1:] for feature, column in advance_held(state, bars).items()}


def advance_held(state: SeriesState, bars: Bars) -> dict[Feature, Float]:
    """Compute the features of a series' next bars, each behind the newest value before them.

    As `advance`, with columns float64[len(bars) + 1]: what a strategy sees at a row and at
    the row before it are then two views of one column.
    """
    plan = plan_of(state.features)
    rows = len(bars)
    if rows == 0:
        return {feature: state.last[k : k + 1].copy() for k, feature in enumerate(state.features)}
    bars = plain_bars(bars)
    # Only the first rows need the tail in front; the rest of a long batch is not copied.
    head = rows if rows <= 2 * plan.lookback else plan.lookback
    known = len(state.tail)
    front = plain_bars(join_bars([state.tail, bars.rows(0, head)])) if known else bars
    if not known:
        head = rows
    held: dict[Feature, Float] = {}
    for call in plan.calls:
        out = np.empty((call.outputs, rows + 1))
        memory = state.memory[call.memory]
        call.fn(front, known, state.seen, call.params, memory, tuple(out[:, 1 : head + 1]))
        if head < rows:
            rest = tuple(out[:, head + 1 :])
            call.fn(bars, head, state.seen + head, call.params, memory, rest)
        held.update((feature, out[k]) for feature, k in call.rows)
    for k, feature in enumerate(state.features):
        held[feature][0] = state.last[k]
    state.tail = _newest(front if head == rows else bars, plan.lookback)
    state.seen += rows
    state.last = np.array([held[feature][-1] for feature in state.features])
    return held


@lru_cache(maxsize=1024)
def plan_of(features: tuple[Feature, ...]) -> Plan:
    """Group features by the kernel that gives them."""
    groups: dict[tuple[str, Numbers], list[Feature]] = {}
    for feature in features:
        groups.setdefault((BY_FEATURE[feature.name].name, feature.params), []).append(feature)
    calls = []
    lookback = memory = 0
    for (_, params), group in groups.items():
        indicator = BY_FEATURE[group[0].name]
        calls.append(
            Call(
                fn=indicator.kernel(),
                params=np.array(params, np.float64),
                memory=slice(memory, memory + indicator.state),
                outputs=len(indicator.features),
                rows=tuple((one, indicator.features.index(one.name)) for one in group),
            )
        )
        memory += indicator.state
        lookback = max(lookback, indicator.bars_before(params))
    return Plan(tuple(calls), lookback, memory)


def _check_features(state: SeriesState, features: Iterable[Feature]) -> None:
    """Refuse features that the state was not made for."""
    wanted = {feature.local for feature in features}
    if wanted != set(state.features):
        odd = ", ".join(str(feature) for feature in sorted(wanted ^ set(state.features)))
        raise StateError(
            f"Series state: made for other features than those asked for (differing: {odd}). "
            "Start it anew from the series' first bar."
        )


def _newest(bars: Bars, count: int) -> Bars:
    """Copy the last rows, so that the batch they come from can be freed."""
    start = max(len(bars) - count, 0)
    return Bars._make(column[start:].copy() for column in bars)
