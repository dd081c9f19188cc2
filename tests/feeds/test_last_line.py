"""A copy that was interrupted may end within a number: its last line is not taken for whole."""

import gzip
import zipfile

import pytest

from streaming.feeds.reading import Reading
from streaming.feeds.tabular import BLOCK_BYTES

from .files import HEADER, Imported, import_text, kline


def _row(at: int) -> str:
    return f"S,2024-03-04 00:{at:02d},10,12,9,11,1234"


TEXT = "\n".join([HEADER, _row(1), _row(2), _row(3), ""])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_wherever_a_file_is_cut_no_row_that_it_did_not_have_is_written(tmp_path, end):
    text = TEXT.replace("\n", end)
    rows = {1: 0, 2: 0, 3: 0}
    for cut in range(len(HEADER) + 2 * len(end) + 3, len(text) + 1):
        done = import_text(tmp_path / str(cut) / "x", text.encode()[:cut])
        for volume in done.bars.get("S").volume.tolist() if done.bars else []:
            assert volume == 1234
        written = done.report.written
        rows[written] = rows.get(written, 0) + 1
        assert done.report.read == written + done.report.quarantined
        # Whole lines are taken, and of a line that is not there is nothing to say.
        assert written == text[:cut].replace("\r\n", "\n").replace("\r", "\n").count("\n") - 1
    assert min(rows.values()) > 0


def test_the_row_is_kept_with_its_reason_and_advice(tmp_path):
    done = import_text(tmp_path, TEXT.encode()[:-3])
    assert (done.report.written, done.report.quarantined) == (2, 1)
    assert "the file ends within this line" in done.reasons[3]
    assert "last_line" in done.reasons[3]
    assert done.row(3) == {"line": _row(3)[:-2]}


def test_who_knows_that_files_end_so_says_it(tmp_path):
    done = import_text(tmp_path, TEXT.encode()[:-1], last_line="whole")
    assert (done.report.written, done.report.quarantined) == (3, 0)


def test_the_whole_file_brings_what_the_cut_one_lacked(tmp_path):
    import_text(tmp_path, TEXT.encode()[:-3])
    done = import_text(tmp_path, TEXT.encode())
    assert (done.report.written, done.report.duplicate) == (1, 2)
    assert done.bars["S"].volume.tolist() == [1234, 1234, 1234]


def test_klines_without_a_header_too(tmp_path):
    text = f"{kline(1_709_251_200)}\n{kline(1_709_251_260)}"
    done = import_text(tmp_path, text.encode(), "BTCUSDT-1m-2024-03-01.csv", source="binance")
    assert (done.report.written, done.report.quarantined) == (1, 1)


def test_packed_files_are_whole_or_refused(tmp_path):
    """So what they hold may end as it likes."""
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT.rstrip().encode()))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("b.csv", TEXT.rstrip())
    for name in ("a.csv.gz", "b.zip"):
        done = Imported(tmp_path / name.replace(".", "-"), tmp_path / name)
        assert (done.report.written, done.report.quarantined) == (3, 0)


def test_a_last_line_behind_several_blocks(tmp_path):
    many = BLOCK_BYTES // len(_row(1)) + 10
    lines = [HEADER, *(f"S{at},2024-03-04 00:01,10,12,9,11,1234" for at in range(many))]
    done = import_text(tmp_path, "\n".join(lines).encode())
    assert (done.report.written, done.report.quarantined) == (many - 1, 1)
    assert done.report.reasons[0].row == many


def test_the_default_is_to_doubt():
    assert Reading().last_line == "doubtful"
