"""Matches from files: formats, folders, rows that break the contract, rows that come twice."""

import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from analytics.books import a_lot, a_match, lot_table, match_table, random_book, us
from streaming.analytics import equity_metrics
from streaming.analytics.files import load_matches
from streaming.errors import ContractError, SourceError


@pytest.fixture
def matches():
    return random_book(7, 30)[0]


def write_csv(path, table):
    pyarrow.csv.write_csv(table, path)
    return path


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def edited(table, row, column, value):
    """Give a table of text with one cell changed."""
    columns = {name: table[name].cast(pa.string()).to_pylist() for name in table.column_names}
    columns[column][row] = value
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def nets(table):
    return [r.realised.figures.net_pnl for r in equity_metrics(table)]


def test_parquet_and_csv_give_the_same_figures(tmp_path, matches):
    table = match_table(matches)
    parquet = load_matches([write(tmp_path / "m.parquet", table)])
    csv = load_matches([write_csv(tmp_path / "m.csv", table)])
    assert parquet.matches.equals(csv.matches)
    assert nets(parquet.matches) == nets(table)
    assert parquet.quarantine.num_rows == csv.quarantine.num_rows == parquet.duplicates == 0
    assert parquet.open_lots is None


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("matchedQty", "0", "matchedQty 0"),
        ("buyPrice", "-1", "buyPrice -1"),
        ("sellPrice", "NaN", "sellPrice"),
        ("realizedPnl", "1e30", "realizedPnl"),
        ("fees", "0.000000001", "fees"),
        ("direction", "UP", "direction"),
        ("matchTimestamp", "1969-12-31 23:59:59Z", "matchTimestamp"),
        ("openTs", "yesterday", "openTs"),
        ("symbol", None, "symbol is missing"),
    ],
)
def test_a_row_that_breaks_the_contract_is_named_and_costs_nothing_else(
    tmp_path, matches, column, value, reason
):
    table = match_table(matches)
    bad = edited(table, 4, column, value)
    loaded = load_matches([write_csv(tmp_path / "m.csv", bad)])
    [row] = loaded.quarantine.to_pylist()
    assert (row["rowNumber"], row["source"]) == (5, str(tmp_path / "m.csv"))
    assert reason in row["reason"]
    assert json.loads(row["row"])["matchId"] == f"{4:032x}"
    rest = pa.table(match_table(matches[:4] + matches[5:]))
    assert nets(loaded.matches) == nets(rest)


def test_a_line_with_too_few_cells_is_named_and_the_rows_after_it_keep_their_numbers(
    tmp_path, matches
):
    path = write_csv(tmp_path / "m.csv", edited(match_table(matches), 9, "fees", "x"))
    lines = path.read_text().splitlines()
    lines.insert(3, "only,three,cells")  # row 3, after the header and two rows
    path.write_text("\n".join(lines))
    loaded = load_matches([path])
    found = {row["rowNumber"]: row["reason"] for row in loaded.quarantine.to_pylist()}
    assert set(found) == {3, 11}
    assert "3 cells" in found[3]
    assert loaded.matches.num_rows == len(matches) - 1


def test_matches_that_come_again_count_once(tmp_path, matches):
    table = match_table(matches)
    files = [
        write(tmp_path / "a.parquet", table.slice(0, 20)),
        write(tmp_path / "b.parquet", table.slice(10)),
    ]
    loaded = load_matches([*files, files[0]])
    assert loaded.duplicates == 10
    assert loaded.quarantine.num_rows == 0
    assert nets(loaded.matches) == nets(table)


def test_a_match_that_comes_again_with_another_price_is_refused_and_named(tmp_path, matches):
    table = match_table(matches)
    changed = edited(table.slice(10, 1), 0, "buyPrice", "1.5")
    write(tmp_path / "a.parquet", table)
    write_csv(tmp_path / "b.csv", changed)
    loaded = load_matches([tmp_path])
    [row] = loaded.quarantine.to_pylist()
    assert (row["source"], row["rowNumber"]) == (str(tmp_path / "b.csv"), 1)
    assert "matchId is that of another match" in row["reason"]
    assert f"{tmp_path / 'a.parquet'}, row 11" in row["reason"]
    assert nets(loaded.matches) == nets(table)


