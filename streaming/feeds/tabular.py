"""Files of rows, as they are: CSV, Parquet and JSON lines, batch by batch, cells untouched.

What a file is, is told by its first bytes, not by its name: Parquet, CSV (comma, semicolon,
tab or bar between the cells) or JSON lines, text also under gzip, bzip2 or zstd, or a zip of
such files. Cells of a CSV stay exact text; an empty one is null. Bytes that are not UTF-8 are
told and escaped, wherever text should be. Memory follows the batch.
"""

import csv
import hashlib
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from streaming.errors import SourceError
from streaming.feeds.json_lines import JsonRows
from streaming.feeds.lines import SoundLines
from streaming.feeds.raw_rows import RawBatch, Refused
from streaming.feeds.utf8 import text_of_bytes, text_of_parquet

# The reader of CSV keeps some thirty blocks ahead: this bounds its memory, near 128 MiB.
BLOCK_BYTES = 1 << 22
_BATCH_ROWS = 1 << 18
_HEAD_BYTES = 1 << 16
_DELIMITERS = ",;\t|"
_Packing = Literal["bz2", "gzip", "zstd"]
_PACKED: dict[bytes, _Packing] = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_NOT_TEXT = {
    b"PK": "a zip or a spreadsheet",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"<": "a web page or XML",
    b"[": "JSON in one array (write an object a line)",
    b"ARROW1": "an Arrow file",
}


class Rows(Protocol):
    """A file, or a member of a zip, opened: its columns and then its rows."""

    name: str
    columns: list[str]

    def batches(self) -> Iterator[RawBatch]:
        """Give the rows in order, once."""
        ...


