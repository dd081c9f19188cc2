"""`trading halt` and `trading resume`, beside an engine and without one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from runtimes.markets import day_market, lake_of

from streaming.contracts import RISK_ALERTS_HISTORY, TRADING_HALTS_LATEST
from streaming.store import StoreReader

from .test_live import MAIN, SETTINGS, begun, commits


@pytest.fixture
def folder(tmp_path):
    lake_of(tmp_path / "data" / "lake", day_market(2, 300))
    (tmp_path / "settings.toml").write_text(SETTINGS.format(speed='"max"'))
    return tmp_path


@pytest.fixture
def store(folder):
    return folder / "data" / "store" / "live.db"


def status(trading):
    code, out, err = trading("status", "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def rejected(found):
    return {one["code"] for one in found["rejected"] if one["account"] == "live"}


def alerts(store):
    with StoreReader(store) as reader:
        rows = reader.rows(RISK_ALERTS_HISTORY).to_pylist()
    return [(row["code"], row["message"]) for row in rows]


def test_a_halt_before_the_first_bar_holds_from_the_first_tick(trading, folder, store):
    run_nothing(folder, store)
    code, out, err = trading("halt", "--reason", "not yet")
    assert (code, out) == (0, "")
    assert err.startswith("Account live is halted: it opens nothing. The engine has not read it")
    (one,) = status(trading)["halts"]
    assert (one["code"], one["reason"], one["pending"]) == ("TRADING_HALTED", "not yet", True)
    assert "the engine has not read it yet." in trading("status")[1]
    assert trading("catch-up")[0] == 0
    found = status(trading)
    (one,) = found["halts"]
    assert (one["account"], one["pending"]) == ("live", False)
    assert "TRADING_HALTED: account live since" in trading("status")[1]
    accepted = {row["account"]: row["count"] for row in found["accepted"]}
    assert not accepted.get("live")
    assert accepted["paper:live"] > 0
    assert rejected(found) == {"TRADING_HALTED", "NO_OPEN_POSITION"}
    assert alerts(store) == [("TRADING_HALTED", "not yet")]


def run_nothing(folder, store):
    """A store as an engine leaves it that was stopped before it had decided anything."""
    from streaming.store import TableStore

    store.parent.mkdir(parents=True)
    with TableStore(store, holder="test"):
        pass


def test_resumed_it_opens_again(trading, folder, store):
    run_nothing(folder, store)
    trading("halt", "--reason", "a drill")
    code, out, _ = trading("resume", "--json")
    assert code == 0
    assert json.loads(out) == {"account": "live", "halted": False, "reason": None, "read": False}
    assert trading("catch-up")[0] == 0
    found = status(trading)
    assert found["halts"] == []
    assert {row["account"] for row in found["accepted"]} == {"live", "paper:live"}
    assert "TRADING_HALTED" not in rejected(found)
    assert [code for code, _ in alerts(store)] == ["TRADING_HALTED", "TRADING_RESUMED"]


def test_a_running_engine_reads_it_at_once_and_a_killed_one_goes_on_halted(trading, folder, store):
    process = begun(folder, store, "live")
    began = time.monotonic()
    code, out, _ = trading("halt", "--reason", "the news", "--json")
    assert (code, json.loads(out)["read"]) == (0, True)
    assert time.monotonic() - began < 8
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    (folder / "settings.toml").write_text(SETTINGS.format(speed='"max"'))
    assert trading("catch-up")[0] == 0
    found = status(trading)
    (one,) = found["halts"]
    assert (one["code"], one["reason"], one["pending"]) == ("TRADING_HALTED", "the news", False)
    assert "TRADING_HALTED" in rejected(found)
    assert [code for code, _ in alerts(store)] == ["TRADING_HALTED"]


def test_several_people_at_once_are_all_heard(folder, store, trading):
    process = begun(folder, store, "live")
    words = [
        subprocess.Popen(
            [*MAIN, "halt", "--reason", f"person {number}"], cwd=folder, env={**os.environ}
        )
        for number in range(2)
    ]
    assert [one.wait(60) for one in words] == [0, 0]
    process.terminate()
    process.communicate(timeout=30)
    assert sorted(alerts(store)) == [("TRADING_HALTED", f"person {number}") for number in range(2)]
    with StoreReader(store) as reader:
        assert reader.latest(TRADING_HALTS_LATEST).num_rows == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["halt"], 2, "--reason"),
        (["halt", "--reason", " "], 2, "says nothing"),
        (
            ["halt", "--reason", "x", "--account", "other"],
            1,
            "live trades there, not other",
        ),
        (["resume", "--account", "paper:live"], 1, "account live trades there"),
        (["halt", "--reason", "x", "--store", "none.db"], 1, "there is no store to publish to"),
    ],
)
def test_what_cannot_be_meant_is_told(trading, folder, store, words, code, message):
    assert trading("catch-up")[0] == 0
    before = commits(store)
    ended, out, err = trading(*words)
    assert (ended, out) == (code, "")
    assert message in " ".join(err.split())
    with StoreReader(store) as reader:
        assert reader.latest(TRADING_HALTS_LATEST).num_rows == 0
    assert commits(store) == before


def test_the_loss_of_a_day_stops_and_a_resume_lets_go(trading, folder, store):
    text = SETTINGS.format(speed='"max"') + "dailyLossLimit = 0.01\n"
    (folder / "settings.toml").write_text(text)
    assert trading("catch-up")[0] == 0
    found = status(trading)
    (one,) = found["halts"]
    assert one["code"] == "DAILY_LOSS_EXCEEDED"
    assert "DAILY_LOSS_EXCEEDED" in rejected(found)
    assert "or `trading resume`" in trading("status")[1]
    assert trading("resume", "--reason", "looked at it")[0] == 0
    assert [one["pending"] for one in status(trading)["halts"]] == [False, True]
    # It is read though no bar has come.
    assert trading("catch-up")[0] == 0
    assert status(trading)["halts"] == []


def test_a_halt_does_not_wait_for_what_it_does_not_use():
    code = (
        "import sys, streaming.cli.halt, streaming.runtimes.live.halting, streaming.settings;"
        "print([m for m in ('numba', 'rich.console') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
