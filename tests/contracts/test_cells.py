"""Cells: what a text, number or time becomes is exact, and never depends on its neighbours."""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.examples import EPOCH
from streaming.contracts import money_array, time_values, validate
from streaming.contracts.cells import read_cells
from streaming.contracts.columns import Column, Type, double, flag, integer, money, text, time
from streaming.contracts.scaled import scaled
from streaming.contracts.table import log_table
from streaming.errors import ContractError

LIMIT = 10**18
MONEY, DOUBLE, FLAG, COUNT = money("m", ""), double("d", ""), flag("f", ""), integer("i", "")
TEXT, TIME = text("t", ""), time("at", "")

DIGITS = st.text("0123456789", max_size=24)
BLANK = st.sampled_from(["", "", "", " ", "\t", "  \n"])
NUMBERS = st.builds(
    lambda left, sign, whole, point, fraction, exponent, right: (
        f"{left}{sign}{whole}{point}{fraction}{exponent}{right}"
    ),
    BLANK,
    st.sampled_from(["", "-", "+", "--"]),
    DIGITS,
    st.sampled_from(["", ".", ".", "..", ","]),
    DIGITS,
    st.one_of(
        st.just(""),
        st.integers(-30, 30).map("e{}".format),
        st.integers(-(10**30), 10**30).map("E{}".format),
        st.integers(0, 12).map("e+0{}".format),
    ),
    BLANK,
)
ODD = st.sampled_from(
    ["", " ", "nan", "NaN", "-inf", "Infinity", "1_000", "0x10", "0x1p3", "1e", "e5", ".", "1.",
     ".5", "+.5", "\u0663", "\uff101", "1 000", "1.0.0", "true", "TRUE", "f", "1e400", "-0",
     "0e99999999999", "9999999999.99999999",
     "9999999999.999999990000000000000000000000000000000000000",
     "9999999999.999999995", "10000000000", "9223372036854775807", "9223372036854775808",
     "-9223372036854775808", "1e18", "1e-8", "1e-9", "0.00000000999999999999999999999999999"]
)  # fmt: skip
TIMES = st.builds(
    lambda day, gap, clock, fraction, zone: f"{day}{gap}{clock}{fraction}{zone}",
    st.sampled_from(["2013-10-07", "2012-02-29", "2013-02-29", "0000-01-01", "0001-01-01",
                     "9999-12-31", "1970-01-01", "2013-13-01", "20131007", "2013-W41-1"]),
    st.sampled_from(["T", " ", "t", ""]),
    st.sampled_from(["13:31:00", "13:31", "13", "24:00:00", "23:59:60", "13:31:5", "133100", "1331",
                     ""]),
    st.sampled_from(["", "", ".5", ".123456", ".1234567", ".123456000", ".", ",5"]),
    st.sampled_from(["Z", "z", "+02:00", "-0930", "+02", "+24:00", "+02:60", "", " Z", "UTC",
                     "+2", "-00:00"]),
)  # fmt: skip


def read(column: Column, cells: list, kind: pa.DataType | None = None, *, naive: bool = False):
    """Read cells: a value, None where empty, or the words of the refusal, for each."""
    array = pa.array(cells, pa.string() if kind is None else kind)
    got = read_cells(column, array, naive_is_utc=naive)
    values = got.values.tolist() if hasattr(got.values, "tolist") else got.values.to_pylist()
    return [
        None if got.null[i] else got.refused.get(i, value)
        for i, value in enumerate(values)
    ]  # fmt: skip


