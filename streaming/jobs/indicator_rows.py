"""Feature rows of one timeframe as rows of `indicator_history`, of however many symbols."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from streaming.contracts import INDICATOR_HISTORY
from streaming.contracts.arrow import arrow_schema, coded_texts, same_text, time_array
from streaming.rules.bars import Float, Int
from streaming.rules.indicators import PUBLISHED_FEATURES, VERSION, Feature

_SCHEMA = arrow_schema(INDICATOR_HISTORY)
_COLUMNS = {feature.column: feature for feature in PUBLISHED_FEATURES}


def history_rows(
    symbols: "Sequence[str] | pa.Array[Any]",
    timeframe: str,
    codes: Int,
    ts: Int,
    values: Mapping[Feature, Float],
    calc_ts: int,
    *,
    final: bool = True,
) -> pa.Table:
    """Give feature rows as rows of `indicator_history`.

    Parameters
    ----------
    symbols
        What the codes stand for.
    timeframe : str
        Of all rows.
    codes, ts : int64[n]
        Symbol and `barTs` (microseconds UTC) of each row.
    values : mapping of Feature (without timeframe) to float64[n]
        NaN where a feature is not warm.
    calc_ts : int
        Wall clock of the computation, microseconds UTC.
    final : bool
        False for intrabar rows.

    Returns
    -------
    pyarrow.Table
        In the contract's schema, in the order of the rows. A feature that is not warm, or
        was not computed because no strategy needs it, is null.
    """
    rows = len(ts)
    known: dict[str, Any] = {
        "symbol": coded_texts(symbols, codes),
        "timeframe": same_text(timeframe, rows),
        "barTs": time_array(ts),
        "final": pa.repeat(pa.scalar(final), rows),
        "calcTs": pa.repeat(pa.scalar(calc_ts), rows).view(_SCHEMA.field("calcTs").type),
        "indicatorVersion": same_text(VERSION, rows),
    }
    for name, feature in _COLUMNS.items():
        column = values.get(feature)
        known[name] = (
            pa.nulls(rows, pa.float64())
            if column is None
            # NaN, in pandas' manner of speaking, is null.
            else pa.array(column, from_pandas=True)
        )
    return pa.table([known[name] for name in _SCHEMA.names], schema=_SCHEMA)
