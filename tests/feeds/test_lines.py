"""A quote left open spoils its own line and no other."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.feeds import tabular
from streaming.feeds.lines import OPEN_QUOTE, SoundLines

from .files import HEADER, import_text


def _row(at: int) -> str:
    return f"S,2024-03-04 {at // 60:02d}:{at % 60:02d},10,12,9,11,5"


def _through(text: bytes, size: int, columns: int = 3) -> tuple[SoundLines, list[str]]:
    stream = SoundLines(io.BytesIO(text), ",", columns)
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
    return stream, b"".join(parts).decode().splitlines(keepends=True)


def _is_open(line: str) -> bool:
    """Walk a line letter by letter, as the reader of CSV does."""
    begins, quoted, at = True, False, 0
    while at < len(line):
        letter = line[at]
        if quoted:
            if letter == '"' and line[at + 1 : at + 2] == '"':
                at += 1
            elif letter == '"':
                quoted = False
        elif letter == ",":
            begins = True
            at += 1
            continue
        elif letter == '"' and begins:
            quoted = True
        begins = False
        at += 1
    return quoted


@settings(max_examples=500, deadline=None)
@given(
    lines=st.lists(st.text('",a', max_size=12), max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    size=st.integers(1, 60),
)
def test_lines_with_an_open_quote_are_one_cell_too_long_and_others_as_they_were(
    lines, end, last, size
):
    text = end.join(lines) + (end if last else "")
    # No line is longer than what the reader takes at once.
    stream, got = _through(text.encode(), max(size, 16))
    before = text.splitlines(keepends=True)
    assert len(got) == len(before)
    for line, was in zip(got, before, strict=True):
        bare = line.rstrip("\r\n")
        if _is_open(was.rstrip("\r\n")):
            assert bare.count(",") == 3
            assert stream.original(bare) == (was.rstrip("\r\n"), OPEN_QUOTE)
        else:
            assert line == was
            assert stream.original(bare) is None


@pytest.mark.parametrize(
    "line",
    [
        '"' + _row(500),
        _row(500).replace("10,", '"10,'),
        _row(500) + ',"',
        _row(500).replace("S,", '"S"",'),
        _row(500)[:-1] + '"5',
        '"' + _row(500) + ",caf\u00e9",
    ],
)
@pytest.mark.parametrize("block", [1 << 22, 300])
def test_the_line_alone_is_quarantined_as_it_was(tmp_path, monkeypatch, line, block):
    monkeypatch.setattr(tabular, "BLOCK_BYTES", block)
    rows = [_row(at) for at in range(1, 1000)]
    rows[499] = line
    rows[600] = "cut,short"
    done = import_text(tmp_path, "\n".join([HEADER, *rows, ""]))
    assert (done.report.read, done.report.written, done.report.quarantined) == (999, 997, 2)
    assert done.reasons[500] == "line ends within a quote"
    assert done.row(500) == {"line": line}
    assert done.reasons[601] == "line has 2 cells for 7 columns"


def test_open_quotes_on_the_first_and_the_last_line_and_on_every_other(tmp_path):
    rows = [('"' if at % 2 else "") + _row(at) for at in range(1, 1000)]
    done = import_text(tmp_path, "\n".join([HEADER, *rows]))
    assert (done.report.read, done.report.written) == (999, 499)
    assert list(done.reasons) == list(range(1, 1000, 2))


def test_quotes_that_close_are_as_good_as_none(tmp_path):
    rows = [",".join(f'"{cell}"' for cell in _row(at).split(",")) for at in range(1, 100)]
    rows.append(_row(100) + ',"a ""note"", with both"')
    rows.append(_row(101) + ',12" wide')
    done = import_text(tmp_path, "\n".join([HEADER + ",note", *(r + "," for r in rows[:99]),
                                            *rows[99:]]))  # fmt: skip
    assert (done.report.read, done.report.written) == (101, 101)


def test_bytes_that_are_no_utf8_on_a_line_with_an_open_quote(tmp_path):
    text = "\n".join([HEADER, _row(1), '"caf\u00e9,' + _row(2), _row(3), ""])
    done = import_text(tmp_path, text.encode("latin-1"))
    assert done.report.written == 2
    assert done.row(2)["line"].startswith(r'"caf\xe9,S')
