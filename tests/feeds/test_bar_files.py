"""Files of every form give the same bars; what is no price file is refused by name."""

import bz2
import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import streaming.feeds.tabular as tabular
from streaming.errors import SourceError
from streaming.rules.units import SCALE

from .files import HEADER, Imported, import_text, kline

ROWS = ["S,2024-03-04 12:30,10,12,9,11,5", "S,2024-03-04 12:31,11,11.5,10,10.5,2.5"]
TEXT = "\n".join([HEADER, *ROWS, ""])
TS = [1709555400 * 10**6, 1709555460 * 10**6]


def assert_right(done: Imported, symbol: str = "S") -> None:
    bars = done.bars[symbol]
    assert bars.ts.tolist() == TS
    assert (np.array(bars[1:5]) / SCALE).tolist() == [[10, 11], [12, 11.5], [9, 10], [11, 10.5]]
    assert bars.volume.tolist() == [5, 2.5]


def test_csv(tmp_path):
    assert_right(import_text(tmp_path, TEXT))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path, delimiter):
    assert_right(import_text(tmp_path, TEXT.replace(",", delimiter)))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        "\n\n" + TEXT.replace("\n", "\n\n"),
        TEXT.replace("S,2024-03-04 12:30,10", '"S","2024-03-04 12:30","10"'),
        TEXT.replace(",", ", "),
        TEXT.rstrip(),
    ],
    ids=[
        "byte order mark",
        "carriage returns",
        "blank lines",
        "quotes",
        "blanks",
        "no last newline",
    ],
)
def test_csv_as_other_programs_write_it(tmp_path, text):
    assert_right(import_text(tmp_path, text))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda b: pa.compress(b, "zstd")])
def test_packed_csv(tmp_path, pack):
    packed = pack(TEXT.encode())
    assert_right(import_text(tmp_path, bytes(packed), "whatever.bin"))


def test_a_zip_of_several_files_counts_rows_through(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.csv", f"{HEADER}\n{ROWS[0]}\nbad,line\n")
        archive.writestr("2.csv", f"{HEADER}\n{ROWS[1]}\nS,soon,1,1,1,1,1\n")
    done = Imported(tmp_path / "lake", tmp_path / "a.zip")
    assert_right(done)
    assert list(done.reasons) == [2, 4]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.decimal128(12, 3), pa.string()])
