"""Bars to signals, in as many batches as wanted, with state through bytes between them."""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from streaming.jobs.features import AlignState, AnchorRows, align, features_in
from streaming.jobs.indicators import IndicatorState, step
from streaming.jobs.strategies import Strategy
from streaming.jobs.strategies.signals import Signals, needs_of, signals_of
from streaming.rules.bars import Bars


def run(
    bars: Bars,
    strategies: list[Strategy],
    cuts: Iterable[int] = (),
    complete_to: Mapping[int, int] = {},
) -> dict[str, Signals]:
    """Signals of each strategy; the bars are cut before the rows in `cuts`.

    `complete_to` says, for the end row of a batch, up to when its feed declares itself
    complete; without it up to the batch's last bar.
    """
    parts: dict[str, list[Signals]] = {one.id: [] for one in strategies}
    for view in aligned(bars, strategies, cuts, complete_to):
        for one in strategies:
            parts[one.id].append(signals_of(one, view[one.anchor]))
    return {
        name: Signals(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))
        for name, pieces in parts.items()
    }


def aligned(
    bars: Bars,
    strategies: list[Strategy],
    cuts: Iterable[int] = (),
    complete_to: Mapping[int, int] = {},
) -> Iterable[dict[str, AnchorRows]]:
    """Aligned rows of each batch."""
    needs = needs_of(strategies)
    indicators, alignment = IndicatorState(features_in(needs)), AlignState(needs)
    edges = [0, *sorted(set(cuts)), len(bars)]
    for start, stop in itertools.pairwise(edges):
        part = bars.rows(start, stop)
        known_to = complete_to.get(stop, int(part.ts[-1]) if len(part) else 0)
        yield align(alignment, step(indicators, part, known_to))
        if stop < len(bars):
            indicators = IndicatorState.from_bytes(indicators.to_bytes())
            alignment = AlignState.from_bytes(needs, alignment.to_bytes())
