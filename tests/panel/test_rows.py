"""What the panel gives as tables, and to the books of accounts."""

import numpy as np
import pyarrow as pa
import pytest
from indicators.samples import some_bars

from streaming.contracts import INDICATOR_HISTORY, INDICATOR_LATEST, arrow_schema
from streaming.contracts.validation import validate
from streaming.jobs.indicators import indicator_history_rows
from streaming.jobs.panel import SymbolPanel
from streaming.jobs.strategies import select
from streaming.jobs.symbol_stage import SymbolStage
from streaming.rules.bars import DAY_US, MINUTE_US, join_bars

from .twins import at_minute, minutes_of

MARKET = [some_bars(seed, 150, gaps=0.5) for seed in (1, 2)]
MINUTES = minutes_of(MARKET)


@pytest.mark.parametrize("published", [True, False])
def test_history_rows_are_those_of_each_symbol(published):
    strategies = select("ema_cross,bollinger_reversion" if published else "hour_trend_pullback")
    panel = SymbolPanel(strategies, ["A", "B"], published=published)
    parts = []
    for minute in MINUTES:
        bars = at_minute(MARKET, [0, 1], minute)
        rows = panel.advance(np.array([*bars]), join_bars([*bars.values()]), minute)
        parts.append(panel.history_rows(rows, minute + 1_500_000))
        assert parts[-1].schema == arrow_schema(INDICATOR_HISTORY)
    given = pa.concat_tables(parts)
    assert validate(INDICATOR_HISTORY, given, "test").quarantine.num_rows == 0
    assert given["timeframe"].to_pylist().count("H1") > 4

    stage = SymbolStage(strategies, published=published)
    wanted = []
    for name, bars in zip(("A", "B"), MARKET, strict=True):
        ((features, _),) = stage.blocks(stage.new_state(), bars, MINUTES[-1])
        wanted += [indicator_history_rows(name, tf, one, 0) for tf, one in features.items()]
    order = [("symbol", "ascending"), ("timeframe", "ascending"), ("barTs", "ascending")]
    without = [name for name in given.column_names if name != "calcTs"]
    one, other = (
        table.select(without).sort_by(order) for table in (given, pa.concat_tables(wanted))
    )
    assert one.equals(other)


def test_of_two_rows_of_a_series_the_later_comes_later():
    """So that history's rows, taken in order, leave the newest in `indicator_latest`."""
    assert arrow_schema(INDICATOR_LATEST).names == arrow_schema(INDICATOR_HISTORY).names
    panel = SymbolPanel([], ["A"], published=True)
    first, second = MARKET[0].rows(0, 1), MARKET[0].rows(1, 2)
    panel.advance(np.array([0]), first._replace(ts=np.array([DAY_US + MINUTE_US])), 0)
    # Days on, on the boundary of every timeframe.
    end = 5 * DAY_US
    rows = panel.advance(np.array([0]), second._replace(ts=np.array([end])), 0)
    table = panel.history_rows(rows, end)
    assert table["timeframe"].to_pylist() == ["M1"] + [
        name for name in ("M5", "M15", "H1", "H4", "D1") for _ in range(2)
    ]
    times = table["barTs"].cast(pa.int64()).to_pylist()
    assert [times[0], *times[2::2]] == [end] * 6
    assert all(old < end for old in times[1::2])
