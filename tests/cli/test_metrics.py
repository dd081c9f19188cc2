"""`trading metrics` from the outside: what it prints, writes and refuses."""

import json
import runpy
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from analytics.books import a_lot, a_match, lot_table, match_table, money, random_book, us
from typer.testing import CliRunner

import streaming.cli
from streaming.analytics import equity_metrics
from streaming.cli import metrics as command
from streaming.contracts import PRICE_1M_HISTORY, arrow_schema
from streaming.errors import TradingError
from streaming.lake import Lake


def trading(*args):
    """Run the command with words; give (exit code, stdout, stderr)."""
    app = typer.Typer()
    command.register(app)
    app.command("other")(lambda: None)  # with one command alone typer would not take its name
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    result = CliRunner().invoke(app, ["metrics", *map(str, args)], env=wide)
    if isinstance(result.exception, TradingError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def matches():
    return random_book(6, 40)[0]


@pytest.fixture
def file(tmp_path, matches):
    pq.write_table(match_table(matches), tmp_path / "m.parquet")
    return tmp_path / "m.parquet"


def test_json_has_every_report_of_the_library(file, matches):
    code, out, _ = trading(file, "--json")
    assert code == 0
    found = json.loads(out)
    reports = equity_metrics(match_table(matches))
    assert [r["name"] for r in found["reports"]] == ["s0", "s1", "s2"]
    assert [r["netPnl"] for r in found["reports"]] == [
        r.realised.figures.net_pnl / 10**8 for r in reports
    ]
    assert (found["duplicates"], found["quarantined"]) == (0, [])


def test_options_reach_the_figures(file):
    _, out, _ = trading(
        *(file, "--json", "--by", "run", "--capital", "2500.5", "--tz", "UTC"),
        *("--start", "2013-10-01", "--end", "2013-10-31", "--days-per-year", "252"),
    )
    [report] = json.loads(out)["reports"]
    assert (report["capital"], report["days"], report["tz"]) == (2500.5, 31, "UTC")
    assert report["realised"]["totalReturn"] == pytest.approx(report["netPnl"] / 2500.5)
    assert report["daysPerYear"] == 252


def test_several_groups_make_a_line_each_and_one_makes_a_page(file):
    code, out, _ = trading(file, "--by", "symbol")
    assert code == 0
    assert out.count("│ X ") == out.count("│ Y ") == out.count("│ Z ") == 1
    assert "profit factor" in out
    code, out, _ = trading(file, "--by", "run")
    assert code == 0
    for words in ("run r: 2013-10-2", "Sharpe", "± standard error", "Ulcer", "holding time"):
        assert words in out


def test_a_picture_is_written_where_asked(file, tmp_path):
    code, _, _ = trading(file, "--plot", tmp_path / "a" / "equity.png")
    assert code == 0
    assert (tmp_path / "a" / "equity.png").read_bytes()[:4] == b"\x89PNG"


def test_refused_rows_are_named_one_by_one_and_do_not_count(tmp_path, matches):
    table = match_table(matches)
    cells = {name: table[name].cast(pa.string()).to_pylist() for name in table.column_names}
    cells["matchedQty"][2] = "0"
    cells["buyPrice"][5] = "NaN"
    path = tmp_path / "m.csv"
    pyarrow.csv.write_csv(pa.table(cells), path)
    code, out, err = trading(path, "--by", "run")
    assert code == 0
    assert f"from {len(matches) - 2} matches" in out
    assert f"{path}, row 3: matchedQty 0" in err
    assert f"{path}, row 6: buyPrice" in err
    found = json.loads(trading(path, "--json")[1])
    assert [(q["source"], q["rowNumber"]) for q in found["quarantined"]] == [
        (str(path), 3),
        (str(path), 6),
    ]


def test_many_refused_rows_are_counted(tmp_path):
    table = match_table([a_match(matchedQty=0) for _ in range(30)] + [a_match()])
    pq.write_table(table, tmp_path / "m.parquet")
    _, _, err = trading(tmp_path / "m.parquet")
    assert err.count("Does not count.") == 20
    assert "... and 10 more" in err


@pytest.mark.parametrize("words", [(), ("--json",), ("--start", "2013-10-01")])
def test_where_every_match_is_refused_the_first_reason_is_said(tmp_path, words):
    path = tmp_path / "allbad.parquet"
    pq.write_table(match_table([a_match(direction="UP")] * 3), path)
    code, out, err = trading(path, *words)
    assert (code, out) == (1, "")
    assert "every row was refused, 3 in all" in err
    assert f"{path}, row 1: direction" in err
    assert "UP" in err


def test_a_match_that_opens_after_it_closed_does_not_count(tmp_path):
    path = tmp_path / "m.parquet"
    late = a_match(openTs=us("2013-10-07T15:00:01"))
    at_once = a_match(openTs=us("2013-10-07T15:00"))
    pq.write_table(match_table([a_match(), late, at_once]), path)
    code, out, err = trading(path)
    assert code == 0
    assert "from 2 matches" in out
    assert f"{path}, row 2: openTs 2013-10-07T15:00:01" in err
    assert "is above matchTimestamp 2013-10-07T15:00:00" in err


def test_matches_that_come_again_are_counted(file, tmp_path):
    again = tmp_path / "again.parquet"
    again.write_bytes(file.read_bytes())
    _, _, err = trading(file, again)
    assert "40 matches came again unchanged and count once." in err


def test_with_a_lake_positions_are_marked_and_lots_beside_the_matches_too(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    held = a_match(openTs=us("2013-10-26T12:00"), matchTimestamp=us("2013-10-28T12:00"))
    pq.write_table(match_table([held]), folder / "trade_match_history.parquet")
    lot = a_lot(tsOpen=us("2013-10-27T12:00"))
    pq.write_table(lot_table([lot]), folder / "open_positions_lots.parquet")
    ts = [us("2013-10-26T12:00"), us("2013-10-28T12:00")]
    schema = arrow_schema(PRICE_1M_HISTORY)
    columns = dict.fromkeys(("open", "high", "low", "price"), money([100 * 10**8, 104 * 10**8]))
    columns |= {"symbol": pa.array(["X", "X"]), "source": pa.array(["t", "t"])}
    columns["ts"] = pa.array(ts, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    columns["volume"] = pa.array([1.0, 1.0])
    Lake(tmp_path / "lake").write_prices(
        pa.table([columns[name] for name in schema.names], schema=schema)
    )
    code, out, _ = trading(folder, "--lake", tmp_path / "lake", "--json")
    [report] = json.loads(out)["reports"]
    assert code == 0
    assert report["openPnl"] == 4.0
    assert report["marked"]["netPnl"] == 24.0
    assert report["realised"]["netPnl"] == 20.0
    assert report["buyAndHold"]["totalReturn"] == pytest.approx(0.04)
    code, out, _ = trading(folder, "--lake", tmp_path / "lake")
    assert "buy and hold" in out
    assert "open PnL at the end" in out


def test_point_values_come_from_the_instruments_file(tmp_path):
    held = a_match(
        openTs=us("2013-10-26T12:00"), matchTimestamp=us("2013-10-28T12:00"), pointValue=50 * 10**8
    )
    pq.write_table(match_table([held]), tmp_path / "m.parquet")
    (tmp_path / "lake").mkdir()
    listed = tmp_path / "instruments.csv"
    listed.write_text("symbol,pointValue\nX,50\n")
    _, _, err = trading(tmp_path / "m.parquet", "--lake", tmp_path / "lake")
    assert "another point value" in err
    _, _, err = trading(
        tmp_path / "m.parquet", "--lake", tmp_path / "lake", "--instruments", listed
    )
    assert "another point value" not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name files or folders"),
        (["m.parquet", "--run", "r"], "not both"),
        (["--run", "r"], "needs the --lake"),
        (["m.parquet", "--start", "yesterday"], "is no day such as"),
        (["m.parquet", "--plot", "equity.pdf"], "must end in .png"),
        (["m.parquet", "--by", "venue"], "venue"),
        (["m.parquet", "--tz", "Mars/Phobos"], "option --tz"),
        (["m.parquet", "--days-per-year", "0"], "option --days-per-year"),
        (["m.parquet", "--start", "2014-01-01", "--end", "2013-01-01"], "is before --start"),
    ],
)
def test_wrong_use_exits_with_2(words, says):
    code, _, err = trading(*words)
    assert code == 2
    assert says in err
    assert "environment" not in err


def test_a_setting_that_is_wrong_without_the_options_is_named_as_well(file, monkeypatch):
    monkeypatch.setenv("TRADING__METRICS__TIMEZONE", "Mars/Phobos")
    code, _, err = trading(file, "--days-per-year", "0")
    assert code == 2
    assert "option --days-per-year" in err
    assert "environment variable TRADING__METRICS__TIMEZONE" in err
    assert trading(file, "--tz", "UTC")[0] == 0  # the option is the last word


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--start", "2014-01-01"], "ends (2013-10-30) before it starts (2014-01-01)"),
        (["--lake", "nowhere"], "nowhere: there is no such folder"),
        (["--instruments", "none.csv"], "none.csv"),
    ],
)
def test_what_cannot_be_done_exits_with_1_and_says_why(file, words, says):
    code, _, err = trading(file, *words)
    assert code == 1
    assert says in err