def exact_units(cell: str) -> int | str:
    """The oracle: a text as units of 1e-8 by way of Python's Decimal."""
    word = cell.strip(" \t\n\v\f\r")
    if not word.isascii() or "_" in word:
        return "is not a number"
    try:
        number = Decimal(word)
    except InvalidOperation:
        # Decimal gives up on exponents of more digits than an int64 has.
        huge = re.fullmatch(r"([+-]?)([0-9]*)\.?([0-9]*)[eE][+-]?[0-9]+", word)
        if huge and (huge[2] or huge[3]):
            return "does not fit DECIMAL(18,8)" if (huge[2] + huge[3]).strip("0") else 0
        return "is not a number"
    if not number.is_finite():
        return "is not finite"
    if number == 0:
        return 0
    if not -8 - 60 < number.adjusted() < 11:
        return "does not fit DECIMAL(18,8)"
    units = Fraction(number) * 10**8
    fits = units.denominator == 1 and abs(units) < LIMIT
    return int(units) if fits else "does not fit DECIMAL(18,8)"


@settings(max_examples=600, deadline=None)
@given(st.lists(st.one_of(NUMBERS, ODD), min_size=1, max_size=5))
def test_text_becomes_money_exactly_or_not_at_all(cells):
    assert read(MONEY, cells) == [exact_units(cell) for cell in cells]


@settings(max_examples=200, deadline=None)
@given(st.decimals(min_value=-(10**11), max_value=10**11, allow_nan=False, places=None))
def test_decimals_become_money_exactly_or_not_at_all(number):
    digits = number.as_tuple()
    if digits.exponent < -38 or len(digits.digits) > 38 or digits.exponent > 30:
        return
    kind = pa.decimal128(38, max(-digits.exponent, 0))
    try:
        array = pa.array([number], kind)
    except pa.ArrowInvalid:
        return
    assert read(MONEY, array, kind) == [exact_units(str(array[0].as_py()))]


@pytest.mark.parametrize(
    "kind", [pa.decimal32(9, 2), pa.decimal64(18, 10), pa.decimal128(5, 2), pa.decimal128(38, 0),
             pa.decimal256(76, 20), pa.decimal128(6, -2)]
)  # fmt: skip
def test_every_kind_of_decimal_is_read(kind):
    number = Decimal("123") if kind.scale == 0 else Decimal("1.25")
    units = int(number * 10**8)
    if kind.scale < 0:
        number, units = Decimal("12300"), 12300 * 10**8
    assert read(MONEY, [number, None], kind) == [units, None]


def _near_tie(k: int, steps: int) -> float:
    tie = (2 * k + 1) / 2e8
    return tie + steps * math.ulp(tie)


def nearest_units(value: float) -> int | str:
    """The oracle: a double's exact value, rounded half-even (as Fraction rounds)."""
    if not math.isfinite(value):
        return "is not finite"
    units = round(Fraction(value) * 10**8)
    return units if abs(units) < LIMIT else "does not fit DECIMAL(18,8)"


@settings(max_examples=1500, deadline=None)
@given(
    st.one_of(
        st.floats(),
        st.floats(-1e10, 1e10),
        st.floats(-1, 1),
        # Ties: k/512 has nine places, the last one a 5.
        st.integers(-(2**52), 2**52).map(lambda k: k / 512),
        # Near ties, on both sides of where doubles still see a half.
        st.builds(_near_tie, st.integers(-(10**18), 10**18), st.integers(-3, 3)),
        st.builds(_near_tie, st.integers(-(10**15), 10**15), st.integers(-3, 3)),
        st.decimals(0, 10**9, places=2).map(float),
    )
)
@example(9999999999.999998)
@example(1e10)
@example(math.nextafter(1e10, 0))
@example(45035996.27370496)
@example(5e-324)
@example(0.000000005)
@example(-0.000000005)
def test_doubles_are_rounded_half_even_from_their_exact_value(value):
    assert read(MONEY, [value], pa.float64()) == [nearest_units(value)]


