"""`trading match` from the outside: what it writes, prints, refuses, and how it stops."""

import json
import os
import signal
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from streaming.cli import main
from streaming.cli import match as command
from streaming.contracts import TABLES, arrow_schema
from streaming.errors import ContractError, LakeError, SettingsError, SourceError, TradingError
from streaming.feeds import tabular
from streaming.runtimes import table_files

HEADER = "accountId,orderId,fillId,symbol,side,fillQty,fillPrice,ts,fees,venue,strategyId"
FILLS = [
    "acct,o1,1,SPY,BUY,10,100,2024-03-04T14:30:00Z,1,X,trend",
    "acct,o2,1,SPY,SELL,4,101.5,2024-03-04T14:31:00Z,0.5,X,trend",
    "acct,o2,1,SPY,SELL,4,101.5,2024-03-04T14:31:00Z,0.5,X,trend",
    "acct,o3,1,SPY,SELL,0,101.5,2024-03-04T14:31:01Z,0.5,X,trend",
    "acct,who,1,QQQ,BUY,1,50,2024-03-04T14:40:00Z,,,",
    "acct,o1,2,SPY,BUY,1,99,2024-03-04T14:30:01Z,0,X,trend",
    "acct,o1,1,SPY,BUY,10,100.25,2024-03-04T14:41:00Z,1,X,trend",
]
FIGURES = {
    "read": 7,
    "applied": 4,
    "matched": 1,
    "openLots": 3,
    "duplicates": 1,
    "late": 1,
    "unattributed": 1,
    "quarantined": 2,
}
MATCHES = "trade_match_history"
WRITTEN = {
    MATCHES: 1,
    "risk_alerts_history": 3,
    "quarantine_history": 2,
    "open_positions_lots": 3,
    "open_positions_rollup": 2,
    "realized_pnl_latest": 1,
}