def test_a_capital_that_is_none_is_wrong_use(file):
    code, _, err = trading(file, "--capital", "-1")
    assert code == 2
    assert "capital must be a positive amount" in err


def test_a_missing_file_exits_with_1(tmp_path):
    code, _, err = trading(tmp_path / "none.parquet")
    assert code == 1
    assert "there is no such file" in err


SCRIPT = Path(__file__).parents[2] / "equity_metrics.py"


def run_script(monkeypatch, capsys, *args):
    """Run equity_metrics.py with words; give (exit code, stdout, stderr)."""
    app = typer.Typer()
    command.register(app)
    app.command("other")(lambda: None)
    monkeypatch.setattr(streaming.cli, "application", lambda: app)
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, *map(str, args)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return stopped.value.code, *capsys.readouterr()


def test_the_script_is_the_same_as_the_command(file, monkeypatch, capsys):
    code, out, _ = run_script(monkeypatch, capsys, file, "--json", "--by", "symbol")
    assert code == 0
    assert out == trading(file, "--json", "--by", "symbol")[1]


def test_the_script_exits_with_1_and_2_like_the_command(file, monkeypatch, capsys):
    assert run_script(monkeypatch, capsys, "nowhere.parquet")[0] == 1
    code, _, err = run_script(monkeypatch, capsys, file, "--capital", "0")
    assert code == 2
    assert err.startswith("error: capital must be a positive amount")
    assert run_script(monkeypatch, capsys)[0] == 2
