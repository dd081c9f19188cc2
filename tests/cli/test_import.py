"""`trading import` from the outside: what it prints, imports, refuses, and how it stops."""

import json
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from streaming.cli import import_ as command
from streaming.feeds.synthetic_files import DUPLICATES_PER_FILE, REFUSED_PER_FILE, write_market
from streaming.lake import Lake

TEXT = "time,open,high,low,close\n2024-03-04 12:30,10,12,9,11\n2024-03-04 12:31,10,8,9,11\n"
APP = (
    "import typer\n"
    "from streaming.cli import import_\n"
    "app = typer.Typer(pretty_exceptions_enable=False)\n"
    "import_.register(app)\n"
    "app.command('other')(lambda: None)\n"
)


def trading(*args: object):
    """Run the command with words; give (exit code, stdout, stderr)."""
    app = typer.Typer()
    command.register(app)
    app.command("other")(lambda: None)  # with one command alone typer would not take its name
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    result = CliRunner().invoke(app, ["import", *map(str, args)], env=wide)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Two files of prices and one that is none."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "bad.csv").write_text("")
    return [tmp_path / name for name in ("a.csv", "bad.csv", "b.csv")]


def test_one_unreadable_file_fails_but_the_others_are_imported(tmp_path, files):
    code, out, err = trading(*files, "--lake", tmp_path / "lake", "--symbol", "S")
    assert code == 1
    assert "bad.csv: is empty" in err
    assert "high 8 is below low 9" in out
    assert "total" in out
    assert len(Lake(tmp_path / "lake").bars()["S"]) == 1


def test_json_says_it_all(tmp_path, files):
    code, out, _ = trading(*files, "--lake", tmp_path / "lake", "--symbol", "S", "--json")
    assert code == 1
    said = json.loads(out)
    figures = {"read": 4, "written": 1, "duplicate": 1, "quarantined": 2}
    assert {name: said[name] for name in figures} == figures
    first, bad, second = said["files"]
    assert first == {
        "file": str(files[0]),
        "read": 2,
        "written": 1,
        "duplicate": 0,
        "quarantined": 1,
        "replaced": 0,
        "reasons": [{"row": 2, "reason": "high 8 is below low 9"}],
        "error": None,
    }
    assert bad["error"].endswith("bad.csv: is empty.")
    assert (second["written"], second["duplicate"]) == (0, 1)


def test_quarantined_rows_are_no_failure(tmp_path, files):
    code, out, err = trading(files[0], "--lake", tmp_path / "lake", "--symbol", "S")
    assert (code, err) == (0, "")
    assert "1 of 1; all are in quarantine_history" in out