def test_many_doubles_at_once_are_rounded_as_one_by_one():
    rng = np.random.default_rng(5)
    scales = 10.0 ** rng.integers(-10, 11, 20_000)
    values = np.concatenate(
        [rng.uniform(-1, 1, 20_000) * scales, rng.integers(-(2**40), 2**40, 5_000) / 512]
    )
    units, fits = scaled(values)
    for value, unit, fit in zip(values.tolist(), units.tolist(), fits.tolist(), strict=True):
        assert (unit if fit else "does not fit DECIMAL(18,8)") == nearest_units(value)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_narrow_floats_are_read_by_their_own_value(kind):
    [value] = np.array([0.1], kind.to_pandas_dtype()).tolist()
    assert read(MONEY, pa.array([0.1], pa.float64()).cast(kind, safe=False), kind) == [
        nearest_units(value)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_become_money_or_do_not_fit(numbers):
    expected = [n * 10**8 if abs(n) < 10**10 else "does not fit DECIMAL(18,8)" for n in numbers]
    assert read(MONEY, numbers, pa.int64()) == expected


def test_unsigned_numbers_do_not_wrap():
    big = [0, 2**63, 2**64 - 1, None]
    wide = "does not fit DECIMAL(18,8)"
    assert read(MONEY, big, pa.uint64()) == [0, wide, wide, None]
    assert read(COUNT, big, pa.uint64()) == [0, *["is not a whole number"] * 2, None]
    assert read(DOUBLE, big, pa.uint64()) == [0.0, 2.0**63, 2.0**64, None]


@settings(max_examples=250, deadline=None)
@given(st.lists(st.one_of(NUMBERS, ODD, TIMES), min_size=2, max_size=9), st.booleans())
def test_what_a_cell_becomes_does_not_depend_on_its_neighbours(cells, naive):
    for column in (MONEY, DOUBLE, COUNT, FLAG, TIME):
        together = read(column, cells, naive=naive)
        alone = [read(column, [cell], naive=naive)[0] for cell in cells]
        # repr: NaN equals nothing, and a refused time may have been read to a NaN.
        assert repr(together) == repr(alone)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(NUMBERS, ODD), min_size=1, max_size=5))
def test_text_becomes_a_double_as_python_reads_it(cells):
    def expected(cell):
        word = cell.strip(" \t\n\v\f\r")
        if not word.isascii() or "_" in word:
            return "is not a number"
        try:
            return float(word)
        except ValueError:
            return "is not a number"

    assert repr(read(DOUBLE, cells)) == repr([expected(cell) for cell in cells])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(NUMBERS, ODD), min_size=1, max_size=5))
def test_text_becomes_a_whole_number_exactly_or_not_at_all(cells):
    def expected(cell):
        units = exact_units(cell)
        if isinstance(units, str) and "fit" not in units:
            return units
        try:
            number = Decimal(cell.strip())
        except InvalidOperation:
            return 0 if units == 0 else "is not a whole number"
        if number.adjusted() > 18 and number:
            return "is not a whole number"
        whole = number == number.to_integral_value() and abs(number) < 2**63
        return int(number) if whole else "is not a whole number"

    assert read(COUNT, cells) == [expected(cell) for cell in cells]


def test_doubles_become_whole_numbers_where_they_are():
    bad = "is not a whole number"
    assert read(COUNT, [3.0, -0.0, 3.5, math.nan, math.inf, 2.0**63, None], pa.float64()) == [
        3, 0, bad, bad, bad, bad, None,
    ]  # fmt: skip
    assert read(COUNT, [Decimal("3.00"), Decimal("3.01")], pa.decimal128(9, 2)) == [3, bad]


def test_decimals_become_doubles_to_the_last_bit():
    words = ["0.1", "123456789.12345678", "-0.00000001", "9999999999.99999999"]
    assert read(DOUBLE, [Decimal(word) for word in words], pa.decimal128(18, 8)) == [
        float(word) for word in words
    ]


def test_flags_are_read_from_flags_numbers_and_words():
    assert read(FLAG, [True, False, None], pa.bool_()) == [True, False, None]
    bad = "is not true or false"
    assert read(FLAG, [1, 0, 2, -1, None], pa.int8()) == [True, False, bad, bad, None]
    assert read(FLAG, ["true", " FALSE ", "1", "0", "yes", "", None]) == [
        True, False, True, False, bad, bad, None,
    ]  # fmt: skip