def trading(*args: object, fails: type[TradingError] | None = None):
    """Run the command with words; give (exit code, stdout, stderr)."""
    app = typer.Typer()
    command.register(app)
    app.command("other")(lambda: None)  # with one command alone typer would not take its name
    wide = {"COLUMNS": "250", "TERMINAL_WIDTH": "250"}
    result = CliRunner().invoke(app, ["match", *map(str, args)], env=wide)
    if fails is not None:
        assert isinstance(result.exception, fails), result.exception
        return str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def write(path: Path, rows=FILLS, header=HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def fills(tmp_path) -> Path:
    return write(tmp_path / "fills.csv")


def read(folder: Path, name: str) -> list[dict]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_fills_become_matches_positions_and_what_was_odd(tmp_path, fills):
    out = tmp_path / "out"
    code, printed, told = trading(fills, "--out", out, "--json")
    assert (code, told) == (0, "")
    said = json.loads(printed)
    assert {name: said[name] for name in FIGURES} == FIGURES
    assert said["rows"] == WRITTEN
    assert said["reasons"][0] == {
        "file": "fills.csv",
        "row": 4,
        "reason": "fillQty 0 is not above 0",
    }
    for name, count in WRITTEN.items():
        table = pq.read_table(out / f"{name}.parquet")
        assert table.schema.equals(arrow_schema(TABLES[name])), name
        assert table.num_rows == count, name
    (match,) = read(out, MATCHES)
    assert (match["matchedQty"], match["realizedPnl"]) == (Decimal("4"), Decimal("6"))
    assert match["fees"] == Decimal("0.9")
    assert (match["strategyId"], match["runId"]) == ("trend", None)
    quarantine = read(out, "quarantine_history")
    assert [row["rowNumber"] for row in quarantine] == [4, 7]
    assert "fillPrice 100.25 against 100.00" in quarantine[1]["reason"]
    assert json.loads(quarantine[1]["row"])["ts"] == "2024-03-04T14:41:00Z"
    alerts = read(out, "risk_alerts_history")
    assert [a["code"] for a in alerts] == ["LATE_FILL", "UNKNOWN_ORDER", "CONFLICTING_FILL"]
    assert [a["ts"] for a in alerts] == sorted(a["ts"] for a in alerts)
    lots = read(out, "open_positions_lots")
    assert [(lot["strategyId"], lot["symbol"], lot["qtyRem"]) for lot in lots] == [
        ("UNATTRIBUTED", "QQQ", 1),
        ("trend", "SPY", 6),
        ("trend", "SPY", 1),
    ]


def test_people_get_a_table_and_the_reasons(tmp_path, fills):
    code, printed, told = trading(fills, "--out", tmp_path / "out")
    assert code == 0
    assert (
        "│    7 │       1 │         3 │          1 │    1 │            1 │           2 │" in printed
    )
    assert "fillQty 0 is not above 0" in printed
    assert "open lots" in printed
    assert f"in {tmp_path / 'out'}" in told


def test_the_same_command_twice_gives_identical_bytes(tmp_path, fills):
    out = tmp_path / "out"
    trading(fills, "--out", out)
    first = content(out)
    trading(fills, "--out", out)
    assert content(out) == first
    assert sorted(first) == sorted(f"{name}.parquet" for name in WRITTEN)


def test_parquet_says_what_csv_says_however_it_is_cut(tmp_path, monkeypatch):
    rows = [
        f"acct,o{n % 7},{n},S{n % 3},{'BUY' if n % 5 < 3 else 'SELL'},{1 + n % 4},{90 + n % 20}.5,"
        f"2024-03-04T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z,0.01,X,t{n % 2}"
        for n in range(6000)
    ]
    rows[3000], rows[3004] = rows[3004], rows[3000]
    table = pa.csv.read_csv(write(tmp_path / "fills.csv", rows))
    pq.write_table(table, tmp_path / "fills.parquet")
    trading(tmp_path / "fills.csv", "--out", tmp_path / "csv")
    trading(tmp_path / "fills.parquet", "--out", tmp_path / "parquet")
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 30_000)
    trading(tmp_path / "fills.csv", "--out", tmp_path / "cut")
    assert content(tmp_path / "csv") == content(tmp_path / "cut")
    assert content(tmp_path / "csv") == content(tmp_path / "parquet")
    matches = read(tmp_path / "csv", MATCHES)
    assert len(matches) > 1000
    times = [match["matchTimestamp"] for match in matches]
    assert times == sorted(times)


def test_late_matches_are_listed_by_their_time(tmp_path):
    day = "2024-03-04T14:"
    rows = [
        f"a,1,1,A,BUY,1,10,{day}00:00Z,,,s",
        f"a,2,1,A,SELL,1,11,{day}10:00Z,,,s",
        f"a,3,1,B,BUY,1,10,{day}20:00Z,,,s",
        f"a,4,1,B,SELL,2,11,{day}02:00Z,,,s",
        f"a,5,1,B,BUY,1,11,{day}03:00Z,,,s",
    ]
    trading(write(tmp_path / "f.csv", rows), "--out", tmp_path / "out")
    matches = read(tmp_path / "out", MATCHES)
    assert [(m["symbol"], m["matchTimestamp"].minute) for m in matches] == [
        ("B", 3),
        ("A", 10),
        ("B", 20),
    ]


