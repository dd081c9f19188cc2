"""The indicators job: 1-minute bars of one symbol in, feature rows of every timeframe out.

It reads `price_1m_history` and writes `indicator_history` and `indicator_latest`. Like all
jobs it does no I/O and knows no clock: a runtime hands in bars and the time up to which no
more will come, and stores what comes out.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streaming.errors import StateError
from streaming.rules.bars import Bars, Float, Int, no_bars, plain_bars
from streaming.rules.indicators import VERSION, Feature, SeriesState, new_series
from streaming.rules.indicators.series import advance_held
from streaming.rules.state import pack, unpack
from streaming.rules.timeframes import TIMEFRAMES, aggregate, check_timeframe

if TYPE_CHECKING:
    import pyarrow as pa

_KIND, _VERSION = "indicators", 1


class FeatureRows(NamedTuple):
    """New feature rows of one symbol and timeframe, oldest first. Not to be written to.

    `ts` int64[n] is `barTs`, the close of each bar (microseconds UTC); `held` float64[n + 1]
    by feature (without timeframe) is its value at the row before the first of these, NaN
    where there was none, and then at each of them, NaN before warm-up.
    """

    ts: Int
    held: dict[Feature, Float]

    @property
    def values(self) -> dict[Feature, Float]:
        """Each feature at the rows, float64[n]."""
        return {feature: column[1:] for feature, column in self.held.items()}


class Timeframe:
    """One timeframe of a symbol: the bar that is not finished, and the features' state.

    `minutes` is its length; `partial` has one row or none.
    """

    def __init__(self, minutes: int, series: SeriesState, partial: Bars) -> None:
        self.minutes = minutes
        self.series = series
        self.partial = partial


class IndicatorState:
    """What the indicators of one symbol keep from batch to batch.

    Parameters
    ----------
    needs : iterable of Feature
        What to compute, over all strategies; a feature without a timeframe is one of M1
        (`Feature.on` gives it the anchor's).
    timeframes : iterable of str
        Timeframes whose rows are wanted even where no feature is needed on them: anchors.

    Attributes
    ----------
    needs : tuple of Feature
        With timeframes, ascending.
    clock : int
        Microseconds UTC up to which the input is complete: bars from there on are late.
    timeframes : dict of str to Timeframe
        Those that are needed, shortest first.
    """

    def __init__(self, needs: Iterable[Feature], timeframes: Iterable[str] = ()) -> None:
        self.needs = tuple(sorted({feature.on("M1") for feature in needs}))
        self.clock = -1
        wanted = {check_timeframe(name) for name in timeframes}
        wanted.update(need.timeframe for need in self.needs if need.timeframe)
        self.timeframes = {
            name: Timeframe(
                minutes,
                new_series(feature for feature in self.needs if feature.timeframe == name),
                no_bars(),
            )
            for name, minutes in TIMEFRAMES.items()
            if name in wanted
        }

    def blank_copy(self) -> "IndicatorState":
        """Give the state for the same needs before the first bar."""
        state = object.__new__(IndicatorState)
        state.needs, state.clock = self.needs, -1
        # The series know their features already; asking `new_series` would sort them again.
        state.timeframes = {
            name: Timeframe(
                one.minutes,
                SeriesState(
                    one.series.features,
                    no_bars(),
                    0,
                    np.zeros(one.series.memory.shape),
                    np.full(one.series.last.shape, np.nan),
                ),
                no_bars(),
            )
            for name, one in self.timeframes.items()
        }
        return state

    def to_bytes(self) -> bytes:
        """Give the state as bytes: equal state gives equal bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, timeframe in self.timeframes.items():
            series = timeframe.series
            for kind, bars in (("partial", timeframe.partial), ("tail", series.tail)):
                arrays[f"{name}.{kind}"] = np.array(bars[:5], np.int64)
                arrays[f"{name}.{kind}.volume"] = bars.volume
            arrays[f"{name}.memory"] = series.memory
            arrays[f"{name}.last"] = series.last
        return pack(
            _KIND,
            _VERSION,
            arrays,
            rules=VERSION,
            clock=self.clock,
            needs=[[need.name, list(need.params), need.timeframe] for need in self.needs],
            seen={name: timeframe.series.seen for name, timeframe in self.timeframes.items()},
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "IndicatorState":
        """Restore a state; `needs` tells what it computes.

        Raises
        ------
        StateError
            If the bytes are damaged, or were saved by other versions of the rules.
        """
        arrays, facts = unpack(_KIND, _VERSION, data)
        if facts["rules"] != VERSION:
            raise StateError(
                f"{_KIND} state: saved with version {facts['rules']} of the indicator rules, "
                f"this is version {VERSION}. Start from the symbol's first bar."
            )
        needs = tuple(Feature(name, tuple(params), tf) for name, params, tf in facts["needs"])
        state = _blank(needs, tuple(facts["seen"])).blank_copy()
        state.clock = facts["clock"]
        for name, timeframe in state.timeframes.items():
            partial, tail = (
                Bars._make([*arrays[f"{name}.{kind}"], arrays[f"{name}.{kind}.volume"]])
                for kind in ("partial", "tail")
            )
            timeframe.partial = partial
            timeframe.series.tail = tail
            timeframe.series.seen = facts["seen"][name]
            timeframe.series.memory = arrays[f"{name}.memory"]
            timeframe.series.last = arrays[f"{name}.last"]
        return state


@lru_cache(maxsize=16)
def _blank(needs: tuple[Feature, ...], timeframes: tuple[str, ...]) -> IndicatorState:
    """Make a state once for all symbols that are restored with the same needs."""
    return IndicatorState(needs, timeframes)


def step(state: IndicatorState, bars: Bars, complete_to: int) -> dict[str, FeatureRows]:
    """Compute the features of all bars that the next 1-minute bars finish.

    Parameters
    ----------
    state : IndicatorState
        Changed in place.
    bars : Bars
        The symbol's next 1-minute bars; may be empty.
    complete_to : int
        Microseconds UTC; no bar at or before it will come any more. Never more than is
        known: it finishes the bars of longer timeframes whose boundary it reaches.

    Returns
    -------
    dict of timeframe to FeatureRows
        Every timeframe that is needed, those without a new row too.

    Raises
    ------
    StateError
        If the bars are not in order, or not later than what came before: late bars are
        stored but nothing is computed again, so they must not come here.
    """
    if len(bars):
        _check_order(state, bars)
    bars = plain_bars(bars)
    rows = {}
    for name, timeframe in state.timeframes.items():
        if timeframe.minutes == 1:
            finished = bars
        else:
            finished, timeframe.partial = aggregate(
                timeframe.partial, bars, complete_to, timeframe.minutes
            )
        series = timeframe.series
        rows[name] = FeatureRows(finished.ts, advance_held(series, finished))
    state.clock = max(state.clock, complete_to, *bars.ts[-1:].tolist())
    return rows


def _check_order(state: IndicatorState, bars: Bars) -> None:
    """Refuse bars out of order, or at or before the time that was declared complete."""
    if bars.ts[0] <= state.clock:
        raise StateError(
            f"Indicators: a bar of {utc_text(bars.ts[0])} came after {utc_text(state.clock)} was "
            "complete. Late bars are for the price table alone; leave them out here."
        )
    back = np.flatnonzero(bars.ts[1:] <= bars.ts[:-1])
    if len(back):
        at = int(back[0])
        raise StateError(
            f"Indicators: the bar of {utc_text(bars.ts[at + 1])} follows that of "
            f"{utc_text(bars.ts[at])}. Sort the bars by ts and drop duplicates."
        )


def utc_text(ts: int) -> str:
    """Write a time (microseconds UTC) for messages."""
    return str(np.datetime64(int(ts), "us")) + "Z"


def indicator_history_rows(
    symbol: str, timeframe: str, rows: FeatureRows, calc_ts: int, *, final: bool = True
) -> "pa.Table":
    """Give feature rows as rows of `indicator_history`.

    Parameters
    ----------
    symbol, timeframe, rows
        Of one series.
    calc_ts : int
        Wall clock of the computation, microseconds UTC.
    final : bool
        False for intrabar rows.

    Returns
    -------
    pyarrow.Table
        In the contract's schema. A feature that is not warm, or was not computed because
        no strategy needs it, is null.
    """
    # Here, because the indicators run in places that never load Arrow.
    from streaming.jobs.indicator_rows import history_rows

    return history_rows(
        [symbol],
        timeframe,
        np.zeros(len(rows.ts), np.int64),
        rows.ts,
        rows.values,
        calc_ts,
        final=final,
    )