@pytest.mark.parametrize("unit", ["us", "ns", "ms", None])
def test_parquet_of_any_types(tmp_path, kind, unit):
    ts = (
        pa.array(TS)
        if unit is None
        else pa.array(TS).cast(pa.timestamp("us")).cast(pa.timestamp(unit, tz="UTC"))
    )
    prices = {"open": [10, 11], "high": [12, 11.5], "low": [9, 10], "close": [11, 10.5]}
    table = pa.table(
        {
            "symbol": pa.array(["S", "S"]).dictionary_encode(),
            "time": ts,
            **{name: pa.array(values, pa.float64()).cast(kind) for name, values in prices.items()},
            "volume": [5.0, 2.5],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert_right(Imported(tmp_path / "lake", tmp_path / "a.parquet"))


def test_single_precision_means_its_shortest_text(tmp_path):
    price = pa.array([1.38725], pa.float32())
    table = {"ts": pa.array(TS[:1]), **dict.fromkeys(["open", "high", "low", "close"], price)}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    done = Imported(tmp_path / "lake", tmp_path / "a.parquet", symbol="S")
    assert done.bars["S"].close.tolist() == [138725000]


def test_labels_by_open_are_shifted_to_the_close(tmp_path):
    for symbol, header, how, shift in [
        ("A", "time", {"label": "open"}, 1),
        ("B", "time", {"label": "close"}, 0),
        ("C", "time", {}, 0),
        ("D", "open_time", {}, 1),
        ("E", "open_time", {"label": "close"}, 0),
    ]:
        text = f"{header},open,high,low,close\n2024-03-04 12:30,10,12,9,11\n"
        done = import_text(tmp_path, text, symbol=symbol, **how)
        assert done.bars[symbol].ts.tolist() == [TS[0] + shift * 60_000_000]


def test_symbols_come_from_the_column_or_the_option(tmp_path):
    no_symbol = TEXT.replace("symbol,", "").replace("S,", "")
    assert_right(import_text(tmp_path, no_symbol, symbol="T"), "T")
    with pytest.raises(SourceError, match=r"a.csv: has no symbol column.*--symbol"):
        import_text(tmp_path, no_symbol)


def test_a_symbol_given_never_overrides_the_one_in_the_file(tmp_path):
    with pytest.raises(SourceError, match=r"column 'symbol' says 'S', --symbol says 'R'"):
        import_text(tmp_path, TEXT, symbol="R")
    mixed = TEXT + "X,2024-03-04 12:32,1,1,1,1,1\n"
    with pytest.raises(SourceError, match="column 'symbol' says 'X', --symbol says 'S'"):
        import_text(tmp_path, mixed, symbol="S")
    assert not list((tmp_path / "lake").glob("price*"))
    # What it leaves empty, it does not say.
    assert_right(import_text(tmp_path, TEXT.replace("S,2024-03-04 12:31", ",2024-03-04 12:31"),
                             symbol="S"))  # fmt: skip
    assert_right(import_text(tmp_path, TEXT, symbol="S"))
    assert_right(import_text(tmp_path, TEXT, symbol="R", columns={"symbol": ""}), "R")


def test_a_mapping_names_the_columns(tmp_path):
    text = TEXT.replace(HEADER, "who,when,o,h,l,c,v")
    names = dict(zip(["symbol", "ts", "open", "high", "low", "close", "volume"],
                     ["who", "when", "o", "h", "l", "c", "v"], strict=True))  # fmt: skip
    assert_right(import_text(tmp_path, text, columns=names))


def test_a_date_and_a_time_column_are_joined(tmp_path):
    text = "DATE,TIME,OPEN,HIGH,LOW,CLOSE,VOL\n20240304,123000,10,12,9,11,5\n"
    text += "20240304,123100,11,11.5,10,10.5,2.5\n"
    assert_right(import_text(tmp_path, text, symbol="S", columns={"ts": "DATE+TIME"}))


@pytest.mark.parametrize("block", [100, 150, 1000])
def test_rows_keep_their_numbers_whatever_the_block(tmp_path, monkeypatch, block):
    monkeypatch.setattr(tabular, "BLOCK_BYTES", block)
    rows, wrong = [], []
    for at in range(1, 60):
        if at % 7 == 3:
            rows.append("cut,short")
        elif at % 5 == 1:
            rows.append("S,soon,1,1,1,1,1")
        else:
            rows.append(f"S,2024-03-04 12:{at:02d},10,12,9,11,5")
            continue
        wrong.append(at)
    done = import_text(tmp_path, "\n".join([HEADER, *rows]))
    assert list(done.reasons) == wrong
    assert len(done.bars["S"]) == 59 - len(wrong)


@pytest.mark.parametrize("unit", [1_000, 1_000_000])
@pytest.mark.parametrize("header", [False, True])
def test_binance_klines(tmp_path, unit, header):
    lines = [kline(1709555400, unit), kline(1709555460, unit)]
    if header:
        lines.insert(0, "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
                        "taker_buy_volume,taker_buy_quote_volume,ignore")  # fmt: skip
    name = "BTCUSDT-1m-2024-03.csv"
    done = import_text(tmp_path, "\n".join(lines), name, source="binance")
    assert list(done.bars) == ["BTCUSDT"]
    assert done.bars["BTCUSDT"].ts.tolist() == [t + 60_000_000 for t in TS]
    assert done.bars["BTCUSDT"].close.tolist() == [10_075_000_000] * 2
    assert done.bars["BTCUSDT"].volume.tolist() == [12.5] * 2


def test_binance_changes_its_unit_within_a_file(tmp_path):
    text = f"{kline(1709555400)}\n{kline(1709555460, 1_000_000)}\n"
    done = import_text(tmp_path, text, "X-1m-2025-01.csv", source="binance")
    assert done.bars["X"].ts.tolist() == [t + 60_000_000 for t in TS]


def test_binance_zips_as_they_are_shipped(tmp_path):
    name = "ETHUSDT-1m-2024-03-04"
    with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.csv", f"{kline(1709555400)}\n")
    done = Imported(tmp_path / "lake", tmp_path / f"{name}.zip", source="binance")
    assert len(done.bars["ETHUSDT"]) == 1


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (TEXT, "S-1m-2024-03.csv", "has 7 columns, Binance klines have 12"),
        ("1709555400000,1,2,1,2", "S-1m-2024-03.csv", "has 5 columns, Binance klines have 12"),
        (kline(1709555400), "S-5m-2024-03.csv", "named as bars of 5m"),
        (kline(1709555400), "btc.csv", "does not begin with a symbol"),
        (
            kline(1709555400).replace("1709555459999", "1709555699999"),
            "S-1m-2024-03.csv",
            "first bar is 300 s long",
        ),
    ],
)
def test_what_is_no_binance_file_of_minutes_is_refused(tmp_path, text, name, why):
    with pytest.raises(SourceError, match=why):
        import_text(tmp_path, text, name, source="binance")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "has no line that is not empty"),
        (HEADER.encode(), "has columns but no rows"),
        ((HEADER + "\n\n").encode(), "has columns but no rows"),
        (b"just some words\nand more\n", r"has no column ts and none open.*'just some words'"),
        (TEXT.encode("utf-16"), "looks like text in UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "looks like binary data"),
        (b"<html><body>404</body></html>", "looks like a web page"),
        (b'[{"ts": 1}]', "looks like JSON"),
        (b"PAR1 but no more", "is damaged or cut short"),
        (b"PK\x03\x04 half a zip", "looks like a zip or a spreadsheet"),
        (gzip.compress(TEXT.encode() * 100)[:-20], "is damaged or cut short"),
        (b"\xe9t\xe9,open\n1,2\n", "no UTF-8 text"),
    ],
)
def test_what_is_no_price_file_is_refused_and_changes_nothing(tmp_path, content, why):
    with pytest.raises(SourceError, match=f"a.csv: .*{why}|a.csv: {why}"):
        import_text(tmp_path, content)
    assert not list((tmp_path / "lake").glob("price*"))


