"""A reader that keeps a transaction open while the engine goes on committing."""

import pytest
from rich.console import Console
from runtimes.markets import lake_of, month_market
from store.zygote import Zygote, lines, until

from streaming.cli import status
from streaming.instruments import Instruments
from streaming.runtimes.live.running import store_path
from streaming.runtimes.live.status import read_status
from streaming.settings import Settings
from streaming.store import StoreReader, TableStore, log_bytes

from .test_running import run, settings_of
from .test_service import dump, same

PAGES = 100
LONG = 8 * PAGES * 4096


@pytest.fixture
def market():
    return {name: bars.rows(0, 30) for name, bars in month_market(6).items()}


def said(path):
    """What `trading status` shows."""
    shown = Console(width=200)
    with shown.capture() as captured:
        for part in status._page(read_status(path, Instruments())):
            shown.print(part)
    return captured.get()


def test_the_log_grows_the_engine_goes_on_status_says_so_and_it_shrinks_afterwards(
    memory_folder, market, monkeypatch
):
    monkeypatch.setitem(TableStore.__init__.__kwdefaults__, "checkpoint_pages", PAGES)
    monkeypatch.setattr("streaming.store.LONG_LOG_BYTES", LONG)
    settings = settings_of(speed="100000000")
    held, whole = memory_folder / "held", memory_folder / "whole"
    for folder in (held, whole):
        lake_of(folder / "lake", market)
    path, told, end = store_path(settings, held), memory_folder / "told", memory_folder / "end"
    ticks, sizes = 0, []

    with Zygote() as zygote:

        def on_tick(tick):
            nonlocal ticks
            ticks += tick is not None
            sizes.append(log_bytes(path))
            if ticks == 10 and not told.exists():
                zygote.fork("reads_long", path, told, until=str(end))
                until(lambda: lines(told) == ["open"])
            if not end.exists() and sizes[-1] > LONG:
                assert "The write-ahead log has" in said(path)
                assert read_status(path, Instruments()).log_bytes == sizes[-1]
                end.touch()
                until(lambda: lines(told)[-1] == "closed")

        run(held, settings, on_tick=on_tick)
    assert end.exists()
    assert lines(told) == ["open", "closed"]
    # It grew while it was read, and a commit emptied it when nobody did.
    assert max(sizes) > LONG
    assert sizes[-1] < LONG / 4
    assert "write-ahead log" not in said(path)
    with StoreReader(path) as reader:
        assert reader.verify()
    run(whole, settings)
    same(dump(path), dump(store_path(Settings(), whole)))
