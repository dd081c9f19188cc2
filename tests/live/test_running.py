"""The engine as one call: settings in, tables in the store out, a lease kept and given back."""

import threading
import time
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from runtimes.markets import day_market, lake_of, month_market

from streaming.contracts import TABLES
from streaming.errors import FencedError, LeaseHeldError, RunError, SettingsError
from streaming.feeds.replay import WAIT_SECONDS, LakeReplay
from streaming.lake import Lake
from streaming.rules.bars import DAY_US
from streaming.runtimes.live.running import run_live, store_path
from streaming.settings import Live, Settings
from streaming.store import Clock, StoreReader, TableStore

from .conftest import NAMES
from .test_service import dump, same

HOLDER = "test"
MIDNIGHT = pa.scalar(datetime(2024, 1, 24, tzinfo=UTC), pa.timestamp("us", "UTC"))


def settings_of(**live):
    return Settings(live=Live(**{"strategies": ",".join(NAMES), "metrics_port": 0, **live}))


@pytest.fixture
def folder(tmp_path):
    """A data folder whose lake has some hours of a day."""
    lake_of(tmp_path / "lake", day_market(3, 300))
    return tmp_path


def run(folder, settings=None, *, until_end=True, **given):
    return run_live(settings or settings_of(), folder, until_end=until_end, holder=HOLDER, **given)


def histories(folder):
    """The history tables of a store, but for those that tell of the ticks, as changelogs do."""
    tables = dump(store_path(Settings(), folder))
    del tables["watermark_history"]
    return {name: rows for name, rows in tables.items() if TABLES[name].kind == "log"}


def held(folder):
    with StoreReader(store_path(Settings(), folder)) as reader:
        return reader.lease().remaining(Clock()) > 0


def test_catching_up_decides_all_that_the_lake_has_and_gives_the_lease_back(folder):
    report = run(folder)
    lake = Lake(folder / "lake")
    assert report.bars == sum(rows for day in lake.days() for rows, _ in day.symbols.values())
    assert report.complete_to == lake.days()[-1].last_ts
    assert not report.stopped
    assert not held(folder)
    again = run(folder)
    assert (again.ticks, again.complete_to) == (0, report.complete_to)


def test_what_the_lake_gets_later_is_decided_when_it_is_run_again(folder, tmp_path):
    market = day_market(4, 300, 5)
    half = {name: bars.rows(0, 100) for name, bars in market.items() if name < "DOE"}
    rest = {name: bars.rows(0 if name >= "DOE" else 100, 300) for name, bars in market.items()}
    ends = max(int(bars.ts[-1]) for bars in half.values())
    # Only what is newer than all that was decided comes by this feed.
    rest = {name: bars.rows(int((bars.ts <= ends).sum()), len(bars)) for name, bars in rest.items()}
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    lake_of(grown / "lake", half)
    run(grown)
    lake_of(grown / "lake", rest)
    assert run(grown).bars > 0
    lake_of(whole / "lake", half)
    lake_of(whole / "lake", rest)
    run(whole)
    same(histories(grown), histories(whole))


def test_a_live_run_waits_for_more_until_it_is_told_to_stop(folder):
    done = threading.Event()
    thread = threading.Thread(
        target=run, args=(folder,), kwargs={"until_end": False, "stop": done.is_set}
    )
    thread.start()
    thread.join(4)
    assert thread.is_alive()
    assert held(folder)
    done.set()
    thread.join(20)
    assert not thread.is_alive()
    assert not held(folder)


def test_told_to_stop_it_ends_at_a_commit_and_goes_on_from_there(folder, tmp_path):
    seen = []
    for _ in range(3):
        seen.clear()
        report = run(
            folder,
            settings_of(speed="1000000"),
            on_tick=lambda tick: seen.append(tick) if tick else None,
            stop=lambda: len(seen) == 50,
        )
        assert (report.stopped, report.ticks) == (True, 50)
        assert not held(folder)
    run(folder)
    other = tmp_path / "undisturbed"
    lake_of(other / "lake", day_market(3, 300))
    run(other)
    same(histories(folder), histories(other))


def test_an_error_amid_the_work_gives_the_lease_back(folder):
    def broken(tick):
        if tick is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, on_tick=broken)
    assert not held(folder)
    assert run(folder).complete_to is not None


def test_a_second_engine_is_refused(folder):
    store = store_path(Settings(), folder)
    store.parent.mkdir()
    with TableStore(store, holder="first"), pytest.raises(LeaseHeldError, match="held by first"):
        run(folder)


def test_a_long_tick_keeps_the_lease(folder):
    def slow(tick):
        if tick is not None:
            time.sleep(1.6)
            assert held(folder)

    assert run(folder, settings_of(lease_seconds=1), on_tick=slow).ticks == 1


def test_an_engine_that_lost_its_lease_ends_and_says_to_whom(folder):
    store = store_path(Settings(), folder)

    def robbed(tick):
        if tick is not None:
            with StoreReader(store) as reader:
                lease = reader.lease()
            # As after a sleep: the lease has passed, another process takes it.
            later = Clock()
            later.uptime = lambda: lease.heartbeat + lease.ttl + 10_000_000
            TableStore(store, holder="robber", clock=later).close()
            time.sleep(0.6)

    with pytest.raises(FencedError, match="gone to robber"):
        run(folder, settings_of(lease_seconds=1), on_tick=robbed, until_end=False)


def test_a_start_trades_from_a_day_on_with_features_of_before(tmp_path):
    market = {name: bars.rows(0, 500) for name, bars in month_market(2).items()}
    for name in ("late", "whole"):
        lake_of(tmp_path / name / "lake", market)
    run(tmp_path / "late", settings_of(start="2024-01-24"))
    run(tmp_path / "whole")
    found, every = (histories(tmp_path / name) for name in ("late", "whole"))
    signals = "strategy_signal_history"
    wanted = every[signals].filter(pc.greater(every[signals]["signalTs"], MIDNIGHT))
    assert found[signals].num_rows
    assert found[signals].drop(["offset"]).equals(wanted.drop(["offset"]))


def test_what_cannot_be_run_is_told(folder):
    with pytest.raises(RunError, match="has no prices"):
        run(folder / "empty")
    with pytest.raises(SettingsError, match="ema_cros"):
        run(folder, settings_of(strategies="ema_cros"))


def test_an_account_of_another_name_trades_beside_its_own_shadow(folder):
    run(folder, settings_of(account="desk"))
    with StoreReader(store_path(Settings(), folder)) as reader:
        tables = dump(reader.path)
    assert set(tables["accepted_trade_signal_history"]["accountId"].to_pylist()) == {
        "desk",
        "paper:desk",
    }


def test_a_replay_that_waits_says_so_now_and_then(folder):
    waits = []
    now = 0.0

    def sleep(seconds):
        nonlocal now
        waits.append(seconds)
        now += seconds

    lake = Lake(folder / "lake")
    feed = LakeReplay(lake, None, None, None, 60.0, sleep=sleep, clock=lambda: now)
    given = list(feed.batches(None))
    batches = [one for one in given if one is not None]
    assert len(given) - len(batches) == len(waits)
    assert max(waits) <= WAIT_SECONDS
    minutes = (batches[-1].complete_to - batches[0].complete_to) / 60e6
    assert sum(waits) == pytest.approx(minutes)
    assert batches[0].complete_to % DAY_US
