"""Every strategy on the real bars, in both layouts; what these bars cannot feed is named."""

import pytest

from streaming.feeds.importing import import_files
from streaming.feeds.reading import Reading
from streaming.jobs.strategies import STRATEGIES
from streaming.lake import Lake
from streaming.rules.bars import Bars

from .composed import assert_as_composed
from .markets import DAY_US, by_strategy, request, run, single

# One week and two weeks of bars do not warm up averages over twenty days.
NEEDS_MANY_DAYS = {"day_trend_entry"}
# Mid prices of currencies have no volume.
NEEDS_VOLUME = {"vwap_reversion"}
FX = {"EURUSD.FXCM", "EURUSD.OANDA", "NZDUSD.FXCM", "NZDUSD.OANDA", "XAUUSD.OANDA"}


@pytest.fixture(scope="module")
def lake(real_bars_folder, tmp_path_factory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("real"))
    files = sorted(real_bars_folder.glob("*.parquet"))
    reports = import_files(lake, files, Reading(label="open"))
    for report in reports:
        assert report.error is None
        assert report.read == report.written + report.duplicate + report.quarantined
        assert report.written > 0.99 * report.read
    return lake


@pytest.fixture(scope="module")
def found(lake):
    return {layout: run(lake, layout=layout) for layout in ("per-strategy", "shared")}


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_every_strategy_runs(found, layout):
    figures = found[layout].facts["figures"]
    assert figures.keys() == STRATEGIES.keys()
    silent = {name for name, one in figures.items() if not sum(one["signals"].values())}
    assert silent == NEEDS_MANY_DAYS
    if layout == "per-strategy":
        assert {name for name, one in figures.items() if not one["trades"]} == silent
    else:
        assert sum(one["trades"] > 0 for one in figures.values()) > 18


def test_what_needs_volume_is_silent_on_currencies(lake, found):
    quiet = set(STRATEGIES)
    for name, rows in by_strategy(found["per-strategy"], "strategy_signal_history").items():
        if any(row["symbol"] in FX for row in rows):
            quiet.discard(name)
    assert quiet == NEEDS_MANY_DAYS | NEEDS_VOLUME
    assert set(lake.symbols()) >= FX


def test_the_oracle_agrees_on_a_day(lake):
    """Two liquid shares, a future and a pair, one day: gaps before and after the session."""
    last = max(int(one.ts[-1]) for one in lake.bars(["SPY"]).values())
    end = last // DAY_US * DAY_US - 2 * DAY_US
    symbols = ("AIG", "ES_201312", "SPY")
    given = {"symbols": symbols, "start": end - DAY_US, "end": end}
    names = "roc_momentum,ema_cross,zscore_reversion,vwap_reversion"
    market: dict[str, Bars] = lake.bars(list(symbols), end - 2 * DAY_US, end)
    for layout in ("per-strategy", "shared"):
        one = run(lake, names, layout=layout, **given)
        assert one.facts["rows"]["trade_match_history"] > 20
        assert_as_composed(request(names, layout=layout, **given), one, market)


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_accounts_stay_within_their_places(found, layout):
    held: dict[str, set[str]] = {}
    for row in single(found[layout], "open_positions_lots"):
        held.setdefault(row["accountId"], set()).add(row["symbol"])
    assert held
    assert all(len(symbols) <= 3 for symbols in held.values())
    assert not any(one["openLimitBreached"] for one in found[layout].facts["figures"].values())
