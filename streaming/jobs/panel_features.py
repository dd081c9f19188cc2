"""Feature rows side by side for many symbols: `streaming.jobs.features` minute by minute.

Rows of a panel come in waves, at most one row of each symbol in each. So an anchor's wave is
a set of columns over symbols, and a strategy's program runs once for all of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streaming.jobs.features import AlignState, Needs, is_own
from streaming.jobs.indicator_panel import IndicatorPanel
from streaming.rules.bars import Float, Int
from streaming.rules.indicators import Feature
from streaming.rules.indicators.panel import Wave

_NEVER = np.iinfo(np.int64).max


class AnchorWave:
    """New rows of one anchor timeframe, at most one of each symbol.

    Attributes
    ----------
    codes, ts : int64[k]
        The symbols, ascending, and `barTs` of their anchor rows.
    """

    def __init__(
        self,
        wave: Wave,
        own: Mapping[Feature, int],
        others: Mapping[Feature, int],
        before: Float,
        now: Float,
    ) -> None:
        self.codes, self.ts = wave.codes, wave.ts
        self._own, self._others = own, others
        self._own_rows, self._other_rows = (wave.now, wave.before), (now, before)

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    def column(self, leaf: tuple[Feature, bool]) -> Float:
        """Give a feature as of the rows, or as of each symbol's row before (float64[k]).

        NaN where there is no row or the feature is not warm. Not to be written to.
        """
        one, was = leaf
        rows, place = (
            (self._own_rows, self._own[one])
            if one in self._own
            else (self._other_rows, self._others[one])
        )
        column: Float = rows[was][place]
        return column


class _Source(NamedTuple):
    """Features of one timeframe that an anchor looks at: their rows there and here."""

    timeframe: str
    rows: Int
    places: Int


class _Anchor:
    """One anchor: where each feature that is looked at lies, and what its rows saw last.

    `previous` float64[others, symbols] is what `AlignState.previous` holds for each symbol.
    """

    def __init__(self, name: str, wanted: Sequence[Feature], panel: IndicatorPanel) -> None:
        own = panel.series(name).row_of
        self.own = {one: own[one.local] for one in wanted if is_own(one, name)}
        others = [one for one in wanted if not is_own(one, name)]
        self.others = {one: place for place, one in enumerate(others)}
        self.previous = np.empty((len(others), 0))
        self.sources = [
            _Source(
                timeframe,
                np.array([panel.series(timeframe).row_of[one.local] for one in group], np.int64),
                np.array([self.others[one] for one in group], np.int64),
            )
            for timeframe in sorted({one.timeframe for one in others if one.timeframe})
            for group in [[one for one in others if one.timeframe == timeframe]]
        ]


class AlignPanel:
    """What the alignment of many symbols keeps from minute to minute.

    Parameters
    ----------
    needs
        Features that strategies look at, by their anchor timeframe.
    panel
        Computes them.
    """

    def __init__(self, needs: Needs, panel: IndicatorPanel) -> None:
        self._blank = AlignState(needs)
        self._panel = panel
        self._anchors = {
            name: _Anchor(name, wanted, panel) for name, wanted in self._blank.needs.items()
        }

    def reserve(self, symbols: int) -> None:
        """Make room for so many symbols; new ones have no row yet."""
        for anchor in self._anchors.values():
            count, before = anchor.previous.shape
            if symbols > before:
                unknown = np.full((count, symbols - before), np.nan)
                anchor.previous = np.concatenate((anchor.previous, unknown), axis=1)

    def align(self, waves: Mapping[str, Sequence[Wave]]) -> dict[str, list[AnchorWave]]:
        """Align new feature rows to each anchor, and move the state on.

        Parameters
        ----------
        waves : mapping of timeframe to Wave
            What `IndicatorPanel.advance` has just given: its newest rows are still the last.

        Returns
        -------
        dict of anchor timeframe to list of AnchorWave
            In the order of the anchor's rows.
        """
        aligned = {}
        for name, anchor in self._anchors.items():
            aligned[name] = seen = list[AnchorWave]()
            for wave in waves[name]:
                before = anchor.previous[:, wave.codes]
                now = np.empty_like(before)
                for source in anchor.sources:
                    now[source.places] = self._seen(wave, source, waves[source.timeframe])
                anchor.previous[:, wave.codes] = now
                seen.append(AnchorWave(wave, anchor.own, anchor.others, before, now))
        return aligned

    def state(self, code: int) -> AlignState:
        """Give one symbol's state, as `align` of one symbol would have left it; a copy."""
        state = self._blank.blank_copy()
        for name, anchor in self._anchors.items():
            values = anchor.previous[:, code].tolist()
            state.previous[name] = dict(zip(anchor.others, values, strict=True))
        return state

    def load(self, code: int, state: AlignState) -> None:
        """Put one symbol's state, made for the same needs, in place of what is there."""
        for name, anchor in self._anchors.items():
            anchor.previous[:, code] = [*state.previous[name].values()]

    def arrays(self, codes: Int) -> dict[str, Float]:
        """Copy what n symbols' anchors saw last: float64[others, n] by anchor."""
        return {name: anchor.previous[:, codes] for name, anchor in self._anchors.items()}

    def put(self, codes: Int, arrays: Mapping[str, Float]) -> None:
        """Put what `arrays` of an alignment of the same needs gave in place of n symbols'."""
        for name, anchor in self._anchors.items():
            anchor.previous[:, codes] = arrays[name]

    def _seen(self, anchor: Wave, source: _Source, waves: Sequence[Wave]) -> Float:
        """Give features of another timeframe as of an anchor's rows (float64[features, k])."""
        rows = source.rows[:, None]
        seen: Float = self._panel.series(source.timeframe).last[rows, anchor.codes]
        # What came with the anchor's row may be later than it: newest first, such rows are
        # undone. What came before never is: the clock had passed it.
        for wave in reversed(waves):
            if wave.ts.max(initial=-1) <= anchor.ts.min(initial=_NEVER):
                continue
            at = np.minimum(np.searchsorted(wave.codes, anchor.codes), len(wave.codes) - 1)
            later = (wave.codes[at] == anchor.codes) & (wave.ts[at] > anchor.ts)
            undone = np.flatnonzero(later)
            seen[:, undone] = wave.before[rows, at[undone]]
        return seen