def test_orders_say_whose_a_fill_is(tmp_path):
    plain = [line.rsplit(",", 1)[0] for line in FILLS]
    fills = write(tmp_path / "fills.csv", plain, HEADER.rsplit(",", 1)[0])
    first = write(tmp_path / "orders.csv", ["o1,trend,3", "o2,trend,4", "o1,other,5"],
                  "orderId,strategyId,qty")  # fmt: skip
    schema = arrow_schema(TABLES["accepted_trade_signal_history"])
    accepted = pa.table({"orderId": ["o3"], "strategyId": ["trend"]})
    columns = [
        accepted.column(field.name)
        if field.name in accepted.column_names
        else pa.nulls(1, field.type)
        for field in schema
    ]
    pq.write_table(pa.table(columns, schema.names), tmp_path / "accepted.parquet")
    out = tmp_path / "out"
    code, printed, _ = trading(
        fills, "--out", out, "--orders", first, "--orders", tmp_path / "accepted.parquet", "--json"
    )
    said = json.loads(printed)
    assert (code, said["orders"]) == (0, {"known": 3, "quarantined": 1})
    assert {name: said[name] for name in FIGURES} == FIGURES
    assert {lot["strategyId"] for lot in read(out, "open_positions_lots")} == {
        "trend",
        "UNATTRIBUTED",
    }
    tables = [row["tableName"] for row in read(out, "quarantine_history")]
    assert tables == ["accepted_trade_signal_history", *["exec_report_history"] * 2]


def test_settings_say_what_is_written_and_what_is_late(tmp_path, fills):
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[engine]\noutputs = "matches-only"\n[wm.engine]\nlatenessSec = 3600\n[dedupe]\nttlDays = 1'
    )
    out = tmp_path / "out"
    trading(fills, "--out", out)
    _, printed, _ = trading(fills, "--out", out, "--settings", settings, "--json")
    assert json.loads(printed)["late"] == 0
    assert sorted(content(out)) == [
        "quarantine_history.parquet",
        "risk_alerts_history.parquet",
        "trade_match_history.parquet",
    ]
    (match,) = read(out, MATCHES)
    assert match["matchedQty"] == 4


def test_instruments_have_point_values_and_say_what_is_known(tmp_path, fills):
    listed = tmp_path / "instruments.csv"
    listed.write_text("symbol,pointValue\nSPY,50\n")
    out = tmp_path / "out"
    trading(fills, "--out", out, "--instruments", listed, "--run-id", "night")
    (match,) = read(out, MATCHES)
    assert (match["realizedPnl"], match["runId"]) == (Decimal("300"), "night")
    reasons = {row["rowNumber"]: row["reason"] for row in read(out, "quarantine_history")}
    assert reasons[5] == "symbol 'QQQ' is not in the instruments file"


def test_times_come_in_many_forms_and_bad_ones_cost_their_row(tmp_path):
    times = [
        "1709562600",
        "1709562600001",
        "2024-03-04 14:30:02",
        "2024-03-04T15:30:03+01:00",
        "noon",
        "",
        "1969-12-31T23:59:59Z",
        "2999-01-01T00:00:00Z",
    ]
    rows = [f"a,o{n},1,A,BUY,1,10,{ts},,,s" for n, ts in enumerate(times)]
    code, _, _ = trading(write(tmp_path / "f.csv", rows), "--out", tmp_path / "out")
    lots = read(tmp_path / "out", "open_positions_lots")
    assert code == 0
    assert [lot["tsOpen"].strftime("%M:%S.%f") for lot in lots] == [
        "30:00.000000",
        "30:00.001000",
        "30:02.000000",
        "30:03.000000",
    ]
    refused = read(tmp_path / "out", "quarantine_history")
    assert [row["rowNumber"] for row in refused] == [5, 6, 7, 8]
    assert [row["reason"].split(" ")[-1] for row in refused[2:]] == ["1970", "future"]
    assert json.loads(refused[0]["row"])["ts"] == "noon"


