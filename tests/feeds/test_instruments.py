"""The instruments file is read exactly, and refused by row where it makes no sense."""

import pytest

from streaming.errors import SourceError
from streaming.feeds.instruments import Instrument, Instruments, load_instruments
from streaming.rules.units import SCALE

HEADER = "symbol,lotSize,minQty,tickSize,pointValue,calendar"


def load(tmp_path, text):
    path = tmp_path / "instruments.csv"
    path.write_text(text)
    return load_instruments(path)


def test_amounts_are_exact_and_empty_cells_have_the_default(tmp_path):
    listed = load(
        tmp_path, f"{HEADER}\nSPY,1,2,0.01,1,XNYS\nBTC,0.00001,0.0001,,,\nES,,,0.25,50,\n"
    )
    assert listed["SPY"] == Instrument("SPY", SCALE, 2 * SCALE, SCALE // 100, SCALE, "XNYS")
    assert listed["BTC"] == Instrument("BTC", 1_000, 10_000, 0, SCALE, None)
    assert listed["ES"] == Instrument("ES", 1, 1, SCALE // 4, 50 * SCALE, None)
    assert listed.symbols == {"SPY", "BTC", "ES"}
    assert (len(listed), list(listed), "X" in listed) == (3, ["SPY", "BTC", "ES"], False)
    with pytest.raises(KeyError):
        listed["X"]


def test_without_a_file_every_symbol_is_known():
    listed = load_instruments(None)
    assert listed["ANY"] == Instrument("ANY", 1, 1, 0, SCALE, None)
    assert "ANY" in listed
    assert listed.symbols is None


def test_the_smallest_quantity_is_at_least_a_lot(tmp_path):
    assert load(tmp_path, "symbol,lotSize\nSPY,5\n")["SPY"].min_qty == 5 * SCALE


def test_the_digest_follows_what_is_said_not_where(tmp_path):
    one = load(tmp_path, "symbol,lotSize\nA,1\nB,2\n").digest
    assert load(tmp_path, "lotSize,symbol\n2.0,B\n1,A\n").digest == one
    assert load(tmp_path, "symbol,lotSize\nA,1\nB,3\n").digest != one
    assert Instruments().digest != one


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column 'symbol'"),
        (f"{HEADER}\n", "lists no instrument"),
        ("lotSize\n1\n", "no column 'symbol'"),
        ("symbol,lotsize\nA,1\n", r"'lotsize' is not known \(nearest: lotSize\)"),
        ("symbol,symbol\nA,B\n", "'symbol' is there twice"),
        ("symbol,lotSize\nA,1\n,1\n", "row 2: symbol is empty"),
        ("symbol,lotSize\nA,1\nA,1\n", "row 2: A is there twice"),
        ("symbol,lotSize\nA\n", "row 1: does not have one cell for each column"),
        ("symbol,lotSize\nA,1,2\n", "row 1: does not have one cell for each column"),
        ("symbol,lotSize\nA,x\n", "row 1: lotSize 'x' is no number"),
        ("symbol,lotSize\nA,0\n", "row 1: lotSize 0 must be above 0"),
        ("symbol,lotSize\nA,-1\n", "row 1: lotSize -1 must be above 0"),
        ("symbol,lotSize\nA,nan\n", "does not fit"),
        ("symbol,lotSize\nA,0.000000001\n", "does not fit"),
        ("symbol,tickSize\nA,-1\n", "row 1: tickSize -1 must be at least 0"),
        ("symbol,pointValue\nA,0\n", "row 1: pointValue 0 must be above 0"),
        ("symbol,lotSize,minQty\nA,2,3\n", "minQty 3 is no multiple of lotSize 2"),
        ("symbol,calendar\nA,XNYSE\n", r"A has the calendar 'XNYSE'.*Near: .*XNYS"),
    ],
)
def test_what_cannot_be_is_refused_by_row(tmp_path, text, why):
    with pytest.raises(SourceError, match=rf"instruments.csv.*{why}"):
        load(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"none.csv: cannot be read"):
        load_instruments(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"symbol\n\xff\xfe\n")
    with pytest.raises(SourceError, match=r"b.csv: cannot be read"):
        load_instruments(tmp_path / "b.csv")
