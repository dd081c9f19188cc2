"""JSON lines are read as CSV is: cell by cell as written, bad lines refused alone."""

import gzip
import json
import zipfile

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.errors import SourceError
from streaming.feeds import json_lines
from streaming.feeds.tabular import open_rows

from .files import HEADER, Imported, import_text
from .test_bar_files import ROWS, assert_right

NAMES = HEADER.split(",")
LINES = [
    '{"symbol": "S", "ts": "2024-03-04 12:30", "open": 10, "high": 12.0, "low": 9, "close": 11, '
    '"volume": 5}',
    '{"volume": "2.5", "symbol":"S","ts":1709555460000,"open":11,"high":"11.5","low":10,'
    '"close":1.05e1}',
]


def read(path):
    with open_rows(path, header=lambda cells: None) as (source,):
        batches = list(source.batches())
    return pa.concat_tables([batch.rows for batch in batches]), batches


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n \n"])
def test_objects_give_the_bars_of_a_csv(tmp_path, begin, end):
    assert_right(import_text(tmp_path, begin + end.join(LINES), "a.jsonl"))


def test_packed_and_in_a_zip_beside_a_csv(tmp_path):
    text = "\n".join(LINES) + "\n"
    assert_right(import_text(tmp_path, gzip.compress(text.encode()), "a.jsonl.gz"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.csv", f"{HEADER}\n{ROWS[0]}\n")
        archive.writestr("2.jsonl", LINES[1])
    assert_right(Imported(tmp_path / "other", tmp_path / "a.zip"))


def test_a_bad_line_is_refused_alone_and_told(tmp_path):
    bad = [
        '{"symbol": "S", "ts": "2024-03-04 12:3',
        "[1, 2]",
        "7",
        '{"symbol": "S", "open": 1, "open": 2}',
        "[" * 100_000,
        '{"symbol": "S", "ts": "2024-03-04 12:32", "open": 10, "high": 9, "low": 9, "close": 9}',
        '{"ts": "2024-03-04 12:33", "open": 1, "high": 1, "low": 1, "close": 1, "symbol": null}',
    ]
    done = import_text(tmp_path, "\n".join([LINES[0], *bad, LINES[1]]), "a.jsonl")
    assert_right(done)
    assert done.reasons[2].startswith("line is no JSON (")
    assert done.reasons[3] == done.reasons[4] == "line is no JSON object: write it as {...}"
    assert done.reasons[5] == "line has the key 'open' twice"
    assert done.reasons[6] in ("line is nested too deeply", done.reasons[2])
    assert done.reasons[7] == "open 10 is above high 9"
    assert done.reasons[8] == "symbol is missing"
    assert done.row(2) == {"line": bad[0]}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("NaN", "open NaN is not finite"),
        ("-Infinity", "open -Infinity is not finite"),
        ("10.000000001", "does not fit DECIMAL(18,8)"),
        ("true", "open 'true' is not a number"),
        ('{"a": [1.50, null]}', """open '{"a": [1.50, null]}' is not a number"""),
        ("1" * 5000, "does not fit DECIMAL(18,8)"),
    ],
)
def test_a_cell_is_what_was_written(tmp_path, written, reason):
    line = LINES[0].replace('"open": 10', f'"open": {written}').replace("12:30", "12:29")
    done = import_text(tmp_path, "\n".join([line, *LINES]), "a.jsonl")
    assert_right(done)
    assert reason in done.reasons[1]


def test_a_key_may_come_late_or_be_missing(tmp_path):
    lines = ['{"a": 1}', *['{"a": 1, "c": null}'] * 3, '{"b": "x", "a": "2"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    rows, _ = read(tmp_path / "a.jsonl")
    assert rows.column_names == ["a", "c", "b"]
    assert rows["a"].to_pylist() == ["1"] * 4 + ["2"]
    assert rows["b"].to_pylist() == [None] * 4 + ["x"]


def test_bytes_that_are_no_utf8_spoil_their_row_where_it_matters(tmp_path):
    text = "\n".join(LINES).encode()
    strange = LINES[0].replace('"S"', '"\u00e9"').encode("latin-1")
    half = LINES[0].replace('"S"', r'"\ud800"').encode()
    done = import_text(tmp_path, b"\n".join([text, strange, half]), "a.jsonl")
    assert_right(done)
    assert done.reasons[3] == r"symbol '\xe9' is not UTF-8"
    assert "is not UTF-8" in done.reasons[4]


@pytest.mark.parametrize("content", ["{}", '{\n"a": 1\n}', '{"a": \n'])
def test_what_has_no_object_in_a_line_is_refused(tmp_path, content):
    with pytest.raises(SourceError, match=r"a.jsonl: has no line that is a JSON object with keys"):
        import_text(tmp_path, content, "a.jsonl")


def test_a_line_without_an_end_is_no_reason_to_read_it_all(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 64)
    with pytest.raises(SourceError, match="a line of more than 64 bytes"):
        import_text(tmp_path, '{"a": "' + "x" * 1000, "a.jsonl")


CELLS = st.one_of(
    st.none(),
    st.text('ab"\\\n\r\u2028 \u6771', max_size=6),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abcd"), CELLS), min_size=1, max_size=30),
    block=st.integers(300, 900),
)
def test_any_blocks_give_the_cells_that_were_written(tmp_path_factory, rows, block):
    if not any(rows):
        return
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_lines, "BLOCK_BYTES", block)
        found, batches = read(path)
    assert [n for batch in batches for n in batch.number] == list(range(1, len(rows) + 1))
    for name in found.column_names:
        wanted = [
            row.get(name) if isinstance(row.get(name), str | None) else json.dumps(row[name])
            for row in rows
        ]
        assert found[name].to_pylist() == wanted
