"""One table of exit codes for every command: 0 done, 1 failed, 2 wrong use, 128 + n a signal."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streaming import cli, errors
from streaming.errors import SettingsError, TradingError

README = Path(__file__).parents[2] / "README.md"

WRONG_USE = {
    "no such command": ["impor"],
    "no such option": ["runs", "--like", "x"],
    "no lake": ["runs"],
    "a time that is none": ["backtest", "--lake", ".", "--start", "garbage"],
    "an amount that is none": ["backtest", "--lake", ".", "--capital", "-5"],
    "a parameter that is none": ["backtest", "--lake", ".", "--param", "ema_cross.fast=-3"],
    "a strategy that is none": ["backtest", "--lake", ".", "--strategies", "nobody"],
    "a window without time": ["backtest", "--lake", ".", "--start", "2024-01-02", "--end", "2024"],
    "a name that is none": ["backtest", "--lake", "{lake}", "--run-id", "a/b"],
    "a day that is none": ["metrics", "m.parquet", "--start", "garbage"],
    "a capital that is none": ["metrics", "{matches}", "--capital", "-5"],
    "a zone that is none, metrics": ["metrics", "m.parquet", "--tz", "Mars/Phobos"],
    "a zone that is none, import": ["import", "a.csv", "--lake", "x", "--tz", "Mars/Phobos"],
    "a mapping that is none": ["import", "a.csv", "--lake", "x", "--columns", "ts"],
    "an empty name": ["match", "f.csv", "--out", "out", "--run-id", " "],
    "no settings file, match": ["match", "f.csv", "--out", "out", "--settings", "none.toml"],
    "no settings file, settings": ["settings", "--settings", "none.toml"],
    "a strategy that is none, listed": ["strategies", "nobody"],
    "a table that is none": ["tables", "nothing"],
    "a size that is none": ["market", "--out", "x", "--days", "0"],
}
FAILED = {
    "a file that is not there, import": ["import", "none.csv", "--lake", "new"],
    "a file that is not there, match": ["match", "none.csv", "--out", "out"],
    "a file that is not there, metrics": ["metrics", "none.parquet"],
    "signals that are not there": ["backtest", "--lake", "{lake}", "--signals", "none.csv"],
    "instruments that are not there": ["match", "f.csv", "--out", "o", "--instruments", "none.csv"],
    "no such symbol": ["backtest", "--lake", "{lake}", "--symbols", "ANTS"],
    "no prices": ["backtest", "--lake", "nowhere"],
    "no prices then": ["backtest", "--lake", "{lake}", "--start", "2031-01-01"],
    "no matches then": ["metrics", "{matches}", "--start", "2031-01-01"],
    "no such run": ["runs", "--lake", "{lake}", "none"],
    "no such lake": ["runs", "--lake", "nowhere"],
    "a folder that cannot be made": ["market", "--out", "/dev/null/x"],
}


@pytest.fixture(scope="module")
def places(lake, tmp_path_factory):
    """Stand-ins in the words for what commands work on."""
    matches = tmp_path_factory.mktemp("matches") / "matches.csv"
    matches.write_text(
        "matchId,accountId,strategyId,symbol,buyOrderId,sellOrderId,matchedQty,buyPrice,sellPrice,"
        "realizedPnl,matchTimestamp,buyFillId,sellFillId,openTs,direction,fees\n"
        "m,a,s,A,b,c,1,10,11,1,2024-01-22T09:00:00Z,1,1,2024-01-22T08:00:00Z,LONG,0\n"
    )
    return {"lake": lake.root, "matches": matches}


def filled(words, places):
    return [word.format(**places) for word in words]


@pytest.mark.parametrize("what", WRONG_USE)
def test_wrong_use(trading, places, what):
    code, output, errors = trading(*filled(WRONG_USE[what], places))
    assert (code, output) == (2, ""), errors
    assert errors


@pytest.mark.parametrize("what", FAILED)
def test_failed(trading, places, what):
    code, output, errors = trading(*filled(FAILED[what], places))
    assert (code, output) == (1, ""), errors
    assert errors.startswith("error: ")


@pytest.mark.parametrize("words", [["strategies"], ["metrics", "{matches}"], ["--help"]])
def test_done(trading, places, words):
    assert trading(*filled(words, places))[0] == 0


# Each command at its work, which does not end by itself.
WORK = {
    "import": ("streaming.feeds.importing.import_files", ["a.csv", "--lake", "lake"]),
    "backtest": ("streaming.runtimes.backtest.run_backtest", ["--lake", "lake"]),
    "match": ("streaming.runtimes.match.match_file", ["f.csv", "--out", "out"]),
    "metrics": ("streaming.analytics.sources.from_files", ["m.csv"]),
    "runs": ("streaming.runtimes.runs.runs", ["--lake", "."]),
    "market": ("streaming.feeds.synthetic_files.write_market", ["--out", "out"]),
}
CHILD = """
import importlib, sys, time
module, _, name = {work!r}.rpartition(".")
def at_work(*args, **options):
    print("at work", flush=True)
    time.sleep(60)
setattr(importlib.import_module(module), name, at_work)
sys.argv = ["trading", *{words!r}]
from streaming.cli import main
main()
"""


def stopped(command, number, tmp_path, **options):
    work, words = WORK[command]
    code = CHILD.format(work=work, words=[command, *words])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        **options,
    )
    assert process.stdout.readline() == "at work\n", process.stderr.read()
    process.send_signal(number)
    return process


@pytest.mark.parametrize("command", WORK)
def test_a_stop_is_told_as_shells_tell_it(tmp_path, command):
    process = stopped(command, signal.SIGTERM, tmp_path)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (128 + signal.SIGTERM, "error: Stopped.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_stop_by_hand_and_by_a_closed_terminal_too(tmp_path, number):
    process = stopped("match", number, tmp_path)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (128 + number, "error: Stopped.\n")


def test_a_signal_that_is_to_be_ignored_is_ignored(tmp_path):
    def ignoring():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = stopped("match", signal.SIGHUP, tmp_path, preexec_fn=ignoring)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM


def test_handlers_are_put_back(trading):
    before = [signal.getsignal(number) for number in cli.STOPS]
    assert trading("strategies")[0] == 0
    assert [signal.getsignal(number) for number in cli.STOPS] == before


def test_every_error_has_a_code_of_the_table():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind: kind.exit_code for kind in kinds if issubclass(kind, TradingError)}
    assert codes.pop(SettingsError) == 2
    assert set(codes.values()) == {1}


def test_the_table_is_written_down():
    text = README.read_text(encoding="utf-8")
    assert re.findall(r"^\| (\S+) \| (\w+)", text, re.MULTILINE)[1:5] == [
        ("0", "done"),
        ("1", "failed"),
        ("2", "wrong"),
        ("128+n", "stopped"),
    ]