def test_lines_that_are_no_rows_are_counted_and_kept(tmp_path):
    rows = [FILLS[0], "what,is,this", FILLS[1]]
    _, printed, _ = trading(write(tmp_path / "f.csv", rows), "--out", tmp_path / "out", "--json")
    said = json.loads(printed)
    assert (said["read"], said["applied"], said["quarantined"]) == (3, 2, 1)
    (refused,) = read(tmp_path / "out", "quarantine_history")
    assert (refused["rowNumber"], json.loads(refused["row"])) == (2, {"line": "what,is,this"})


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (None, SourceError, "f.csv: there is no such file"),
        ("", SourceError, "f.csv: is empty"),
        (HEADER + "\n", SourceError, "f.csv: has columns but no rows"),
        ("PAR1broken", SourceError, "f.csv: is damaged"),
        (
            f"{HEADER.replace('fillPrice', 'fill_price')}\n{FILLS[0]}\n",
            ContractError,
            "f.csv: column fillPrice of exec_report_history is missing. Is it fill_price?",
        ),
        (
            f"{HEADER.replace('venue', 'side')}\n{FILLS[0]}\n",
            ContractError,
            "f.csv: column side of exec_report_history is there 2 times",
        ),
        (f"{HEADER.replace('ts', 'when')}\n{FILLS[0]}\n", ContractError, "column ts"),
        (f"{HEADER.replace('venue', 'ts')}\n{FILLS[0]}\n", ContractError, "column ts"),
    ],
)
def test_files_that_make_no_sense_change_nothing(tmp_path, fills, text, error, said):
    out = tmp_path / "out"
    trading(fills, "--out", out)
    before = content(out)
    path = tmp_path / "f.csv"
    if text is not None:
        path.write_text(text)
    assert said in trading(path, "--out", out, fails=error)
    assert content(out) == before
    if error is SourceError:
        assert said in trading(fills, "--out", out, "--orders", path, fails=error)


def test_wrong_use_and_wrong_settings_are_named(tmp_path, fills):
    assert trading("--out", tmp_path)[0] == 2
    assert trading(fills)[0] == 2
    assert trading(fills, "--out", tmp_path / "out", "--run-id", " ")[0] == 2
    (tmp_path / "s.toml").write_text("[engine]\noutput = 'full'\n")
    said = trading(fills, "--out", tmp_path, "--settings", tmp_path / "s.toml", fails=SettingsError)
    assert "engine.output" in said
    assert "is a file" in trading(fills, "--out", fills, fails=LakeError)
    orders = write(tmp_path / "orders.csv", ["o1,trend"], "orderId,strategy")
    said = trading(fills, "--out", tmp_path, "--orders", orders, fails=ContractError)
    assert "orders.csv: column strategyId" in said


def test_the_folder_may_hold_other_files(tmp_path, fills):
    trading(fills, "--out", tmp_path)
    assert fills.read_text().startswith(HEADER)
    assert len(read(tmp_path, MATCHES)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_while_writing_leaves_what_was_there(tmp_path, fills, monkeypatch, number):
    out = tmp_path / "out"
    trading(fills, "--out", out)
    before = content(out)
    written = table_files.pq.write_table
    calls = []

    def stopped(*args, **options):
        calls.append(args)
        if len(calls) == 3:
            os.kill(os.getpid(), number)
        written(*args, **options)

    monkeypatch.setattr(table_files.pq, "write_table", stopped)
    other = write(tmp_path / "other.csv", FILLS[:1])
    monkeypatch.setattr(sys, "argv", ["trading", "match", str(other), "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 128 + number
    assert content(out) == before


def test_a_column_that_holds_no_times_is_named(tmp_path):
    table = pa.csv.read_csv(write(tmp_path / "f.csv"))
    table = table.set_column(7, "ts", pa.array([True] * table.num_rows))
    pq.write_table(table, tmp_path / "f.parquet")
    said = trading(tmp_path / "f.parquet", "--out", tmp_path / "out", fails=SourceError)
    assert "f.parquet, column 'ts': a column of type bool holds no times" in said


def test_the_members_of_a_zip_are_counted_on(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for name, rows in (("a.csv", FILLS[:2]), ("b.csv", FILLS[2:])):
            archive.writestr(name, "\n".join([HEADER, *rows]))
    _, printed, _ = trading(tmp_path / "f.zip", "--out", tmp_path / "out", "--json")
    assert {name: json.loads(printed)[name] for name in FIGURES} == FIGURES
    rows = read(tmp_path / "out", "quarantine_history")
    assert [row["rowNumber"] for row in rows] == [4, 7]
