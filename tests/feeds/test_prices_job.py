"""The Prices job alone: rows in = bars + duplicates + quarantined, wherever they come from."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.contracts import PRICE_1M_HISTORY, QUARANTINE_HISTORY, arrow_schema
from streaming.jobs.prices import READS, WRITES, check_prices, clean_prices

NOW = 1_800_000_000_000_000
NOON = 1_709_555_400_000_000


def batch(rows) -> pa.Table:
    columns = dict(zip(["symbol", "ts", "open", "volume"], zip(*rows, strict=True), strict=True))
    price = pa.array(columns["open"], pa.string())
    return pa.table(
        {
            "symbol": pa.array(columns["symbol"], pa.string()),
            "ts": pa.array(columns["ts"], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            **dict.fromkeys(["open", "high", "low", "price"], price),
            "volume": pa.array(columns["volume"], pa.float64()),
            "source": pa.repeat("feed", len(rows)),
        }
    )


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["B", "A", "X", None]),
        st.sampled_from([NOON, NOON + 60_000_000, NOON + 1, -60_000_000, 2 * NOW, None]),
        st.sampled_from(["1", "1.0", "2", "0", "-1", "NaN", "x", None]),
        st.sampled_from([None, 0.0, 5.0, float("nan"), -1.0]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(rows=_ROWS)
def test_every_row_is_accounted_for(rows):
    done = clean_prices(batch(rows), "feed", now=NOW, symbols={"A", "B"})
    assert done.bars.num_rows + done.duplicates + done.quarantine.num_rows == len(rows)
    assert done.quarantine.schema.equals(arrow_schema(QUARANTINE_HISTORY))
    numbers = done.quarantine.column("rowNumber").to_pylist()
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, len(rows) + 1))
    assert done.bars.cast(arrow_schema(PRICE_1M_HISTORY)).schema.names == PRICE_1M_HISTORY.names
    keys = list(zip(*(done.bars.column(c).to_pylist() for c in ("symbol", "ts")), strict=True))
    assert keys == sorted(set(keys))
    # A plain reading of the rules finds the same rows good.
    seen = {}
    for symbol, ts, price, volume in rows:
        known = symbol in ("A", "B") and ts in (NOON, NOON + 60_000_000)
        if known and price in ("1", "1.0", "2") and volume != -1.0:
            seen.setdefault((symbol, ts), price)
    assert len(seen) == done.bars.num_rows


def test_numbers_go_with_their_rows_and_known_problems_are_told():
    rows = batch([("A", NOON, "1", None), ("A", None, "1", None), ("X", NOON, "1", None)])
    number = np.array([10, 20, 31])
    checked = check_prices(
        rows, "feed", number, now=NOW, problems={1: "time 'soon' is none"}, symbols={"A"}
    )
    assert checked.good.number.tolist() == [10]
    told = checked.quarantine.select(["rowNumber", "reason"]).to_pylist()
    assert told == [
        {"rowNumber": 20, "reason": "time 'soon' is none"},
        {"rowNumber": 31, "reason": "symbol 'X' is not in the instruments file"},
    ]


def test_the_job_says_what_it_reads_and_writes():
    assert (READS, WRITES) == ((), (PRICE_1M_HISTORY, QUARANTINE_HISTORY))
