"""Settings that changed between runs: refused by name, or in effect from then on, and no more."""

import shutil
from pathlib import Path

import pytest
from runtimes.markets import lake_of

from streaming.contracts import TABLES
from streaming.errors import StateError
from streaming.feeds.replay import LakeReplay
from streaming.jobs.strategies import make
from streaming.runtimes.live.engine import LivePlan
from streaming.runtimes.live.service import LiveService
from streaming.settings import load_settings
from streaming.store import StoreReader, TableStore

from .test_service import dump, same

POSITIONS = ("open_positions_lots", "open_positions_rollup", "realized_pnl_latest")
CHANGES = {
    "TRADEPICKER__MAXOPENPOSITIONS": "1",
    "TRADEPICKER__KEY": "account+strategy",
    "TRADEPICKER__SELLREQUIRESLONG": "false",
    "COSTS__FEEBPS": "9",
    "ACCOUNT__CAPITAL": "1000",
    "DEDUPE__TTLDAYS": "1",
    "WM__ENGINE__LATENESSSEC": "60",
    "WM__PRICES__LATENESSSEC": "60",
    "ENGINE__OUTPUTS": "matches-only",
    "MONITORING__EXPORT": "both",
    "INDICATORS__INTRABAR": "true",
}

QUICK = {"TRADEPICKER__MAXOPENPOSITIONS", "ENGINE__OUTPUTS", "WM__PRICES__LATENESSSEC"}
KEYS = [pytest.param(key, marks=() if key in QUICK else pytest.mark.slow) for key in CHANGES]
# Where a feed says how far it is complete, and no fill comes late or twice.
SILENT = {"DEDUPE__TTLDAYS", "WM__ENGINE__LATENESSSEC", "WM__PRICES__LATENESSSEC"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory, market):
    few = {name: bars.rows(0, 400) for name, bars in market.items()}
    return lake_of(tmp_path_factory.mktemp("settings") / "lake", few)


def run(path, lake, strategies, stop_after=None, **changed):
    """Replay the lake with changed settings; stop after some ticks."""
    settings = load_settings(environ={f"TRADING__{key}": one for key, one in changed.items()})
    with TableStore(path, holder="test") as store:
        service = LiveService(store, LivePlan(settings, strategies))
        ticks = service.run(LakeReplay(lake, lake.symbols(), rows=200))
        for number, _ in enumerate(ticks, 1):
            if number == stop_after:
                break
        service.close()


def now(path):
    """What the latest tables hold."""
    with StoreReader(path) as reader, reader.snapshot() as view:
        return {
            name: view.rows(table).drop([c for c in ("calcTs",) if c in table.names]).to_pylist()
            for name, table in TABLES.items()
            if table.kind == "latest"
        }


@pytest.fixture(scope="module")
def usual(tmp_path_factory, lake, strategies):
    path = tmp_path_factory.mktemp("settings") / "usual.db"
    run(path, lake, strategies)
    return path


@pytest.fixture(scope="module")
def begun(tmp_path_factory, lake, strategies):
    path = tmp_path_factory.mktemp("settings") / "begun.db"
    run(path, lake, strategies, stop_after=3)
    return path


@pytest.fixture
def path(begun, tmp_path):
    """A store that was begun with the usual settings."""
    return Path(shutil.copy(begun, tmp_path / "live.db"))


def test_changed_and_changed_back_before_anything_came_it_is_as_if_it_had_not_been(
    path, lake, strategies, usual
):
    for key, value in CHANGES.items():
        settings = load_settings(environ={f"TRADING__{key}": value})
        with TableStore(path, holder="test") as store:
            LiveService(store, LivePlan(settings, strategies)).close()
    run(path, lake, strategies)
    same(dump(path), dump(usual))


@pytest.mark.parametrize("key", KEYS)
def test_what_was_decided_stays_and_the_rest_goes_by_the_new_settings(
    path, lake, strategies, usual, key
):
    before = dump(path)
    run(path, lake, strategies, **{key: CHANGES[key]})
    after = dump(path)
    for name, rows in before.items():
        assert after[name].slice(0, rows.num_rows).equals(rows), name
    wanted = {name: rows for name, rows in dump(usual).items() if name != "watermark_history"}
    changed = any(not rows.equals(after[name]) for name, rows in wanted.items())
    assert changed == (key not in SILENT)
    assert after["price_1m_history"].equals(dump(usual)["price_1m_history"])
    with StoreReader(path) as reader:
        assert reader.verify()


def test_positions_are_as_they_would_be_wherever_outputs_changed(path, lake, strategies, usual):
    """Tables that are switched off are empty, not left behind; switched on again they are full."""
    only = {"ENGINE__OUTPUTS": "matches-only"}
    assert all(now(path)[name] for name in POSITIONS)
    run(path, lake, strategies, stop_after=2, **only)
    assert not any(now(path)[name] for name in POSITIONS)
    run(path, lake, strategies)
    assert now(path) == now(usual)
    whole, here = dump(usual), dump(path)
    for name, table in TABLES.items():
        if table.kind == "log" and name != "watermark_history":
            assert here[name].equals(whole[name]), name


def test_marks_go_when_they_are_switched_off(tmp_path, lake, strategies, usual):
    path, both = tmp_path / "live.db", {"MONITORING__EXPORT": "both"}
    run(path, lake, strategies, stop_after=3, **both)
    assert now(path)["unrealized_pnl_latest"]
    run(path, lake, strategies, stop_after=1)
    assert not now(path)["unrealized_pnl_latest"]
    run(path, lake, strategies)
    assert now(path) == now(usual)


def test_what_a_store_was_begun_with_is_refused_by_name_and_nothing_is_written(
    path, lake, strategies
):
    before, settings = dump(path), load_settings(environ={})
    other = make(strategies[0].id, length=strategies[0].length + 1)
    for what, plan in (
        ("strategies", LivePlan(settings, strategies[:2])),
        ("strategies", LivePlan(settings, (other, *strategies[1:]))),
        ("account", LivePlan(settings, strategies, account="desk")),
    ):
        with (
            TableStore(path, holder="test") as store,
            pytest.raises(StateError, match=f"The store was written with {what} = "),
        ):
            LiveService(store, plan)
    same(dump(path), before)
