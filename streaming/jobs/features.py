"""Feature rows side by side: what a strategy sees at each row of its anchor timeframe.

At an anchor row a strategy sees, of every timeframe, the newest row whose `barTs` is not
later than the anchor's: so nothing from the future. And it sees the same as of the anchor's
previous row, so that what happens once on H1 happens once on M1. Both reach back over the
start of the batch; the little that is needed for that is `AlignState`.

Columns are made when a strategy first asks for one, and shared by all that ask again.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from streaming.errors import StateError
from streaming.jobs.indicators import FeatureRows
from streaming.rules.bars import Float, Int
from streaming.rules.indicators import Feature, feature
from streaming.rules.state import pack, unpack

_KIND, _VERSION = "alignment", 1

Needs = Mapping[str, Collection[Feature]]
"""Features that strategies look at, by their anchor timeframe."""


class AlignState:
    """What one symbol's alignment keeps from batch to batch.

    For each anchor, `previous` holds the features of other timeframes as of the newest
    anchor row, NaN before the first one. They are not always those of the newest row of
    their timeframe: that may have come while the anchor row that sees it has not.
    """

    def __init__(self, needs: Needs) -> None:
        self.needs = {anchor: tuple(sorted(set(needs[anchor]))) for anchor in sorted(needs)}
        self.previous = {
            anchor: {one: np.nan for one in wanted if not is_own(one, anchor)}
            for anchor, wanted in self.needs.items()
        }

    def blank_copy(self) -> "AlignState":
        """Give the state for the same needs before the first row."""
        state = object.__new__(AlignState)
        state.needs = self.needs
        state.previous = {
            anchor: dict.fromkeys(known, np.nan) for anchor, known in self.previous.items()
        }
        return state

    def to_bytes(self) -> bytes:
        """Give the state as bytes: equal state gives equal bytes."""
        values = [value for known in self.previous.values() for value in known.values()]
        return pack(
            _KIND, _VERSION, {"previous": np.array(values, np.float64)}, needs=self._listing()
        )

    @classmethod
    def from_bytes(cls, needs: Needs, data: bytes) -> "AlignState":
        """Restore the state for the same needs.

        Raises
        ------
        StateError
            If the bytes are damaged or were saved for other needs.
        """
        arrays, facts = unpack(_KIND, _VERSION, data)
        state = cls(needs)
        if facts["needs"] != state._listing():
            raise StateError(
                f"{_KIND} state: saved for other strategies or parameters. Resume with the same "
                "ones, or start from the symbol's first bar."
            )
        values = iter(arrays["previous"].tolist())
        for known in state.previous.values():
            known.update((one, next(values)) for one in known)
        return state

    def _listing(self) -> list[object]:
        return [
            [anchor, [[one.name, list(one.params), one.timeframe] for one in wanted]]
            for anchor, wanted in self.needs.items()
        ]


class _Columns(dict[Feature, Float]):
    """Columns by feature, each made when it is first asked for."""

    def __init__(self, make: Callable[[Feature], Float]) -> None:
        self._make = make

    def __missing__(self, one: Feature) -> Float:
        column = self[one] = self._make(one)
        return column


class AnchorRows:
    """The new rows of one anchor timeframe.

    Attributes
    ----------
    ts : int64[n]
        `barTs` of the anchor's rows.
    now, before : mapping of Feature to float64[n]
        Each feature as of the row, and as of the anchor's row before it; NaN where there is
        no row or the feature is not warm. A feature without a timeframe is the anchor's own.
        Not to be written to: the arrays are shared.
    """

    def __init__(
        self,
        anchor: str,
        wanted: Collection[Feature],
        rows: Mapping[str, FeatureRows],
        previous: Mapping[Feature, float],
    ) -> None:
        self.anchor = anchor
        self.ts: Int = rows[anchor].ts
        self._wanted = frozenset(wanted)
        self._rows = rows
        self._previous = previous
        self._times_seen: dict[str, Int] = {}
        self._joined = _Columns(self._join)
        self.now: Mapping[Feature, Float] = _Columns(self._now)
        self.before: Mapping[Feature, Float] = _Columns(lambda one: self._joined[one][:-1])

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    def column(self, leaf: tuple[Feature, bool]) -> Float:
        """Give a feature as of the rows, or as of the rows before them (float64[n])."""
        one, was = leaf
        return self.before[one] if was else self.now[one]

    def last(self, one: Feature) -> float:
        """Give a feature as of the last of the rows; there must be one."""
        source = self._source(one)
        row = int(np.searchsorted(source.ts, self.ts[-1], side="right")) - 1
        return float(source.held[one.local][row + 1])

    def _source(self, one: Feature) -> FeatureRows:
        if one not in self._wanted:
            raise KeyError(f"{one} is looked at, but no strategy on {self.anchor} needs it")
        return self._rows[one.timeframe or self.anchor]

    def _now(self, one: Feature) -> Float:
        if is_own(one, self.anchor):
            return self._source(one).held[one.local][1:]
        return self._joined[one][1:]

    def _join(self, one: Feature) -> Float:
        """Give the column as of the anchor row before the batch, and of each row in it."""
        source = self._source(one)
        held = source.held[one.local]
        if is_own(one, self.anchor):
            return held
        seen = np.repeat(held, self._seen(one.timeframe or self.anchor))
        seen[0] = self._previous[one]
        return seen

    def _seen(self, timeframe: str) -> Int:
        """Count the anchor rows that see each row of another timeframe as the newest.

        The first count is for the newest row from before the batch, and one too many: that
        is the place of the previous anchor row. The few slow rows are looked up among the
        many of the anchor, not the other way, which is what makes this quick.
        """
        if timeframe not in self._times_seen:
            first = np.searchsorted(self.ts, self._rows[timeframe].ts, side="left")
            self._times_seen[timeframe] = np.diff(np.concatenate(([-1], first, [len(self)])))
        return self._times_seen[timeframe]


def align(state: AlignState, rows: Mapping[str, FeatureRows]) -> dict[str, AnchorRows]:
    """Align one symbol's new feature rows to each anchor, and move the state on.

    Parameters
    ----------
    state : AlignState
        Changed in place.
    rows : mapping of timeframe to FeatureRows
        The new rows of every timeframe in `features_in` of the same needs. When an anchor
        row comes, every row with a `barTs` not later has come.

    Returns
    -------
    dict of anchor timeframe to AnchorRows
        Every anchor of the state, with no rows where none came. Valid for as long as the
        arrays in `rows` are left alone.
    """
    aligned = {}
    for anchor, wanted in state.needs.items():
        view = AnchorRows(anchor, wanted, rows, state.previous[anchor])
        if len(view):
            state.previous[anchor] = {one: view.last(one) for one in state.previous[anchor]}
        aligned[anchor] = view
    return aligned


def features_in(needs: Needs) -> set[Feature]:
    """Give the features to compute, each with its timeframe: what `IndicatorState` takes.

    The close of every anchor is among them, so that each anchor has rows.
    """
    wanted = {one.on(anchor) for anchor, looked_at in needs.items() for one in looked_at}
    return wanted | {feature("close", tf=anchor) for anchor in needs}


def is_own(one: Feature, anchor: str) -> bool:
    """Tell whether a feature is one of the anchor's own timeframe."""
    return one.timeframe is None or one.timeframe == anchor
