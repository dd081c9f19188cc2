"""The engine's process on a disk that fills up, and has room again."""

import shutil

import pytest
from runtimes.markets import day_market, month_market

from .processes import Engines, commits, store_of
from .test_service import dump, same

FAST = "100000000"
MIB = 1 << 20


@pytest.fixture
def market():
    return {name: bars.rows(0, 120) for name, bars in month_market(6).items()}


@pytest.mark.slow
def test_it_ends_in_a_line_and_goes_on_when_there_is_room(memory_folder, small_disk, market):
    with Engines(memory_folder, day_market(2, 300)) as engines:
        whole, full = (engines.folder(name, market, speed=FAST) for name in ("whole", "full"))
        assert engines.start(whole, "catch-up").ended() == 0
        size = store_of(whole).stat().st_size
        store_of(full).parent.mkdir()
        disk = small_disk(str(3 * size + 20 * MIB), store_of(full).parent)
        ballast, reached = disk / "ballast", []
        for room in (1, 2, 4, 1):
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free - room * MIB))
            engine = engines.start(full, "catch-up")
            assert engine.ended() == 1
            (error,) = [line for line in engine.said.splitlines() if line.startswith("error: ")]
            assert error.startswith("error: data/store/live.db: the disk is full.")
            assert "free some space and do the same again" in error
            ballast.unlink()
            reached.append(commits(store_of(full)))
        assert 0 < reached[0] <= reached[1] < reached[2] < commits(store_of(whole))
        assert engines.start(full, "catch-up").ended() == 0
    same(dump(store_of(full)), dump(store_of(whole)))
