"""The runId: the same for the same request, another where any input differs; and names."""

import dataclasses
import shutil

import numpy as np
import pytest

from streaming.errors import SettingsError
from streaming.jobs.strategies import make
from streaming.lake import Lake
from streaming.rules.units import SCALE
from streaming.rules.weights import WeightSchedule
from streaming.runtimes.backtest import BacktestRequest, definition, run_backtest, slices, sources
from streaming.settings import Costs, Limits, Metrics, Settings, TradePicker

from .composed import micros
from .markets import (
    day_market,
    files,
    forget_runs,
    lake_of,
    listed,
    month_market,
    parts,
    request,
    run,
    settings_of,
    us,
)

NOON = us("2024-01-22T12:00")
HALVES = WeightSchedule(
    np.array([0]), ("ema_cross", "roc_momentum"), np.array([[SCALE // 4, 3 * SCALE // 4]])
)


@pytest.fixture(scope="module")
def market():
    return day_market(1, 600, 3)


@pytest.fixture(scope="module")
def lake(market, tmp_path_factory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("identity"), market)


@pytest.fixture
def own_lake(market, tmp_path) -> Lake:
    return lake_of(tmp_path, market)


SHARED = {"layout": "shared", "trace": False}
CHANGES = {
    "strategies": {"strategies": "ema_cross"},
    "symbols": {"symbols": ("ANT", "BAT")},
    "start": {"start": NOON},
    "another start": {"start": NOON + 1},
    "end": {"end": NOON},
    "another end": {"end": NOON - 1},
    "layout": {"layout": "per-strategy"},
    "capital": {"settings": settings_of(capital="100000.00000001")},
    "order limit": {"settings": settings_of(limits={"per_order": "0.99"})},
    "symbol limit": {"settings": settings_of(limits={"per_symbol": "0.99"})},
    "gross limit": {"settings": settings_of(limits={"gross": "0.99"})},
    "places": {"settings": settings_of(gate={"max_open_positions": 2})},
    "sells": {"settings": settings_of(gate={"sell_requires_long": False})},
    "reservations": {"settings": settings_of(gate={"reserve_on_open": False})},
    "ttl": {"settings": settings_of(gate={"reservation_ttl_ms": 300_001})},
    "gate key": {"settings": settings_of(gate={"key": "account+strategy"})},
    "slippage": {"settings": settings_of(costs={"slippage_bps": "1.0001"})},
    "fees": {"settings": settings_of(costs={"fee_bps": "1.0001"})},
    "instruments": {"instruments": listed(ANT={}, BAT={}, COD={})},
    "lot size": {"instruments": listed(ANT={"lot_size": 2}, BAT={}, COD={})},
    "minimum": {"instruments": listed(ANT={"min_qty": 2}, BAT={}, COD={})},
    "tick": {"instruments": listed(ANT={"tick_size": 2}, BAT={}, COD={})},
    "point value": {"instruments": listed(ANT={"point_value": 2}, BAT={}, COD={})},
    "rows after": {"rows_after": NOON},
    "rows after another time": {"rows_after": NOON + 1},
    "weights": {"weights": HALVES},
    "other weights": {
        "weights": HALVES._replace(weight=np.array([[SCALE // 2, SCALE // 2]])),
    },
    "weights from another time": {"weights": HALVES._replace(effective_from=np.array([1]))},
}


def id_of(lake: Lake, strategies: str = "ema_cross,roc_momentum", **given) -> str:
    return run(lake, strategies, **{**SHARED, **given}).id


def test_every_input_makes_another_run(lake):
    ids = {"nothing": id_of(lake)}
    for name, change in CHANGES.items():
        ids[name] = id_of(lake, **change)
    assert len(set(ids.values())) == len(ids)
    assert all(len(one) == 20 for one in ids.values())
    first = run(lake, "ema_cross,roc_momentum", **SHARED, end=NOON)
    assert id_of(lake, resume=first.id) not in ids.values()


def test_every_field_of_a_request_is_known_here():
    """A field that is added must be told apart above, or be listed as one that changes no row."""
    told = {"settings", "strategies", "symbols", "start", "end", "layout", "instruments"}
    told |= {"weights", "signals", "roster", "resume", "rows_after"}
    rows_do_not_depend_on = {"name", "trace", "final_unrealized", "threads"}
    names = {one.name for one in dataclasses.fields(BacktestRequest)}
    assert names == told | rows_do_not_depend_on


def test_a_parameter_and_a_version_make_another_run(lake, monkeypatch):
    base = BacktestRequest(Settings(), (make("ema_cross"),))
    digest = ("", None, None, 0)
    ids = [definition.run_id(definition.define(base, ["ANT"], *digest))]
    other = dataclasses.replace(base, strategies=(make("ema_cross", fast=9),))
    ids.append(definition.run_id(definition.define(other, ["ANT"], *digest)))
    monkeypatch.setattr(type(base.strategies[0]), "version", 99)
    ids.append(definition.run_id(definition.define(base, ["ANT"], *digest)))
    monkeypatch.setattr(definition, "sources_digest", lambda: "other code")
    ids.append(definition.run_id(definition.define(base, ["ANT"], *digest)))
    assert len(set(ids)) == 4


def test_the_digest_of_the_code_covers_all_that_decides(monkeypatch, tmp_path):
    """Change any file of rules, jobs, contracts or this runtime and the digest is another."""
    package = sources._PACKAGE
    shutil.copytree(package, tmp_path / "streaming", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "_PACKAGE", tmp_path / "streaming")
    digest = sources.sources_digest.__wrapped__
    whole = digest()
    for name in (
        "rules/fifo.py",
        "jobs/features.py",
        "jobs/strategies/trend.py",
        "contracts/matches.py",
        "jobs/allocator.py",
        "runtimes/backtest/pipeline.py",
    ):
        path = tmp_path / "streaming" / name
        text = path.read_text()
        path.write_text(text + "\n")
        assert digest() != whole, name
        path.write_text(text)
    assert digest() == whole


@pytest.mark.parametrize(
    "given",
    [{"trace": True}, {"threads": 1}, {"threads": 3}, {"final_unrealized": True}, {"name": "x"}],
)
def test_what_changes_no_row_changes_no_id(lake, given):
    assert id_of(lake, **given) == id_of(lake)


def test_order_and_repetition_in_the_request_do_not_matter(lake):
    whole = run(lake, "ema_cross,roc_momentum")
    one, other = make("ema_cross"), make("roc_momentum")
    twisted = BacktestRequest(Settings(), (other, one), symbols=("COD", "ANT", "BAT", "ANT"))
    assert run_backtest(lake, twisted).id == whole.id


def test_settings_that_decide_nothing_here_change_no_id(lake):
    other = Settings(
        metrics=Metrics(timezone="UTC", days_per_year=252),
        costs=Costs(),
        limits=Limits(),
        tradepicker=TradePicker(),
    )
    assert id_of(lake, settings=other) == id_of(lake)


def test_other_bars_make_another_run(market, tmp_path, lake):
    altered = dict(market)
    bars = market["BAT"]
    low = bars.low.copy()
    low[-1] -= 1
    altered["BAT"] = type(bars)(bars.ts, bars.open, bars.high, low, bars.close, bars.volume)
    assert id_of(lake_of(tmp_path / "a", altered)) != id_of(lake)
    assert id_of(lake_of(tmp_path / "b", market)) == id_of(lake)
    more = market | {"ZEBU": bars}
    other = lake_of(tmp_path / "c", more)
    assert id_of(other) != id_of(lake)
    assert id_of(other, symbols=("ANT", "BAT", "COD")) == id_of(lake)


def test_bars_after_the_window_do_not_matter(market, tmp_path):
    lake = lake_of(tmp_path, market)
    end = us("2024-01-23")
    before = id_of(lake, end=end)
    later = {
        name: type(bars)(bars.ts + 2 * 86_400_000_000, *bars[1:]) for name, bars in market.items()
    }
    lake_of(tmp_path, later)
    # Now the lake goes on after the window's end, so all up to there is known.
    assert id_of(lake, end=end) == before


def test_the_same_request_is_not_computed_twice(own_lake):
    first = run(own_lake, "ema_cross", trace=False)
    stamps = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    again = run(own_lake, "ema_cross", trace=False)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == stamps


def test_what_is_kept_beside_the_matches_only_grows(own_lake):
    bare = run(own_lake, "ema_cross,roc_momentum", trace=False)
    kept = files(bare)
    assert not any(name.startswith("strategy_signal") for name in kept)
    traced = files(run(own_lake, "ema_cross,roc_momentum", trace=True))
    both = files(run(own_lake, "ema_cross,roc_momentum", trace=False, final_unrealized=True))
    assert kept.keys() < traced.keys() < both.keys()
    matches = [name for name in kept if name.startswith("trade_match_history")]
    assert matches
    for name in [*matches, "open_positions_lots.parquet", "state/accounts.bin"]:
        assert kept[name] == traced[name] == both[name]
    assert both["unrealized_pnl_latest.parquet"]


def test_figures_are_made_anew_for_another_calendar(own_lake):
    first = run(own_lake, "ema_cross")
    settings = Settings(metrics=Metrics(timezone="Pacific/Auckland", days_per_year=252))
    other = run(own_lake, "ema_cross", settings=settings)
    assert other.id == first.id
    mine, theirs = first.facts["figures"]["ema_cross"], other.facts["figures"]["ema_cross"]
    assert mine["days"] != theirs["days"]
    assert mine["netPnl"] == theirs["netPnl"]


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_bytes_are_the_same_again_and_on_any_number_of_threads(own_lake, layout):
    given = {"layout": layout, "final_unrealized": True}
    kept = [
        files(run(own_lake, "ema_cross,roc_momentum,donchian_breakout", threads=n, **given))
        for n in (1, 2, 3, 1)
        if forget_runs(own_lake) is None
    ]
    assert kept[0] == kept[1] == kept[2] == kept[3]
    assert len(kept[0]) > 10


@pytest.mark.parametrize("layout", ["per-strategy", "shared"])
def test_bytes_are_the_same_where_slices_overlap(tmp_path, monkeypatch, layout):
    """Over two ends of months and with many slices, on any number of threads."""
    monkeypatch.setattr(slices, "MOST_ROWS", 700)
    lake = lake_of(tmp_path, month_market(3))
    given = {"layout": layout, "final_unrealized": True}
    kept = [
        files(run(lake, "ema_cross,donchian_breakout,hour_trend_pullback", threads=n, **given))
        for n in (1, 2, 4, 2)
        if forget_runs(lake) is None
    ]
    assert kept[0] == kept[1] == kept[2] == kept[3]
    assert len(kept[0]) > 20


def test_bytes_do_not_tell_where_the_lake_lies(own_lake, market, tmp_path):
    other = lake_of(tmp_path / "elsewhere" / "deeper", market)
    assert files(run(own_lake, "ema_cross")) == files(run(other, "ema_cross"))


def test_matches_name_their_run(own_lake):
    found = run(own_lake, "ema_cross", trace=False)
    assert found.matches()["runId"].unique().to_pylist() == [found.id]
    assert parts(found, "trade_match_history")


class TestRequests:
    def test_no_symbol_is_refused(self):
        with pytest.raises(SettingsError, match="No symbol is named"):
            request("ema_cross", symbols=())

    def test_no_strategy_or_one_twice_is_refused(self):
        with pytest.raises(SettingsError, match="name at least one"):
            BacktestRequest(Settings(), ())
        with pytest.raises(SettingsError, match="none twice"):
            BacktestRequest(Settings(), (make("ema_cross"), make("ema_cross", fast=9)))

    def test_weights_belong_to_the_shared_account(self):
        with pytest.raises(SettingsError, match="shared account"):
            request("ema_cross,roc_momentum", weights=HALVES)

    def test_an_unknown_layout_is_refused(self):
        with pytest.raises(SettingsError, match="'joint'"):
            request("ema_cross", layout="joint")

    def test_settings_as_large_as_they_come_are_no_limit(self, lake):
        huge = settings_of(
            gate={"max_open_positions": 10**30, "reservation_ttl_ms": 10**30},
            limits=dict.fromkeys(("per_order", "per_symbol", "gross"), "9999999999"),
        )
        large = settings_of(
            gate={"max_open_positions": 1000, "reservation_ttl_ms": 10**12},
            limits=dict.fromkeys(("per_order", "per_symbol", "gross"), "100000"),
        )
        found = [
            parts(run(lake, "ema_cross,roc_momentum", settings=one), "trade_match_history")
            for one in (huge, large)
        ]
        assert found[0] == found[1]
        assert found[0]


def test_weights_scale_what_is_bought(lake):
    wide = settings_of(gate={"max_open_positions": 9}, limits={"gross": 100, "per_symbol": 100})

    def bought(schedule: WeightSchedule) -> dict[str, list[tuple[int, float]]]:
        given = {"layout": "shared", "weights": schedule, "settings": wide}
        found = run(lake, "ema_cross,roc_momentum", **given)
        return {
            strategy: [(micros(row["ts"]), row["weight"]) for row in rows.to_pylist()]
            for (_, strategy), rows in parts(found, "accepted_trade_signal_history").items()
        }

    first = bought(HALVES)
    assert {name: {weight for _, weight in rows} for name, rows in first.items()} == {
        "ema_cross": {0.25},
        "roc_momentum": {0.75},
    }
    times = [ts for ts, _ in first["ema_cross"]]
    switch = times[len(times) // 2]
    later = HALVES._replace(
        effective_from=np.array([0, switch]), weight=np.array([[SCALE // 4, SCALE], [SCALE, 0]])
    )
    # A signal at the very time takes the new weight already.
    assert bought(later)["ema_cross"] == [(ts, 1.0 if ts >= switch else 0.25) for ts in times]