def test_parquet_that_is_damaged_inside_is_refused_whole(tmp_path):
    ts = TS[0] + 60_000_000 * np.arange(50_000)
    price = np.random.default_rng(0).random(50_000) + 5
    table = pa.table({"ts": ts, **dict.fromkeys(["open", "high", "low", "close"], price)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, write_page_checksum=True, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a.parquet: is damaged or cut short"):
        Imported(tmp_path / "lake", path, symbol="S")
    assert not list((tmp_path / "lake").glob("price*"))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"none.csv: there is no such file"):
        Imported(tmp_path / "lake", tmp_path / "none.csv")
    with pytest.raises(SourceError, match="is a folder"):
        Imported(tmp_path / "lake", tmp_path)


def test_parquet_without_rows_or_with_strange_columns_is_refused(tmp_path):
    columns = dict.fromkeys(["ts", "open", "high", "low", "close"], pa.array([], pa.float64()))
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="has columns but no rows"):
        Imported(tmp_path / "lake", tmp_path / "a.parquet", symbol="S")
    columns = dict.fromkeys(["ts", "open", "high", "low", "close"], pa.array([True]))
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b.parquet, column 'ts': .*bool holds no times"):
        Imported(tmp_path / "lake", tmp_path / "b.parquet", symbol="S")


def test_parquet_with_prices_that_are_none_is_refused(tmp_path):
    columns = {
        "ts": pa.array(TS[:1]),
        **dict.fromkeys(["open", "high", "low", "close"], pa.array([True])),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a.parquet: column open is of type bool"):
        Imported(tmp_path / "lake", tmp_path / "a.parquet", symbol="S")


def test_bytes_that_are_no_utf8_cost_nothing(tmp_path):
    text = TEXT.replace("volume\n", "volume,note\n").replace(",5\n", ",5,caf\u00e9\n")
    text = text.replace(",2.5\n", ",2.5,x\n") + "S,soon,1,1,1,1,1,caf\u00e9\n"
    done = import_text(tmp_path, text.encode("latin-1"))
    assert_right(done)
    assert done.row(3)["note"] == "caf\\xe9"


@pytest.mark.parametrize("how", [{}, {"symbol": "S"}])
def test_a_symbol_that_is_no_utf8_is_quarantined_not_invented(tmp_path, how):
    odd = "\u00e9,2024-03-04 12:32,1,1,1,1,1\n\u00e8,soon,1,1,1,1,1\n"
    done = import_text(tmp_path, (TEXT + odd).encode("latin-1"), **how)
    assert_right(done)
    assert list(done.bars) == ["S"]
    assert done.reasons[3] == r"symbol '\xe9' is not UTF-8"
    assert done.reasons[4].startswith(r"symbol '\xe8' is not UTF-8; time 'soon'")
    assert done.row(3)["symbol"] is None
    assert done.row(3)["symbol in file"] == r"\xe9"