def test_the_same_match_in_two_runs_is_two_rows(tmp_path):
    table = match_table([a_match(), a_match(runId="q")])
    ids = pa.array([f"{1:032x}"] * 2)
    table = table.set_column(table.column_names.index("matchId"), "matchId", ids)
    loaded = load_matches([write(tmp_path / "m.parquet", table)])
    assert loaded.matches.num_rows == 2
    assert loaded.duplicates == 0


def test_of_a_folder_only_the_matches_are_read_and_the_lots_beside_them(tmp_path, matches):
    table = match_table(matches)
    write(tmp_path / "trade_match_history" / "month=2013-10" / "s.parquet", table.slice(0, 10))
    write(tmp_path / "trade_match_history" / "month=2013-11" / "s.parquet", table.slice(0, 0))
    write(tmp_path / "trade_match_history" / ".half.parquet", table.slice(10))
    write(tmp_path / "paper_trade_match_history.parquet", table.slice(10))
    write(tmp_path / "open_positions_lots.parquet", lot_table([a_lot()]))
    (tmp_path / "run.json").write_text("{}")
    loaded = load_matches([tmp_path])
    assert loaded.matches.num_rows == 10
    assert loaded.open_lots.num_rows == 1
    assert loaded.quarantine.num_rows == 0


def test_a_folder_without_that_name_is_read_whole(tmp_path, matches):
    table = match_table(matches)
    write(tmp_path / "october.parquet", table.slice(0, 10))
    write_csv(tmp_path / "november.csv", table.slice(10))
    assert nets(load_matches([tmp_path]).matches) == nets(table)


def test_without_a_run_id_matches_are_of_no_run(tmp_path):
    table = match_table([a_match()]).drop_columns(["runId"])
    loaded = load_matches([write(tmp_path / "m.parquet", table)])
    [report] = equity_metrics(loaded.matches, by="run")
    assert report.name == ""


def test_unreadable_files_are_errors_that_name_the_file(tmp_path, matches):
    with pytest.raises(SourceError, match=r"none\.csv: there is no such file"):
        load_matches([tmp_path / "none.csv"])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(SourceError, match=r"empty\.csv: is empty"):
        load_matches([tmp_path / "empty.csv"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="folder: has no Parquet or CSV file"):
        load_matches([tmp_path / "folder"])
    whole = write(tmp_path / "cut.parquet", match_table(matches))
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"cut\.parquet: is damaged"):
        load_matches([whole])


def test_a_missing_or_doubled_column_is_an_error_that_names_it(tmp_path, matches):
    table = match_table(matches)
    path = write(tmp_path / "m.parquet", table.drop_columns(["fees"]))
    with pytest.raises(ContractError, match=r"m\.parquet: .*fees .*is missing"):
        load_matches([path])
    path = write_csv(tmp_path / "m.csv", table)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line + "," + line.split(",")[4] for line in lines))
    with pytest.raises(ContractError, match="column fees is there twice"):
        load_matches([path])


def test_numbers_keep_all_their_digits(tmp_path):
    big = a_match(realizedPnl=123_456_789_012_345_678, fees=1)
    loaded = load_matches([write_csv(tmp_path / "m.csv", match_table([big]))])
    assert loaded.matches["realizedPnl"].to_pylist() == [Decimal("1234567890.12345678")]
    [report] = equity_metrics(loaded.matches)
    assert report.trades.net_pnl == 123_456_789_012_345_677


def test_times_keep_their_microseconds(tmp_path):
    moment = us("2013-10-27T22:59:59.999999")
    loaded = load_matches(
        [write_csv(tmp_path / "m.csv", match_table([a_match(matchTimestamp=moment)]))]
    )
    assert np.asarray(loaded.matches["matchTimestamp"].cast(pa.int64()))[0] == moment
