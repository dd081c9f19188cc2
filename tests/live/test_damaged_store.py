"""A damaged store: found at the start, named in a line, moved aside and made anew."""

import os
import shutil
import signal
import sys
from pathlib import Path

import apsw
import pytest
from runtimes.markets import lake_of, month_market

from streaming import cli
from streaming.errors import StoreDamagedError
from streaming.store import Process, StoreReader, TableStore

from .conftest import NAMES
from .test_service import dump, same

PAGE = 4096


@pytest.fixture(scope="module")
def market():
    return {name: bars.rows(0, 150) for name, bars in month_market(6).items()}


@pytest.fixture(scope="module", params=["paper", pytest.param("exchange", marks=pytest.mark.slow)])
def whole(request, market, tmp_path_factory):
    """A data folder that is caught up, in good order."""
    folder = tmp_path_factory.mktemp("whole")
    lake_of(folder / "data" / "lake", market)
    text = f'strategies = "{",".join(NAMES)}"\nmetricsPort = 0\nbroker = "{request.param}"\n'
    (folder / "settings.toml").write_text(
        f"[live]\n{text}\n[exchange]\nseed = 2\npart = 0.5\ntwice = 0.3\ndelayMs = 60000\n"
    )
    assert trading_in(folder, "catch-up") == 0
    return folder


def trading_in(folder, *words):
    """Run `trading` in a folder; give what it exits with."""
    before, argv = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["trading", *words]
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        os.chdir(before)
        sys.argv = argv


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy", symlinks=True)


@pytest.fixture
def store(folder):
    return folder / "data" / "store" / "live.db"


def overwrite(path, place, data):
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


def header(path):
    overwrite(path, 0, bytes(100))


def middle(path):
    """A page in the middle."""
    overwrite(path, path.stat().st_size // PAGE // 2 * PAGE, b"\xa5" * PAGE)


def cut(path):
    """Half of it is gone."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def no_database(path):
    path.write_bytes(b"symbol,ts,price\n" * 9_000)


def state(path):
    """A byte of a saved state: SQLite does not see that."""
    db = apsw.Connection(str(path))
    data = bytearray(db.execute("SELECT data FROM store_state WHERE name = 'engine'").get)
    data[len(data) // 2] ^= 1
    db.execute("UPDATE store_state SET data = ? WHERE name = 'engine'", (bytes(data),))
    db.close()


@pytest.mark.parametrize("damage", [header, middle, cut, no_database, state])
def test_it_is_named_in_a_line_and_made_anew_with_the_same_tables(
    whole, folder, store, damage, capsys
):
    damage(store)
    for command in ("live", "catch-up"):
        assert trading_in(folder, command) == 1
        (error,) = [one for one in capsys.readouterr().err.splitlines() if "error: " in one]
        assert error.startswith("error: data/store/live.db: the store's file is damaged (")
        assert "run `trading rebuild`" in error
    damaged = store.read_bytes()
    assert trading_in(folder, "rebuild") == 0
    told = capsys.readouterr().err
    (aside,) = store.parent.glob("damaged-*")
    assert f"Moved to data/store/{aside.name}." in told
    assert "Caught up" in told
    assert (aside / store.name).read_bytes() == damaged, "nothing is deleted"
    same(dump(store), dump(whole / "data" / "store" / "live.db"))
    # Once more there is nothing to do.
    assert trading_in(folder, "rebuild") == 0
    assert "is whole; nothing was moved" in capsys.readouterr().err
    assert list(store.parent.glob("damaged-*")) == [aside]


def test_a_store_that_is_lost_is_made_anew(whole, folder, store):
    shutil.rmtree(store.parent)
    assert trading_in(folder, "rebuild") == 0
    same(dump(store), dump(whole / "data" / "store" / "live.db"))


def test_killed_between_moving_and_the_end_it_is_done_again(whole, folder, store, monkeypatch):
    middle(store)
    store.with_name("live.db-wal").write_bytes(b"")
    rename, left = Path.rename, 0

    def killed(path, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return rename(path, target)

    for moves in (0, 1):
        left = moves
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", killed)
            assert trading_in(folder, "rebuild") == 128 + signal.SIGINT
        assert store.exists()
    assert trading_in(folder, "rebuild") == 0
    same(dump(store), dump(whole / "data" / "store" / "live.db"))


def test_a_store_with_an_engine_at_work_is_not_moved(folder, store, capsys):
    here = Process.this()
    TableStore(store, holder="trading live", process=here).close()
    middle(store)
    assert trading_in(folder, "rebuild") == 1
    told = capsys.readouterr().err
    assert f"held by trading live (process {here.pid}, epoch 2). Stop that process first." in told
    assert not list(store.parent.glob("damaged-*"))
    with pytest.raises(StoreDamagedError), StoreReader(store) as reader:
        reader.verify()
