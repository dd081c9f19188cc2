"""The rows of a file of recorded signals, batch by batch: those that can be used, and why not."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streaming.contracts import STRATEGY_SIGNAL_HISTORY, quarantine_rows
from streaming.contracts.arrow import time_values
from streaming.contracts.validation import validate
from streaming.feeds.raw_rows import RawBatch
from streaming.feeds.tabular import open_rows
from streaming.rules.units import SCALE

Int = NDArray[np.int64]
Texts = NDArray[Any]

TOO_SMALL = "sizeHint is nothing once rounded to 1e-8"
_TOO_EARLY = "the symbol has no price yet at signalTs"
_NOT_ASKED = "the symbol is not among those of this run"
_UNKNOWN = "the lake has no prices of this symbol"
_NOT_OF_ROSTER = "the strategy is not among those of this run"
_DIFFERS = "another signal of this strategy and symbol at this time differs, and came before"


class Batch(NamedTuple):
    """A part of a file.

    Attributes
    ----------
    rows : strategy_signal_history
        Those that keep the contract, n of them.
    number : int64[n]
        Their numbers in the file.
    reason : object[n]
        Why each cannot be used; "" where it can.
    quarantine : quarantine_history
        All rows of this part that are refused, by their numbers.
    """

    rows: pa.Table
    number: Int
    reason: Texts
    quarantine: pa.Table


class SignalFile(NamedTuple):
    """A file of recorded signals: CSV or Parquet with the columns of strategy_signal_history.

    Attributes
    ----------
    path
        Where it is.
    first_ts
        For each symbol that takes part, the time of its first bar: a signal before it has
        no price to be sized at.
    left_out
        Symbols that have prices, but do not take part.
    roster
        The strategies that take part, whether the file has signals of them or not; None:
        those that it has.
    """

    path: Path
    first_ts: Mapping[str, int]
    left_out: Set[str]
    roster: Sequence[str] | None = None

    def batches(self, differing: Int) -> Iterator[Batch]:
        """Read the file from its beginning to its end.

        Parameters
        ----------
        differing : int64[d]
            Numbers of rows that say otherwise than an earlier one did.
        """
        last = 0
        with open_rows(self.path, header=lambda _: None) as members:
            for member in members:
                before = last
                for batch in member.batches():
                    numbers = [*batch.number[-1:].tolist(), *(one.number for one in batch.refused)]
                    last = max([last, *(before + number for number in numbers)])
                    yield self._checked(batch, before, differing)

    def _checked(self, batch: RawBatch, before: int, differing: Int) -> Batch:
        """Check a batch, whose rows are numbered on from those of the members before."""
        contract, source = STRATEGY_SIGNAL_HISTORY, self.path.name
        checked = validate(
            contract, batch.rows, source, first_row=0, naive_is_utc=True, not_text=batch.not_text
        )
        number = batch.number + before
        broken = checked.quarantine["rowNumber"].to_numpy()
        place = checked.quarantine.schema.get_field_index("rowNumber")
        field = checked.quarantine.schema.field(place)
        kept = np.delete(np.arange(batch.rows.num_rows), broken)
        reason = self._reasons(checked.good)
        reason[np.isin(number[kept], differing)] = _DIFFERS
        apart = np.flatnonzero(reason != "")
        lines = pa.table({"line": pa.array([one.line for one in batch.refused], pa.string())})
        quarantine = [
            checked.quarantine.set_column(place, field, pa.array(number[broken], pa.int64())),
            quarantine_rows(
                contract,
                source,
                lines,
                [one.number + before for one in batch.refused],
                [one.reason for one in batch.refused],
            ),
            quarantine_rows(
                contract,
                source,
                batch.rows.take(kept[apart]),
                number[kept[apart]],
                reason[apart].tolist(),
                time_values(checked.good["signalTs"])[apart].tolist(),
            ),
        ]
        quarantined = pa.concat_tables(quarantine).sort_by("rowNumber")
        return Batch(checked.good, number[kept], reason, quarantined)

    def _reasons(self, rows: pa.Table) -> Texts:
        """Tell why each row cannot be used, whatever the others say; "" where it can."""
        reasons = np.full(rows.num_rows, "", object)
        if rows.num_rows == 0:
            return reasons
        symbols = rows["symbol"].combine_chunks().dictionary_encode()
        names, codes = symbols.dictionary.to_pylist(), symbols.indices.to_numpy()
        first = np.array([self.first_ts.get(name, 0) for name in names], np.int64)[codes]
        reasons[time_values(rows["signalTs"]) < first] = _TOO_EARLY
        reasons[too_small(rows["sizeHint"].to_numpy())] = TOO_SMALL
        for code, name in enumerate(names):
            if name not in self.first_ts:
                reasons[codes == code] = _NOT_ASKED if name in self.left_out else _UNKNOWN
        if self.roster is not None:
            taking_part = pc.is_in(rows["strategyId"], pa.array(self.roster, pa.string()))
            reasons[~taking_part.to_numpy()] = _NOT_OF_ROSTER
        return reasons


def too_small(size_hint: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which sizes are nothing once rounded to 1e-8."""
    small: NDArray[np.bool_] = np.rint(size_hint * SCALE) < 1
    return small
