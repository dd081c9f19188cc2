"""Text of Parquet that is not UTF-8, and symbols with letters that no symbol has."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analytics.books import a_match, match_table
from runtimes.markets import day_market, lake_of, run
from runtimes.recordings import HEADER as SIGNAL_HEADER
from runtimes.recordings import quarantined
from runtimes.recordings import row as signal_row

from streaming.analytics.files import load_matches
from streaming.errors import SourceError
from streaming.feeds import tabular
from streaming.instruments import Instruments
from streaming.runtimes.match import MatchRequest, match_file
from streaming.settings import Settings

from .files import HEADER, Imported, import_text

KINDS = {"string": (pa.string(), pa.binary()), "large": (pa.large_string(), pa.large_binary())}


def unchecked(cells, kind="string"):
    """An array that says it is text, whatever the bytes."""
    text, raw = KINDS[kind]
    made = pa.array(cells, raw)
    return pa.Array.from_buffers(text, len(made), made.buffers())


def bars(symbols, rows=None):
    rows = len(symbols) if rows is None else rows
    minutes = np.datetime64("2024-03-04T12:30") + np.arange(rows).astype("timedelta64[m]")
    columns = {name: [10.0] * rows for name in ("open", "high", "low", "close", "volume")}
    times = pa.array(minutes.astype("datetime64[us]"), pa.timestamp("us")).cast(
        pa.timestamp("us", "UTC")
    )
    return pa.table({"symbol": symbols, "ts": times, **columns})


def imported(tmp_path, table):
    pq.write_table(table, tmp_path / "a.parquet")
    return Imported(tmp_path / "lake", tmp_path / "a.parquet")


@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_of_parquet_that_is_no_utf8_costs_its_row_alone(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tabular, "_BATCH_ROWS", 2)
    done = imported(tmp_path, bars(unchecked([b"S", b"S", None, b"S\xff", b"T\xc3\xa9"], kind)))
    assert done.report.written == 3
    assert done.reasons == {3: "symbol is missing", 4: r"symbol 'S\xff' is not UTF-8"}
    assert done.row(4)["symbol in file"] == r"S\xff"
    assert sorted(done.bars) == ["S", "T\u00e9"]


def test_another_column_that_is_no_utf8_costs_nothing(tmp_path):
    table = bars(["S", "S"]).append_column("note", unchecked([b"caf\xe9", b"x"]))
    table = table.set_column(6, "volume", pa.array([-1.0, 1.0]))
    done = imported(tmp_path, table)
    assert done.report.written == 1
    assert done.row(1)["note"] == r"caf\xe9"


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        (
            pa.DictionaryArray.from_arrays(pa.array([0, 1]), unchecked([b"S", b"S\xff"])),
            r"a\.parquet: column 'symbol' holds bytes that are not UTF-8\. Write it as plain text",
        ),
        (
            pa.array([b"S", b"S\xff"], pa.binary()),
            r"a\.parquet: column 'symbol', of type binary, holds bytes that are not UTF-8",
        ),
    ],
)
def test_where_rows_cannot_be_told_apart_the_file_and_column_are_named(tmp_path, symbols, said):
    with pytest.raises(SourceError, match=said):
        imported(tmp_path, bars(symbols))


FILL = "a,{order},1,S,BUY,1,10,2024-03-04T14:30:00Z,s"
FILL_HEADER = "accountId,orderId,fillId,symbol,side,fillQty,fillPrice,ts,strategyId"


def as_parquet(path, header, lines):
    """Rows of bytes as a Parquet file whose columns all say that they are text."""
    rows = [line.split(b",") for line in lines]
    columns = [unchecked(list(cells)) for cells in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, header.split(",")), path)
    return path


def as_csv(path, header, lines):
    path.write_bytes(b"\n".join([header.encode(), *lines, b""]))
    return path


FORMS = pytest.mark.parametrize("write", [as_parquet, as_csv])


@FORMS
def test_fills_and_orders_that_are_no_utf8_cost_their_rows_alone(tmp_path, write):
    lines = [FILL.format(order=f"o{n}").encode() for n in range(3)]
    lines[1] = lines[1].replace(b"o1", b"o\xff")
    lines[2] = lines[2].replace(b",s", b",\xfe")
    fills = write(tmp_path / "fills", FILL_HEADER, lines)
    orders = write(tmp_path / "orders", "orderId,strategyId", [b"o0,t", b"o9\xff,t"])
    request = MatchRequest(
        fills, tmp_path / "out", [orders], Instruments(), Settings(), None, 4 * 10**15
    )
    report = match_file(request)
    assert (report.counts.applied, report.counts.quarantined) == (1, 2)
    rows = pq.read_table(tmp_path / "out" / "quarantine_history.parquet").to_pylist()
    assert [(one["rowNumber"], one["reason"]) for one in rows] == [
        (2, r"orderId 'o9\xff' is not UTF-8"),
        (2, r"orderId 'o\xff' is not UTF-8"),
        (3, r"strategyId '\xfe' is not UTF-8"),
    ]
    (lot,) = pq.read_table(tmp_path / "out" / "open_positions_lots.parquet").to_pylist()
    assert lot["strategyId"] == "t"


@FORMS
def test_signals_that_are_no_utf8_cost_their_rows_alone(tmp_path, write):
    lake = lake_of(tmp_path / "lake", day_market(8, 500, 3))
    lines = [signal_row().encode(), signal_row("2024-01-22T06:09:00Z", strategy="?").encode()]
    lines[1] = lines[1].replace(b"?", b"\xff")
    path = write(tmp_path / "signals", SIGNAL_HEADER, lines)
    found = run(lake, signals=path)
    assert quarantined(found) == [(2, r"strategyId '\xff' is not UTF-8")]
    assert list(found.facts["figures"]) == ["s"]


def test_matches_that_are_no_utf8_do_not_count(tmp_path):
    table = match_table([a_match(), a_match(buyOrderId="another")])
    at = table.column_names.index("strategyId")
    table = table.set_column(at, "strategyId", unchecked([b"s", b"s\xff"]))
    pq.write_table(table, tmp_path / "m.parquet")
    loaded = load_matches([tmp_path / "m.parquet"])
    assert loaded.matches["strategyId"].to_pylist() == ["s"]
    (refused,) = loaded.quarantine.to_pylist()
    assert (refused["rowNumber"], refused["reason"]) == (2, r"strategyId 's\xff' is not UTF-8")


@pytest.mark.parametrize("symbol", ['S"P', 'SP"', 'S""', "S\ufffd"])
def test_a_quote_or_a_lost_letter_in_a_symbol_costs_its_row_alone(tmp_path, symbol):
    rows = [f"{name},2024-03-04 12:3{at},10,12,9,11,5" for at, name in enumerate(["S", symbol])]
    done = import_text(tmp_path, "\n".join([HEADER, *rows, ""]))
    assert list(done.bars) == ["S"]
    assert done.reasons == {2: f"symbol '{symbol}' has \" or U+FFFD in it, as none has"}
    assert done.row(2)["symbol"] == symbol


REAL = ["BRK.B", "EUR/USD", "^GSPC", "ES=F", "0#.SPX", "700 HK", "M&M", "C:X'Y", "\u6771\u8a3c"]


@pytest.mark.parametrize("symbol", REAL)
def test_symbols_of_real_markets_pass(tmp_path, symbol):
    done = import_text(tmp_path, f"{HEADER}\n{symbol},2024-03-04 12:30,10,12,9,11,5\n")
    assert list(done.bars) == [symbol]
    quoted = import_text(tmp_path, f'{HEADER}\n"{symbol}",2024-03-04 12:31,10,12,9,11,5\n')
    assert (quoted.report.written, len(quoted.bars[symbol])) == (1, 2)