def test_identifiers_that_look_like_numbers_become_text():
    assert read(TEXT, [600519, None], pa.int64()) == ["600519", None]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(),
                                  pa.dictionary(pa.int8(), pa.string()),
                                  pa.dictionary(pa.int32(), pa.large_string())])  # fmt: skip
def test_every_kind_of_string_is_text(kind):
    cells = pa.array(["1.5", None, "abc", "1.5"]).cast(kind)
    assert read(TEXT, cells, kind) == ["1.5", None, "abc", "1.5"]
    assert read(MONEY, cells, kind) == [150_000_000, None, "is not a number", 150_000_000]


def test_run_lengths_and_extensions_are_undone():
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"]))
    assert read_cells(TEXT, runs, naive_is_utc=False).values.to_pylist() == ["a", "a", "b"]
    words = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['"x"']))
    assert read_cells(TEXT, words, naive_is_utc=False).values.to_pylist() == ['"x"']


MOMENTS = st.datetimes(
    datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@settings(max_examples=200, deadline=None)
@given(MOMENTS, st.integers(-14 * 60, 14 * 60), st.sampled_from("T "), st.integers(0, 3))
def test_times_are_read_from_text_with_any_offset(moment, offset, gap, zeros):
    from datetime import timezone

    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    written = local.isoformat(gap, "microseconds")
    day, zone = written[:-6], written[-6:]
    assert read(TIME, [f"{day}{'0' * zeros}{zone}", f" {written}\t"]) == [us(moment)] * 2


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Oslo", "+05:30"])
def test_times_are_read_from_timestamps_of_any_unit_and_zone(unit, zone):
    moment = datetime(2013, 10, 7, 13, 31, tzinfo=UTC)
    cells = pa.array([moment, None], pa.timestamp(unit, zone))
    assert read(TIME, cells, cells.type) == [us(moment), None]


def test_times_that_lose_something_are_refused():
    fine = pa.array([1_000, 1_001, -1], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    assert read(TIME, fine, fine.type) == [1, *["is finer than a microsecond"] * 2]
    far = pa.array([2**62, -(2**62), 1], pa.int64()).cast(pa.timestamp("s", "UTC"))
    assert read(TIME, far, far.type) == ["is not a time", "is not a time", 1_000_000]


def test_times_without_a_zone_are_utc_only_if_the_caller_says_so():
    naive = pa.timestamp("us")
    with pytest.raises(ContractError, match="column at has no time zone"):
        read(TIME, [0], naive)
    assert read(TIME, [60_000_000], naive, naive=True) == [60_000_000]
    texts = ["1970-01-01T00:01:00", "1970-01-01 00:01", "1970-01-01T01:01:00+01:00"]
    assert read(TIME, texts, naive=True) == [60_000_000] * 3
    assert read(TIME, texts) == ["has no time zone", "has no time zone", 60_000_000]


def test_a_table_holds_what_its_cells_were_read_as():
    table = log_table("t", "", [MONEY, DOUBLE, FLAG, COUNT, TEXT, TIME],
                      bucket_by=["t"], ordered_by="at", ttl_days=1)  # fmt: skip
    row = {"m": "1.5", "d": "2.5", "f": "true", "i": "3", "t": "x", "at": "2013-10-07T13:31:07Z"}
    good, _ = validate(table, pa.table({name: [cell] for name, cell in row.items()}), "f")
    assert good["m"].combine_chunks().equals(money_array(np.array([150_000_000])))
    assert time_values(good["at"]).tolist() == [1_381_152_667_000_000]
    assert [good[name][0].as_py() for name in "dfit"] == [2.5, True, 3, "x"]
    assert [column.type for column in table.columns] == [
        Type.MONEY, Type.DOUBLE, Type.BOOL, Type.INT, Type.TEXT, Type.TIME,
    ]  # fmt: skip
