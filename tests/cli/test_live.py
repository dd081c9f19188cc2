"""`trading live` and `catch-up`, as a person and a service manager run and stop them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from runtimes.markets import day_market, lake_of

from streaming.contracts import TRADE_MATCH_HISTORY
from streaming.store import StoreReader, TableStore

SETTINGS = """
[live]
strategies = "bollinger_reversion,ema_cross"
metricsPort = 0
speed = {speed}
"""
MAIN = [sys.executable, "-c", "from streaming.cli import main; main()"]


@pytest.fixture
def folder(tmp_path):
    lake_of(tmp_path / "data" / "lake", day_market(2, 300))
    (tmp_path / "settings.toml").write_text(SETTINGS.format(speed='"max"'))
    return tmp_path


@pytest.fixture
def store(folder):
    return folder / "data" / "store" / "live.db"


def begun(folder, store, *words):
    """A process that has committed something, and has more to do."""
    (folder / "settings.toml").write_text(SETTINGS.format(speed=2_000))
    process = subprocess.Popen(
        [*MAIN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    end = time.monotonic() + 60
    while commits(store) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    return process


def commits(store):
    from streaming.errors import StoreError

    try:
        with StoreReader(store) as reader:
            return reader.ticks().number
    except StoreError:
        return 0


def released(store):
    with StoreReader(store) as reader:
        return reader.lease().released


def test_catching_up_does_all_there_is_and_then_nothing(trading, folder, store):
    code, out, err = trading("catch-up", "--json")
    first = json.loads(out)
    assert (code, err, first["stopped"]) == (0, "", False)
    assert first["bars"] > 0
    assert released(store)
    code, out, err = trading("catch-up")
    assert (code, out) == (0, "")
    assert f"Caught up: 0 bars in 0 ticks, decided up to {first['completeTo']}." in err
    with StoreReader(store) as reader:
        assert reader.rows(TRADE_MATCH_HISTORY).num_rows > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_live_engine_is_stopped_by_a_signal_and_that_is_its_good_end(folder, store, number):
    process = begun(folder, store, "live")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert "Stopping at the next commit" in err
    assert "Stopped: " in err
    assert released(store)


def test_a_catch_up_that_is_stopped_is_not_done(folder, store):
    process = begun(folder, store, "catch-up", "--json")
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads(out)["stopped"] is True
    assert err.endswith("error: Stopped.\n")
    assert released(store)


def test_a_second_engine_is_told_who_has_the_store_and_since_when(trading, folder, store):
    store.parent.mkdir()
    with TableStore(store, holder="trading live"):
        for command in ("live", "catch-up"):
            code, out, err = trading(command)
            assert (code, out) == (1, "")
            who = f"held by trading live (process {os.getpid()}, epoch 1) since 20"
            assert who in err


def test_two_started_at_once_are_one_engine(folder, store):
    words = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
    both = [subprocess.Popen([*MAIN, "live"], **words) for _ in range(2)]
    end = time.monotonic() + 60
    while all(one.poll() is None for one in both):
        assert time.monotonic() < end
        time.sleep(0.1)
    (loser,) = [one for one in both if one.poll() is not None]
    (winner,) = [one for one in both if one is not loser]
    _, err = loser.communicate()
    assert loser.returncode == 1
    assert f"held by trading live (process {winner.pid}, epoch 1) since" in err
    winner.terminate()
    winner.communicate(timeout=60)
    assert winner.returncode == 0


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("live.strategies = 'ema_cros'", 2, "Did you mean ema_cross"),
        ("live.leaseSeconds = 0", 2, "live.leaseSeconds = 0: must be at least 1"),
        ("data.folder = 'empty'", 1, "has no prices"),
    ],
)
def test_what_cannot_be_run_is_told(trading, folder, text, code, message):
    (folder / "settings.toml").write_text(text + "\nlive.metricsPort = 0\n")
    for command in ("live", "catch-up"):
        ended, out, err = trading(command)
        assert (ended, out) == (code, "")
        assert message in err


def test_another_folder_may_be_named(trading, folder, store):
    other = folder / "elsewhere"
    (folder / "data").rename(other)
    assert trading("catch-up", "--folder", other)[0] == 0
    assert (other / "store" / "live.db").exists()


def test_status_watches_the_store_of_the_settings_in_place(folder, store):
    engine = begun(folder, store, "live")
    watcher = subprocess.Popen(
        [*MAIN, "status", "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "150", "LINES": "60", "TERM": "xterm"},
    )
    out = ""
    while out.count("Accounts") < 3:
        line = watcher.stdout.readline()
        assert line, watcher.stderr.read()
        out += line
    watcher.send_signal(signal.SIGINT)
    rest, err = watcher.communicate(timeout=30)
    out += rest
    assert (watcher.returncode, err) == (0, "")
    for title in ("Open positions", "Accounts", "Rejected signals"):
        assert out.count(title) > 1, "it is shown again and again"
    assert "\x1b[1A\x1b[2K" in out, "in place"
    assert f"process {engine.pid}, epoch 1" in re.sub(r"\x1b\[[\d;]*m", "", out)
    engine.terminate()
    engine.communicate(timeout=30)