def digest_of(path: Path, *, named: bool = True) -> str:
    """Give a digest (32 hex digits) of a file's content, and of its name unless told not to.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    with _readable(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        if named:
            digest.update(path.name.encode())
        return digest.hexdigest()


@contextmanager
def open_rows(
    path: Path, *, header: Callable[[list[str]], list[str] | None], doubtful_end: bool = False
) -> Iterator[list[Rows]]:
    """Open a file: one source of rows, or several for the members of a zip.

    Parameters
    ----------
    path
        The file.
    header
        Given the cells of a CSV's first line: None if they are the names of the columns,
        otherwise the names to use, the first line then being a row.
    doubtful_end
        Refuse the last line of a CSV that no line end follows: it may have been cut. One that
        is packed is known to be whole, or cannot be read.

    Raises
    ------
    SourceError
        If the file is missing, empty, or nothing that this module reads.
    """
    with _readable(path):
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if not head:
            raise SourceError(f"{path}: is empty.")
        if head.startswith(b"PAR1"):
            with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as parquet:
                yield [_ParquetRows(path, parquet)]
        elif zipfile.is_zipfile(path) and not _is_spreadsheet(path):
            with zipfile.ZipFile(path) as archive:
                yield _members(path, archive, header)
        else:
            packed = next((kind for magic, kind in _PACKED.items() if head.startswith(magic)), None)
            doubtful = doubtful_end and packed is None
            opened = partial(_stream, path, packed)
            yield [_text_rows(path, path.name, opened, header, doubtful)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file.") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path}: is a folder. Name the files in it.") from error
    except PermissionError as error:
        raise SourceError(f"{path}: may not be read ({error.strerror}).") from error
    except (OSError, EOFError, zipfile.BadZipFile, pa.ArrowException, UnicodeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{path}: is damaged or cut short ({why}). Fetch it again.") from error


class _Stream(NamedTuple):
    """Bytes of a CSV, and how far its file has been read: 0 to 1."""

    bytes: Any
    done: Callable[[], float]


@contextmanager
def _stream(path: Path, packed: _Packing | None) -> Iterator[_Stream]:
    size = path.stat().st_size
    with pa.OSFile(str(path), "rb") as file:
        stream = pa.CompressedInputStream(file, packed) if packed else file
        yield _Stream(stream, lambda: min(file.tell() / size, 1.0))


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[_Stream]:
    size = max(archive.getinfo(name).file_size, 1)
    with archive.open(name) as file:
        yield _Stream(file, lambda: file.tell() / size)


def _is_spreadsheet(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return "[Content_Types].xml" in archive.namelist()


def _members(
    path: Path, archive: zipfile.ZipFile, header: Callable[[list[str]], list[str] | None]
) -> list[Rows]:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if not names:
        raise SourceError(f"{path}: is a zip without a file in it.")
    return [_text_rows(path, name, partial(_member, archive, name), header) for name in names]


def _text_rows(
    path: Path,
    name: str,
    opened: Callable[[], AbstractContextManager[_Stream]],
    header: Callable[[list[str]], list[str] | None],
    doubtful_end: bool = False,
) -> Rows:
    with opened() as stream:
        head = stream.bytes.read(_HEAD_BYTES)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return JsonRows(str(path) if name == path.name else f"{path}, {name}", name, opened)
    return _CsvRows(path, name, opened, header, head, doubtful_end)


class _ParquetRows:
    def __init__(self, path: Path, file: pq.ParquetFile) -> None:
        self.name = path.name
        self.columns = list(file.schema_arrow.names)
        self._file = file
        self._path = path
        if file.metadata.num_rows == 0:
            raise SourceError(f"{path}: has columns but no rows.")

    def batches(self) -> Iterator[RawBatch]:
        done = 0
        # A name met twice cannot be read by name; the mapping refuses it if it is needed.
        once = [name for name in self.columns if self.columns.count(name) == 1]
        for batch in self._read(once):
            number = np.arange(done + 1, done + batch.num_rows + 1, dtype=np.int64)
            done += batch.num_rows
            part = done / self._file.metadata.num_rows
            texts = [text_of_parquet(column) for column in batch.columns]
            rows = pa.table([text for text, _ in texts], once)
            odd = {name: at for name, (_, at) in zip(once, texts, strict=True) if at}
            yield RawBatch(rows, number, [], part, odd)

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._file.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False)
        except pa.ArrowInvalid as error:
            # Bytes of plain text come through and are looked at row by row, those of a
            # dictionary do not.
            if "UTF8" not in str(error) or not columns:
                raise
            if len(columns) == 1:
                raise SourceError(
                    f"{self._path}: column {columns[0]!r} holds bytes that are not UTF-8. Write it "
                    "as plain text, without a dictionary, to have those rows quarantined alone."
                ) from error
            for name in columns:
                deque(self._read([name]), 0)
            raise


class _CsvRows:
    def __init__(
        self,
        path: Path,
        name: str,
        opened: Callable[[], AbstractContextManager[_Stream]],
        header: Callable[[list[str]], list[str] | None],
        head: bytes,
        doubtful_end: bool = False,
    ) -> None:
        self.name = name
        self._doubtful_end = doubtful_end
        self._path = path
        self._open = opened
        first = _first_line(path, head)
        counts = [first.count(delimiter) for delimiter in _DELIMITERS]
        self._delimiter = _DELIMITERS[int(np.argmax(counts))]
        cells = next(csv.reader([first], delimiter=self._delimiter))
        given = header(cells)
        self.columns = [cell.strip() for cell in cells] if given is None else given
        self._skip = 1 if given is None else 0

    def batches(self) -> Iterator[RawBatch]:
        """Give the rows; lines with another number of cells, or an open quote, are refused."""
        left_out: list[Refused] = []
        names = [f"c{at}" for at in range(len(self.columns))]
        done = 0
        with self._open() as stream:
            file = SoundLines(
                stream.bytes, self._delimiter, len(names), doubtful_end=self._doubtful_end
            )

            def refuse(line: pyarrow.csv.InvalidRow) -> Literal["skip", "error"]:
                number = (line.number or 0) - self._skip
                why = f"line has {line.actual_columns} cells for {line.expected_columns} columns"
                line_text, why = file.original(line.text) or (line.text, why)
                left_out.append(Refused(number, line_text, why))
                return "skip"

            for batch in self._read(file, names, refuse):
                upto = _rows_through(done, batch.num_rows, [line.number for line in left_out])
                lines = [line for line in left_out if done < line.number <= upto]
                number = np.arange(done + 1, upto + 1, dtype=np.int64)
                number = np.setdiff1d(number, [line.number for line in lines], assume_unique=True)
                done = upto
                left_out = [line for line in left_out if line.number > upto]
                texts = [text_of_bytes(column) for column in batch.columns]
                rows = pa.table([text for text, _ in texts], self.columns)
                odd = {
                    name: places
                    for name, (_, places) in zip(self.columns, texts, strict=True)
                    if places
                }
                yield RawBatch(rows, number, lines, stream.done(), odd)
        if left_out:
            nothing = pa.table([pa.nulls(0, pa.string())] * len(names), self.columns)
            yield RawBatch(nothing, np.empty(0, np.int64), left_out, 1.0)

    def _read(
        self,
        file: Any,
        names: list[str],
        refuse: Callable[[pyarrow.csv.InvalidRow], Literal["skip", "error"]],
    ) -> Iterator[pa.RecordBatch]:
        try:
            yield from pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(
                    # One thread: with more, refused lines would not know their number.
                    use_threads=False,
                    block_size=BLOCK_BYTES,
                    column_names=names,
                    skip_rows=self._skip,
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, invalid_row_handler=refuse
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.binary()),
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            # The second: a header and not even the end of its line.
            if "Empty CSV" in str(error) or "Could not skip" in str(error):
                raise SourceError(f"{self._path}: has columns but no rows.") from error
            raise


def _rows_through(done: int, good: int, refused: list[int]) -> int:
    """Give the number of the last row of a batch with `good` rows that starts after `done`."""
    last = done + good
    for number in sorted(refused):
        # Lines refused right after the last good row go along with it.
        if number <= last + 1:
            last += 1
    return last


def _first_line(path: Path, head: bytes) -> str:
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            raise SourceError(f"{path}: looks like {what}, not like CSV, JSON lines or Parquet.")
    if b"\0" in head:
        raise SourceError(f"{path}: looks like binary data, not like CSV, JSON lines or Parquet.")
    lines = head.removeprefix(b"\xef\xbb\xbf").splitlines()
    line = next((line for line in lines if line.strip()), b"")
    if not line:
        raise SourceError(f"{path}: has no line that is not empty.")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: its first line is no UTF-8 text ({error.reason}).") from error