def test_options_reach_the_reader(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("when,o,h,l,c\n2024-03-31 03:30,10,12,9,11\n")
    options = ["--columns", "ts=when,open=o,high=h,low=l,close=c", "--tz", "Europe/Oslo"]
    lake = tmp_path / "lake"
    assert trading(path, "--lake", lake, *options, "--label", "open", "--symbol", "S")[0] == 0
    # 03:30 in Oslo, an hour and a half after 00:59 winter time, is 01:30 UTC.
    assert Lake(lake).bars()["S"].ts.tolist() == [1711848660 * 10**6]


def test_instruments_decide_which_symbols_are_known(tmp_path, files):
    (tmp_path / "i.csv").write_text("symbol,lotSize\nSPY,1\n")
    options = ["--lake", tmp_path / "lake", "--instruments", tmp_path / "i.csv"]
    _, out, _ = trading(files[0], *options, "--symbol", "X", "--json")
    reasons = [reason["reason"] for reason in json.loads(out)["files"][0]["reasons"]]
    assert reasons == ["symbol 'X' is not in the instruments file", "high 8 is below low 9"]
    assert trading(files[0], *options, "--symbol", "SPY")[0] == 0


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--lake", "l", "--source", "other"],
        ["--lake", "l", "--label", "middle"],
        ["--lake", "l", "--tz", "Europe/Osloo"],
        ["--lake", "l", "--columns", "nonsense"],
        ["--lake", "l", "--symbol", " "],
        ["--lake", "l", "--source", "binance", "--label", "close"],
        ["--lake", "l", "--source", "binance", "--columns", "ts=a"],
        ["--lake", "l", "--source", "binance", "--tz", "Asia/Tokyo"],
    ],
)
def test_wrong_use_exits_2_and_writes_nothing(tmp_path, files, options, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trading(files[0], *options)[0] == 2
    assert not (tmp_path / "l").exists()


def test_a_file_that_replaces_wins_and_says_how_often(tmp_path):
    path, lake = tmp_path / "a.csv", tmp_path / "lake"
    line = "2024-03-04 12:30,10,12,9,{close}\n"
    head = TEXT.partition("\n")[0] + "\n"
    path.write_text(head + line.format(close=11))
    assert trading(path, "--lake", lake, "--symbol", "S")[0] == 0
    path.write_text(head + line.format(close=10.5))
    _, out, _ = trading(path, "--lake", lake, "--symbol", "S")
    assert "--replace puts them in their place" in out
    assert Lake(lake).bars()["S"].close.tolist() == [11 * 10**8]
    _, out, _ = trading(path, "--lake", lake, "--symbol", "S", "--replace")
    assert "1 of the written took the place of bars that differ" in out
    assert Lake(lake).bars()["S"].close.tolist() == [1_050_000_000]
    again = trading(path, "--lake", lake, "--symbol", "S", "--replace", "--json")[1]
    assert [json.loads(again)[name] for name in ("written", "replaced", "duplicate")] == [0, 0, 1]


def test_a_last_line_without_an_end_is_quarantined_unless_it_is_said_to_be_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(TEXT.splitlines()[0] + "\n2024-03-04 12:30,10,12,9,11")
    options = ["--lake", tmp_path / "lake", "--symbol", "S", "--json"]
    assert json.loads(trading(path, *options)[1])["quarantined"] == 1
    assert json.loads(trading(path, *options, "--last-line", "whole")[1])["written"] == 1


def test_no_file_is_wrong_use(tmp_path):
    assert trading("--lake", tmp_path / "lake")[0] == 2


def test_real_bars_lose_no_row(real_bars_folder, tmp_path):
    files = sorted(real_bars_folder.glob("*.parquet"))
    rows = {str(file): pq.read_metadata(file).num_rows for file in files}
    assert len(rows) == 2
    lake = tmp_path / "lake"
    code, out, err = trading(*files, "--lake", lake, "--label", "open", "--json")
    assert code == 0, err
    for report in json.loads(out)["files"]:
        assert report["read"] == rows[report["file"]]
        assert report["read"] == report["written"] + report["duplicate"] + report["quarantined"]
    bars = Lake(lake).bars()
    assert sum(map(len, bars.values())) == json.loads(out)["written"] == sum(rows.values())
    # Each value is the file's, to 1e-8, at the close of its minute.
    for file in files:
        for symbol, part in _by_symbol(pq.read_table(file)).items():
            assert tuple((bars[symbol].ts - 60_000_000).tolist()) == part["ts"]
            assert tuple(bars[symbol].close.tolist()) == tuple(
                round(c * 1e8) for c in part["close"]
            )
            assert tuple(bars[symbol].volume.tolist()) == part["volume"]
    again = json.loads(trading(*files, "--lake", lake, "--label", "open", "--json")[1])
    assert (again["duplicate"], again["written"]) == (sum(rows.values()), 0)


def _by_symbol(table: pa.Table) -> dict[str, dict[str, tuple]]:
    """A file's columns by symbol, times in microseconds, plainly read."""
    columns = table.to_pydict()
    columns["ts"] = (
        table.column("ts").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    )
    rows = sorted(zip(*(columns[c] for c in ("symbol", "ts", "close", "volume")), strict=True))
    return {
        symbol: dict(
            zip(("ts", "close", "volume"), zip(*(r[1:] for r in part), strict=True), strict=True)
        )
        for symbol, part in groupby(rows, key=lambda row: row[0])
    }


def test_a_stop_by_sigterm_leaves_no_leftovers_and_can_be_repeated(tmp_path):
    files = write_market(tmp_path / "files", seed=4, symbols=4, days=10)
    lake = tmp_path / "lake"
    main = "from streaming.cli import main; main()"
    words = [sys.executable, "-c", main, "import", *files, "--lake", lake]
    process = subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while process.poll() is None and not list(lake.rglob("bars.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(lake.rglob(".*.partial"))
    assert trading(*files, "--lake", lake)[0] == 0
    assert trading(*files, "--lake", tmp_path / "clean")[0] == 0

    def contents(root):
        return {p.relative_to(root): p.read_bytes() for p in root.rglob("*.parquet")}

    assert contents(lake) == contents(tmp_path / "clean")


def test_help_is_quick_because_it_imports_nothing_heavy():
    code = APP + (
        "import sys\n"
        "try:\n    app(['import', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pyarrow', 'numba', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--lake" in done.stdout


def test_the_market_that_ships_with_the_program_imports(tmp_path):
    files = write_market(tmp_path / "files", seed=1, symbols=3, days=2)
    code, out, _ = trading(*files, "--lake", tmp_path / "lake", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["quarantined"] == 3 * REFUSED_PER_FILE
    assert said["duplicate"] == 3 * DUPLICATES_PER_FILE
